//! JSON columns: what a caller sends is kept and answered as PostgreSQL's `jsonb` spells it, by
//! both stores to the byte.

use reqwest::Method;
use serde_json::json;

use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    json_columns_answer_the_spelling_of_jsonb,
    numbers_too_long_to_be_written_out_are_refused,
    metadata_patched_to_the_same_value_is_not_audited,
);

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
/// A value in a spelling that nothing keeps.
const GIVEN: &str =
    r#"{ "bb":1.50, "a":[ 1e2,{"b":{},"a":[]} ],"é":"\u00e9\/","c":-0, "bb":2.50 }"#;
/// The same value as `jsonb` spells it.
const KEPT: &str = r#"{"a": [100, {"a": [], "b": {}}], "c": 0, "bb": 2.50, "é": "é/"}"#;

async fn json_columns_answer_the_spelling_of_jsonb(home: Home) {
    let api = Api::on(home).await;
    let made = format!(r#"{{"display_name":"Acme","external_id":"acme","metadata":{GIVEN}}}"#);
    assert_eq!(
        api.send(Method::POST, "/api/accounts", &JSON, made)
            .await
            .status,
        201
    );
    let account = api
        .get("/api/accounts?external_id=eq.acme&select=metadata")
        .await;
    assert_eq!(account.text, format!(r#"[{{"metadata":{KEPT}}}]"#));
    let part = api
        .get("/api/accounts?external_id=eq.acme&select=metadata-%3Ea-%3E1,text:metadata-%3E%3Ea")
        .await;
    assert_eq!(
        part.text,
        r#"[{"a":{"a": [], "b": {}},"text":"[100, {\"a\": [], \"b\": {}}]"}]"#
    );
    // A filter on the text of a value meets the same text.
    let filter = "/api/accounts?metadata-%3E%3Ea=eq.[100,%20{%22a%22:%20[],%20%22b%22:%20{}}]&select=external_id";
    assert_eq!(api.get(filter).await.text, r#"[{"external_id":"acme"}]"#);
    let csv = api
        .send(
            Method::GET,
            "/api/accounts?select=metadata",
            &[("accept", "text/csv")],
            String::new(),
        )
        .await;
    assert_eq!(
        csv.text,
        format!("metadata\n\"{}\"", KEPT.replace('"', "\"\""))
    );

    let event = format!(
        r#"{{"p_external_id":"acme","p_resource_type":"benchmark_runs","p_quantity":1,"p_idempotency_key":"one","p_details":{GIVEN}}}"#
    );
    assert_eq!(
        api.send(Method::POST, "/api/rpc/meter_consumption", &JSON, event)
            .await
            .status,
        200
    );
    let events = format!(
        r#"{{"p_events":[{{"external_id":"acme","resource_type":"benchmark_runs","quantity":1,"idempotency_key":"two","details":{GIVEN}}}]}}"#
    );
    assert_eq!(
        api.send(Method::POST, "/api/rpc/meter_batch", &JSON, events)
            .await
            .status,
        200
    );
    let details = api
        .get("/api/consumption_event_details?select=details")
        .await;
    assert_eq!(
        details.text,
        format!(r#"[{{"details":{KEPT}}},{{"details":{KEPT}}}]"#)
    );
    // The same value in another spelling is the same event.
    let again = json!({
        "p_external_id": "acme", "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": "one",
        "p_details": {"c": 0, "a": [100, {"a": [], "b": {}}], "é": "é/", "bb": 2.5},
    });
    assert_eq!(api.call("meter_consumption", again).await.status, 200);

    let account = api.get("/api/accounts?select=account_id").await.ok()[0]["account_id"].clone();
    let row = json!({"account_id": account, "resource_type_code": "gpu_hours", "quantity_allowed": 1, "window_type_code": "month"});
    assert_eq!(
        api.send(Method::POST, "/api/entitlements", &JSON, row.to_string())
            .await
            .status,
        201
    );
    let row = api
        .get("/api/entitlements?select=entitlement_id")
        .await
        .ok()[0]["entitlement_id"]
        .clone();
    let hours = json!({"entitlement_id": row, "condition_type": "time_of_day", "value": {"to": "18:00", "from": "08:00"}});
    assert_eq!(
        api.send(
            Method::POST,
            "/api/entitlement_conditions",
            &JSON,
            hours.to_string()
        )
        .await
        .status,
        201
    );
    let condition = api.get("/api/entitlement_conditions?select=value").await;
    assert_eq!(
        condition.text,
        r#"[{"value":{"to": "18:00", "from": "08:00"}}]"#
    );
    let audit =
        api.get("/api/entitlements_audit?select=new_row-%3Eentitlement_conditions-%3E0-%3Evalue&order=audit_id.desc&limit=1");
    assert_eq!(
        audit.await.text,
        r#"[{"value":{"to": "18:00", "from": "08:00"}}]"#
    );
}

async fn numbers_too_long_to_be_written_out_are_refused(home: Home) {
    let api = Api::on(home).await;
    let made = |numbers: usize| {
        let numbers = vec!["1e9000"; numbers].join(",");
        format!(
            r#"{{"display_name":"Acme","external_id":"{}","metadata":[{numbers}]}}"#,
            numbers.len()
        )
    };
    assert_eq!(
        api.send(Method::POST, "/api/accounts", &JSON, made(11))
            .await
            .status,
        201
    );
    api.send(Method::POST, "/api/accounts", &JSON, made(12))
        .await
        .expect_error(400, "22003");
}

async fn metadata_patched_to_the_same_value_is_not_audited(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let path =
        format!("/api/entitlements?account_id=eq.{account}&resource_type_code=eq.benchmark_runs");
    let patched = [
        (r#"{"b":1,"a":[2]}"#, 1),
        (r#"{"b":1,"a":[2]}"#, 1),
        (r#"{ "a" : [2], "b" : 1 }"#, 1),
        (r#"{"b":1,"a":[3]}"#, 2),
        ("null", 3),
        ("null", 3),
    ];
    for (metadata, audited) in patched {
        let body = format!(r#"{{"metadata":{metadata}}}"#);
        assert_eq!(
            api.send(Method::PATCH, &path, &JSON, body).await.status,
            204
        );
        let audit = format!(
            "/api/entitlements_audit?account_id=eq.{account}&action=eq.update&select=reason"
        );
        assert_eq!(
            api.get(&audit).await.ok().as_array().map(Vec::len),
            Some(audited),
            "{metadata}"
        );
    }
    // Another column in the same request is a change all the same.
    let body = r#"{"metadata":null,"priority":7}"#.to_owned();
    assert_eq!(
        api.send(Method::PATCH, &path, &JSON, body).await.status,
        204
    );
    assert_eq!(
        api.get(&format!("{path}&select=priority")).await.ok(),
        json!([{"priority": 7}])
    );
}
