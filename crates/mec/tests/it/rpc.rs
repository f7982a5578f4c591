//! The functions of the API, called as clients call them.

mod checks;
mod forms;
mod health;
mod holds;
mod plans;
mod usage;

use serde_json::{Value, json};

use crate::api::Api;

/// Every key of a decision, in the order of the answer.
const DECISION_KEYS: [&str; 18] = [
    "decision",
    "reason",
    "entitlement_id",
    "quantity_allowed",
    "quantity_used",
    "quantity_remaining",
    "percent_used",
    "limit_kind",
    "allowed",
    "reason_code",
    "quantity_reserved",
    "window_start",
    "window_end",
    "binding_account_id",
    "overage_quantity",
    "overage_cost",
    "window_type",
    "retry_after_seconds",
];

fn keys(row: &Value) -> Vec<&str> {
    row.as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// Asserts the named keys of a row.
#[track_caller]
fn expect(row: &Value, wanted: Value) {
    for (key, value) in wanted.as_object().expect("an object") {
        assert_eq!(&row[key], value, "{key} of {row}");
    }
}

/// What a check answers about a resource.
async fn standing(api: &Api, account: &str, resource: &str) -> Value {
    let asked = json!({"p_account_id": account, "p_resource_type": resource});
    api.call("check_entitlement", asked).await.ok()[0].clone()
}
