//! The functions of the API, called as clients call them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    a_check_answers_a_decision_with_its_figures,
    a_denial_is_an_answer_without_quantities,
    an_account_may_be_named_by_its_external_id,
    an_explained_check_lists_every_limit_it_considered,
    the_usual_answer_is_what_selecting_everything_answers,
    everything_an_account_was_granted_is_checked_in_one_call,
    metering_twice_under_one_key_records_once_and_says_so,
    a_batch_answers_for_each_event_and_a_bad_one_spoils_nothing,
    a_correction_sets_a_new_total_or_voids,
    consume_records_what_it_lets_through_and_replays_it,
    what_was_metered_under_a_key_is_not_consumed_again,
    a_reservation_is_held_settled_and_released,
    seats_are_taken_renewed_and_given_back,
    what_never_was_is_not_there_to_release,
    a_plan_is_provisioned_once_and_cancelled,
    use_is_reported_in_buckets,
    windows_are_cut_on_request,
    questions_may_be_asked_by_get_and_by_head,
    get_does_not_call_what_writes_and_options_says_so,
    rows_are_answered_in_the_form_asked_for,
    an_answer_that_could_not_be_given_is_refused_before_anything_is_recorded,
    health_says_how_the_server_is,
);

/// Every key of a decision, in the order of the answer.
const DECISION_KEYS: [&str; 18] = [
    "decision",
    "reason",
    "entitlement_id",
    "quantity_allowed",
    "quantity_used",
    "quantity_remaining",
    "percent_used",
    "limit_kind",
    "allowed",
    "reason_code",
    "quantity_reserved",
    "window_start",
    "window_end",
    "binding_account_id",
    "overage_quantity",
    "overage_cost",
    "window_type",
    "retry_after_seconds",
];

