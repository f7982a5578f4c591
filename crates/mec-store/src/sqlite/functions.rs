//! What SQLite itself cannot say as the query language means it: steps into JSON, the order of JSON, patterns.
//!
//! Each function is the query crate's own, so that a filter means the same here, in memory and on every database.

use std::sync::Arc;

use mec_query::{JsonKey, JsonStep, Pattern, Value, follow_path, json_key};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use crate::StoreError;
use crate::dialect::{JSON_AT, JSON_KEY, TEXT_LIKE, TEXT_MATCHES};

/// Makes the functions known to a connection.
pub(super) fn add_to(connection: &Connection) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(JSON_AT, 2, flags, |context| json_at(context))?;
    connection.create_scalar_function(JSON_KEY, 1, flags, |context| Ok(text(context, 0)?.map(json_key)))?;
    connection.create_scalar_function(TEXT_LIKE, 3, flags, |context| is_match(context, Pattern::like))?;
    connection.create_scalar_function(TEXT_MATCHES, 3, flags, |context| is_match(context, Pattern::regex))?;
    Ok(())
}

fn path_of(text: &str) -> Option<Vec<JsonStep>> {
    let steps: Vec<(bool, serde_json::Value)> = serde_json::from_str(text).ok()?;
    let step = |(as_text, to): (bool, serde_json::Value)| {
        let to = match to {
            serde_json::Value::String(key) => JsonKey::Key(key),
            index => JsonKey::Index(index.as_i64()?),
        };
        Some(JsonStep { as_text, to })
    };
    steps.into_iter().map(step).collect()
}

fn json_at(context: &Context<'_>) -> rusqlite::Result<Option<String>> {
    let path: Arc<Vec<JsonStep>> = context.get_or_create_aux(1, |path| {
        let path = path.as_str().ok().and_then(path_of);
        path.ok_or_else(|| Error::InvalidParameterName("the path is not one this program writes".to_owned()))
    })?;
    let Some(document) = text(context, 0)? else { return Ok(None) };
    Ok(match follow_path(&Value::Json(document.to_owned()), &path) {
        Value::Text(text) | Value::Json(text) => Some(text),
        _ => None,
    })
}

/// A pattern that is none matches nothing and fails nothing, as in the query crate; requests with one were refused.
fn is_match<E>(context: &Context<'_>, compile: fn(&str, bool) -> Result<Pattern, E>) -> rusqlite::Result<Option<bool>> {
    let ignore_case: bool = context.get(2)?;
    let pattern: Arc<Option<Pattern>> = context
        .get_or_create_aux(1, |pattern| Ok::<_, Error>(pattern.as_str().ok().and_then(|text| compile(text, ignore_case).ok())))?;
    Ok(text(context, 0)?.zip(pattern.as_ref().as_ref()).map(|(text, pattern)| pattern.is_match(text)))
}

fn text<'a>(context: &'a Context<'_>, argument: usize) -> rusqlite::Result<Option<&'a str>> {
    match context.get_raw(argument) {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|error| Error::Utf8Error(argument, error)),
        _ => Ok(None),
    }
}
