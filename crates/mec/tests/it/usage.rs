//! What an account used over time, and where it stands with all it has.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    seats_over_time_are_their_peak_and_the_hours_of_their_leases,
    inventory_over_time_is_what_is_owned_at_the_end_of_each_bucket,
    everything_an_account_has_is_checked_scope_by_scope,
);

async fn granted(api: &Api, row: Value) {
    let json = [("content-type", "application/json")];
    let answer = api
        .send(Method::POST, "/api/entitlements", &json, row.to_string())
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

async fn seats_over_time_are_their_peak_and_the_hours_of_their_leases(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("acme").await.to_string();
    granted(&api, json!({"account_id": account, "resource_type_code": "concurrent_users", "quantity_allowed": 20})).await;
    let team = json!({"display_name": "Team", "account_type_code": "team", "parent_account_id": account, "external_id": "team"});
    let json = [("content-type", "application/json")];
    assert_eq!(
        api.send(Method::POST, "/api/accounts", &json, team.to_string())
            .await
            .status,
        201
    );
    let acquire = async |account: &str, token: &str, seats: i64, minutes: i64| {
        let lease = json!({
            "p_external_id": account, "p_resource_type": "concurrent_users", "p_session_token": token,
            "p_quantity": seats, "p_ttl_minutes": minutes,
        });
        let row = api.call("acquire_lease", lease).await.ok()[0].clone();
        assert_eq!(row["success"], true, "{row}");
        row["lease_id"].clone()
    };
    // At noon, half a second after the clock's start, so that expiries are whole minutes away.
    api.pass(1);
    let alice = acquire("acme", "alice", 2, 90).await;
    api.pass(30 * 60);
    acquire("team", "bob", 3, 15).await;
    api.pass(15 * 60 + 1);
    // Bob's lease has expired: this one takes no seat beside it.
    let carol = acquire("acme", "carol", 1, 60).await;
    api.pass(15 * 60);
    for lease in [&alice, &carol] {
        assert_eq!(
            api.call("release_lease", json!({"p_lease_id": lease}))
                .await
                .ok(),
            true
        );
    }
    acquire("acme", "dora", 4, 60).await;
    api.pass(30 * 60);
    let hours = json!({
        "p_external_id": "acme", "p_resource_type": "concurrent_users", "p_group_by": "hour",
        "p_from": "2026-11-24T11:00:00Z", "p_to": "2026-11-24T16:00:00Z",
    });
    let asked = |own_only: bool| {
        let mut asked = hours.clone();
        asked["p_own_only"] = own_only.into();
        asked
    };
    let select = "get_usage?select=quantity,lease_hours,overage,overage_cost,events";
    let row = |quantity: Value, lease_hours: Value| json!({"quantity": quantity, "lease_hours": lease_hours, "overage": 0, "overage_cost": null, "events": 0});
    // 12:00:00.5 to 13:01:01.5: Alice's two. Bob's three from 12:30:00.5 to 12:45:01. Carol's from
    // 12:45:01.5 to 13:00:01.5, then Dora's four until now, 13:30:01.5.
    let nothing = row(json!(0), json!(0));
    // Milliseconds of seats as hours, rounded to millionths.
    let hours_of = |milliseconds: i64| -> Value {
        let millionths = (milliseconds * 1_000_000 + 1_800_000) / 3_600_000;
        let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        serde_json::from_str(text.trim_end_matches('0').trim_end_matches('.')).unwrap()
    };
    let first = hours_of(2 * 3_599_500 + 3 * 900_500 + 898_500);
    let second = hours_of(2 * 1_500 + 1_500 + 4 * 1_800_000);
    let wanted = json!([
        nothing,
        row(json!(5), first),
        row(json!(4), second),
        nothing,
        nothing
    ]);
    assert_eq!(api.call(select, asked(false)).await.ok(), wanted);
    let rows = api.call(select, asked(true)).await.ok();
    assert_eq!(rows[1], row(json!(3), hours_of(2 * 3_599_500 + 898_500)));
    let month = json!({"p_external_id": "team", "p_resource_type": "concurrent_users"});
    assert_eq!(
        api.call(select, month.clone()).await.ok(),
        json!([row(json!(3), hours_of(3 * 900_500))])
    );
    let scoped = json!({"p_external_id": "team", "p_resource_type": "concurrent_users", "p_resource_scope": "eu"});
    assert_eq!(api.call(select, scoped).await.ok(), json!([nothing]));
    // What is not counted in seats has none.
    let runs = json!({"p_external_id": "acme", "p_resource_type": "benchmark_runs"});
    assert_eq!(
        api.call("get_usage?select=lease_hours", runs).await.ok(),
        json!([{"lease_hours": null}])
    );
}

async fn inventory_over_time_is_what_is_owned_at_the_end_of_each_bucket(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    for (key, quantity, at) in [
        ("bought", 5, "2026-10-30T10:00:00Z"),
        ("more", 2, "2026-11-20T10:15:00Z"),
        ("returned", -3, "2026-11-21T23:59:59Z"),
        ("again", 1, "2026-11-22T00:00:00Z"),
    ] {
        let event = json!({
            "p_idempotency_key": key, "p_account_id": account, "p_resource_type": "server_instances", "p_quantity": quantity,
            "p_occurred_at": at,
        });
        api.call("meter_consumption", event).await.ok();
    }
    let days = json!({
        "p_account_id": account, "p_resource_type": "server_instances", "p_from": "2026-11-20", "p_to": "2026-11-24",
        "p_group_by": "day",
    });
    let row = |quantity: i64, events: i64| json!({"quantity": quantity, "events": events});
    let rows = api
        .call("get_usage?select=quantity,events", days)
        .await
        .ok();
    assert_eq!(rows, json!([row(7, 1), row(4, 1), row(5, 1), row(5, 0)]));
    let month = json!({"p_account_id": account, "p_resource_type": "server_instances"});
    assert_eq!(
        api.call("get_usage?select=quantity,events", month)
            .await
            .ok(),
        json!([row(5, 3)])
    );
}

async fn everything_an_account_has_is_checked_scope_by_scope(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("acme").await.to_string();
    for (resource, scope, quantity) in [
        ("gpu_hours", Some("us"), 20),
        ("gpu_hours", Some("eu"), 10),
        ("benchmark_runs", Some("nightly"), 3),
        ("benchmark_runs", None, 100),
    ] {
        let row = json!({
            "account_id": account, "resource_type_code": resource, "resource_scope": scope, "quantity_allowed": quantity,
            "window_type_code": "month",
        });
        granted(&api, row).await;
    }
    let row = |resource: &str, scope: Option<&str>, quantity: i64| json!({"resource_type": resource, "resource_scope": scope, "decision": "allow", "quantity_allowed": quantity});
    let select = "check_entitlements?select=resource_type,resource_scope,decision,quantity_allowed";
    let all = api
        .call(select, json!({"p_account_id": account}))
        .await
        .ok();
    let (whole, nightly) = (
        row("benchmark_runs", None, 100),
        row("benchmark_runs", Some("nightly"), 3),
    );
    let (eu, us) = (
        row("gpu_hours", Some("eu"), 10),
        row("gpu_hours", Some("us"), 20),
    );
    assert_eq!(all, json!([whole, nightly, eu, us]));
    let named =
        json!({"p_account_id": account, "p_resource_types": ["gpu_hours", "server_configs"]});
    let nothing = json!({"resource_type": "server_configs", "resource_scope": null, "decision": "deny", "quantity_allowed": null});
    assert_eq!(api.call(select, named).await.ok(), json!([eu, us, nothing]));
}
