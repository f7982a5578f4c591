//! What is wrong with a request is told with a status, a code and a hint, and nothing of it is
//! recorded.

use std::time::Duration;

use mec_engine::MecError;
use mec_query::{Filter, Page, Query, Scope, Target};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, BODY_BYTES_MAX};
use crate::home::{Home, on_both_async};

on_both_async!(
    every_mistake_is_told_with_a_code_and_a_hint_and_leaves_nothing_behind,
    a_request_that_is_no_call_is_told_so,
    a_batch_of_bad_events_records_nothing_and_tells_of_each,
);

/// An account that nobody made, in a tree that nobody made.
const NOBODY: &str = "0199aa10-0000-7000-8000-00000000abcd";

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

/// One call: what is wrong with it, the function, its arguments, and the status and code it gets.
pub(crate) struct Case(
    &'static str,
    &'static str,
    Value,
    u16,
    pub(crate) &'static str,
);

pub(crate) fn calls(account: &str, event: &Value) -> Vec<Case> {
    let check = |more: Value| {
        with(
            json!({"p_account_id": account, "p_resource_type": "benchmark_runs"}),
            more,
        )
    };
    let meter = |more: Value| {
        let event = json!({"p_idempotency_key": "new", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 1});
        with(event, more)
    };
    let lease = |more: Value| {
        with(
            json!({"p_account_id": account, "p_resource_type": "concurrent_users"}),
            more,
        )
    };
    let long = "k".repeat(256);
    let many: Vec<Value> = (0..10_001).map(|_| json!(0)).collect();
    vec![
        Case(
            "half a seat",
            "acquire_lease",
            lease(json!({"p_quantity": "0.5"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a question about half a seat",
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "concurrent_users", "p_requested_qty": "1.5"}),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "an unknown account",
            "check_entitlement",
            check(json!({"p_account_id": NOBODY})),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "an account of no tree",
            "check_entitlement",
            check(json!({"p_account_id": "00000000-0000-0000-0000-000000000000"})),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "an account of a tree too far",
            "meter_consumption",
            meter(json!({"p_account_id": "ffffffff-ffff-ffff-ffff-ffffffffffff"})),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "an unknown external id",
            "check_entitlement",
            json!({"p_external_id": "zzz", "p_resource_type": "gpu_hours"}),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "no account",
            "check_entitlement",
            json!({"p_resource_type": "gpu_hours"}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "two accounts",
            "check_entitlement",
            check(json!({"p_external_id": "acme"})),
            400,
            "MEC_CONFLICTING_ARGUMENTS",
        ),
        Case(
            "a bad uuid",
            "check_entitlement",
            check(json!({"p_account_id": "zzz"})),
            400,
            "22P02",
        ),
        Case(
            "an unknown resource",
            "check_entitlement",
            check(json!({"p_resource_type": "benchmark_run"})),
            404,
            "MEC_RESOURCE_NOT_FOUND",
        ),
        Case(
            "an unknown resource among several",
            "check_entitlements",
            json!({"p_account_id": account, "p_resource_types": ["zzz"]}),
            404,
            "MEC_RESOURCE_NOT_FOUND",
        ),
        Case(
            "a resource that is null",
            "check_entitlement",
            check(json!({"p_resource_type": null})),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "an unknown unit",
            "check_entitlement",
            check(json!({"p_unit_code": "parsec"})),
            404,
            "MEC_UNIT_NOT_FOUND",
        ),
        Case(
            "a unit that does not fit",
            "check_entitlement",
            check(json!({"p_unit_code": "hour"})),
            400,
            "MEC_UNIT_NOT_ALLOWED",
        ),
        Case(
            "a question below zero",
            "check_entitlement",
            check(json!({"p_requested_qty": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a question that rounds to 0",
            "check_entitlement",
            check(json!({"p_requested_qty": 0.0000001})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "attributes that are no object",
            "check_entitlement",
            check(json!({"p_attributes": [1]})),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "attributes within attributes",
            "check_entitlement",
            check(json!({"p_attributes": {"a": {}}})),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a scope too long",
            "check_entitlement",
            check(json!({"p_resource_scope": long})),
            400,
            "22001",
        ),
        Case(
            "a text with a NUL",
            "check_entitlement",
            check(json!({"p_resource_scope": "a\u{0}"})),
            400,
            "22021",
        ),
        Case(
            "an argument without p_",
            "check_entitlement",
            check(json!({"requested_qty": 1})),
            404,
            "PGRST202",
        ),
        Case(
            "an argument of another function",
            "consume",
            meter(json!({"p_requested_qty": 1})),
            404,
            "PGRST202",
        ),
        Case(
            "a missing argument",
            "meter_consumption",
            json!({"p_account_id": account, "p_quantity": 1}),
            404,
            "PGRST202",
        ),
        Case("no arguments", "consume", json!({}), 404, "PGRST202"),
        Case("an unknown function", "zzz", json!({}), 404, "PGRST202"),
        Case(
            "a quantity that rounds to 0",
            "meter_consumption",
            meter(json!({"p_quantity": "0.0000004"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a huge quantity",
            "meter_consumption",
            meter(json!({"p_quantity": 1_000_000_000_000_i64})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity beyond all numbers",
            "meter_consumption",
            meter(json!({"p_quantity": "1e999999999"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity that is no number",
            "meter_consumption",
            meter(json!({"p_quantity": "NaN"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "an infinite quantity",
            "consume",
            meter(json!({"p_quantity": "Infinity"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity that is a list",
            "consume",
            meter(json!({"p_quantity": [1]})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "a quantity that is null",
            "consume",
            meter(json!({"p_quantity": null})),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a quantity of 0",
            "meter_consumption",
            meter(json!({"p_quantity": 0})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a quantity below 0",
            "meter_consumption",
            meter(json!({"p_quantity": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "nothing to consume",
            "consume",
            meter(json!({"p_quantity": 0})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "less than nothing to consume",
            "consume",
            meter(json!({"p_quantity": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "less than nothing to reserve",
            "reserve",
            meter(json!({"p_quantity": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "more given back than there is",
            "consume",
            meter(json!({"p_resource_type": "server_configs", "p_quantity": -1})),
            400,
            "MEC_BELOW_ZERO",
        ),
        Case(
            "a time that is none",
            "meter_consumption",
            meter(json!({"p_occurred_at": "soon"})),
            400,
            "22007",
        ),
        Case(
            "a date that is none",
            "meter_consumption",
            meter(json!({"p_occurred_at": "2026-02-30"})),
            400,
            "22008",
        ),
        Case(
            "a time ahead",
            "meter_consumption",
            meter(json!({"p_occurred_at": "2026-11-24T12:05:01Z"})),
            400,
            "MEC_OCCURRED_IN_FUTURE",
        ),
        Case(
            "a time too old",
            "meter_consumption",
            meter(json!({"p_occurred_at": "2026-08-26T11:59:59Z"})),
            400,
            "MEC_OCCURRED_TOO_LATE",
        ),
        Case(
            "an empty key",
            "meter_consumption",
            meter(json!({"p_idempotency_key": ""})),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        Case(
            "a null key",
            "consume",
            meter(json!({"p_idempotency_key": null})),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        Case(
            "a key too long",
            "reserve",
            meter(json!({"p_idempotency_key": long})),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        Case(
            "a key that is taken",
            "consume",
            meter(json!({"p_idempotency_key": "taken", "p_quantity": 2})),
            409,
            "MEC_IDEMPOTENCY_CONFLICT",
        ),
        Case(
            "metering seats",
            "meter_consumption",
            meter(json!({"p_resource_type": "concurrent_users"})),
            400,
            "MEC_WRONG_LIMIT_KIND",
        ),
        Case(
            "consuming access",
            "consume",
            meter(json!({"p_resource_type": "platform_access"})),
            400,
            "MEC_WRONG_LIMIT_KIND",
        ),
        Case(
            "leasing runs",
            "acquire_lease",
            lease(json!({"p_resource_type": "benchmark_runs"})),
            400,
            "MEC_WRONG_LIMIT_KIND",
        ),
        Case(
            "a correction of nothing",
            "correct_consumption",
            json!({"p_event_id": NOBODY, "p_idempotency_key": "new", "p_reason": "x"}),
            404,
            "MEC_EVENT_NOT_FOUND",
        ),
        Case(
            "a correction that changes nothing",
            "correct_consumption",
            json!({"p_event_id": event, "p_idempotency_key": "new", "p_quantity": 1, "p_reason": "x"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "a correction below zero",
            "correct_consumption",
            json!({"p_event_id": event, "p_idempotency_key": "new", "p_quantity": -1, "p_reason": "x"}),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a correction without a reason",
            "correct_consumption",
            json!({"p_event_id": event, "p_idempotency_key": "new", "p_reason": ""}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a correction of another resource",
            "meter_consumption",
            meter(
                json!({"p_resource_type": "benchmark_runs", "p_is_correction": true, "p_corrects_event_id": event}),
            ),
            400,
            "MEC_BAD_CORRECTION",
        ),
        Case(
            "a lease without time",
            "acquire_lease",
            lease(json!({"p_ttl_seconds": 0})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "a lease of more than a day",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": 1441})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "a lease for ever",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": i64::MAX})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "a lease beyond all numbers",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": "99999999999999999999"})),
            400,
            "22003",
        ),
        Case(
            "two times to live",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": 1, "p_ttl_seconds": 60})),
            400,
            "MEC_CONFLICTING_ARGUMENTS",
        ),
        Case(
            "no seat at all",
            "acquire_lease",
            lease(json!({"p_quantity": 0})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "an empty session",
            "acquire_lease",
            lease(json!({"p_session_token": ""})),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a hold without time",
            "reserve",
            meter(json!({"p_ttl_seconds": 0})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "a renewal without time",
            "renew_lease",
            json!({"p_lease_id": NOBODY, "p_ttl_seconds": -1}),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "an unknown reservation",
            "settle_reservation",
            json!({"p_reservation_id": NOBODY, "p_quantity": 1}),
            404,
            "MEC_RESERVATION_NOT_FOUND",
        ),
        Case(
            "an unknown plan",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "start"}),
            404,
            "MEC_PLAN_NOT_FOUND",
        ),
        Case(
            "an unknown plan to cancel",
            "cancel_plan",
            json!({"p_account_id": account, "p_plan_id": "zzz"}),
            404,
            "MEC_PLAN_NOT_FOUND",
        ),
        Case(
            "no plan",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": ""}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a plan none times",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "pro", "p_quantity": 0}),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a plan that ends before it begins",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "pro", "p_until": "2026-01-01"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "a plan under an empty key",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "pro", "p_idempotency_key": ""}),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        Case(
            "usage that ends before it begins",
            "get_usage",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_from": "2026-11-02", "p_to": "2026-11-01"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "usage in too many buckets",
            "get_usage",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_from": "1970-01-01", "p_group_by": "hour"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "usage by the fortnight",
            "get_usage",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_group_by": "fortnight"}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "an unknown window",
            "get_window_boundaries",
            json!({"p_window_type": "fortnight"}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "an unknown time zone",
            "get_window_boundaries",
            json!({"p_window_type": "day", "p_time_zone": "Mars/Base"}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a billing window without anchor",
            "get_window_boundaries",
            json!({"p_window_type": "billing_month"}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a rolling window too short",
            "get_window_boundaries",
            json!({"p_window_type": "rolling", "p_window_seconds": 59}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a batch of nothing",
            "meter_batch",
            json!({"p_events": {}}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a batch too large",
            "meter_batch",
            json!({"p_events": many}),
            413,
            "MEC_TOO_MANY_EVENTS",
        ),
        Case(
            "a filter that is none",
            "check_entitlement?decision=bogus.1",
            check(json!({})),
            400,
            "PGRST100",
        ),
        Case(
            "a column that is none",
            "check_entitlement?select=decisio",
            check(json!({})),
            400,
            "42703",
        ),
        Case(
            "a filter on one value",
            "provision_plan?x=eq.1",
            json!({"p_account_id": account, "p_plan_id": "pro"}),
            400,
            "PGRST127",
        ),
        Case(
            "an embed",
            "check_entitlement?select=accounts(*)",
            check(json!({})),
            400,
            "PGRST200",
        ),
    ]
}

/// The same object with these keys set.
fn with(mut object: Value, more: Value) -> Value {
    for (key, value) in more.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
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

async fn a_request_that_is_no_call_is_told_so(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await;
    let before = rows_of(&api).await.expect("rows");
    let json = "application/json";
    let path = "/api/rpc/consume";
    let large = format!(
        "{{\"p_details\": \"{}\"}}",
        "x".repeat(BODY_BYTES_MAX as usize)
    );
    for (what, method, path, content_type, body, status, code) in [
        (
            "broken JSON",
            Method::POST,
            path,
            json,
            "{\"p_account_id\":".to_owned(),
            400,
            "PGRST102",
        ),
        (
            "not UTF-8",
            Method::POST,
            path,
            json,
            "{\"\u{fffd}\": \"\\ud800\"}".to_owned(),
            400,
            "PGRST102",
        ),
        (
            "a content type nobody knows",
            Method::POST,
            path,
            "text/plain",
            "{}".to_owned(),
            400,
            "PGRST102",
        ),
        (
            "CSV",
            Method::POST,
            path,
            "text/csv",
            "a\n1".to_owned(),
            400,
            "PGRST102",
        ),
        (
            "a list of calls",
            Method::POST,
            path,
            json,
            "[{}]".to_owned(),
            404,
            "PGRST202",
        ),
        (
            "a body too large",
            Method::POST,
            path,
            json,
            large,
            413,
            "MEC_BODY_TOO_LARGE",
        ),
        (
            "PUT",
            Method::PUT,
            path,
            json,
            "{}".to_owned(),
            405,
            "PGRST101",
        ),
        (
            "PATCH",
            Method::PATCH,
            path,
            json,
            "{}".to_owned(),
            405,
            "PGRST101",
        ),
        (
            "GET of what writes, without arguments",
            Method::GET,
            path,
            json,
            String::new(),
            404,
            "PGRST202",
        ),
        (
            "a route nobody knows",
            Method::GET,
            "/api/rpc/consume/more",
            json,
            String::new(),
            404,
            "PGRST125",
        ),
        (
            "another route nobody knows",
            Method::POST,
            "/nowhere",
            json,
            "{}".to_owned(),
            404,
            "PGRST125",
        ),
        (
            "a method that health does not have",
            Method::POST,
            "/health",
            json,
            "{}".to_owned(),
            405,
            "PGRST117",
        ),
        (
            "a name that is no UTF-8",
            Method::POST,
            "/api/rpc/%ff",
            json,
            "{}".to_owned(),
            404,
            "PGRST125",
        ),
    ] {
        let answer = api
            .send(method, path, &[("content-type", content_type)], body)
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
