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
/// to small), then by value. Of two arrays or objects the longer is larger; else the first item (or key and value)
/// that differs decides, keys in `jsonb`'s own order, which has the shorter first.
pub fn compare_json(left: &str, right: &str) -> Ordering {
    match (serde_json::from_str::<Json>(left), serde_json::from_str::<Json>(right)) {
        (Ok(left), Ok(right)) => match (is_empty_array(&left), is_empty_array(&right)) {
            // An array without items stands before everything else, though not inside of something.
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => compare_values(&left, &right),
        },
        _ => left.cmp(right),
    }
}

fn compare_values(left: &Json, right: &Json) -> Ordering {
    match (left, right) {
        (Json::Bool(left), Json::Bool(right)) => left.cmp(right),
        (Json::String(left), Json::String(right)) => left.cmp(right),
        (Json::Number(left), Json::Number(right)) => compare_numbers(&left.to_string(), &right.to_string()),
        (Json::Array(left), Json::Array(right)) => {
            let items = || left.iter().zip(right).map(|(left, right)| compare_values(left, right));
            left.len().cmp(&right.len()).then_with(|| items().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
        }
        (Json::Object(left), Json::Object(right)) => left.len().cmp(&right.len()).then_with(|| {
            let (left, right) = (sorted(left), sorted(right));
            let pairs = left
                .iter()
                .zip(&right)
                .map(|((left_key, left), (right_key, right))| left_key.cmp(right_key).then_with(|| compare_values(left, right)));
            pairs.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }),
        _ => rank(left).cmp(&rank(right)),
    }
}

/// The entries of an object, shorter keys first, each key with its length in bytes.
fn sorted(object: &serde_json::Map<String, Json>) -> Vec<((usize, &str), &Json)> {
    let mut entries: Vec<_> = object.iter().map(|(key, value)| ((key.len(), key.as_str()), value)).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

fn is_empty_array(json: &Json) -> bool {
    json.as_array().is_some_and(Vec::is_empty)
}

fn rank(json: &Json) -> u8 {
    match json {
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
    fn json_has_one_order() {
        let rising = [
            "[]",
            "null",
            "\"a\"",
            "\"b\"",
            "-1",
            "2",
            "2.5",
            "10",
            "1e2",
            "false",
            "true",
            "[1]",
            "[2]",
            "[[]]",
            "[0,0]",
            "{}",
            "{\"b\":1}",
            "{\"b\":2}",
            "{\"aa\":0}",
            "{\"c\":0,\"b\":0}",
        ];
        for (at, left) in rising.iter().enumerate() {
            for (other, right) in rising.iter().enumerate() {
                assert_eq!(compare_json(left, right), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare_json("1.0", "1"), Ordering::Equal);
        assert_eq!(compare_json("{\"a\":[1.0],\"b\":2}", "{\"b\":2.0,\"a\":[1]}"), Ordering::Equal);
        assert_eq!(compare_json("1e400", "-1e400"), Ordering::Greater);
    }
}
