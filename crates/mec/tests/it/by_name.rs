//! Every error and every reason occurs in a test by its name.
//!
//! What counts is data that tests run and compare: the rows of `docs/decisions` (run by the
//! kernel's tests), the answers of `docs/concepts` ([`crate::concepts`]), the calls of
//! [`crate::bad_input`] and the writes below. Each of the kernel's refusals is also provoked under
//! its own name in `crates/mec-kernel/tests/it/refusals.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mec_kernel::Refusal;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::home::{Home, on_both_async};
use crate::{bad_input, concepts};

on_both_async!(a_write_that_is_refused_says_why_by_name);

const DECISIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/decisions");
const ERRORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
const REASONS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/concepts/decisions.md"
);

/// Refusals that the table API tells as PostgreSQL would, with the code it tells: its clients know
/// those.
const TOLD_AS: [(&str, &str); 5] = [
    ("MEC_EXTERNAL_ID_TAKEN", "23505"),
    ("MEC_PARENT_NOT_FOUND", "23503"),
    ("MEC_ENTITLEMENT_NOT_FOUND", "23503"),
    ("MEC_NOT_PRESENT", "23503"),
    ("MEC_IN_USE", "23503"),
];
/// From here on `docs/errors.md` lists what is not about meaning: a server in need, PostgREST's and
/// PostgreSQL's codes.
const END_OF_MEANING: &str = "## The server";

/// A write that is refused: what is wrong, method, path, body, status and code.
struct Wrong(&'static str, Method, String, Value, u16, &'static str);

/// An id that nobody made.
const NOBODY: &str = "0199aa10-0000-7000-8000-00000000abcd";

/// `deepest` is an account at the eighth level, `closed` one that is closed.
fn writes(deepest: &str, closed: &str) -> Vec<Wrong> {
    let account = |external_id: &str, parent: Option<&str>| json!({"external_id": external_id, "display_name": "x", "parent_account_id": parent});
    let accounts = || "/api/accounts".to_owned();
    let condition = json!({
        "entitlement_id": NOBODY, "condition_type": "attribute", "attribute": "a", "operator": "eq", "value": 1
    });
    let rule = json!({
        "resource_type_code": "gpu_hours", "limit_kind_code": "cumulative", "limit_action_code": "block", "plan_id": "zzz"
    });
    let units: Vec<Value> = (0..1_001)
        .map(|number| json!({"unit_code": format!("u{number}"), "unit_name": "x", "dimension": "count", "factor": 1}))
        .collect();
    vec![
        Wrong(
            "a ninth level",
            Method::POST,
            accounts(),
            account("ninth", Some(deepest)),
            400,
            "MEC_TOO_DEEP",
        ),
        Wrong(
            "an unknown parent",
            Method::POST,
            accounts(),
            account("orphan", Some(NOBODY)),
            409,
            "23503",
        ),
        Wrong(
            "a taken external id",
            Method::POST,
            accounts(),
            account("level-0", None),
            409,
            "23505",
        ),
        Wrong(
            "a closed account opened",
            Method::PATCH,
            format!("/api/accounts?account_id=eq.{closed}"),
            json!({"status": "active"}),
            409,
            "MEC_ACCOUNT_CLOSED",
        ),
        Wrong(
            "a condition of no entitlement",
            Method::POST,
            "/api/entitlement_conditions".into(),
            condition,
            409,
            "23503",
        ),
        Wrong(
            "a rule for no plan",
            Method::POST,
            "/api/control_rules".into(),
            rule,
            409,
            "23503",
        ),
        Wrong(
            "a plan in use removed",
            Method::DELETE,
            "/api/plans?plan_id=eq.starter".into(),
            json!(null),
            409,
            "23503",
        ),
        Wrong(
            "too many rows",
            Method::POST,
            "/api/units".into(),
            json!(units),
            413,
            "MEC_TOO_MANY_ROWS",
        ),
        Wrong(
            "a catalog that is none",
            Method::POST,
            "/admin/catalog".into(),
            json!({}),
            400,
            "MEC_BAD_CATALOG",
        ),
    ]
}