fn keys(row: &Value) -> Vec<&str> {
    row.as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// Asserts the named keys of a row.
#[track_caller]
fn expect(row: &Value, wanted: Value) {
    for (key, value) in wanted.as_object().expect("an object") {
        assert_eq!(&row[key], value, "{key} of {row}");
    }
}

async fn a_check_answers_a_decision_with_its_figures(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let answer = api
        .call("check_entitlement", json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": 1}))
        .await;
    let rows = answer.ok();
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(answer.header("content-range"), Some("0-0/*"));
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    assert_eq!(keys(&rows[0]), DECISION_KEYS);
    let wanted = json!({
        "decision": "allow", "reason": "Within entitlement", "quantity_allowed": 100, "quantity_used": 0,
        "quantity_remaining": 100, "percent_used": 0, "limit_kind": "cumulative", "allowed": true, "reason_code": "within",
        "quantity_reserved": 0, "window_start": "2026-11-01T00:00:00Z", "window_end": "2026-12-01T00:00:00Z",
        "binding_account_id": account, "overage_quantity": null, "overage_cost": null, "window_type": "month", "retry_after_seconds": null,
    });
    expect(&rows[0], wanted);
    assert!(rows[0]["entitlement_id"].is_string());
}

async fn a_denial_is_an_answer_without_quantities(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("nobody").await.to_string();
    let rows = api
        .call(
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours"}),
        )
        .await
        .ok();
    let wanted = json!({"decision": "deny", "reason": "No entitlement", "allowed": false, "entitlement_id": null, "quantity_used": null});
    expect(&rows[0], wanted);
}

async fn an_account_may_be_named_by_its_external_id(home: Home) {
    let api = Api::on(home).await;
    api.customer("stripe_cus_abc123", "starter").await;
    let named =
        json!({"p_external_id": "stripe_cus_abc123", "p_resource_type": "concurrent_users"});
    let rows = api.call("check_entitlement", named).await.ok();
    expect(
        &rows[0],
        json!({"decision": "allow", "quantity_allowed": 3, "limit_kind": "concurrency", "window_end": null}),
    );
}

async fn an_explained_check_lists_every_limit_it_considered(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let question = json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": "0.5", "p_explain": true});
    let rows = api.call("check_entitlement", question).await.ok();
    assert_eq!(keys(&rows[0]).last(), Some(&"limits"));
    let limit = &rows[0]["limits"][0];
    let wanted = json!({"level": 0, "account_id": account, "limit_action": "block", "quantity_allowed": 100, "decision": "allow"});
    expect(limit, wanted);
    let question = json!({"p_account_id": account, "p_resource_type": "benchmark_runs"});
    assert_eq!(
        api.call("check_entitlement?select=limits", question)
            .await
            .ok(),
        json!([{"limits": null}])
    );
}

async fn the_usual_answer_is_what_selecting_everything_answers(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let one = |explain: bool| json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_explain": explain});
    for (function, arguments) in [
        ("check_entitlement", one(false)),
        ("check_entitlement", one(true)),
        ("check_entitlements", json!({"p_account_id": account})),
        (
            "check_entitlements",
            json!({"p_account_id": account, "p_resource_types": []}),
        ),
    ] {
        let (usual, selected) = (
            api.call(function, arguments.clone()).await,
            api.call(&format!("{function}?select=*"), arguments).await,
        );
        assert_eq!(
            (usual.status, &usual.text),
            (selected.status, &selected.text)
        );
        assert_eq!(
            usual.header("content-range"),
            selected.header("content-range")
        );
    }
}

async fn everything_an_account_was_granted_is_checked_in_one_call(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let rows = api
        .call("check_entitlements", json!({"p_account_id": account}))
        .await
        .ok();
    let resources: Vec<_> = rows
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["resource_type"].clone())
        .collect();
    assert_eq!(
        resources,
        [
            "benchmark_runs",
            "concurrent_users",
            "gpu_hours",
            "server_configs",
            "server_instances"
        ]
    );
    assert_eq!(keys(&rows[0])[..2], ["resource_type", "resource_scope"]);
    assert_eq!(keys(&rows[0])[2..], DECISION_KEYS);
    let some =
        json!({"p_account_id": account, "p_resource_types": ["gpu_hours", "benchmark_runs"]});
    let rows = api
        .call(
            "check_entitlements?select=resource_type,quantity_allowed",
            some,
        )
        .await
        .ok();
    let wanted = json!([
        {"resource_type": "gpu_hours", "quantity_allowed": 25}, {"resource_type": "benchmark_runs", "quantity_allowed": 100},
    ]);
    assert_eq!(rows, wanted);
}

async fn metering_twice_under_one_key_records_once_and_says_so(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = json!({
        "p_idempotency_key": "run_1", "p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1,
        "p_unit_code": "count", "p_details": {"commit": "abc"},
    });
    let first = api.call("meter_consumption", event.clone()).await;
    let again = api.call("fn_meter_consumption", event.clone()).await;
    assert!(first.ok().is_string());
    assert_eq!(first.ok(), again.ok());
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let mut other = event;
    other["p_quantity"] = json!(2);
    let conflict = api
        .call("meter_consumption", other)
        .await
        .expect_error(409, "MEC_IDEMPOTENCY_CONFLICT");
    assert!(
        conflict["message"]
            .as_str()
            .is_some_and(|message| message.contains("\"quantity\" differs")),
        "{conflict}"
    );
    let rows = api
        .call(
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "benchmark_runs"}),
        )
        .await
        .ok();
    expect(
        &rows[0],
        json!({"decision": "allow", "quantity_used": 1, "quantity_remaining": 99, "percent_used": 1}),
    );
}

