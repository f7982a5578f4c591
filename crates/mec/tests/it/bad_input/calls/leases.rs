//! Leases that cannot be taken or renewed.

use serde_json::{Value, json};

use crate::bad_input::case::{Case, NOBODY, lease};

pub(super) fn leases(account: &str) -> Vec<Case> {
    let lease = |more: Value| lease(account, more);
    vec![
        Case(
            "half a seat",
            "acquire_lease",
            lease(json!({"p_quantity": "0.5"})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "leasing runs",
            "acquire_lease",
            lease(json!({"p_resource_type": "benchmark_runs"})),
            400,
            "MEC_WRONG_LIMIT_KIND",
        ),
        Case(
            "a lease without time",
            "acquire_lease",
            lease(json!({"p_ttl_seconds": 0})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "a lease of more than a day",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": 1441})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "a lease for ever",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": i64::MAX})),
            400,
            "MEC_BAD_TTL",
        ),
        Case(
            "a lease beyond all numbers",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": "99999999999999999999"})),
            400,
            "22003",
        ),
        Case(
            "two times to live",
            "acquire_lease",
            lease(json!({"p_ttl_minutes": 1, "p_ttl_seconds": 60})),
            400,
            "MEC_CONFLICTING_ARGUMENTS",
        ),
        Case(
            "no seat at all",
            "acquire_lease",
            lease(json!({"p_quantity": 0})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "an empty session",
            "acquire_lease",
            lease(json!({"p_session_token": ""})),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a renewal without time",
            "renew_lease",
            json!({"p_lease_id": NOBODY, "p_ttl_seconds": -1}),
            400,
            "MEC_BAD_TTL",
        ),
    ]
}
