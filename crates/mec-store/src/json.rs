//! Numbers as JSON values, with all their digits.

use mec_kernel::{Decimal, Quantity};
use serde_json::Value;

/// The shortest exact number (`100`, `0.5`).
pub(crate) fn number(quantity: Quantity) -> Value {
    digits(quantity.to_string())
}

/// The same of a number of any length.
pub(crate) fn decimal(number: &Decimal) -> Value {
    digits(number.to_string())
}

/// The number with its own digits, never by way of a float.
pub(crate) fn digits(text: String) -> Value {
    text.parse::<serde_json::Number>()
        .map_or(Value::String(text), Value::Number)
}