async fn a_batch_answers_for_each_event_and_a_bad_one_spoils_nothing(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = |key: &str, quantity: Value| {
        json!({
            "idempotency_key": key, "account_id": account, "resource_type": "gpu_hours", "quantity": quantity,
            "unit_code": "minute",
        })
    };
    let events = json!([
        event("a", json!(30)),
        event("b", json!("NaN")),
        event("a", json!(30)),
        7,
        {"idempotency_key": "c", "external_id": "acme", "resource_type": "gpu_hours", "quantity": 1},
        {"idempotency_key": "d", "account_id": account, "resource_type": "gpu_hours", "quantity": 1, "unitcode": "hour"},
        {"idempotency_key": "e", "account_id": account, "resource_type": "zzz", "quantity": 1},
        event("a", json!(31)),
    ]);
    let rows = api
        .call("meter_batch", json!({"p_events": events}))
        .await
        .ok();
    let rows = rows.as_array().expect("rows");
    let statuses: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["index"].clone(),
                row["status"].clone(),
                row["error"]["code"].clone(),
            )
        })
        .collect();
    let wanted = [
        ("recorded", Value::Null),
        ("rejected", json!("MEC_BAD_QUANTITY")),
        ("replayed", Value::Null),
        ("rejected", json!("MEC_BAD_ARGUMENT")),
        ("recorded", Value::Null),
        ("rejected", json!("MEC_BAD_ARGUMENT")),
        ("rejected", json!("MEC_RESOURCE_NOT_FOUND")),
        ("rejected", json!("MEC_IDEMPOTENCY_CONFLICT")),
    ];
    for (place, ((index, status, code), (wanted, wanted_code))) in
        statuses.into_iter().zip(wanted).enumerate()
    {
        assert_eq!(
            (index, status, code),
            (json!(place), json!(wanted), wanted_code),
            "{}",
            rows[place]
        );
    }
    assert_eq!(rows[0]["event_id"], rows[2]["event_id"]);
    assert_eq!(rows[5]["error"]["hint"], "Perhaps you meant \"unit_code\"");
    assert!(
        rows.iter()
            .filter(|row| !row["error"].is_null())
            .all(|row| row["error"]["hint"].is_string())
    );
    let rows = api
        .call(
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours"}),
        )
        .await
        .ok();
    expect(&rows[0], json!({"quantity_used": 1.5}));
}

async fn a_correction_sets_a_new_total_or_voids(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = json!({"p_idempotency_key": "k", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 5});
    let event = api.call("meter_consumption", event).await.ok();
    let used = async || {
        let rows = api
            .call(
                "check_entitlement",
                json!({"p_account_id": account, "p_resource_type": "gpu_hours"}),
            )
            .await
            .ok();
        rows[0]["quantity_used"].clone()
    };
    let correct = json!({"p_event_id": event, "p_idempotency_key": "fix", "p_quantity": 2, "p_reason": "a typing error"});
    let corrected = api.call("correct_consumption", correct.clone()).await.ok();
    assert_ne!(corrected, event);
    assert_eq!(used().await, 2);
    let again = api.call("correct_consumption", correct).await;
    assert_eq!(
        (again.ok(), again.header("idempotent-replayed")),
        (corrected, Some("true"))
    );
    let void =
        json!({"p_event_id": event, "p_idempotency_key": "void", "p_reason": "never happened"});
    api.call("correct_consumption", void).await.ok();
    assert_eq!(used().await, 0);
}

async fn consume_records_what_it_lets_through_and_replays_it(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "trial-14d").await.to_string();
    let consume = |key: &str, quantity: i64| {
        json!({
            "p_idempotency_key": key, "p_account_id": account, "p_resource_type": "server_instances", "p_quantity": quantity,
        })
    };
    let first = api.call("consume", consume("one", 2)).await;
    let row = &first.ok()[0];
    assert_eq!(keys(row)[..18], DECISION_KEYS);
    assert_eq!(keys(row)[18..], ["event_id"]);
    expect(
        row,
        json!({"decision": "allow", "allowed": true, "quantity_used": 2, "quantity_remaining": 0}),
    );
    let refused = api.call("fn_consume", consume("two", 1)).await.ok();
    expect(
        &refused[0],
        json!({"decision": "block", "allowed": false, "reason": "Limit reached", "quantity_used": 2, "event_id": null}),
    );
    let back = api.call("consume", consume("three", -1)).await.ok();
    expect(
        &back[0],
        json!({"decision": "allow", "reason": "Released", "quantity_used": 1}),
    );
    let again = api.call("consume", consume("one", 2)).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let replayed = &again.ok()[0];
    expect(
        replayed,
        json!({"decision": "allow", "allowed": true, "quantity_used": 1, "event_id": row["event_id"]}),
    );
    assert_eq!(replayed["reason"], row["reason"]);
}

