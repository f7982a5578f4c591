//! Values inside JSON: following a path.

use serde_json::Value as Json;

use super::{Value, json_text};
use crate::parse::{JsonKey, JsonStep};

/// What `path` leads to in a JSON text: null where it leads nowhere, text behind `->>`, JSON behind
/// `->`. Anything but a JSON value and an empty path is left as it is.
pub fn follow_path(value: &Value, path: &[JsonStep]) -> Value {
    let (Value::Json(text), Some(last)) = (value, path.last()) else {
        return value.clone();
    };
    let Ok(root) = serde_json::from_str::<Json>(text) else {
        return Value::Null;
    };
    let mut at = &root;
    for step in path {
        let next = match (&step.to, at) {
            (JsonKey::Key(key), Json::Object(entries)) => entries.get(key),
            (JsonKey::Index(index), Json::Array(items)) => {
                let index = if *index < 0 {
                    index + i64::try_from(items.len()).unwrap_or(0)
                } else {
                    *index
                };
                usize::try_from(index)
                    .ok()
                    .and_then(|index| items.get(index))
            }
            // To `jsonb` a single value is also the one item of a list.
            (
                JsonKey::Index(0 | -1),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_),
            ) => Some(at),
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
        (true, other) => Value::Text(json_text(other)),
        (false, other) => Value::Json(json_text(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(as_text: bool, key: &str) -> JsonStep {
        let to = key
            .parse()
            .map_or_else(|_| JsonKey::Key(key.to_owned()), JsonKey::Index);
        JsonStep { as_text, to }
    }

    #[test]
    fn a_path_leads_to_json_or_text_or_nowhere() {
        let json = Value::Json(r#"{"a":{"b":[1.50,"x",null]},"n":null}"#.into());
        for (path, wanted) in [
            (
                vec![step(false, "a"), step(false, "b")],
                Value::Json("[1.50, \"x\", null]".into()),
            ),
            (
                vec![step(false, "a"), step(false, "b"), step(true, "0")],
                Value::text("1.50"),
            ),
            (
                vec![step(false, "a"), step(false, "b"), step(false, "-2")],
                Value::Json("\"x\"".into()),
            ),
            (
                vec![step(false, "a"), step(false, "b"), step(true, "-2")],
                Value::text("x"),
            ),
            (
                vec![step(false, "a"), step(false, "b"), step(true, "2")],
                Value::Null,
            ),
            (
                vec![step(false, "a"), step(false, "b"), step(true, "7")],
                Value::Null,
            ),
            (vec![step(true, "n")], Value::Null),
            (vec![step(false, "n")], Value::Json("null".into())),
            (vec![step(false, "a"), step(false, "0")], Value::Null),
            (
                vec![
                    step(false, "a"),
                    step(false, "b"),
                    step(false, "1"),
                    step(true, "0"),
                ],
                Value::text("x"),
            ),
            (
                vec![
                    step(false, "a"),
                    step(false, "b"),
                    step(false, "0"),
                    step(false, "-1"),
                ],
                Value::Json("1.50".into()),
            ),
            (
                vec![
                    step(false, "a"),
                    step(false, "b"),
                    step(false, "0"),
                    step(false, "1"),
                ],
                Value::Null,
            ),
            (vec![], json.clone()),
        ] {
            assert_eq!(follow_path(&json, &path), wanted, "{path:?}");
        }
        assert_eq!(follow_path(&Value::Null, &[step(true, "a")]), Value::Null);
    }
}
