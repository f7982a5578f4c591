//! What is wrong with a request is told with a status, a code and a hint, and nothing of it is
//! recorded.

mod calls;
mod case;

use std::time::Duration;

use mec_engine::MecError;
use mec_query::{Filter, Page, Query, Scope, Target};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) use calls::calls;
use case::{Case, NOBODY, with};

use crate::api::{Api, BODY_BYTES_MAX};
use crate::home::{Home, on_both_async};

on_both_async!(
    every_mistake_is_told_with_a_code_and_a_hint_and_leaves_nothing_behind,
    a_request_that_is_no_call_is_told_so,
    a_batch_of_bad_events_records_nothing_and_tells_of_each,
);

/// Every row of the tables that a request could have left something in, as text.
async fn rows_of(api: &Api) -> Result<Vec<String>, MecError> {
    let schema = mec_query::Schema::new(mec_store::tables::tables(), vec![]).expect("sound tables");
    let tables = [
        "accounts",
        "consumption_ledger",
        "concurrency_leases",
        "reservations",
        "entitlements",
        "account_plans",
    ];
    let mut texts = Vec::new();
    for name in tables {
        let table = schema.table(name).expect("a table");
        let query = Query::parse("", Target::Rows).expect("a query");
        let read = Scope::relate(&schema, table, &query)
            .expect("no embeds")
            .read(Page::ALL, 0)
            .expect("no values");
        assert_eq!(read.filter, Filter::All(vec![]));
        let (_, fetched) = api.mec.fetch(read).await?;
        texts.push(format!("{name}: {:?}", fetched.rows));
    }
    Ok(texts)
}

