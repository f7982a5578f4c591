//! Provisioning plans, and canceling them.

use serde_json::json;

use super::expect;
use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(a_plan_is_provisioned_once_and_cancelled,);

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
