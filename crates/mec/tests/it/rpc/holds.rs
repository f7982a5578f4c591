//! Reservations and leases: what is held for a while.

use serde_json::{Value, json};

use super::{expect, keys, standing};
use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    a_reservation_is_held_settled_and_released,
    seats_are_taken_renewed_and_given_back,
    what_never_was_is_not_there_to_release,
);

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
    let row = standing(&api, &account, "gpu_hours").await;
    expect(&row, json!({"quantity_used": 7, "quantity_reserved": 0}));

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
    let row = standing(&api, &account, "concurrent_users").await;
    expect(
        &row,
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
