//! The guide's requests.

use serde_json::json;

use super::OBJECT;
use super::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    step_2_shows_the_plans_in_their_order,
    step_3_answers_the_created_account_as_one_object,
    scenario_a_needs_no_account_type,
    step_5_shows_the_five_entitlements_of_starter,
    scenario_d_expires_the_old_rows_and_provisions_a_new_plan,
    the_ledger_refuses_changes_in_the_guides_words,
);

async fn step_2_shows_the_plans_in_their_order(home: Home) {
    let api = Api::on(home).await;
    let answer = api.get("/api/plans", &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "application/json; charset=utf-8")
    );
    assert_eq!(
        (
            answer.header("content-range"),
            answer.header("content-location")
        ),
        ("0-3/*", "/api/plans")
    );
    let plans = answer.json();
    let shown: Vec<_> = plans
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| (plan["plan_id"].clone(), plan["plan_name"].clone()))
        .collect();
    let expected = [
        ("trial-14d", "14-Day Free Trial"),
        ("starter", "Starter"),
        ("pro", "Pro"),
        ("enterprise", "Enterprise"),
    ];
    assert_eq!(shown, expected.map(|(id, name)| (json!(id), json!(name))));
    assert_eq!(
        (&plans[0]["is_trial"], &plans[0]["trial_days"]),
        (&json!(true), &json!(14))
    );
}

async fn step_3_answers_the_created_account_as_one_object(home: Home) {
    let api = Api::on(home).await;
    let body = json!({
        "account_type_code": "organization", "display_name": "Acme Corp", "external_id": "stripe_cus_abc123",
        "email": "admin@acme.com",
    });
    let answer = api.post("/api/accounts", &[], body).await;
    let account = answer.json();
    assert_eq!(
        (
            answer.status.as_u16(),
            &account["display_name"],
            &account["status"]
        ),
        (201, &json!("Acme Corp"), &json!("active"))
    );
    let id = account["account_id"].as_str().unwrap();
    assert_eq!(
        answer.header("location"),
        format!("/api/accounts?account_id=eq.{id}")
    );
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert!(account["created_at"].as_str().unwrap().ends_with('Z'));
    let again = api.get(answer.header("location"), &[OBJECT]).await;
    assert_eq!(again.json(), account);
}

async fn scenario_a_needs_no_account_type(home: Home) {
    let api = Api::on(home).await;
    let answer = api
        .post(
            "/api/accounts",
            &[],
            json!({"external_id": "stripe_cus_xxx", "display_name": "New Customer"}),
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["account_type_code"]),
        (201, &json!("organization"))
    );
}

async fn step_5_shows_the_five_entitlements_of_starter(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("Acme Corp").await;
    assert_eq!(api.provision(&account, "starter").await, json!(5));
    let answer = api
        .get(&format!("/api/entitlements?account_id=eq.{account}"), &[])
        .await;
    let rows = answer.json();
    let shown: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["resource_type_code"], row["quantity_allowed"], row["limit_kind_code"]
            )
        })
        .collect();
    let expected = [
        r#""benchmark_runs" 100 "cumulative""#,
        r#""concurrent_users" 3 "concurrency""#,
        r#""gpu_hours" 25 "cumulative""#,
        r#""server_configs" 2 "inventory""#,
        r#""server_instances" 10 "inventory""#,
    ];
    assert_eq!(shown, expected);
}

async fn scenario_d_expires_the_old_rows_and_provisions_a_new_plan(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("Acme Corp").await;
    api.provision(&account, "starter").await;
    let check =
        json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": 1});
    let decision = async || {
        api.post("/api/rpc/check_entitlement", &[], check.clone())
            .await
            .json()[0]["decision"]
            .clone()
    };
    assert_eq!(decision().await, "allow");
    let path = format!("/api/entitlements?account_id=eq.{account}");
    let answer = api
        .write("PATCH", &path, &[], &json!({"status": "expired"}))
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(answer.header("content-range"), "0-4/*");
    assert_eq!(decision().await, "deny");
    api.provision(&account, "pro").await;
    assert_eq!(decision().await, "allow");
    let allowed = format!(
        "{path}&status=eq.active&resource_type_code=eq.benchmark_runs&select=quantity_allowed"
    );
    assert_eq!(
        api.get(&allowed, &[]).await.json(),
        json!([{"quantity_allowed": 500}])
    );
}

async fn the_ledger_refuses_changes_in_the_guides_words(home: Home) {
    let api = Api::on(home).await;
    for (method, path, told) in [
        (
            "PATCH",
            "/api/consumption_ledger?quantity=eq.1",
            "400 P0001 Consumption ledger is append-only. Cannot update.",
        ),
        (
            "DELETE",
            "/api/consumption_ledger?quantity=eq.1",
            "400 P0001 Consumption ledger is append-only. Cannot delete.",
        ),
        (
            "POST",
            "/api/consumption_ledger",
            "400 P0001 Consumption ledger is append-only. It is written by functions.",
        ),
    ] {
        let answer = api.write(method, path, &[], &json!({"quantity": 2})).await;
        assert_eq!(answer.told(), told);
        assert!(
            answer.json()["hint"]
                .as_str()
                .unwrap()
                .contains("/api/rpc/"),
            "{}",
            answer.text
        );
    }
}
