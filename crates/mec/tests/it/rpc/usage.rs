//! Recording usage, correcting it, and reporting it.

use serde_json::{Value, json};

use super::{DECISION_KEYS, expect, keys, standing};
use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    metering_twice_under_one_key_records_once_and_says_so,
    a_batch_answers_for_each_event_and_a_bad_one_spoils_nothing,
    a_correction_sets_a_new_total_or_voids,
    consume_records_what_it_lets_through_and_replays_it,
    what_was_metered_under_a_key_is_not_consumed_again,
    use_is_reported_in_buckets,
    windows_are_cut_on_request,
);

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
    let row = standing(&api, &account, "benchmark_runs").await;
    expect(
        &row,
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
    let row = standing(&api, &account, "gpu_hours").await;
    expect(&row, json!({"quantity_used": 1.5}));
}

async fn a_correction_sets_a_new_total_or_voids(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = json!({"p_idempotency_key": "k", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 5});
    let event = api.call("meter_consumption", event).await.ok();
    let used = async || {
        let row = standing(&api, &account, "gpu_hours").await;
        row["quantity_used"].clone()
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
