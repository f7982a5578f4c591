//! Checks that cannot be answered.

use serde_json::{Value, json};

use crate::bad_input::case::{Case, NOBODY, check, too_long};

pub(super) fn checks(account: &str) -> Vec<Case> {
    let check = |more: Value| check(account, more);
    let long = too_long();
    vec![
        Case(
            "a question about half a seat",
            "check_entitlement",
            json!({"p_account_id": account, "p_resource_type": "concurrent_users", "p_requested_qty": "1.5"}),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "an unknown account",
            "check_entitlement",
            check(json!({"p_account_id": NOBODY})),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "an account of no tree",
            "check_entitlement",
            check(json!({"p_account_id": "00000000-0000-0000-0000-000000000000"})),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "an unknown external id",
            "check_entitlement",
            json!({"p_external_id": "zzz", "p_resource_type": "gpu_hours"}),
            404,
            "MEC_ACCOUNT_NOT_FOUND",
        ),
        Case(
            "no account",
            "check_entitlement",
            json!({"p_resource_type": "gpu_hours"}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "two accounts",
            "check_entitlement",
            check(json!({"p_external_id": "acme"})),
            400,
            "MEC_CONFLICTING_ARGUMENTS",
        ),
        Case(
            "a bad uuid",
            "check_entitlement",
            check(json!({"p_account_id": "zzz"})),
            400,
            "22P02",
        ),
        Case(
            "an unknown resource",
            "check_entitlement",
            check(json!({"p_resource_type": "benchmark_run"})),
            404,
            "MEC_RESOURCE_NOT_FOUND",
        ),
        Case(
            "an unknown resource among several",
            "check_entitlements",
            json!({"p_account_id": account, "p_resource_types": ["zzz"]}),
            404,
            "MEC_RESOURCE_NOT_FOUND",
        ),
        Case(
            "a resource that is null",
            "check_entitlement",
            check(json!({"p_resource_type": null})),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "an unknown unit",
            "check_entitlement",
            check(json!({"p_unit_code": "parsec"})),
            404,
            "MEC_UNIT_NOT_FOUND",
        ),
        Case(
            "a unit that does not fit",
            "check_entitlement",
            check(json!({"p_unit_code": "hour"})),
            400,
            "MEC_UNIT_NOT_ALLOWED",
        ),
        Case(
            "a question below zero",
            "check_entitlement",
            check(json!({"p_requested_qty": -1})),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a question that rounds to 0",
            "check_entitlement",
            check(json!({"p_requested_qty": 0.0000001})),
            400,
            "MEC_BAD_QUANTITY",
        ),
        Case(
            "attributes that are no object",
            "check_entitlement",
            check(json!({"p_attributes": [1]})),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "attributes within attributes",
            "check_entitlement",
            check(json!({"p_attributes": {"a": {}}})),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a scope too long",
            "check_entitlement",
            check(json!({"p_resource_scope": long})),
            400,
            "22001",
        ),
        Case(
            "a text with a NUL",
            "check_entitlement",
            check(json!({"p_resource_scope": "a\u{0}"})),
            400,
            "22021",
        ),
        Case(
            "an argument without p_",
            "check_entitlement",
            check(json!({"requested_qty": 1})),
            404,
            "PGRST202",
        ),
    ]
}
