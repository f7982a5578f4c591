//! Thousands of requests that are nearly right: each is answered, in the API's shape and without a
//! fault of ours, and afterwards the server lives and its store agrees with its ledger.
//!
//! The same seed sends the same requests. `MEC_FUZZ_SEED` and `MEC_FUZZ_REQUESTS` try others.

pub(crate) mod grammar;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::grammar::Grammar;
use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(whatever_is_sent_is_answered_in_the_apis_shape);

const SEED: u64 = 20_261_124;
const REQUESTS: u64 = 10_000;

/// An answer that takes longer is a hang.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// The faults of ours that the documents promise.
const UNAVAILABLE: [u16; 2] = [503, 504];

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

async fn whatever_is_sent_is_answered_in_the_apis_shape(home: Home) {
    let number = |name: &str, default| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (seed, requests) = (
        number("MEC_FUZZ_SEED", SEED),
        number("MEC_FUZZ_REQUESTS", REQUESTS),
    );
    eprintln!("seed {seed}, {requests} requests");
    let api = Api::on(home).await;
    let mut ids = Vec::new();
    for (external_id, plan) in [
        ("acme", "starter"),
        ("acme-team", "pro"),
        ("globex", "enterprise"),
        ("initech", "trial-14d"),
    ] {
        ids.push(api.customer(external_id, plan).await.to_string());
    }
    let codes = documented();
    let mut grammar = Grammar::of(seed, ids);
    let mut problems = BTreeMap::<String, String>::new();
    let mut statuses = BTreeMap::<u16, u64>::new();
    let mut wire = TcpStream::connect(api.address())
        .await
        .expect("a connection");
    for turn in 0..requests {
        let request = grammar.request();
        let bytes = request.bytes();
        let shown = || {
            format!(
                "seed {seed}, request {turn}:\n{}",
                String::from_utf8_lossy(&bytes)
            )
        };
        let answered = timeout(
            ANSWERS_WITHIN,
            ask(&mut wire, &bytes, request.method == "HEAD"),
        )
        .await;
        let answer = answered.unwrap_or_else(|_| panic!("no answer to {}", shown()));
        let answer = answer.unwrap_or_else(|problem| panic!("{problem} in answer to {}", shown()));
        if let Err(problem) = judge(&answer, &codes, request.method == "HEAD", &bytes) {
            // One of a kind is enough to look into.
            let told = format!(
                "{} {:?}\n{}\nin answer to {}",
                answer.status,
                answer.headers,
                answer.body,
                shown()
            );
            problems
                .entry(format!("{problem}, {}", answer.status))
                .or_insert(told);
        }
        *statuses.entry(answer.status).or_default() += 1;
        if answer.status < 300 {
            uuids(&answer.body)
                .take(4)
                .for_each(|id| grammar.learn(id.to_owned()));
        }
        if answer
            .headers
            .get("connection")
            .is_some_and(|value| value == "close")
        {
            wire = TcpStream::connect(api.address())
                .await
                .expect("a connection");
        }
        if turn % 500 == 0 {
            api.pass(60);
        }
    }
    eprintln!("answered: {statuses:?}");
    let problems: Vec<_> = problems
        .iter()
        .map(|(problem, told)| format!("{problem}: {told}"))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    assert!(
        [200, 201, 204, 400, 404, 409]
            .iter()
            .all(|status| statuses.contains_key(status)),
        "{statuses:?}"
    );
    assert_eq!(api.get("/health").await.ok()["status"], "healthy");
    let (store, catalog) = mec_store::Store::open_read_only(api.store_url()).expect("the store");
    let report = store
        .verify(&catalog, api.mec.now(), &mut |_| {})
        .expect("a report");
    assert!(
        report.is_clean() && report.events > 0,
        "seed {seed}: {report:?}"
    );
}

/// Sends a request and reads its answer.
async fn ask(wire: &mut TcpStream, request: &[u8], is_head: bool) -> Result<Answer, String> {
    let broken = |error: std::io::Error| error.to_string();
    wire.write_all(request).await.map_err(broken)?;
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(found) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break found + 4;
            }
            if wire.read_buf(&mut read).await.map_err(broken)? == 0 {
                return Err(format!(
                    "the connection ended after {:?}",
                    String::from_utf8_lossy(&read)
                ));
            }
        };
        let head =
            String::from_utf8(read.drain(..end).collect()).map_err(|error| error.to_string())?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse::<u16>().ok())
            .ok_or("no status")?;
        if status == 100 {
            continue;
        }
        let headers = head.lines().filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<_, _> = headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .get("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        let length = if is_head || status == 204 {
            0
        } else {
            length.ok_or("no Content-Length")?
        };
        while read.len() < length {
            if wire.read_buf(&mut read).await.map_err(broken)? == 0 {
                return Err("the connection ended within the body".to_owned());
            }
        }
        if read.len() > length {
            return Err("the body is longer than its Content-Length".to_owned());
        }
        return Ok(Answer {
            status,
            headers,
            body: String::from_utf8(read).map_err(|error| error.to_string())?,
        });
    }
}

/// What is wrong with an answer.
fn judge(
    answer: &Answer,
    codes: &BTreeSet<String>,
    is_head: bool,
    request: &[u8],
) -> Result<(), String> {
    let wrong = |what: &str| Err(what.to_owned());
    if !answer.headers.contains_key("x-request-id") {
        return wrong("no X-Request-Id");
    }
    if answer.status >= 500 && !UNAVAILABLE.contains(&answer.status) {
        return wrong("a fault of ours");
    }
    if answer.status == 503 && !answer.headers.contains_key("retry-after") {
        return wrong("no Retry-After");
    }
    if answer.status == 405 && !answer.headers.contains_key("allow") {
        return wrong("no Allow");
    }
    if is_head || answer.status == 204 {
        return Ok(());
    }
    let content_type = answer.headers.get("content-type").map(String::as_str);
    if (200..300).contains(&answer.status) {
        let is_json = content_type.is_some_and(|name| name.contains("json"));
        return match serde_json::from_str::<Value>(&answer.body) {
            Err(error) if is_json => Err(format!("no JSON: {error}")),
            _ => Ok(()),
        };
    }
    if content_type != Some("application/json; charset=utf-8") {
        return wrong("an error that is not JSON");
    }
    let body: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    let keys: Option<Vec<&str>> = body
        .as_object()
        .map(|body| body.keys().map(String::as_str).collect());
    if keys.as_deref() != Some(&["code", "message", "details", "hint"]) {
        return wrong("not the four keys");
    }
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    if text("message").is_empty() || text("hint").is_empty() {
        return wrong("no message or hint");
    }
    if !codes.contains(text("code")) {
        return wrong("a code without a section in docs/errors.md");
    }
    let asked = String::from_utf8_lossy(request).to_lowercase();
    match uuids(text("hint")).find(|id| !asked.contains(id)) {
        Some(_) => wrong("a hint that names what was not asked about"),
        None => Ok(()),
    }
}

fn documented() -> BTreeSet<String> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md"))
            .expect("docs/errors.md");
    let titles = page.lines().filter_map(|line| line.strip_prefix("### "));
    titles
        .flat_map(|title| title.split(", "))
        .map(|code| code.trim_matches('`').to_owned())
        .collect()
}

/// The ids in a text.
fn uuids(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|char: char| !char.is_ascii_hexdigit() && char != '-');
    parts.filter(|part| part.len() == 36 && part.bytes().filter(|byte| *byte == b'-').count() == 4)
}
