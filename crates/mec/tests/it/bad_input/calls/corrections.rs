//! Corrections that cannot be made.

use serde_json::{Value, json};

use crate::bad_input::case::{Case, NOBODY, meter};

pub(super) fn corrections(account: &str, event: &Value) -> Vec<Case> {
    let meter = |more: Value| meter(account, more);
    vec![
        Case(
            "a correction of nothing",
            "correct_consumption",
            json!({"p_event_id": NOBODY, "p_idempotency_key": "new", "p_reason": "x"}),
            404,
            "MEC_EVENT_NOT_FOUND",
        ),
        Case(
            "a correction that changes nothing",
            "correct_consumption",
            json!({"p_event_id": event, "p_idempotency_key": "new", "p_quantity": 1, "p_reason": "x"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "a correction below zero",
            "correct_consumption",
            json!({"p_event_id": event, "p_idempotency_key": "new", "p_quantity": -1, "p_reason": "x"}),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a correction without a reason",
            "correct_consumption",
            json!({"p_event_id": event, "p_idempotency_key": "new", "p_reason": ""}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a correction of another resource",
            "meter_consumption",
            meter(
                json!({"p_resource_type": "benchmark_runs", "p_is_correction": true, "p_corrects_event_id": event}),
            ),
            400,
            "MEC_BAD_CORRECTION",
        ),
    ]
}