async fn a_write_that_is_refused_says_why_by_name(home: Home) {
    let api = Api::on(home).await;
    api.customer("customer", "starter").await;
    let json = [
        ("content-type", "application/json"),
        ("x-mec-admin", "test"),
    ];
    let mut parent: Option<String> = None;
    for level in 0..8 {
        let body = json!({"external_id": format!("level-{level}"), "display_name": "x", "parent_account_id": parent});
        let made = api
            .send(Method::POST, "/api/accounts", &json, body.to_string())
            .await;
        parent = Some(
            made.json()["account_id"]
                .as_str()
                .unwrap_or_else(|| panic!("{made:?}"))
                .to_owned(),
        );
    }
    let closed = api.account("closed").await.to_string();
    let path = format!("/api/accounts?account_id=eq.{closed}");
    let answer = api
        .send(
            Method::PATCH,
            &path,
            &json,
            json!({"status": "closed"}).to_string(),
        )
        .await;
    assert!(answer.status.is_success(), "{answer:?}");

    for Wrong(what, method, path, body, status, code) in
        writes(&parent.expect("eight levels"), &closed)
    {
        let answer = api.send(method, &path, &json, body.to_string()).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
        drop(answer.expect_error(status, code));
    }
}

#[test]
fn every_error_of_what_things_mean_occurs_by_name() {
    let mut occur: BTreeSet<String> = column(&["error"]);
    occur.extend(shown("code"));
    let (account, event) = ("", json!(""));
    occur.extend(
        bad_input::calls(account, &event)
            .into_iter()
            .map(|case| case.4.to_owned()),
    );
    occur.extend(
        writes("", "")
            .into_iter()
            .map(|Wrong(.., code)| code.to_owned()),
    );

    let page = fs::read_to_string(ERRORS).unwrap();
    let (about_meaning, _) = page
        .split_once(END_OF_MEANING)
        .expect("docs/errors.md has sections");
    let documented = about_meaning
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let expected: BTreeSet<&str> = documented.chain(Refusal::CODES.iter().copied()).collect();
    let told = |code: &str| {
        TOLD_AS
            .iter()
            .find(|(name, _)| *name == code)
            .map_or(code.to_owned(), |(_, told)| (*told).to_owned())
    };
    let missing: Vec<_> = expected
        .into_iter()
        .filter(|code| !occur.contains(&told(code)))
        .collect();
    assert!(missing.is_empty(), "no test tells of {missing:?}");
    for (code, _) in TOLD_AS {
        assert!(
            !occur.contains(code),
            "{code} is told under its own name: take it off the list"
        );
    }
}

#[test]
fn every_reason_occurs_by_name() {
    let page = fs::read_to_string(REASONS).unwrap();
    let rows = page
        .lines()
        .skip_while(|line| *line != "## Reasons")
        .take_while(|line| *line != "## What it never does");
    let listed: Vec<(&str, &str)> = rows
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .strip_suffix(" |")?
                .split_once("` | ")
        })
        .filter(|(code, _)| *code != "reason_code")
        .collect();
    assert!(
        listed.len() >= 20,
        "only {} reasons are listed",
        listed.len()
    );
    let (mut codes, mut texts) = (column(&["reason_code"]), column(&["reason"]));
    codes.extend(shown("reason_code"));
    texts.extend(shown("reason"));
    // Figures differ from request to request.
    let bare = |text: &str| text.replace(|c: char| c.is_ascii_digit() || ".-".contains(c), "");
    let texts: BTreeSet<String> = texts.iter().map(|text| bare(text)).collect();
    let missing: Vec<_> = listed
        .iter()
        .filter(|(code, text)| !codes.contains(*code) || !texts.contains(&bare(text)))
        .collect();
    assert!(missing.is_empty(), "no test tells of {missing:?}");
}

/// Everything that stands in these columns of the decision tables.
fn column(names: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(DECISIONS).unwrap() {
        let page = fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut places: Option<Vec<usize>> = None;
        for line in page.lines() {
            let Some(cells) = line.strip_prefix('|') else {
                places = None;
                continue;
            };
            let cells: Vec<&str> = cells
                .split('|')
                .map(|cell| cell.trim().trim_start_matches("→ "))
                .collect();
            match &places {
                None => {
                    places = Some(
                        (0..cells.len())
                            .filter(|place| names.contains(&cells[*place]))
                            .collect(),
                    )
                }
                Some(places) => found.extend(places.iter().map(|place| cells[*place].to_owned())),
            }
        }
    }
    found
}

/// Every text under this key in the answers that the concept pages show.
fn shown(key: &str) -> BTreeSet<String> {
    let key = format!("\"{key}\":\"");
    let mut found = BTreeSet::new();
    for page in concepts::pages() {
        for shown in concepts::shown(Path::new(&page)) {
            let compact = shown.text.replace("\": \"", "\":\"");
            let texts = compact
                .split(&key)
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            found.extend(texts.map(str::to_owned));
        }
    }
    found
}
