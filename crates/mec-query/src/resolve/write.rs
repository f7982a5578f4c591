//! Resolved writes: which columns of which rows get which values.
//!
//! What a value alone can tell (type, null, closed list, writable column) is refused here with
//! PostgreSQL's words; what needs other rows (keys, references) is for whoever performs the write.

use std::sync::Arc;

use serde_json::Value as Json;

use super::filter::Filter;
use super::scope::Scope;
use crate::body::Sent;
use crate::parse::{Condition, Field, Logic, Operator, Test};
use crate::prefer::{Missing, Preferences, Resolution};
use crate::{Query, QueryError, Table, Value};

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// This value, or null.
    Value(Value),
    /// The column's default.
    Default,
}

/// Rows to insert, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The table.
    pub table: Arc<Table>,
    /// The columns given, as positions in the table's columns; the others get their default.
    pub columns: Vec<usize>,
    /// For each row one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// What happens to a row whose key is taken; `None`: the insert fails.
    pub on_conflict: Option<OnConflict>,
}

/// What an insert does with a taken key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnConflict {
    /// The unique columns looked at, as positions in the table's columns.
    pub columns: Vec<usize>,
    /// Merge sets exactly the columns of the insert; Ignore skips the row, which is then not
    /// returned.
    pub resolution: Resolution,
}

/// Values to set in every row that passes a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The table.
    pub table: Arc<Table>,
    /// Columns, as positions in the table's columns, and their new values; never empty.
    pub set: Vec<(usize, Cell)>,
    /// Which rows.
    pub filter: Filter,
}

/// Rows to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The table.
    pub table: Arc<Table>,
    /// Which rows.
    pub filter: Filter,
}

impl Insert {
    /// A POST.
    ///
    /// # Errors
    /// 42501 for a column that is not written by inserts, the literal errors of
    /// [`crate::Type::read`], 23502 for a missing value, 23514 for a text outside a closed list,
    /// 42703 or 42P10 for an `on_conflict` that names no unique columns.
    pub fn resolve(
        sent: &Sent,
        query: &Query,
        preferences: &Preferences,
        now: i64,
    ) -> Result<Self, QueryError> {
        let table = &sent.table;
        let on_conflict = match preferences.resolution {
            None => None,
            Some(resolution) => conflict_columns(table, query)?.map(|columns| OnConflict {
                columns,
                resolution,
            }),
        };
        Self::typed(sent, on_conflict, preferences.missing, now)
    }

    /// A PUT: the one row of the body whose primary key also stands in the URL.
    ///
    /// # Errors
    /// PGRST114 for a limit or offset, PGRST105 when the filters are not `eq` on exactly the
    /// primary key, PGRST115 when the body has not exactly one row with that key; otherwise as
    /// [`Insert::resolve`].
    pub fn resolve_put(
        sent: &Sent,
        query: &Query,
        preferences: &Preferences,
        now: i64,
    ) -> Result<Self, QueryError> {
        if !query.limits.is_empty() || !query.offsets.is_empty() {
            return Err(QueryError::put_page());
        }
        let table = &sent.table;
        let key = table.key_positions();
        let asked = put_key(table, query).ok_or_else(QueryError::put_filters)?;
        let conflict = OnConflict {
            columns: key.clone(),
            resolution: Resolution::Merge,
        };
        let mut insert = Self::typed(sent, Some(conflict), preferences.missing, now)?;
        let mut wanted = vec![];
        for column in key {
            let at = insert
                .columns
                .iter()
                .position(|sent| *sent == column)
                .ok_or_else(QueryError::put_key_mismatch)?;
            let text = asked
                .iter()
                .find(|(asked, _)| *asked == column)
                .map(|(_, text)| *text);
            let value = table.columns[column]
                .ty
                .read(text.unwrap_or_default(), now)?;
            wanted.push((at, Cell::Value(value)));
        }
        // Rows with another key are not put.
        insert
            .rows
            .retain(|row| wanted.iter().all(|(at, cell)| row[*at] == *cell));
        if insert.rows.len() != 1 {
            return Err(QueryError::put_key_mismatch());
        }
        Ok(insert)
    }

    fn typed(
        sent: &Sent,
        on_conflict: Option<OnConflict>,
        missing: Option<Missing>,
        now: i64,
    ) -> Result<Self, QueryError> {
        let table = &sent.table;
        for column in &sent.columns {
            if !table.columns[*column].insertable {
                return Err(QueryError::column_not_writable(
                    table.name,
                    table.columns[*column].name,
                ));
            }
        }
        let rows = sent
            .rows
            .iter()
            .map(|row| typed_row(sent, row, missing, now))
            .collect::<Result<Vec<_>, _>>()?;
        for row in &rows {
            let cell = |column: usize| {
                sent.columns
                    .iter()
                    .position(|sent| *sent == column)
                    .map(|at| &row[at])
            };
            for (at, column) in table.columns.iter().enumerate() {
                let is_null = match cell(at) {
                    Some(Cell::Value(value)) => value.is_null(),
                    Some(Cell::Default) | None => !column.has_default,
                };
                if is_null && !column.nullable {
                    return Err(not_null(table, column.name, cell));
                }
            }
            check(table, cell)?;
        }
        Ok(Self {
            table: Arc::clone(table),
            columns: sent.columns.clone(),
            rows,
            on_conflict,
        })
    }
}