async fn what_was_metered_under_a_key_is_not_consumed_again(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let use_it = json!({"p_idempotency_key": "k", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 2});
    let event = api.call("meter_consumption", use_it.clone()).await.ok();
    let consumed = api.call("consume", use_it).await;
    assert_eq!(consumed.header("idempotent-replayed"), Some("true"));
    let wanted = json!({"decision": "allow", "reason": "Already recorded", "quantity_used": 2, "event_id": event});
    expect(&consumed.ok()[0], wanted);
}

async fn a_reservation_is_held_settled_and_released(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let reserve = |key: &str| {
        json!({
            "p_idempotency_key": key, "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 10,
            "p_ttl_seconds": 600,
        })
    };
    let held = api.call("reserve", reserve("job")).await.ok();
    assert_eq!(
        keys(&held[0])[18..],
        ["success", "reservation_id", "expires_at"]
    );
    let wanted = json!({
        "success": true, "decision": "allow", "quantity_used": 0, "quantity_reserved": 10, "quantity_remaining": 15,
        "expires_at": "2026-11-24T12:10:00Z",
    });
    expect(&held[0], wanted);
    let again = api.call("reserve", reserve("job")).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    expect(
        &again.ok()[0],
        json!({"success": true, "allowed": true, "reservation_id": held[0]["reservation_id"]}),
    );

    let settle = |quantity: i64| json!({"p_reservation_id": held[0]["reservation_id"], "p_quantity": quantity});
    let event = api.call("settle_reservation", settle(7)).await.ok();
    assert!(event.is_string());
    let again = api.call("settle_reservation", settle(7)).await;
    assert_eq!(
        (again.ok(), again.header("idempotent-replayed")),
        (event, Some("true"))
    );
    api.call("settle_reservation", settle(8))
        .await
        .expect_error(409, "MEC_RESERVATION_CLOSED");

    let other = api.call("reserve", reserve("other")).await.ok();
    let release = json!({"p_reservation_id": other[0]["reservation_id"]});
    assert_eq!(
        api.call("release_reservation", release.clone()).await.ok(),
        true
    );
    assert_eq!(api.call("release_reservation", release).await.ok(), false);
    let rows = api
        .call(
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours"}),
        )
        .await
        .ok();
    expect(
        &rows[0],
        json!({"quantity_used": 7, "quantity_reserved": 0}),
    );

    let none = api.call("reserve", reserve("none")).await.ok();
    let nothing = json!({"p_reservation_id": none[0]["reservation_id"], "p_quantity": 0});
    assert_eq!(
        api.call("settle_reservation", nothing).await.ok(),
        Value::Null
    );
}

async fn seats_are_taken_renewed_and_given_back(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "trial-14d").await.to_string();
    let acquire = |token: &str, minutes: i64| {
        json!({
            "p_account_id": account, "p_resource_type": "concurrent_users", "p_session_token": token, "p_ttl_minutes": minutes,
        })
    };
    let alice = api.call("acquire_lease", acquire("alice", 60)).await.ok();
    let wanted = [
        "success",
        "lease_id",
        "decision",
        "reason",
        "expires_at",
        "fencing_token",
        "retry_after_seconds",
    ];
    assert_eq!(keys(&alice[0]), wanted);
    let wanted = json!({
        "success": true, "decision": "allow", "reason": "Within entitlement", "expires_at": "2026-11-24T13:00:00Z",
        "retry_after_seconds": null,
    });
    expect(&alice[0], wanted);
    let again = api.call("acquire_lease", acquire("alice", 90)).await.ok();
    expect(
        &again[0],
        json!({"lease_id": alice[0]["lease_id"], "expires_at": "2026-11-24T13:30:00Z"}),
    );
    let bob = api.call("acquire_lease", acquire("bob", 1)).await.ok();
    assert!(bob[0]["fencing_token"].as_i64() > alice[0]["fencing_token"].as_i64());
    let carol = api.call("acquire_lease", acquire("carol", 1)).await.ok();
    expect(
        &carol[0],
        json!({"success": false, "lease_id": null, "decision": "block", "retry_after_seconds": 61}),
    );

    let renew = json!({"p_lease_id": alice[0]["lease_id"], "p_ttl_seconds": 7200});
    let renewed = api.call("renew_lease", renew).await.ok();
    assert_eq!(
        keys(&renewed[0]),
        [
            "success",
            "lease_id",
            "decision",
            "reason",
            "expires_at",
            "retry_after_seconds"
        ]
    );
    expect(
        &renewed[0],
        json!({"success": true, "lease_id": alice[0]["lease_id"], "expires_at": "2026-11-24T14:00:00Z"}),
    );
    let release = json!({"p_lease_id": alice[0]["lease_id"]});
    assert_eq!(api.call("release_lease", release.clone()).await.ok(), true);
    assert_eq!(api.call("release_lease", release.clone()).await.ok(), false);
    let over = api.call("renew_lease", release).await.ok();
    expect(
        &over[0],
        json!({"success": false, "lease_id": null, "decision": "deny", "reason": "Lease is over"}),
    );

    api.pass(61);
    let rows = api
        .call(
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "concurrent_users"}),
        )
        .await
        .ok();
    expect(
        &rows[0],
        json!({"decision": "allow", "quantity_used": 0, "quantity_remaining": 2}),
    );
}

