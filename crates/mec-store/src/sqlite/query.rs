//! One statement and what its rows are.

use rusqlite::{Connection, OptionalExtension as _, Params};

use crate::StoreError;

pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row(parameters, read)
        .optional()?)
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_map(parameters, read)?
        .collect::<rusqlite::Result<_>>()?)
}
