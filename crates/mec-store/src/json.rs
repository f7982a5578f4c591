//! How single values look in the JSON of a table.

use mec_kernel::Quantity;
use serde_json::Value;

/// The shortest exact number (`100`, `0.5`).
pub(crate) fn number(quantity: Quantity) -> Value {
    let text = quantity.to_string();
    text.parse::<serde_json::Number>().map_or(Value::String(text), Value::Number)
}
