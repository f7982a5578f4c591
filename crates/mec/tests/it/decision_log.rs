//! The decision log over the table API: what was decided, and on which limits, as an explained
//! answer shows them.

use serde_json::{Value, json};

use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    a_notable_decision_is_kept_with_the_limits_an_explained_answer_shows,
    an_effect_is_kept_with_the_quantities_after_it,
    what_was_asked_for_is_kept_in_the_canonical_unit,
    leases_are_kept_with_what_they_were_decided_on,
    an_empty_scope_is_kept_as_none,
);

async fn a_notable_decision_is_kept_with_the_limits_an_explained_answer_shows(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let asked = |quantity: u32| json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": quantity, "p_explain": true});
    let refused = api.call("check_entitlement", asked(101)).await.ok();
    assert_eq!(refused[0]["decision"], json!("block"));
    api.pass(1);
    // Not asked to explain, the log does all the same.
    let mut silent = asked(102);
    silent["p_explain"] = json!(false);
    let answer = api
        .call("check_entitlement?select=limits", silent)
        .await
        .ok();
    assert_eq!(answer, json!([{"limits": null}]));
    api.pass(1);
    assert_eq!(
        api.call("check_entitlement", asked(1)).await.ok()[0]["decision"],
        json!("allow")
    );
    let rows = api.decided(&account, 3).await;
    assert_eq!(
        rows.iter()
            .map(|row| row["decision"].clone())
            .collect::<Vec<_>>(),
        ["allow", "block", "block"]
    );
    assert_eq!(
        rows[0]["limits"],
        Value::Null,
        "a plain allow needs no reasons"
    );
    assert_eq!(rows[1]["limits"], refused[0]["limits"]);
    assert_eq!(rows[2]["limits"], refused[0]["limits"]);
}

async fn an_effect_is_kept_with_the_quantities_after_it(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let consume = |key: &str, quantity: u32| {
        json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": quantity, "p_idempotency_key": key,
               "p_explain": true})
    };
    api.call("consume", consume("most", 90)).await.ok();
    api.pass(1);
    let warned = api.call("consume", consume("more", 5)).await.ok();
    let rows = api.decided(&account, 2).await;
    assert_eq!(
        (&rows[0]["decision"], &rows[0]["operation"]),
        (&json!("warn"), &json!("consume"))
    );
    assert_eq!(
        (&rows[0]["requested_qty"], &rows[0]["quantity_used"]),
        (&json!(5), &json!(95))
    );
    assert_eq!(rows[0]["limits"], warned[0]["limits"]);
    assert_eq!(rows[0]["limits"][0]["quantity_used"], json!(95));
}

async fn what_was_asked_for_is_kept_in_the_canonical_unit(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let asked = json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_requested_qty": 90, "p_unit_code": "minute"});
    api.call("check_entitlement", asked).await.ok();
    api.pass(1);
    api.call(
        "check_entitlement",
        json!({"p_account_id": account, "p_resource_type": "gpu_hours"}),
    )
    .await
    .ok();
    let rows = api.decided(&account, 2).await;
    assert_eq!(
        (&rows[0]["requested_qty"], &rows[1]["requested_qty"]),
        (&Value::Null, &json!(1.5))
    );
}

async fn leases_are_kept_with_what_they_were_decided_on(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let acquire = json!({"p_account_id": account, "p_resource_type": "concurrent_users", "p_ttl_seconds": 60});
    let first = api.call("acquire_lease", acquire.clone()).await.ok();
    for _ in 0..3 {
        api.pass(1);
        api.call("acquire_lease", acquire.clone()).await.ok();
    }
    let rows = api.decided(&account, 4).await;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                &row["decision"],
                &row["quantity_used"],
                &row["quantity_allowed"],
            )
        })
        .collect();
    let (allow, block) = (json!("allow"), json!("block"));
    assert_eq!(shown[0], (&block, &json!(3), &json!(3)));
    assert_eq!(shown[3], (&allow, &json!(1), &json!(3)));
    assert!(rows.iter().all(|row| row["entitlement_id"].is_string()));
    assert_eq!(
        (
            &rows[0]["limits"][0]["decision"],
            &rows[0]["limits"][0]["quantity_used"]
        ),
        (&block, &json!(3))
    );
    // A renewal that comes too late is a decision about that account, too.
    api.pass(120);
    let renew = json!({"p_lease_id": first[0]["lease_id"], "p_ttl_seconds": 60});
    assert_eq!(
        api.call("renew_lease", renew).await.ok()[0]["decision"],
        json!("deny")
    );
    let rows = api.decided(&account, 5).await;
    assert_eq!(
        (&rows[0]["operation"], &rows[0]["reason_code"]),
        (&json!("renew_lease"), &json!("lease_over"))
    );
}

async fn an_empty_scope_is_kept_as_none(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let with = |more: Value| {
        let mut asked = json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_resource_scope": ""});
        asked
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        asked
    };
    api.call("check_entitlement", with(json!({"p_requested_qty": 1})))
        .await
        .ok();
    api.call(
        "consume",
        with(json!({"p_quantity": 1, "p_idempotency_key": "one"})),
    )
    .await
    .ok();
    api.call(
        "meter_consumption",
        with(json!({"p_quantity": 1, "p_idempotency_key": "two"})),
    )
    .await
    .ok();
    api.call(
        "acquire_lease",
        with(json!({"p_resource_type": "concurrent_users"})),
    )
    .await
    .ok();
    assert_eq!(
        api.call("get_usage", with(json!({}))).await.ok()[0]["quantity"],
        json!(2)
    );
    assert!(
        api.decided(&account, 3)
            .await
            .iter()
            .all(|row| row["resource_scope"].is_null())
    );
    for table in ["consumption_ledger", "concurrency_leases"] {
        let path = format!("/api/{table}?account_id=eq.{account}&select=resource_scope");
        let rows = api
            .send(reqwest::Method::GET, &path, &[], String::new())
            .await
            .ok();
        assert!(rows.as_array().is_some_and(
            |rows| !rows.is_empty() && rows.iter().all(|row| row["resource_scope"].is_null())
        ));
    }
}
