//! Tables without rules: rows of other schemas than ours, kept as their catalogue says and written as they are sent.
//!
//! MEC's own tables are never among them. They are how the query language and its rendering are tried on schemas they
//! were not made for. References and keys are checked here, with PostgreSQL's words; what a value alone can tell was
//! refused before.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mec_query::{
    Cell, Column, Delete, Fetched, ForeignKey, Insert, OnConflict, QueryError, Read, Resolution, Table, Update, Value,
};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params_from_iter};

use super::stored::{Stored, bound};
use super::{functions, read};
use crate::dialect::Dialect;
use crate::render;
use crate::{Store, StoreError};

/// A table whose rows no rule stands behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainTable {
    /// What the query language knows of it. Its primary key names its rows; without one they are only read and added.
    pub table: Table,
    /// What columns that an insert leaves out get, by name. A single integer key needs none: it counts up.
    pub defaults: Vec<(&'static str, Value)>,
    /// The rows it has when it is made, with the values of all columns; their references are not looked at.
    pub rows: Vec<Vec<Value>>,
}

/// The plain tables of a store, with a writing connection of their own.
#[derive(Debug)]
pub struct PlainTables {
    connection: Mutex<Connection>,
    tables: HashMap<&'static str, Table>,
}

/// A write of rows, all of them or none.
#[derive(Clone, Debug, PartialEq)]
pub enum RowWrite {
    /// New rows.
    Insert(Insert),
    /// Other values in the rows that pass.
    Update(Update),
    /// The rows that pass, away; the read is done before.
    Delete(Delete, Option<Box<Read>>),
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowsWritten {
    /// Primary keys of the rows written, of an insert in the order of the request.
    pub keys: Vec<Vec<Value>>,
    /// How many of them are new.
    pub inserted: usize,
    /// The rows that are gone, as they were.
    pub shown: Option<Fetched>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RowWriteError {
    /// The caller's mistake.
    #[error("{}", .0.message)]
    Refused(QueryError),
    /// The store's.
    #[error(transparent)]
    Store(StoreError),
}

impl<E: Into<StoreError>> From<E> for RowWriteError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl PlainTables {
    /// Makes the tables in `store` that are not there, and keeps a connection to write to them.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn open(store: &Store, tables: Vec<PlainTable>) -> Result<Self, StoreError> {
        let Store::Sqlite(store) = store else {
            return Err(StoreError::Unusable(
                "tables without rules are kept in SQLite only; use --store sqlite:mec.db".to_owned(),
            ));
        };
        let mut connection = Connection::open(store.path())?;
        connection.busy_timeout(Duration::from_secs(5))?;
        functions::add_to(&connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for plain in &tables {
            make(&transaction, plain)?;
        }
        transaction.commit()?;
        let tables = tables.into_iter().map(|plain| (plain.table.name, plain.table)).collect();
        Ok(Self { connection: Mutex::new(connection), tables })
    }

    /// Whether the table is one of them.
    pub fn contains(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Writes, where `expected` agrees with the number of rows touched.
    ///
    /// # Errors
    /// What `expected` says; 23505 and 23503 for keys and references. Nothing was written.
    pub fn write(
        &self,
        write: &RowWrite,
        expected: impl Fn(usize) -> Result<(), QueryError>,
    ) -> Result<RowsWritten, RowWriteError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let RowWrite::Update(Update { table, .. }) | RowWrite::Delete(Delete { table, .. }, _) = write
            && table.primary_key.is_none()
        {
            return Err(RowWriteError::Refused(QueryError::table_not_writable(table.name)));
        }
        let writing = Writing { tables: &self.tables, transaction: &transaction };
        let written = match write {
            RowWrite::Insert(insert) => writing.insert(insert)?,
            RowWrite::Update(update) => writing.update(update)?,
            RowWrite::Delete(delete, shown) => writing.delete(delete, shown.as_deref())?,
        };
        expected(written.keys.len()).map_err(RowWriteError::Refused)?;
        transaction.commit()?;
        Ok(written)
    }
}

struct Writing<'a> {
    tables: &'a HashMap<&'static str, Table>,
    transaction: &'a Transaction<'a>,
}

impl Writing<'_> {
    fn insert(&self, insert: &Insert) -> Result<RowsWritten, RowWriteError> {
        let table = &insert.table;
        let mut written = RowsWritten::default();
        let mut merged = HashSet::new();
        for row in &insert.rows {
            let mut columns = vec![];
            let mut values = vec![];
            for (column, cell) in insert.columns.iter().zip(row) {
                if let Cell::Value(value) = cell {
                    columns.push(*column);
                    values.push(held(&table.columns[*column], value)?);
                }
            }
            let taken = match &insert.on_conflict {
                Some(conflict) => self.taken(table, conflict, &columns, &values)?,
                None => None,
            };
            if let (Some(key), Some(conflict)) = (&taken, &insert.on_conflict)
                && conflict.resolution == Resolution::Merge
                && !merged.insert(format!("{key:?}"))
            {
                let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
                let hint =
                    "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.";
                return Err(RowWriteError::Refused(QueryError::sqlstate("21000", message).with_hint(hint)));
            }
            let sql = insertion(table, &columns, insert.on_conflict.as_ref());
            let sent: Vec<(usize, Sql)> = columns.iter().copied().zip(values.iter().cloned()).collect();
            let key = match self.one(table, &sql, &values, &sent)? {
                Some(key) => key,
                None if table.primary_key.is_none() => vec![],
                None => continue,
            };
            written.inserted += usize::from(taken.is_none());
            written.keys.push(key);
        }
        if table.primary_key.is_some() {
            self.check_references_of(table, &written.keys)?;
        }
        Ok(written)
    }