impl Update {
    /// A PATCH; `None` when the body names no column, so that nothing is to be done. Of an array
    /// the first row counts.
    ///
    /// # Errors
    /// 21000 without any filter on the rows; otherwise as [`Insert::resolve`] and
    /// [`Scope::row_filter`].
    pub fn resolve(
        sent: &Sent,
        scope: &Scope,
        preferences: &Preferences,
        now: i64,
    ) -> Result<Option<Self>, QueryError> {
        let table = &sent.table;
        let Some(first) = sent.rows.first().filter(|_| !sent.columns.is_empty()) else {
            return Ok(None);
        };
        let filter = scope.row_filter(now)?;
        if filter.is_always() {
            return Err(QueryError::unfiltered("UPDATE"));
        }
        for column in &sent.columns {
            if !table.columns[*column].updatable {
                return Err(QueryError::column_not_writable(
                    table.name,
                    table.columns[*column].name,
                ));
            }
        }
        let cells = typed_row(sent, first, preferences.missing, now)?;
        let set: Vec<(usize, Cell)> = sent.columns.iter().copied().zip(cells).collect();
        let cell = |column: usize| {
            set.iter()
                .find(|(set, _)| *set == column)
                .map(|(_, cell)| cell)
        };
        for (column, cell) in &set {
            let column = &table.columns[*column];
            let is_null = match cell {
                Cell::Value(value) => value.is_null(),
                Cell::Default => !column.has_default,
            };
            if is_null && !column.nullable {
                return Err(QueryError::not_null(table.name, column.name));
            }
        }
        check(table, cell)?;
        Ok(Some(Self {
            table: Arc::clone(table),
            set,
            filter,
        }))
    }
}

impl Delete {
    /// A DELETE.
    ///
    /// # Errors
    /// 21000 without any filter on the rows; otherwise as [`Scope::row_filter`].
    pub fn resolve(scope: &Scope, now: i64) -> Result<Self, QueryError> {
        let filter = scope.row_filter(now)?;
        if filter.is_always() {
            return Err(QueryError::unfiltered("DELETE"));
        }
        Ok(Self {
            table: Arc::clone(scope.table()),
            filter,
        })
    }
}

fn typed_row(
    sent: &Sent,
    row: &[Option<Json>],
    missing: Option<Missing>,
    now: i64,
) -> Result<Vec<Cell>, QueryError> {
    let cell = |(column, json): (&usize, &Option<Json>)| match (json, missing) {
        (Some(json), _) => sent.table.columns[*column]
            .ty
            .read_json(json, now)
            .map(Cell::Value),
        (None, Some(Missing::Default)) => Ok(Cell::Default),
        (None, _) => Ok(Cell::Value(Value::Null)),
    };
    sent.columns.iter().zip(row).map(cell).collect()
}

fn not_null<'a>(
    table: &Table,
    column: &str,
    cell: impl Fn(usize) -> Option<&'a Cell>,
) -> QueryError {
    let values = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| match cell(at) {
            Some(Cell::Value(value)) => value.to_text().unwrap_or_else(|| "null".to_owned()),
            _ if column.has_default => "default".to_owned(),
            _ => "null".to_owned(),
        });
    let row = values.collect::<Vec<_>>().join(", ");
    QueryError::not_null(table.name, column).with_details(format!("Failing row contains ({row})."))
}

fn check<'a>(table: &Table, cell: impl Fn(usize) -> Option<&'a Cell>) -> Result<(), QueryError> {
    for check in &table.checks {
        if let Some(Cell::Value(Value::Text(text))) = table.position(check.column).and_then(&cell)
            && !check.one_of.contains(&text.as_str())
        {
            return Err(
                QueryError::check_violation(table.name, check.name).with_hint(format!(
                    "\"{}\" is one of: {}.",
                    check.column,
                    check.one_of.join(", ")
                )),
            );
        }
    }
    Ok(())
}

/// The columns of `on_conflict`, else the primary key, `None` where there is neither.
fn conflict_columns(table: &Table, query: &Query) -> Result<Option<Vec<usize>>, QueryError> {
    let Some(names) = &query.on_conflict else {
        let key = table.key_positions();
        return Ok(if key.is_empty() { None } else { Some(key) });
    };
    let position = |name: &String| {
        table
            .position(name)
            .ok_or_else(|| QueryError::unknown_conflict_column(name))
    };
    let columns = names.iter().map(position).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if table.is_unique(&names) {
        Ok(Some(columns))
    } else {
        Err(QueryError::no_conflict_constraint())
    }
}

/// The key columns and texts of a PUT whose filters are `eq` on exactly the primary key.
fn put_key<'a>(table: &Table, query: &'a Query) -> Option<Vec<(usize, &'a str)>> {
    let asked = query.logic.iter().map(|placed| match &placed.item {
        Logic::Condition(Condition {
            field: Field { name, path },
            negated: false,
            test:
                Test::Compare {
                    operator: Operator::Eq,
                    quantifier: None,
                    value,
                },
        }) if placed.path.is_empty() && path.is_empty() => {
            Some((table.position(name)?, value.as_str()))
        }
        _ => None,
    });
    let asked = asked.collect::<Option<Vec<_>>>()?;
    let key = table.key_positions();
    let exactly = !key.is_empty()
        && asked.len() == key.len()
        && key
            .iter()
            .all(|column| asked.iter().any(|(asked, _)| asked == column));
    exactly.then_some(asked)
}
