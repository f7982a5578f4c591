//! Rows as JSON.

use serde_json::Value as Json;

use crate::rows::{Record, Shape, Shown};
use crate::value::push_json_string;
use crate::{Rows, Value};

/// An array of objects. `stripped` leaves out keys that are null, at every level.
pub(super) fn array(rows: &Rows, stripped: bool) -> String {
    let mut out = String::new();
    push_array(&rows.shape, &rows.records, stripped, &mut out);
    out
}

/// One object.
pub(super) fn object(shape: &Shape, record: &Record, stripped: bool) -> String {
    let mut out = String::new();
    push_object(shape, record, stripped, &mut out);
    out
}

fn push_array(shape: &Shape, records: &[Record], stripped: bool, out: &mut String) {
    out.push('[');
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_object(shape, record, stripped, out);
    }
    out.push(']');
}

fn push_object(shape: &Shape, record: &Record, stripped: bool, out: &mut String) {
    out.push('{');
    let mut is_first = true;
    for ((key, inner), shown) in shape.keys.iter().zip(record) {
        if stripped && matches!(shown, Shown::Value(Value::Null) | Shown::One(None)) {
            continue;
        }
        if !is_first {
            out.push(',');
        }
        is_first = false;
        push_json_string(key, out);
        out.push(':');
        push_shown(inner.as_ref(), shown, stripped, out);
    }
    out.push('}');
}

/// What stands under one key.
pub(super) fn push_shown(inner: Option<&Shape>, shown: &Shown, stripped: bool, out: &mut String) {
    match (inner, shown) {
        (_, Shown::Value(Value::Json(text))) if stripped => match serde_json::from_str(text) {
            Ok(json) => out.push_str(&without_nulls(json).to_string()),
            Err(_) => out.push_str(text),
        },
        (_, Shown::Value(value)) => value.write_json(out),
        (Some(shape), Shown::One(Some(record))) => push_object(shape, record, stripped, out),
        (Some(shape), Shown::Many(records)) => push_array(shape, records, stripped, out),
        (_, Shown::One(_)) => out.push_str("null"),
        (None, Shown::Many(_)) => out.push_str("[]"),
    }
}

/// A JSON value without the keys that are null; nulls in arrays stay.
fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(entries) => Json::Object(
            entries.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(without_nulls).collect()),
        scalar => scalar,
    }
}
