//! Plans that cannot be given or ended.

use serde_json::json;

use crate::bad_input::case::Case;

pub(super) fn plans(account: &str) -> Vec<Case> {
    vec![
        Case(
            "an unknown plan",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "start"}),
            404,
            "MEC_PLAN_NOT_FOUND",
        ),
        Case(
            "an unknown plan to cancel",
            "cancel_plan",
            json!({"p_account_id": account, "p_plan_id": "zzz"}),
            404,
            "MEC_PLAN_NOT_FOUND",
        ),
        Case(
            "no plan",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": ""}),
            400,
            "MEC_MISSING_ARGUMENT",
        ),
        Case(
            "a plan none times",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "pro", "p_quantity": 0}),
            400,
            "MEC_QUANTITY_NOT_POSITIVE",
        ),
        Case(
            "a plan that ends before it begins",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "pro", "p_until": "2026-01-01"}),
            400,
            "MEC_BAD_VALUE",
        ),
        Case(
            "a plan under an empty key",
            "provision_plan",
            json!({"p_account_id": account, "p_plan_id": "pro", "p_idempotency_key": ""}),
            400,
            "MEC_BAD_IDEMPOTENCY_KEY",
        ),
    ]
}
