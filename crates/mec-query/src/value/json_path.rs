//! Values inside JSON: following a path, and the order PostgreSQL's `jsonb` gives to scalars.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{Digits, Value};
use crate::parse::{JsonKey, JsonStep};

/// What `path` leads to in a JSON text: null where it leads nowhere, text behind `->>`, JSON behind `->`. Anything
/// but a JSON value and an empty path is left as it is.
pub fn follow_path(value: &Value, path: &[JsonStep]) -> Value {
    let (Value::Json(text), Some(last)) = (value, path.last()) else { return value.clone() };
    let Ok(root) = serde_json::from_str::<Json>(text) else { return Value::Null };
    let mut at = &root;
    for step in path {
        let next = match (&step.to, at) {
            (JsonKey::Key(key), Json::Object(entries)) => entries.get(key),
            (JsonKey::Index(index), Json::Array(items)) => {
                let index = if *index < 0 { index + i64::try_from(items.len()).unwrap_or(0) } else { *index };
                usize::try_from(index).ok().and_then(|index| items.get(index))
            }
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return Value::Null,
        }
    }
    match (last.as_text, at) {
        (true, Json::Null) => Value::Null,
        (true, Json::String(text)) => Value::Text(text.clone()),
        (true, other) => Value::Text(other.to_string()),
        (false, other) => Value::Json(other.to_string()),
    }
}

/// The order of two JSON texts as `jsonb` has it: by kind (object, array, boolean, number, string, null, from large
/// to small), then by value. Two objects or two arrays are equal only when their texts are.
pub fn compare_json(left: &str, right: &str) -> Ordering {
    match (serde_json::from_str::<Json>(left), serde_json::from_str::<Json>(right)) {
        (Ok(left), Ok(right)) => match (&left, &right) {
            (Json::Bool(left), Json::Bool(right)) => left.cmp(right),
            (Json::String(left), Json::String(right)) => left.cmp(right),
            (Json::Number(left), Json::Number(right)) => compare_numbers(&left.to_string(), &right.to_string()),
            _ => rank(&left).cmp(&rank(&right)).then_with(|| left.to_string().cmp(&right.to_string())),
        },
        _ => left.cmp(right),
    }
}

/// An array without items stands before everything else, as `jsonb` has it.
fn rank(json: &Json) -> u8 {
    match json {
        Json::Array(items) if items.is_empty() => 0,
        Json::Null => 1,
        Json::String(_) => 2,
        Json::Number(_) => 3,
        Json::Bool(_) => 4,
        Json::Array(_) => 5,
        Json::Object(_) => 6,
    }
}

fn compare_numbers(left: &str, right: &str) -> Ordering {
    match (Digits::read(left), Digits::read(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        // An exponent beyond what is read as a number at all.
        _ => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(as_text: bool, key: &str) -> JsonStep {
        let to = key.parse().map_or_else(|_| JsonKey::Key(key.to_owned()), JsonKey::Index);
        JsonStep { as_text, to }
    }

    #[test]
    fn a_path_leads_to_json_or_text_or_nowhere() {
        let json = Value::Json(r#"{"a":{"b":[1.50,"x",null]},"n":null}"#.into());
        for (path, wanted) in [
            (vec![step(false, "a"), step(false, "b")], Value::Json("[1.50,\"x\",null]".into())),
            (vec![step(false, "a"), step(false, "b"), step(true, "0")], Value::text("1.50")),
            (vec![step(false, "a"), step(false, "b"), step(false, "-2")], Value::Json("\"x\"".into())),
            (vec![step(false, "a"), step(false, "b"), step(true, "-2")], Value::text("x")),
            (vec![step(false, "a"), step(false, "b"), step(true, "2")], Value::Null),
            (vec![step(false, "a"), step(false, "b"), step(true, "7")], Value::Null),
            (vec![step(true, "n")], Value::Null),
            (vec![step(false, "n")], Value::Json("null".into())),
            (vec![step(false, "a"), step(false, "0")], Value::Null),
            (vec![], json.clone()),
        ] {
            assert_eq!(follow_path(&json, &path), wanted, "{path:?}");
        }
        assert_eq!(follow_path(&Value::Null, &[step(true, "a")]), Value::Null);
    }

    #[test]
    fn json_scalars_have_one_order() {
        let rising = ["[]", "null", "\"a\"", "\"b\"", "-1", "2", "2.5", "10", "1e2", "false", "true", "[0]", "{}"];
        for (at, left) in rising.iter().enumerate() {
            for (other, right) in rising.iter().enumerate() {
                assert_eq!(compare_json(left, right), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare_json("1.0", "1"), Ordering::Equal);
        assert_eq!(compare_json("1e400", "-1e400"), Ordering::Greater);
    }
}