    /// The values of the columns a conflict is about, where a row has them.
    fn taken(
        &self,
        table: &Table,
        conflict: &OnConflict,
        columns: &[usize],
        values: &[Sql],
    ) -> Result<Option<Vec<Sql>>, StoreError> {
        let sent = |column: &usize| columns.iter().position(|sent| sent == column).map(|at| values[at].clone());
        let Some(key) = conflict.columns.iter().map(sent).collect::<Option<Vec<Sql>>>() else { return Ok(None) };
        Ok(if self.exists(table, &conflict.columns, &key)? { Some(key) } else { None })
    }

    fn update(&self, update: &Update) -> Result<RowsWritten, RowWriteError> {
        let table = &update.table;
        let mut sql = format!("UPDATE {} SET ", quoted(table.name));
        let mut values = vec![];
        for (at, (column, cell)) in update.set.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let column = &table.columns[*column];
            match cell {
                Cell::Value(value) => {
                    values.push(held(column, value)?);
                    sql.push_str(&format!("{comma}{} = ?{}", quoted(column.name), values.len()));
                }
                Cell::Default => sql.push_str(&format!("{comma}{} = {}", quoted(column.name), self.default_of(table, column)?)),
            }
        }
        let key = table.key_positions();
        let conditions = key.iter().enumerate();
        let conditions =
            conditions.map(|(at, column)| format!("{} = ?{}", quoted(table.columns[*column].name), values.len() + at + 1));
        sql.push_str(&format!(" WHERE {} RETURNING {}", conditions.collect::<Vec<_>>().join(" AND "), names(table, &key)));
        let mut written = RowsWritten::default();
        for row in self.keys(table, &update.filter)? {
            let of_row = key.iter().zip(&row).map(|(column, value)| held(&table.columns[*column], value));
            let of_row = of_row.collect::<Result<Vec<_>, _>>()?;
            let set = update.set.iter().filter(|(_, cell)| matches!(cell, Cell::Value(_))).map(|(column, _)| *column);
            let sent = set.zip(values.iter().cloned()).chain(key.iter().copied().zip(of_row.iter().cloned())).collect::<Vec<_>>();
            let values: Vec<Sql> = values.iter().cloned().chain(of_row).collect();
            written.keys.extend(self.one(table, &sql, &values, &sent)?);
        }
        self.check_references_of(table, &written.keys)?;
        Ok(written)
    }

    fn delete(&self, delete: &Delete, shown: Option<&Read>) -> Result<RowsWritten, RowWriteError> {
        let table = &delete.table;
        let shown = match shown {
            Some(show) => Some(read::fetch(self.transaction, &Read { filter: delete.filter.clone(), ..show.clone() })?),
            None => None,
        };
        let keys = self.keys(table, &delete.filter)?;
        let positions = table.key_positions();
        for key in &keys {
            self.check_references_to(table, key, &keys)?;
            let values = positions.iter().zip(key).map(|(column, value)| held(&table.columns[*column], value));
            let sql = format!("DELETE FROM {} WHERE {}", quoted(table.name), equal(table, &positions));
            self.transaction.execute(&sql, params_from_iter(values.collect::<Result<Vec<_>, _>>()?))?;
        }
        Ok(RowsWritten { keys, inserted: 0, shown })
    }

    fn keys(&self, table: &Table, filter: &mec_query::Filter) -> Result<Vec<Vec<Value>>, StoreError> {
        let key = table.key_positions();
        let statement = render::keys(Dialect::Sqlite, table, &key, filter, u64::MAX);
        let columns: Vec<_> = key.iter().map(|column| (table, *column)).collect();
        read::all(self.transaction, &statement, &columns)
    }

    /// Runs a statement that answers the key of at most one row; `sent` is what the row has then, as far as it is known.
    fn one(&self, table: &Table, sql: &str, values: &[Sql], sent: &[(usize, Sql)]) -> Result<Option<Vec<Value>>, RowWriteError> {
        let key = table.key_positions();
        let mut statement = self.transaction.prepare_cached(sql)?;
        let found = statement.query_row(params_from_iter(values), |row| {
            key.iter().enumerate().map(|(at, column)| Ok((*column, row.get::<_, Sql>(at)?))).collect::<Result<Vec<_>, _>>()
        });
        let row = match found.optional() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(None),
            Err(error) => return Err(refusal(table, error, sent)),
        };
        let value = |(column, held): (usize, Sql)| {
            let column = &table.columns[column];
            Stored::of(column.ty).value((&held).into()).ok_or_else(|| damaged(table, column))
        };
        Ok(Some(row.into_iter().map(value).collect::<Result<_, _>>()?))
    }

    fn exists(&self, table: &Table, columns: &[usize], values: &[Sql]) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 FROM {} WHERE {}", quoted(table.name), equal(table, columns));
        let mut statement = self.transaction.prepare_cached(&sql)?;
        Ok(statement.exists(params_from_iter(values))?)
    }

    fn default_of(&self, table: &Table, column: &Column) -> Result<String, StoreError> {
        let sql = "SELECT dflt_value FROM pragma_table_info(?1) WHERE name = ?2";
        let found: Option<String> = self.transaction.query_row(sql, [table.name, column.name], |row| row.get(0))?;
        Ok(found.unwrap_or_else(|| "NULL".to_owned()))
    }

    fn values_of(&self, table: &Table, key: &[Value], columns: &[usize]) -> Result<Vec<Sql>, RowWriteError> {
        let positions = table.key_positions();
        let sql = format!("SELECT {} FROM {} WHERE {}", names(table, columns), quoted(table.name), equal(table, &positions));
        let values = positions.iter().zip(key).map(|(column, value)| held(&table.columns[*column], value));
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let row = statement.query_row(params_from_iter(values.collect::<Result<Vec<_>, _>>()?), |row| {
            (0..columns.len()).map(|at| row.get(at)).collect()
        });
        Ok(row?)
    }

    /// Every reference of these rows leads somewhere.
    fn check_references_of(&self, table: &Table, keys: &[Vec<Value>]) -> Result<(), RowWriteError> {
        for reference in &table.foreign_keys {
            let Some(target) = self.tables.get(reference.target) else { continue };
            let (here, there) = (positions(table, &reference.columns), positions(target, &reference.target_columns));
            for key in keys {
                let values = self.values_of(table, key, &here)?;
                if !values.contains(&Sql::Null) && !self.exists(target, &there, &values)? {
                    let shown = shown(table, &here, &values);
                    let columns = reference.columns.join(", ");
                    let error = QueryError::reference_missing(table.name, reference.name, &columns, &shown, target.name);
                    return Err(RowWriteError::Refused(error));
                }
            }
        }
        Ok(())
    }

    /// No row but those that go too refers to this one.
    fn check_references_to(&self, table: &Table, key: &[Value], going: &[Vec<Value>]) -> Result<(), RowWriteError> {
        let referring = |other: &'_ Table| -> Vec<ForeignKey> {
            other.foreign_keys.iter().filter(|reference| reference.target == table.name).cloned().collect()
        };
        for other in self.tables.values().filter(|other| other.name != table.name || going.len() == 1) {
            for reference in referring(other) {
                let (there, here) = (positions(other, &reference.columns), positions(table, &reference.target_columns));
                let values = self.values_of(table, key, &here)?;
                if !values.contains(&Sql::Null) && self.exists(other, &there, &values)? {
                    let (columns, shown) = (reference.target_columns.join(", "), shown(table, &here, &values));
                    let error = QueryError::still_referenced(table.name, reference.name, &columns, &shown, other.name);
                    return Err(RowWriteError::Refused(error));
                }
            }
        }
        Ok(())
    }
}

