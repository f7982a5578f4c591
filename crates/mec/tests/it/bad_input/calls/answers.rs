//! Answers that cannot be given in the form that is asked for.

use serde_json::{Value, json};

use crate::bad_input::case::{Case, check};

pub(super) fn answers(account: &str) -> Vec<Case> {
    let check = |more: Value| check(account, more);
    vec![
        Case(
            "a filter that is none",
            "check_entitlement?decision=bogus.1",
            check(json!({})),
            400,
            "PGRST100",
        ),
        Case(
            "a column that is none",
            "check_entitlement?select=decisio",
            check(json!({})),
            400,
            "42703",
        ),
        Case(
            "a filter on one value",
            "provision_plan?x=eq.1",
            json!({"p_account_id": account, "p_plan_id": "pro"}),
            400,
            "PGRST127",
        ),
        Case(
            "an embed",
            "check_entitlement?select=accounts(*)",
            check(json!({})),
            400,
            "PGRST200",
        ),
    ]
}
