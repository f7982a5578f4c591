//! Usage that cannot be recorded, whatever its quantity.

use serde_json::{Value, json};

use crate::bad_input::case::{Case, NOBODY, meter, too_long};

pub(super) fn events(account: &str) -> Vec<Case> {
    let meter = |more: Value| meter(account, more);
    let long = too_long();
    let many = vec![0; 10_001];
    vec![
        Case(
            "an account of a tree too far",
            "meter_consumption",
            meter(json!({"p_account_id": "ffffffff-ffff-ffff-ffff-ffffffffffff"})),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "an argument of another function",
            "consume",
            meter(json!({"p_requested_qty": 1})),
            404,
            "PGRST202",
        ),
        Case(
            "a missing argument",
            "meter_consumption",
            json!({"p_account_id": account, "p_quantity": 1}),
            404,
            "PGRST202",
        ),
        Case("no arguments", "consume", json!({}), 404, "PGRST202"),
        Case("an unknown function", "zzz", json!({}), 404, "PGRST202"),
        Case(
            "a time that is none",
            "meter_consumption",
            meter(json!({"p_occurred_at": "soon"})),
            400,
            "22007",
        ),
        Case(
            "a date that is none",
            "meter_consumption",
            meter(json!({"p_occurred_at": "2026-02-30"})),
            400,
            "22008",
        ),
        Case(
            "a time ahead",
            "meter_consumption",
            meter(json!({"p_occurred_at": "2026-11-24T12:05:01Z"})),
            400,
            "MEC_OCCURRED_IN_FUTURE",
        ),
        Case(
            "a time too old",
            "meter_consumption",
            meter(json!({"p_occurred_at": "2026-08-26T11:59:59Z"})),
            400,
            "MEC_OCCURRED_TOO_LATE",
        ),
        Case(
            "an empty key",
            "meter_consumption",
            meter(json!({"p_idempotency_key": ""})),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        Case(
            "a null key",
            "consume",
            meter(json!({"p_idempotency_key": null})),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        Case(
            "a key too long",
            "reserve",
            meter(json!({"p_idempotency_key": long})),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
        Case(
            "a key that is taken",
            "consume",
            meter(json!({"p_idempotency_key": "taken", "p_quantity": 2})),
            409,
            "MEC_IDEMPOTENCY_CONFLICT",
        ),
        Case(
            "metering seats",
            "meter_consumption",
            meter(json!({"p_resource_type": "concurrent_users"})),
            400,
            "MEC_WRONG_LIMIT_KIND",
        ),
        Case(
            "consuming access",
            "consume",
            meter(json!({"p_resource_type": "platform_access"})),
            400,
            "MEC_WRONG_LIMIT_KIND",
        ),
        Case(
            "a hold without time",
            "reserve",
            meter(json!({"p_ttl_seconds": 0})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "an unknown reservation",
            "settle_reservation",
            json!({"p_reservation_id": NOBODY, "p_quantity": 1}),
            404,
            "MEC_RESERVATION_NOT_FOUND",
        ),
        Case(
            "a batch of nothing",
            "meter_batch",
            json!({"p_events": {}}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a batch too large",
            "meter_batch",
            json!({"p_events": many}),
            413,
            "MEC_TOO_MANY_EVENTS",
        ),
    ]
}