/// What SQLite refused, in PostgreSQL's words where a key is taken.
fn refusal(table: &Table, error: rusqlite::Error, sent: &[(usize, Sql)]) -> RowWriteError {
    let rusqlite::Error::SqliteFailure(_, Some(message)) = &error else { return error.into() };
    let Some(list) = message.strip_prefix("UNIQUE constraint failed: ") else { return error.into() };
    let prefix = format!("{}.", table.name);
    let names: Vec<&str> = list.split(", ").map(|name| name.strip_prefix(&prefix).unwrap_or(name)).collect();
    let mut keys = table.primary_key.iter().chain(&table.uniques);
    let Some(key) = keys.find(|key| key.columns == names) else { return error.into() };
    let columns = positions(table, &key.columns);
    let value = |column: &usize| {
        let sent = sent.iter().find(|(sent, _)| sent == column);
        sent.map_or(Sql::Null, |(_, value)| value.clone())
    };
    let values: Vec<Sql> = columns.iter().map(value).collect();
    RowWriteError::Refused(QueryError::duplicate_key(key.name, &names.join(", "), &shown(table, &columns, &values)))
}

fn insertion(table: &Table, columns: &[usize], conflict: Option<&OnConflict>) -> String {
    let mut sql = format!("INSERT INTO {}", quoted(table.name));
    if columns.is_empty() {
        sql.push_str(" DEFAULT VALUES");
    } else {
        let places: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        sql.push_str(&format!(" ({}) VALUES ({})", names(table, columns), places.join(", ")));
        if let Some(conflict) = conflict {
            sql.push_str(&format!(" ON CONFLICT ({}) DO ", names(table, &conflict.columns)));
            match conflict.resolution {
                Resolution::Ignore => sql.push_str("NOTHING"),
                Resolution::Merge => {
                    let set = columns.iter().map(|column| quoted(table.columns[*column].name));
                    let set: Vec<String> = set.map(|name| format!("{name} = excluded.{name}")).collect();
                    sql.push_str(&format!("UPDATE SET {}", set.join(", ")));
                }
            }
        }
    }
    if !table.key_positions().is_empty() {
        sql.push_str(&format!(" RETURNING {}", names(table, &table.key_positions())));
    }
    sql
}

