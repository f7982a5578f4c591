//! Which JSON is kept, and as which text.

use serde_json::Value as Json;

use super::{Digits, json_text};
use crate::QueryError;

/// Digits of a number inside JSON, and how far its point may be from them; PostgreSQL's `jsonb`
/// refuses more.
const JSON_DIGITS_MAX: usize = 6_000;
const JSON_POINT_MAX: u64 = 10_000;
/// Digits that the exponents of all numbers of a value may stand for: `1e9000` is short, and what
/// is kept of it is not.
const JSON_ADDED_MAX: u64 = 100_000;

/// The text that is kept of a JSON value.
///
/// # Errors
/// 22P05 when a string in it holds a NUL character, 22003 when a number has too many digits:
/// PostgreSQL's `jsonb` takes neither. Also when its numbers have more digits together than a value
/// may, written without exponents.
pub fn checked_json_text(json: &Json) -> Result<String, QueryError> {
    if has_nul(json) {
        return Err(
            QueryError::sqlstate("22P05", "unsupported Unicode escape sequence")
                .with_details("\\u0000 cannot be converted to text."),
        );
    }
    if digits_added(json).is_none_or(|added| added > JSON_ADDED_MAX) {
        return Err(QueryError::sqlstate(
            "22003",
            "value overflows numeric format",
        ));
    }
    Ok(json_text(json))
}

/// Digits that exponents stand for; `None` where a number has too many.
fn digits_added(json: &Json) -> Option<u64> {
    match json {
        Json::Number(number) => {
            let text = number.to_string();
            let point = Digits::read(&text)?.parts().1.unsigned_abs();
            if text.len() > JSON_DIGITS_MAX || point > JSON_POINT_MAX {
                return None;
            }
            // Also of 0, where the point is of no digit.
            let exponent = text
                .split_once(['e', 'E'])
                .map_or(Some(0), |(_, exponent)| exponent.parse::<i64>().ok());
            exponent
                .map(i64::unsigned_abs)
                .filter(|exponent| *exponent <= 2 * JSON_POINT_MAX)
        }
        Json::Array(items) => items
            .iter()
            .try_fold(0, |sum: u64, item| sum.checked_add(digits_added(item)?)),
        Json::Object(entries) => entries
            .values()
            .try_fold(0, |sum: u64, value| sum.checked_add(digits_added(value)?)),
        Json::Null | Json::Bool(_) | Json::String(_) => Some(0),
    }
}

fn has_nul(json: &Json) -> bool {
    match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(items) => items.iter().any(has_nul),
        Json::Object(entries) => entries
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
