//! Checks: what an account may do now.

use serde_json::json;

use super::{DECISION_KEYS, expect, keys, standing};
use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    a_check_answers_a_decision_with_its_figures,
    a_denial_is_an_answer_without_quantities,
    an_account_may_be_named_by_its_external_id,
    an_explained_check_lists_every_limit_it_considered,
    the_usual_answer_is_what_selecting_everything_answers,
    everything_an_account_was_granted_is_checked_in_one_call,
);

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
    let row = standing(&api, &account, "gpu_hours").await;
    let wanted = json!({"decision": "deny", "reason": "No entitlement", "allowed": false, "entitlement_id": null, "quantity_used": null});
    expect(&row, wanted);
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