fn make(transaction: &Transaction<'_>, plain: &PlainTable) -> Result<(), StoreError> {
    let table = &plain.table;
    let known = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    if transaction.prepare_cached(known)?.exists([table.name])? {
        return Ok(());
    }
    transaction.execute_batch(&definition(plain))?;
    let columns: Vec<usize> = (0..table.columns.len()).collect();
    let mut insert = transaction.prepare(&insertion(table, &columns, None))?;
    for row in &plain.rows {
        let values = table.columns.iter().zip(row).map(|(column, value)| held(column, value).ok());
        let values: Option<Vec<Sql>> = values.collect();
        let unfit = || StoreError::Damaged { table: table.name, problem: format!("cannot keep {row:?}") };
        insert.query(params_from_iter(values.ok_or_else(unfit)?))?.next()?;
    }
    Ok(())
}

fn definition(plain: &PlainTable) -> String {
    let table = &plain.table;
    let key = table.key_positions();
    let counts_up = |column: usize| key == [column] && Stored::of(table.columns[column].ty) == Stored::Integer;
    let mut parts: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let mut part = format!("{} {}", quoted(column.name), Stored::of(column.ty).declared());
            if counts_up(at) {
                part.push_str(" PRIMARY KEY");
            } else if !column.nullable {
                part.push_str(" NOT NULL");
            }
            if let Some((_, value)) = plain.defaults.iter().find(|(name, _)| *name == column.name) {
                part.push_str(&format!(" DEFAULT {}", literal(column, value)));
            }
            part
        })
        .collect();
    if !key.is_empty() && !key.iter().any(|column| counts_up(*column)) {
        parts.push(format!("PRIMARY KEY ({})", names(table, &key)));
    }
    parts.extend(table.uniques.iter().map(|unique| format!("UNIQUE ({})", names(table, &positions(table, &unique.columns)))));
    format!("CREATE TABLE {} ({})", quoted(table.name), parts.join(", "))
}