async fn every_mistake_is_told_with_a_code_and_a_hint_and_leaves_nothing_behind(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = json!({"p_idempotency_key": "taken", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 1});
    let event = api.call("meter_consumption", event).await.ok();
    let before = rows_of(&api).await.expect("rows");

    let mut wrong = Vec::new();
    for Case(what, function, arguments, status, code) in calls(&account, &event) {
        let answer = api.call(function, arguments).await;
        let told = (
            answer.status.as_u16(),
            answer.text.contains(&format!("\"code\":\"{code}\"")),
        );
        if told == (status, true) {
            drop(answer.expect_error(status, code))
        } else {
            wrong.push(format!("{what}: {status} {code}, not {answer:?}"))
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows_of(&api).await.expect("rows"), before);
}

const CONSUME: &str = "/api/rpc/consume";
const JSON: &str = "application/json";
/// Requests that call nothing: what is wrong, the method, path, content type and body, and the
/// status and code that each gets.
const NO_CALLS: [(&str, Method, &str, &str, &str, u16, &str); 12] = [
    (
        "broken JSON",
        Method::POST,
        CONSUME,
        JSON,
        "{\"p_account_id\":",
        400,
        "PGRST102",
    ),
    (
        "not UTF-8",
        Method::POST,
        CONSUME,
        JSON,
        "{\"\u{fffd}\": \"\\ud800\"}",
        400,
        "PGRST102",
    ),
    (
        "a content type nobody knows",
        Method::POST,
        CONSUME,
        "text/plain",
        "{}",
        400,
        "PGRST102",
    ),
    (
        "CSV",
        Method::POST,
        CONSUME,
        "text/csv",
        "a\n1",
        400,
        "PGRST102",
    ),
    (
        "a list of calls",
        Method::POST,
        CONSUME,
        JSON,
        "[{}]",
        404,
        "PGRST202",
    ),
    ("PUT", Method::PUT, CONSUME, JSON, "{}", 405, "PGRST101"),
    ("PATCH", Method::PATCH, CONSUME, JSON, "{}", 405, "PGRST101"),
    (
        "GET of what writes, without arguments",
        Method::GET,
        CONSUME,
        JSON,
        "",
        404,
        "PGRST202",
    ),
    (
        "a route nobody knows",
        Method::GET,
        "/api/rpc/consume/more",
        JSON,
        "",
        404,
        "PGRST125",
    ),
    (
        "another route nobody knows",
        Method::POST,
        "/nowhere",
        JSON,
        "{}",
        404,
        "PGRST125",
    ),
    (
        "a method that health does not have",
        Method::POST,
        "/health",
        JSON,
        "{}",
        405,
        "PGRST117",
    ),
    (
        "a name that is no UTF-8",
        Method::POST,
        "/api/rpc/%ff",
        JSON,
        "{}",
        404,
        "PGRST125",
    ),
];

async fn a_request_that_is_no_call_is_told_so(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await;
    let before = rows_of(&api).await.expect("rows");
    let large = format!(
        "{{\"p_details\": \"{}\"}}",
        "x".repeat(BODY_BYTES_MAX as usize)
    );
    let too_large = (
        "a body too large",
        Method::POST,
        CONSUME,
        JSON,
        large.as_str(),
        413,
        "MEC_BODY_TOO_LARGE",
    );
    for (what, method, path, content_type, body, status, code) in
        NO_CALLS.into_iter().chain([too_large])
    {
        let answer = api
            .send(
                method,
                path,
                &[("content-type", content_type)],
                body.to_owned(),
            )
            .await;
        let body = answer.expect_error(status, code);
        assert!(body["hint"].is_string(), "{what}: {answer:?}");
    }
    assert_eq!(rows_of(&api).await.expect("rows"), before);
    let standing = api
        .mec
        .check(
            mec_kernel::Check::of(account, "gpu_hours", None),
            &Api::caller(),
        )
        .await
        .expect("a decision");
    assert_eq!(
        standing
            .figures
            .and_then(|figures| figures.used)
            .map(|used| used.to_string()),
        Some("0".into())
    );
    // Nothing above may leave the server waiting either.
    tokio::time::timeout(Duration::from_secs(30), api.mec.close())
        .await
        .expect("in time")
        .expect("in order");
}

async fn a_batch_of_bad_events_records_nothing_and_tells_of_each(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let before = rows_of(&api).await.expect("rows");
    let event = |more: Value| {
        with(
            json!({"idempotency_key": "k", "account_id": account, "resource_type": "gpu_hours", "quantity": 1}),
            more,
        )
    };
    let cases = [
        (event(json!({"quantity": 0})), "MEC_QUANTITY_NOT_POSITIVE"),
        (event(json!({"quantity": "1e-9"})), "MEC_BAD_QUANTITY"),
        (event(json!({"occurred_at": "yesteryear"})), "22007"),
        (
            event(json!({"account_id": NOBODY})),
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        (event(json!({"account_id": null})), "MEC_MISSING_ARGUMENT"),
        (
            event(json!({"external_id": "acme"})),
            "MEC_CONFLICTING_ARGUMENTS",
        ),
        (
            event(json!({"idempotency_key": null})),
            "MEC_MISSING_ARGUMENT",
        ),
        (
            event(json!({"idempotency_key": "k".repeat(256)})),
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        (event(json!({"unit_code": "byte"})), "MEC_UNIT_NOT_ALLOWED"),
        (event(json!({"p_quantity": 1})), "MEC_BAD_ARGUMENT"),
        (json!(null), "MEC_BAD_ARGUMENT"),
        (json!({}), "MEC_MISSING_ARGUMENT"),
    ];
    let events: Vec<Value> = cases.iter().map(|(event, _)| event.clone()).collect();
    let rows = api
        .call("meter_batch", json!({"p_events": events}))
        .await
        .ok();
    for ((event, code), row) in cases.iter().zip(rows.as_array().expect("rows")) {
        assert_eq!(
            (&row["status"], &row["error"]["code"]),
            (&json!("rejected"), &json!(code)),
            "{event}: {row}"
        );
        assert!(
            row["error"]["hint"]
                .as_str()
                .is_some_and(|hint| !hint.is_empty()),
            "{row}"
        );
    }
    assert_eq!(rows_of(&api).await.expect("rows"), before);
    assert_eq!(
        api.call("meter_batch", json!({"p_events": []})).await.ok(),
        json!([])
    );
}
