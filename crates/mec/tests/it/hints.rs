//! Hints of the codes that clients of PostgREST know: they name what is taken, missing or unknown,
//! and what they say to type works.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    what_is_taken_can_be_read_as_the_hint_says,
    what_is_missing_can_be_looked_up_as_the_hint_says,
    a_call_that_fits_nothing_is_told_which_arguments_are_missing_and_unknown,
);

async fn post(api: &Api, table: &str, row: Value, code: &str, status: u16) -> String {
    let json = [("content-type", "application/json")];
    let answer = api
        .send(
            Method::POST,
            &format!("/api/{table}"),
            &json,
            row.to_string(),
        )
        .await;
    answer.expect_error(status, code)["hint"]
        .as_str()
        .expect("a hint")
        .to_owned()
}

/// What the GET that a hint tells answers.
async fn followed(api: &Api, hint: &str) -> Value {
    let (_, rest) = hint
        .split_once("GET ")
        .unwrap_or_else(|| panic!("nothing to type: {hint}"));
    let path = rest
        .split(' ')
        .next()
        .unwrap_or_default()
        .trim_end_matches([',', ':', ';']);
    api.get(path).await.ok()
}

async fn what_is_taken_can_be_read_as_the_hint_says(home: Home) {
    let api = Api::on(home).await;
    let acme = api.account("acme & söhne").await.to_string();
    let hour =
        json!({"unit_code": "hour", "unit_name": "Hour", "dimension": "time", "factor": 3600});
    let hint = post(&api, "units", hour, "23505", 409).await;
    assert!(hint.contains("unit_code"), "{hint}");
    assert_eq!(followed(&api, &hint).await[0]["unit_name"], "Hour");
    let twice = json!({"display_name": "Other", "external_id": "acme & söhne"});
    let hint = post(&api, "accounts", twice.clone(), "23505", 409).await;
    assert!(hint.contains("external_id"), "{hint}");
    assert_eq!(followed(&api, &hint).await[0]["account_id"], json!(acme));
    let other = api.account("other").await;
    let path = format!("/api/accounts?account_id=eq.{other}");
    let json = [("content-type", "application/json")];
    let patched = api
        .send(
            Method::PATCH,
            &path,
            &json,
            json!({"external_id": "acme & söhne"}).to_string(),
        )
        .await;
    let hint = patched.expect_error(409, "23505")["hint"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(followed(&api, &hint).await[0]["account_id"], json!(acme));
}

async fn what_is_missing_can_be_looked_up_as_the_hint_says(home: Home) {
    let api = Api::on(home).await;
    let acme = api.account("acme").await.to_string();
    let nobody = "00000000-0000-7000-8000-000000000001";
    let granted = |resource: &str, window: &str, account: &str| {
        json!({
            "account_id": account, "resource_type_code": resource, "quantity_allowed": 1, "window_type_code": window,
        })
    };
    for (table, row, column, found) in [
        (
            "entitlements",
            granted("gpu_hour", "month", &acme),
            "resource_type_code",
            "gpu_hours",
        ),
        (
            "entitlements",
            granted("gpu_hours", "mont", &acme),
            "window_type_code",
            "month",
        ),
        (
            "entitlements",
            granted("gpu_hours", "month", nobody),
            "account_id",
            acme.as_str(),
        ),
        (
            "accounts",
            json!({"display_name": "Team", "parent_account_id": nobody}),
            "parent_account_id",
            &acme,
        ),
        (
            "accounts",
            json!({"display_name": "Team", "account_type_code": "squad"}),
            "account_type_code",
            "team",
        ),
    ] {
        let hint = post(&api, table, row, "23503", 409).await;
        assert!(hint.contains(column), "{column}: {hint}");
        let rows = followed(&api, &hint).await;
        let is_listed = |row: &Value| {
            row.as_object()
                .is_some_and(|row| row.values().any(|value| value == found))
        };
        assert!(
            rows.as_array()
                .is_some_and(|rows| rows.iter().any(is_listed)),
            "{hint}: {rows}"
        );
    }
}

async fn a_call_that_fits_nothing_is_told_which_arguments_are_missing_and_unknown(home: Home) {
    let api = Api::on(home).await;
    for (function, arguments, wanted) in [
        (
            "check_entitlement",
            json!({"p_external_id": "acme"}),
            "Add p_resource_type",
        ),
        (
            "consume",
            json!({"p_external_id": "acme", "p_resource": "gpu_hours", "p_amount": 1}),
            "Add p_idempotency_key, p_resource_type and p_quantity; leave out p_amount and p_resource",
        ),
        (
            "check_entitlement",
            json!({"p_external_id": "acme", "p_resource_typ": "gpu_hours"}),
            "Write p_resource_type instead of p_resource_typ",
        ),
        (
            "cancel_plan",
            json!({"p_external_id": "acme", "p_plan_id": "pro", "p_atx": "now"}),
            "Write p_at instead of p_atx",
        ),
    ] {
        let error = api
            .call(function, arguments)
            .await
            .expect_error(404, "PGRST202");
        let hint = error["hint"].as_str().expect("a hint");
        assert!(hint.starts_with(wanted), "{hint}");
        assert!(
            hint.contains(&format!("POST /api/rpc/{function} takes")),
            "{hint}"
        );
    }
    let error = api
        .call("chek_entitlement", json!({}))
        .await
        .expect_error(404, "PGRST202");
    assert_eq!(
        error["hint"],
        "Perhaps you meant POST /api/rpc/check_entitlement"
    );
}
