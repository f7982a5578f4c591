//! What SQLite itself cannot say as the query language means it: steps into JSON, the order of
//! JSON, patterns.
//!
//! Each function is the query crate's own, so that a filter means the same here, in memory and on
//! every database.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use mec_query::{Budget, Excess, JsonKey, JsonStep, Pattern, Value, follow_path, json_key};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use crate::StoreError;
use crate::dialect::{JSON_AT, JSON_KEY, TEXT_LIKE, TEXT_MATCHES};

/// Makes the functions known to a connection.
pub(super) fn add_to(connection: &Connection) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(JSON_AT, 2, flags, |context| json_at(context))?;
    connection.create_scalar_function(JSON_KEY, 1, flags, |context| {
        go_on()?;
        Ok(text(context, 0)?.map(json_key))
    })?;
    connection.create_scalar_function(TEXT_LIKE, 3, flags, |context| {
        is_match(context, Pattern::like)
    })?;
    connection.create_scalar_function(TEXT_MATCHES, 3, flags, |context| {
        is_match(context, Pattern::regex)
    })?;
    Ok(())
}

thread_local! {
    /// SQLite runs a statement, and with it our functions, on the thread that asked for it.
    static BUDGET: RefCell<Option<Budget>> = const { RefCell::new(None) };
    static EXCESS: Cell<Option<Excess>> = const { Cell::new(None) };
}

/// The budget of what runs on this thread, for as long as it lives.
pub(super) struct Watch(());

impl Watch {
    pub(super) fn begin(budget: Budget) -> Self {
        EXCESS.set(None);
        BUDGET.set(Some(budget));
        Self(())
    }

    /// Why a statement was ended.
    pub(super) fn excess(&self) -> Option<Excess> {
        EXCESS.get()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        BUDGET.set(None);
    }
}

/// Whether a statement of this thread must end.
pub(super) fn is_over() -> bool {
    within(Budget::check).is_err()
}

/// Works within the budget, and remembers where that was not possible: SQLite passes on no more
/// than a text.
fn within<T>(work: impl FnOnce(&Budget) -> Result<T, Excess>) -> Result<T, Excess> {
    BUDGET
        .with_borrow(|budget| match budget {
            Some(budget) => work(budget),
            None => work(&Budget::unlimited()),
        })
        .inspect_err(|excess| EXCESS.set(Some(*excess)))
}

fn go_on() -> rusqlite::Result<()> {
    within(Budget::check).map_err(|excess| Error::UserFunctionError(Box::new(excess)))
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
        path.ok_or_else(|| {
            Error::InvalidParameterName("the path is not one this program writes".to_owned())
        })
    })?;
    let Some(document) = text(context, 0)? else {
        return Ok(None);
    };
    go_on()?;
    Ok(
        match follow_path(&Value::Json(document.to_owned()), &path) {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        },
    )
}

/// A pattern that is none matches nothing and fails nothing, as in the query crate; requests with
/// one were refused.
fn is_match<E>(
    context: &Context<'_>,
    compile: fn(&str, bool) -> Result<Pattern, E>,
) -> rusqlite::Result<Option<bool>> {
    let ignore_case: bool = context.get(2)?;
    let pattern: Arc<Option<Pattern>> = context.get_or_create_aux(1, |pattern| {
        Ok::<_, Error>(
            pattern
                .as_str()
                .ok()
                .and_then(|text| compile(text, ignore_case).ok()),
        )
    })?;
    let Some((text, pattern)) = text(context, 0)?.zip(pattern.as_ref().as_ref()) else {
        return Ok(None);
    };
    let is_match = within(|budget| budget.check().and_then(|()| pattern.is_match(text, budget)));
    is_match
        .map(Some)
        .map_err(|excess| Error::UserFunctionError(Box::new(excess)))
}

fn text<'a>(context: &'a Context<'_>, argument: usize) -> rusqlite::Result<Option<&'a str>> {
    match context.get_raw(argument) {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|error| Error::Utf8Error(argument, error)),
        _ => Ok(None),
    }
}