async fn what_never_was_is_not_there_to_release(home: Home) {
    let api = Api::on(home).await;
    for id in [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "0199aa10-0000-7000-8000-00000000abcd",
    ] {
        assert_eq!(
            api.call("release_lease", json!({"p_lease_id": id}))
                .await
                .ok(),
            false,
            "{id}"
        );
        assert_eq!(
            api.call("release_reservation", json!({"p_reservation_id": id}))
                .await
                .ok(),
            false,
            "{id}"
        );
        expect(
            &api.call("renew_lease", json!({"p_lease_id": id}))
                .await
                .ok()[0],
            json!({"success": false}),
        );
    }
}

async fn a_plan_is_provisioned_once_and_cancelled(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("acme").await.to_string();
    let provision =
        json!({"p_account_id": account, "p_plan_id": "starter", "p_idempotency_key": "sub_1"});
    for name in [
        "provision_plan",
        "fn_provision_plan",
        "fn_provision_plan_entitlements",
    ] {
        assert_eq!(api.call(name, provision.clone()).await.ok(), 5);
    }
    let pro = json!({"p_external_id": "acme", "p_plan_id": "pro", "p_start_date": "2026-11-24"});
    assert_eq!(api.call("provision_plan", pro).await.ok(), 5);
    let runs = json!({"p_account_id": account, "p_resource_type": "benchmark_runs"});
    expect(
        &api.call("check_entitlement", runs.clone()).await.ok()[0],
        json!({"quantity_allowed": 500}),
    );
    assert_eq!(
        api.call(
            "cancel_plan",
            json!({"p_account_id": account, "p_plan_id": "pro"})
        )
        .await
        .ok(),
        5
    );
    expect(
        &api.call("check_entitlement", runs).await.ok()[0],
        json!({"decision": "deny", "reason": "Entitlement expired"}),
    );
}

async fn use_is_reported_in_buckets(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    for (key, quantity, at) in [
        ("a", 90, "2026-11-20T10:15:00Z"),
        ("b", 30, "2026-11-21T23:59:59Z"),
        ("c", 60, "2026-11-21T00:00:00Z"),
    ] {
        let event = json!({
            "p_idempotency_key": key, "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": quantity,
            "p_unit_code": "minute", "p_occurred_at": at,
        });
        api.call("meter_consumption", event).await.ok();
    }
    let days = json!({
        "p_account_id": account, "p_resource_type": "gpu_hours", "p_from": "2026-11-20", "p_to": "2026-11-23", "p_group_by": "day",
    });
    let row = |start: &str, end: &str, quantity: f64, events: i64| {
        json!({
            "bucket_start": format!("2026-11-{start}T00:00:00Z"), "bucket_end": format!("2026-11-{end}T00:00:00Z"),
            "quantity": quantity, "unit_code": "hour", "overage": 0, "overage_cost": null, "events": events,
            "lease_hours": null,
        })
    };
    let rows = api.call("get_usage", days.clone()).await.ok();
    assert_eq!(
        rows.to_string(),
        json!([
            row("20", "21", 1.5, 1),
            row("21", "22", 1.5, 2),
            row("22", "23", 0.0, 0)
        ])
        .to_string()
        .replace("0.0", "0")
    );
    let total = json!({"p_account_id": account, "p_resource_type": "gpu_hours"});
    let rows = api
        .call("get_usage?select=quantity,events", total)
        .await
        .ok();
    assert_eq!(rows, json!([{"quantity": 3, "events": 3}]));
    let page = api
        .call(
            "get_usage?quantity=gt.0&order=bucket_start.desc&limit=1",
            days,
        )
        .await
        .ok();
    assert_eq!(page, json!([row("21", "22", 1.5, 2)]));
}

