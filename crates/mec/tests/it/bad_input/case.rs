//! One wrong call, and the arguments that most of them share.

use serde_json::{Value, json};

/// An account that nobody made, in a tree that nobody made.
pub(super) const NOBODY: &str = "0199aa10-0000-7000-8000-00000000abcd";

/// One call: what is wrong with it, the function, its arguments, and the status and code it gets.
pub(crate) struct Case(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Value,
    pub(super) u16,
    pub(crate) &'static str,
);

/// The same object with these keys set.
pub(super) fn with(mut object: Value, more: Value) -> Value {
    for (key, value) in more.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
}

pub(super) fn check(account: &str, more: Value) -> Value {
    with(
        json!({"p_account_id": account, "p_resource_type": "benchmark_runs"}),
        more,
    )
}

pub(super) fn meter(account: &str, more: Value) -> Value {
    let event = json!({"p_idempotency_key": "new", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 1});
    with(event, more)
}

pub(super) fn lease(account: &str, more: Value) -> Value {
    with(
        json!({"p_account_id": account, "p_resource_type": "concurrent_users"}),
        more,
    )
}

/// Longer than a key or a scope may be.
pub(super) fn too_long() -> String {
    "k".repeat(256)
}
