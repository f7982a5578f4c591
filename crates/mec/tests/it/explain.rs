//! Why a decision is as it is: every level of the path with what it found, in an explained answer
//! and in the log.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    an_explained_deny_lists_every_level_with_its_rows_and_what_they_miss,
    a_suspended_account_is_the_level_that_denies,
    the_log_keeps_whose_limit_bound_and_whose_level_denied,
);

/// The one row that was written.
async fn post(api: &Api, table: &str, row: Value) -> Value {
    let headers = [
        ("content-type", "application/json"),
        ("prefer", "return=representation"),
    ];
    let answer = api
        .send(
            Method::POST,
            &format!("/api/{table}"),
            &headers,
            row.to_string(),
        )
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let written = answer.json();
    written
        .as_array()
        .map_or(written.clone(), |rows| rows[0].clone())
}

/// An organization and a team below it.
async fn team(api: &Api) -> (String, String) {
    let acme = api.account("acme").await.to_string();
    let team = json!({"display_name": "Team", "account_type_code": "team", "parent_account_id": acme, "external_id": "team"});
    let team = post(api, "accounts", team).await["account_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    (acme, team)
}

async fn granted(api: &Api, account: &str, more: Value) -> String {
    let mut row = json!({"account_id": account, "resource_type_code": "gpu_hours", "quantity_allowed": 10, "window_type_code": "month"});
    row.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    post(api, "entitlements", row).await["entitlement_id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

async fn explained(api: &Api, account: &str) -> Value {
    let asked = json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_requested_qty": 1, "p_explain": true});
    api.call("check_entitlement", asked).await.ok()[0].clone()
}

async fn an_explained_deny_lists_every_level_with_its_rows_and_what_they_miss(home: Home) {
    let api = Api::on(home).await;
    let (acme, team) = team(&api).await;
    let nothing = explained(&api, &team).await;
    assert_eq!(
        (&nothing["decision"], &nothing["binding_account_id"]),
        (&json!("deny"), &json!(team))
    );
    let levels = nothing["limits"].as_array().expect("every level");
    assert_eq!(levels.len(), 2);
    for (level, account) in [(0, &team), (1, &acme)] {
        let of = &levels[level];
        assert_eq!(
            (&of["level"], &of["account_id"], &of["decision"]),
            (&json!(level), &json!(account), &Value::Null)
        );
        assert_eq!(
            (
                &of["reason_code"],
                &of["entitlements"],
                &of["quantity_allowed"]
            ),
            (&json!("no_entitlement"), &json!([]), &Value::Null)
        );
    }

    let eu = granted(&api, &team, json!({})).await;
    let condition = json!({
        "entitlement_id": eu, "condition_type": "attribute", "attribute": "region", "operator": "in", "value": ["eu", "us"],
    });
    let condition = post(&api, "entitlement_conditions", condition).await;
    let later = granted(&api, &team, json!({"valid_from": "2027-01-01T00:00:00Z"})).await;
    let above = granted(&api, &acme, json!({"quantity_allowed": 40})).await;
    let missed = explained(&api, &team).await;
    assert_eq!(
        (&missed["reason_code"], &missed["binding_account_id"]),
        (&json!("condition_not_met"), &json!(team))
    );
    let level = &missed["limits"][0];
    assert_eq!(
        (&level["decision"], &level["reason"]),
        (&json!("deny"), &json!("Condition not met"))
    );
    assert_eq!(level["entitlement_ids"], json!([eu, later]));
    let rows = &level["entitlements"];
    let condition = json!({
        "condition_id": condition["condition_id"], "condition_type": "attribute", "attribute": "region", "operator": "in",
        "value": ["eu", "us"],
    });
    let made = format!("/api/entitlements?entitlement_id=eq.{eu}&select=valid_from");
    let now = api.get(&made).await.ok()[0]["valid_from"].clone();
    assert_eq!(
        rows,
        &json!([
            {
                "entitlement_id": eu, "resource_scope": null, "status": "active", "in_force_from": now, "reason": "Condition not met",
                "reason_code": "condition_not_met", "condition": condition,
            },
            {
                "entitlement_id": later, "resource_scope": null, "status": "active", "in_force_from": "2027-01-01T00:00:00Z",
                "reason": "Entitlement starts 2027-01-01", "reason_code": "entitlement_not_started", "condition": null,
            },
        ])
    );
    // The limit above is listed although it does not decide.
    let limit = &missed["limits"][1];
    assert_eq!(
        (&limit["entitlement_ids"], &limit["decision"]),
        (&json!([above]), &json!("allow"))
    );
    assert_eq!(missed["limits"].as_array().map(Vec::len), Some(2));

    // A level without a limit is listed beside the limit that decides, too.
    let asked = json!({
        "p_account_id": team, "p_resource_type": "gpu_hours", "p_requested_qty": 41, "p_attributes": {"region": "eu"},
        "p_explain": true,
    });
    suspend(&api, "entitlements", &acme).await;
    let denied = api.call("check_entitlement", asked).await.ok()[0].clone();
    assert_eq!(
        (&denied["reason_code"], &denied["binding_account_id"]),
        (&json!("entitlement_suspended"), &json!(acme))
    );
    let above = &denied["limits"][1]["entitlements"][0];
    assert_eq!(
        (&above["status"], &above["reason_code"]),
        (&json!("suspended"), &json!("entitlement_suspended"))
    );
    assert_eq!(
        (
            &denied["limits"][0]["decision"],
            &denied["limits"][0]["quantity_allowed"]
        ),
        (&json!("block"), &json!(10))
    );
}

/// Suspends an account, or what it is entitled to.
async fn suspend(api: &Api, table: &str, account: &str) {
    let suspended = json!({"status": "suspended"}).to_string();
    let path = format!("/api/{table}?account_id=eq.{account}");
    let json = [("content-type", "application/json")];
    let patched = api.send(Method::PATCH, &path, &json, suspended).await;
    assert_eq!(patched.status, 204, "{patched:?}");
}

async fn a_suspended_account_is_the_level_that_denies(home: Home) {
    let api = Api::on(home).await;
    let (acme, team) = team(&api).await;
    granted(&api, &team, json!({})).await;
    suspend(&api, "accounts", &acme).await;
    let answer = explained(&api, &team).await;
    assert_eq!(
        (&answer["reason_code"], &answer["binding_account_id"]),
        (&json!("account_suspended"), &json!(acme))
    );
    let levels: Vec<_> = answer["limits"]
        .as_array()
        .expect("a level")
        .iter()
        .map(|of| (&of["level"], &of["reason_code"]))
        .collect();
    assert_eq!(levels, [(&json!(1), &json!("account_suspended"))]);
}

async fn the_log_keeps_whose_limit_bound_and_whose_level_denied(home: Home) {
    let api = Api::on(home).await;
    let (acme, team) = team(&api).await;
    let denied = explained(&api, &team).await;
    api.pass(1);
    granted(&api, &acme, json!({})).await;
    let allowed = explained(&api, &team).await;
    assert_eq!(allowed["binding_account_id"], json!(acme));
    api.pass(1);
    let consume = json!({"p_account_id": team, "p_resource_type": "gpu_hours", "p_quantity": 11, "p_idempotency_key": "k"});
    assert_eq!(
        api.call("consume", consume).await.ok()[0]["decision"],
        json!("block")
    );
    let rows = api.decided(&team, 3).await;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (&row["decision"], &row["binding_account_id"]))
        .collect();
    let (block, allow, deny) = (json!("block"), json!("allow"), json!("deny"));
    assert_eq!(
        shown,
        [
            (&block, &json!(acme)),
            (&allow, &json!(acme)),
            (&deny, &json!(team))
        ]
    );
    assert_eq!(rows[2]["limits"], denied["limits"]);
    let levels: Vec<_> = rows[0]["limits"]
        .as_array()
        .expect("every level")
        .iter()
        .map(|of| &of["level"])
        .collect();
    assert_eq!(levels, [&json!(0), &json!(1)]);
}
