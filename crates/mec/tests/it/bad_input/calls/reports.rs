//! Reports and windows that cannot be told.

use serde_json::json;

use crate::bad_input::case::Case;

pub(super) fn reports(account: &str) -> Vec<Case> {
    vec![
        Case(
            "usage that ends before it begins",
            "get_usage",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_from": "2026-11-02", "p_to": "2026-11-01"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "usage in too many buckets",
            "get_usage",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_from": "1970-01-01", "p_group_by": "hour"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "usage by the fortnight",
            "get_usage",
            json!({"p_account_id": account, "p_resource_type": "gpu_hours", "p_group_by": "fortnight"}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "an unknown window",
            "get_window_boundaries",
            json!({"p_window_type": "fortnight"}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "an unknown time zone",
            "get_window_boundaries",
            json!({"p_window_type": "day", "p_time_zone": "Mars/Base"}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
        Case(
            "a billing window without anchor",
            "get_window_boundaries",
            json!({"p_window_type": "billing_month"}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a rolling window too short",
            "get_window_boundaries",
            json!({"p_window_type": "rolling", "p_window_seconds": 59}),
            400,
            "MEC_BAD_ARGUMENT",
        ),
    ]
}
