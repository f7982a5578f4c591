//! Inserts that may find their row there already.

use mec_query::{Insert, QueryError, Resolution, Table, Value};

use super::given::Given;

/// What happens to a row that is there, where one can be: only if the columns looked at are all
/// given. A key that is made here is never given, so such an insert always makes rows.
pub(super) fn possible(insert: &Insert) -> Option<Resolution> {
    let conflict = insert.on_conflict.as_ref()?;
    conflict
        .columns
        .iter()
        .all(|column| insert.columns.contains(column))
        .then_some(conflict.resolution)
}

/// Refuses to change a column that is fixed once the row is made; saying again what it holds is no
/// change.
pub(super) fn check_fixed(
    table: &Table,
    merge: &Given,
    column: &'static str,
    held: &Value,
) -> Result<(), QueryError> {
    match merge.value(column) {
        Some(value) if value != held => Err(QueryError::column_not_writable(table.name, column)),
        _ => Ok(()),
    }
}