/// A default, which SQL takes only as its text.
fn literal(column: &Column, value: &Value) -> String {
    match held(column, value) {
        Ok(Sql::Integer(number)) => number.to_string(),
        Ok(Sql::Text(text)) => format!("'{}'", text.replace('\'', "''")),
        Ok(Sql::Blob(bytes)) => format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Ok(Sql::Null | Sql::Real(_)) | Err(_) => "NULL".to_owned(),
    }
}

/// The value as a row holds it.
fn held(column: &Column, value: &Value) -> Result<Sql, RowWriteError> {
    let held = match value {
        Value::Null => Some(Sql::Null),
        Value::TextArray(items) => serde_json::to_string(items).ok().map(Sql::Text),
        value => Stored::of(column.ty).parameter(value).as_ref().map(bound),
    };
    held.ok_or_else(|| {
        let problem =
            format!("numeric field overflow: {} cannot be kept in {}", value.to_text().unwrap_or_default(), column.name);
        RowWriteError::Refused(QueryError::sqlstate("22003", problem))
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn names(table: &Table, columns: &[usize]) -> String {
    columns.iter().map(|column| quoted(table.columns[*column].name)).collect::<Vec<_>>().join(", ")
}

fn equal(table: &Table, columns: &[usize]) -> String {
    let part = |(at, column): (usize, &usize)| format!("{} = ?{}", quoted(table.columns[*column].name), at + 1);
    columns.iter().enumerate().map(part).collect::<Vec<_>>().join(" AND ")
}

fn positions(table: &Table, columns: &[&'static str]) -> Vec<usize> {
    columns.iter().filter_map(|column| table.position(column)).collect()
}

fn shown(table: &Table, columns: &[usize], values: &[Sql]) -> String {
    let text = |(column, held): (&usize, &Sql)| {
        Stored::of(table.columns[*column].ty).value(held.into()).and_then(|value| value.to_text()).unwrap_or_default()
    };
    columns.iter().zip(values).map(text).collect::<Vec<_>>().join(", ")
}

fn damaged(table: &Table, column: &Column) -> StoreError {
    StoreError::Damaged { table: table.name, problem: format!("{} does not hold a {}", column.name, column.ty.sql_name()) }
}