async fn windows_are_cut_on_request(home: Home) {
    let api = Api::on(home).await;
    for (arguments, start, end) in [
        (
            json!({"p_window_type": "month"}),
            json!("2026-11-01T00:00:00Z"),
            json!("2026-12-01T00:00:00Z"),
        ),
        (
            json!({"p_window_type": "day", "p_at": "2026-03-29T12:00:00Z", "p_time_zone": "Europe/Zurich"}),
            json!("2026-03-28T23:00:00Z"),
            json!("2026-03-29T22:00:00Z"),
        ),
        (
            json!({"p_window_type": "billing_month", "p_at": "2026-03-01T00:00:00Z", "p_anchor": "2026-01-31"}),
            json!("2026-02-28T00:00:00Z"),
            json!("2026-03-31T00:00:00Z"),
        ),
        (
            json!({"p_window_type": "lifetime"}),
            Value::Null,
            Value::Null,
        ),
        (
            json!({"p_window_type": "rolling", "p_window_seconds": 3600}),
            json!("2026-11-24T10:59:00Z"),
            json!("2026-11-24T12:00:00Z"),
        ),
    ] {
        let rows = api
            .call("get_window_boundaries", arguments.clone())
            .await
            .ok();
        assert_eq!(
            rows,
            json!([{"window_start": start, "window_end": end}]),
            "{arguments}"
        );
    }
}

async fn questions_may_be_asked_by_get_and_by_head(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await;
    let path = format!(
        "/api/rpc/check_entitlement?p_account_id={account}&p_resource_type=gpu_hours&p_requested_qty=1&select=decision,allowed"
    );
    for path in [path.clone(), path.replace("/api/", "/rest/v1/")] {
        assert_eq!(
            api.get(&path).await.ok(),
            json!([{"decision": "allow", "allowed": true}])
        );
    }
    let filtered = api.get(&format!("{path}&decision=eq.deny")).await;
    assert_eq!(
        (filtered.ok(), filtered.header("content-range")),
        (json!([]), Some("*/*"))
    );
    let head = api.send(Method::HEAD, &path, &[], String::new()).await;
    assert_eq!(
        (
            head.status.as_u16(),
            head.text.as_str(),
            head.header("content-range")
        ),
        (200, "", Some("0-0/*"))
    );
}

async fn get_does_not_call_what_writes_and_options_says_so(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await;
    let path = format!("/api/rpc/provision_plan?p_account_id={account}&p_plan_id=pro");
    api.get(&path).await.expect_error(405, "25006");
    for (name, allow) in [
        ("provision_plan", "OPTIONS,POST"),
        ("fn_check_entitlement", "OPTIONS,GET,HEAD,POST"),
    ] {
        let path = format!("/api/rpc/{name}");
        let options = api.send(Method::OPTIONS, &path, &[], String::new()).await;
        assert_eq!(
            (options.status.as_u16(), options.header("allow")),
            (200, Some(allow))
        );
        let delete = api.send(Method::DELETE, &path, &[], String::new()).await;
        delete.expect_error(405, "PGRST101");
        assert_eq!(delete.header("allow"), Some(allow));
    }
    let unknown = api
        .send(Method::OPTIONS, "/api/rpc/consum", &[], String::new())
        .await
        .expect_error(404, "PGRST202");
    assert_eq!(unknown["hint"], "Perhaps you meant POST /api/rpc/consume");
}

