//! Requests and answers of PostgREST's own behaviour, asked of this program over tables it was not made for.
//!
//! `tests/postgrest/cases` holds facts: a request, and the status, headers and body PostgREST gives it on the tables of
//! `fixture.json`. Each is asked of the API over SQLite and over PostgreSQL; a read is also answered by the query language
//! in memory.
//! `not_ours.txt` lists what is known to be answered otherwise here, each with its reason.

mod case;
pub(crate) mod fixture;
mod memory;

use std::fs;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use self::case::{Case, Reply};
use self::fixture::{Database, Fixture};
use crate::home::cluster::Cluster;

/// Fewer cases than these are too few to say that clients cannot tell.
const CASES_MIN: usize = 300;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgrest").join(name)
}

/// All cases, each with the file and line it begins at.
fn cases() -> Vec<(String, Case)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(data("cases")).expect("the cases").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(file).expect("text");
        case::read_all(&text).into_iter().map(move |(line, case)| (format!("{name}:{line}"), case)).collect::<Vec<_>>()
    };
    files.iter().flat_map(read).collect()
}

async fn ask(router: &Router, case: &Case) -> Reply {
    let mut request = Request::builder().method(case.method.as_str()).uri(case.uri());
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(case.body.clone())).expect("a request");
    let response = router.clone().call(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Reply { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(bytes.to_vec()).expect("text") }
}

#[tokio::test]
async fn every_case_is_answered_as_postgrest_answers_it_on_sqlite() {
    let fixture = Fixture::read();
    every_case_is_answered(&fixture, &Database::Sqlite).await;
}

#[tokio::test]
async fn every_case_is_answered_as_postgrest_answers_it_on_postgres() {
    let fixture = Fixture::read();
    every_case_is_answered(&fixture, &Database::Postgres(Cluster::shared())).await;
}

async fn every_case_is_answered(fixture: &Fixture, database: &Database) {
    let mut store = fixture.load(database).await;
    let (mut failed, mut written) = (vec![], 0);
    let cases = cases();
    for (place, case) in &cases {
        let reply = ask(&store.router, case).await;
        if let Err(difference) = case.compare(&reply) {
            failed.push(format!("{place} {} {}\n  {difference}", case.method, case.path));
        }
        if case.writes() && reply.status < 300 {
            // Each case finds the rows as they were.
            store = fixture.restored(store, database, &case.table()).await;
            written += 1;
        }
    }
    println!("{} cases of PostgREST, {written} of them written", cases.len());
    assert!(failed.is_empty(), "{} of {} differ:\n{}", failed.len(), cases.len(), failed.join("\n"));
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
}

#[test]
fn every_read_is_answered_alike_in_memory() {
    let fixture = Fixture::read();
    let (mut failed, mut read) = (vec![], 0);
    for (place, case) in cases() {
        if case.method != "GET" {
            continue;
        }
        read += 1;
        let (status, headers, text) = memory::answer(&fixture, &case);
        let reply = Reply { status, headers, text };
        // Where a read is found, and what will change, are questions of HTTP.
        let case = case.without_header("content-location").without_header("~warning");
        if let Err(difference) = case.compare(&reply) {
            failed.push(format!("{place} {} {}\n  {difference}", case.method, case.path));
        }
    }
    println!("{read} reads of PostgREST in memory");
    assert!(failed.is_empty(), "{} of {read} differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_deliberate_difference_has_a_reason_and_is_no_case() {
    let text = fs::read_to_string(data("not_ours.txt")).expect("the list");
    let asked: Vec<String> = cases().iter().map(|(_, case)| case.request_text()).collect();
    let mut reason = "";
    let mut listed = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("# ") {
            reason = text;
            continue;
        }
        listed += 1;
        assert!(!reason.is_empty(), "no reason for {line}");
        assert!(!asked.contains(&line.to_owned()), "both a case and listed: {line}");
    }
    println!("{listed} requests are known to be answered otherwise here");
}
