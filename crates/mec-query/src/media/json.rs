//! Rows as JSON.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::sheet::Sheet;
use crate::rows::{Rows, Shown};
use crate::value::{json_text, push_json_string};
use crate::{QueryError, Value};

/// An array of objects. `stripped` leaves out keys that are null, at every level.
pub(super) fn array<'a>(
    rows: &'a Rows<'a>,
    of: impl Iterator<Item = &'a [Value]>,
    stripped: bool,
    out: &mut Sheet<'_>,
) -> Result<(), QueryError> {
    out.text.push('[');
    for (at, row) in of.enumerate() {
        if at > 0 {
            out.text.push(',');
        }
        object(rows, row, stripped, out)?;
    }
    out.text.push(']');
    out.check()
}

/// One object.
pub(super) fn object<'a>(
    rows: &'a Rows<'a>,
    row: &'a [Value],
    stripped: bool,
    out: &mut Sheet<'_>,
) -> Result<(), QueryError> {
    out.text.push('{');
    let mut is_first = true;
    rows.each_shown(Some(row), &mut |key, shown| {
        let is_null = match &shown {
            Shown::Value(value) => matches!(**value, Value::Null),
            Shown::One(row) => row.is_none(),
            Shown::Many(..) => false,
        };
        if stripped && is_null {
            return Ok(());
        }
        if !is_first {
            out.text.push(',');
        }
        is_first = false;
        push_json_string(key, &mut out.text);
        out.text.push(':');
        push_shown(shown, stripped, out)
    })?;
    out.text.push('}');
    out.check()
}

/// What stands under one key.
pub(super) fn push_shown(
    shown: Shown<'_>,
    stripped: bool,
    out: &mut Sheet<'_>,
) -> Result<(), QueryError> {
    match shown {
        Shown::Value(value) => {
            match &*value {
                Value::Json(text) if stripped => out.text.push_str(&without_null_keys(text)),
                value => value.write_json(&mut out.text),
            }
            out.check()
        }
        Shown::One(Some((rows, row))) => object(rows, row, stripped, out),
        Shown::One(None) => {
            out.text.push_str("null");
            Ok(())
        }
        Shown::Many(rows, places) => array(
            rows,
            places.iter().map(|at| rows.fetched.rows[*at].as_slice()),
            stripped,
            out,
        ),
    }
}

fn without_null_keys(text: &str) -> Cow<'_, str> {
    serde_json::from_str(text).map_or(Cow::Borrowed(text), |json| {
        Cow::Owned(json_text(&without_nulls(json)))
    })
}

/// A JSON value without the keys that are null; nulls in arrays stay.
fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(entries) => Json::Object(
            entries
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(without_nulls).collect()),
        scalar => scalar,
    }
}