async fn rows_are_answered_in_the_form_asked_for(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let body = json!({"p_account_id": account, "p_resource_type": "gpu_hours"}).to_string();
    let ask = async |headers: &[(&str, &str)]| {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        api.send(
            Method::POST,
            "/api/rpc/check_entitlement?select=decision,reason,quantity_allowed",
            &all,
            body.clone(),
        )
        .await
    };
    let object = ask(&[("accept", "application/vnd.pgrst.object+json")]).await;
    assert_eq!(
        object.ok(),
        json!({"decision": "allow", "reason": "Within entitlement", "quantity_allowed": 25})
    );
    assert_eq!(
        object.header("content-type"),
        Some("application/vnd.pgrst.object+json; charset=utf-8")
    );
    let csv = ask(&[("accept", "text/csv")]).await;
    assert_eq!(
        csv.text,
        "decision,reason,quantity_allowed\nallow,\"Within entitlement\",25"
    );
    let counted = ask(&[("prefer", "count=exact"), ("content-profile", "public")]).await;
    assert_eq!(counted.header("content-range"), Some("0-0/1"));
    assert_eq!(counted.header("preference-applied"), Some("count=exact"));
    assert_eq!(counted.header("content-profile"), Some("public"));
    ask(&[("content-profile", "private")])
        .await
        .expect_error(406, "PGRST106");
    let csv = api
        .send(
            Method::POST,
            "/api/rpc/provision_plan",
            &[
                ("accept", "text/csv"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            format!("p_account_id={account}&p_plan_id=starter"),
        )
        .await;
    assert_eq!(csv.text, "provision_plan\n5");
}

async fn an_answer_that_could_not_be_given_is_refused_before_anything_is_recorded(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let body =
        json!({"p_idempotency_key": "k", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 1}).to_string();
    let object = ("accept", "application/vnd.pgrst.object+json");
    for (query, header, status, code) in [
        ("?select=reason::int4", ("accept", "*/*"), 400, "PGRST127"),
        ("?select=zzz", ("accept", "*/*"), 400, "42703"),
        ("?decision=eq.deny", object, 400, "PGRST127"),
        ("?limit=0", object, 400, "PGRST127"),
        ("?offset=9", ("prefer", "count=exact"), 416, "PGRST103"),
        (
            "",
            ("prefer", "handling=strict, max-affected=0"),
            400,
            "PGRST124",
        ),
        ("", ("prefer", "handling=strict, foo=bar"), 400, "PGRST122"),
        ("", ("accept", "image/png"), 406, "PGRST107"),
    ] {
        let headers = [("content-type", "application/json"), header];
        let answer = api
            .send(
                Method::POST,
                &format!("/api/rpc/consume{query}"),
                &headers,
                body.clone(),
            )
            .await;
        answer.expect_error(status, code);
    }
    let rows = api
        .call(
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours"}),
        )
        .await
        .ok();
    expect(&rows[0], json!({"quantity_used": 0}));
}

async fn health_says_how_the_server_is(home: Home) {
    let api = Api::on(home).await;
    let health = api.get("/health").await;
    assert_eq!(
        (health.status.as_u16(), health.text.as_str()),
        (200, r#"{"status": "healthy"}"#)
    );
    assert_eq!(api.get("/livez").await.ok(), json!({"status": "alive"}));
    let ready = api.get("/readyz").await.ok();
    expect(
        &ready,
        json!({"status": "ready", "store": "usable", "queued": 0, "decisions_dropped": 0}),
    );
    assert!(ready["catalog_version"].as_i64() > Some(0));

    api.mec.close().await.expect("it ends in order");
    api.get("/health")
        .await
        .expect_error(503, "MEC_STORE_UNAVAILABLE");
    assert_eq!(api.get("/livez").await.status.as_u16(), 200);
    let not_ready = api.get("/readyz").await;
    assert_eq!(
        not_ready.expect_error(503, "MEC_STORE_UNAVAILABLE")["details"]["status"],
        "not ready"
    );
    assert_eq!(not_ready.header("retry-after"), Some("1"));
    let account = "0199aa10-0000-7000-8000-00000000abcd";
    let event = json!({"p_idempotency_key": "k", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 1});
    api.call("meter_consumption", event)
        .await
        .expect_error(503, "MEC_STOPPED");
}
