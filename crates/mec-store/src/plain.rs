//! Tables without rules: rows of other schemas than ours, kept as their catalogue says and written as they are sent.
//!
//! MEC's own tables are never among them. They are how the query language and its rendering are tried on schemas they
//! were not made for. Defaults, keys and references are looked after here, with PostgreSQL's words and alike on every
//! database; what a value alone can tell was refused before.

use std::collections::{HashMap, HashSet};

use mec_query::{
    Cell, Column, Delete, Fetched, Filter, ForeignKey, Insert, Key, OnConflict, QueryError, Read, Resolution, Table, Update,
    Value,
};

use crate::read::{self, Rows};
use crate::render::plain::{self, Put};
use crate::stored::{Parameter, Stored};
use crate::{Store, StoreError, postgres, sqlite};

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
    connection: Connection,
    tables: HashMap<&'static str, PlainTable>,
}

#[derive(Debug)]
enum Connection {
    Sqlite(sqlite::PlainConnection),
    Postgres(postgres::PlainConnection),
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
        let connection = match store {
            Store::Sqlite(store) => Connection::Sqlite(store.plain_connection(&tables)?),
            Store::Postgres(store) => Connection::Postgres(store.plain_connection(&tables)?),
        };
        let tables = tables.into_iter().map(|plain| (plain.table.name, plain)).collect();
        Ok(Self { connection, tables })
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
        if let RowWrite::Update(Update { table, .. }) | RowWrite::Delete(Delete { table, .. }, _) = write
            && table.primary_key.is_none()
        {
            return Err(RowWriteError::Refused(QueryError::table_not_writable(table.name)));
        }
        let tables = &self.tables;
        match &self.connection {
            Connection::Sqlite(connection) => connection.transact(|rows| Writing { tables, rows }.write(write, expected)),
            Connection::Postgres(connection) => connection.transact(|rows| Writing { tables, rows }.write(write, expected)),
        }
    }
}

/// Makes a table and the rows it has from the beginning.
pub(crate) fn make(rows: &mut impl Rows, plain: &PlainTable) -> Result<(), StoreError> {
    let (dialect, table) = (rows.dialect(), &plain.table);
    rows.all(&plain::definition(dialect, table), &[])?;
    for row in &plain.rows {
        let put = |(column, value): (&Column, &Value)| held(column, value).ok().map(Put::Value);
        let unfit = || StoreError::Damaged { table: table.name, problem: format!("cannot keep {row:?}") };
        let put = table.columns.iter().zip(row).map(put).collect::<Option<Vec<_>>>().ok_or_else(unfit)?;
        rows.all(&plain::insertion(dialect, table, put), &[])?;
    }
    Ok(())
}

/// One write: nobody else writes to the tables meanwhile.
struct Writing<'a, R> {
    tables: &'a HashMap<&'static str, PlainTable>,
    rows: &'a mut R,
}

impl<R: Rows> Writing<'_, R> {
    fn write(
        mut self,
        write: &RowWrite,
        expected: impl Fn(usize) -> Result<(), QueryError>,
    ) -> Result<RowsWritten, RowWriteError> {
        let written = match write {
            RowWrite::Insert(insert) => self.insert(insert)?,
            RowWrite::Update(update) => self.update(update)?,
            RowWrite::Delete(delete, shown) => self.delete(delete, shown.as_deref())?,
        };
        expected(written.keys.len()).map_err(RowWriteError::Refused)?;
        Ok(written)
    }

    fn insert(&mut self, insert: &Insert) -> Result<RowsWritten, RowWriteError> {
        let table = &insert.table;
        let mut written = RowsWritten::default();
        let mut merged = HashSet::new();
        for cells in &insert.rows {
            let row = self.whole(table, &insert.columns, cells);
            if let Some(conflict) = &insert.on_conflict
                && let Some(taken) = self.taken(table, conflict, &row)?
            {
                if conflict.resolution == Resolution::Ignore {
                    continue;
                }
                if !merged.insert(taken.clone()) {
                    return Err(RowWriteError::Refused(merged_twice()));
                }
                let set: Vec<(usize, Value)> =
                    insert.columns.iter().filter_map(|column| Some((*column, row[*column].clone()?))).collect();
                written.keys.extend(self.change(table, &set, &holding(&conflict.columns, &taken))?);
                continue;
            }
            for key in table.primary_key.iter().chain(&table.uniques) {
                self.check_free(table, key, &row, None)?;
            }
            if let Some(conflict) = &insert.on_conflict
                && conflict.resolution == Resolution::Merge
                && let Some(key) = conflict.columns.iter().map(|column| row[*column].clone()).collect()
            {
                merged.insert(key);
            }
            let put = table.columns.iter().zip(&row).map(|(column, value)| match value {
                Some(value) => held(column, value).map(Put::Value),
                None => Ok(Put::Next),
            });
            let statement = plain::insertion(self.rows.dialect(), table, put.collect::<Result<Vec<_>, _>>()?);
            let keys = self.rows.all(&statement, &columns(table, &table.key_positions()))?;
            written.inserted += 1;
            // A row without a key is told by its number alone.
            written.keys.push(keys.into_iter().next().unwrap_or_default());
        }
        if table.primary_key.is_some() {
            self.check_references_of(table, &written.keys)?;
        }
        Ok(written)
    }

    /// A new row with all its columns; `None` is the next number.
    fn whole(&self, table: &Table, columns: &[usize], cells: &[Cell]) -> Vec<Option<Value>> {
        let mut row: Vec<Option<Value>> = (0..table.columns.len()).map(|column| self.default_of(table, column)).collect();
        for (column, cell) in columns.iter().zip(cells) {
            if let Cell::Value(value) = cell {
                row[*column] = Some(value.clone());
            }
        }
        row
    }

    fn default_of(&self, table: &Table, column: usize) -> Option<Value> {
        let name = table.columns[column].name;
        let defaults = self.tables.get(table.name).map(|plain| plain.defaults.as_slice()).unwrap_or_default();
        let default = defaults.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let counts_up = table.key_positions() == [column] && Stored::of(table.columns[column].ty) == Stored::Integer;
        if counts_up { default } else { Some(default.unwrap_or(Value::Null)) }
    }

    /// The values of the columns a conflict is about, where a row has them.
    fn taken(
        &mut self,
        table: &Table,
        conflict: &OnConflict,
        row: &[Option<Value>],
    ) -> Result<Option<Vec<Value>>, RowWriteError> {
        let key: Option<Vec<Value>> = conflict.columns.iter().map(|column| row[*column].clone()).collect();
        let Some(key) = key else { return Ok(None) };
        Ok(if self.exists(table, &conflict.columns, &key)? { Some(key) } else { None })
    }

    /// Refuses a row whose values another row than `own` has in a key.
    fn check_free(
        &mut self,
        table: &Table,
        key: &Key,
        row: &[Option<Value>],
        own: Option<&[Value]>,
    ) -> Result<(), RowWriteError> {
        let positions = positions(table, &key.columns);
        let values: Option<Vec<Value>> = positions.iter().map(|column| row[*column].clone()).collect();
        let Some(values) = values else { return Ok(()) };
        let found = self.found(table, &table.key_positions(), &positions, &values)?;
        if found.iter().all(|found| own == Some(found.as_slice())) {
            return Ok(());
        }
        let columns = key.columns.join(", ");
        Err(RowWriteError::Refused(QueryError::duplicate_key(key.name, &columns, &shown(&values))))
    }

    fn update(&mut self, update: &Update) -> Result<RowsWritten, RowWriteError> {
        let table = &update.table;
        let set: Vec<(usize, Value)> = update
            .set
            .iter()
            .map(|(column, cell)| match cell {
                Cell::Value(value) => (*column, value.clone()),
                Cell::Default => (*column, self.default_of(table, *column).unwrap_or(Value::Null)),
            })
            .collect();
        let key = table.key_positions();
        let mut written = RowsWritten::default();
        for row in self.keys(table, &update.filter)? {
            written.keys.extend(self.change(table, &set, &holding(&key, &row))?);
        }
        self.check_references_of(table, &written.keys)?;
        Ok(written)
    }

    /// Sets values in the one row that holds these, and answers its key.
    fn change(
        &mut self,
        table: &Table,
        set: &[(usize, Value)],
        holding: &[(usize, Value)],
    ) -> Result<Vec<Vec<Value>>, RowWriteError> {
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let (places, values): (Vec<usize>, Vec<Value>) = holding.iter().cloned().unzip();
        for mut row in self.found(table, &all, &places, &values)? {
            let own: Vec<Value> = table.key_positions().iter().map(|column| row[*column].clone()).collect();
            set.iter().for_each(|(column, value)| row[*column] = value.clone());
            let row: Vec<Option<Value>> = row.into_iter().map(Some).collect();
            for key in table.primary_key.iter().chain(&table.uniques) {
                if set.iter().any(|(column, _)| key.columns.contains(&table.columns[*column].name)) {
                    self.check_free(table, key, &row, Some(&own))?;
                }
            }
        }
        let (set, holding) = (all_held(table, set)?, all_held(table, holding)?);
        let statement = plain::change(self.rows.dialect(), table, set, holding);
        Ok(self.rows.all(&statement, &columns(table, &table.key_positions()))?)
    }

    fn delete(&mut self, delete: &Delete, shown: Option<&Read>) -> Result<RowsWritten, RowWriteError> {
        let table = &delete.table;
        let shown = match shown {
            Some(show) => Some(read::fetch(self.rows, &Read { filter: delete.filter.clone(), ..show.clone() })?),
            None => None,
        };
        let keys = self.keys(table, &delete.filter)?;
        for key in &keys {
            self.check_references_to(table, key, &keys)?;
            let holding = all_held(table, &holding(&table.key_positions(), key))?;
            self.rows.all(&plain::removal(self.rows.dialect(), table, holding), &[])?;
        }
        Ok(RowsWritten { keys, inserted: 0, shown })
    }

    fn keys(&mut self, table: &Table, filter: &Filter) -> Result<Vec<Vec<Value>>, StoreError> {
        read::keys(self.rows, table, filter, u64::MAX)
    }

    /// Some columns of the rows that hold these values.
    fn found(
        &mut self,
        table: &Table,
        shown: &[usize],
        places: &[usize],
        values: &[Value],
    ) -> Result<Vec<Vec<Value>>, RowWriteError> {
        let holding = all_held(table, &holding(places, values))?;
        let statement = plain::found(self.rows.dialect(), table, shown, holding);
        Ok(self.rows.all(&statement, &columns(table, shown))?)
    }

    fn exists(&mut self, table: &Table, places: &[usize], values: &[Value]) -> Result<bool, RowWriteError> {
        Ok(!self.found(table, &[], places, values)?.is_empty())
    }

    fn values_of(&mut self, table: &Table, key: &[Value], shown: &[usize]) -> Result<Vec<Value>, RowWriteError> {
        let rows = self.found(table, shown, &table.key_positions(), key)?;
        let gone = || StoreError::Damaged { table: table.name, problem: "a row is gone while it is written".to_owned() };
        Ok(rows.into_iter().next().ok_or_else(gone)?)
    }

    /// Every reference of these rows leads somewhere.
    fn check_references_of(&mut self, table: &Table, keys: &[Vec<Value>]) -> Result<(), RowWriteError> {
        for reference in &table.foreign_keys {
            let Some(target) = self.tables.get(reference.target).map(|plain| &plain.table) else { continue };
            let (here, there) = (positions(table, &reference.columns), positions(target, &reference.target_columns));
            for key in keys {
                let values = self.values_of(table, key, &here)?;
                if !values.contains(&Value::Null) && !self.exists(target, &there, &values)? {
                    let columns = reference.columns.join(", ");
                    let error = QueryError::reference_missing(table.name, reference.name, &columns, &shown(&values), target.name);
                    return Err(RowWriteError::Refused(error));
                }
            }
        }
        Ok(())
    }

    /// No row but those that go too refers to this one.
    fn check_references_to(&mut self, table: &Table, key: &[Value], going: &[Vec<Value>]) -> Result<(), RowWriteError> {
        let tables = self.tables;
        // In one order, so that the first that refers is the same one everywhere.
        let mut others: Vec<&Table> = tables.values().map(|plain| &plain.table).collect();
        others.sort_by_key(|other| other.name);
        for other in others.into_iter().filter(|other| other.name != table.name || going.len() == 1) {
            let refers = |reference: &&ForeignKey| reference.target == table.name;
            for reference in other.foreign_keys.iter().filter(refers) {
                let (there, here) = (positions(other, &reference.columns), positions(table, &reference.target_columns));
                let values = self.values_of(table, key, &here)?;
                if !values.contains(&Value::Null) && self.exists(other, &there, &values)? {
                    let columns = reference.target_columns.join(", ");
                    let error = QueryError::still_referenced(table.name, reference.name, &columns, &shown(&values), other.name);
                    return Err(RowWriteError::Refused(error));
                }
            }
        }
        Ok(())
    }
}

fn merged_twice() -> QueryError {
    let hint = "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.";
    QueryError::sqlstate("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time").with_hint(hint)
}

/// The value as a row holds it; null is `None`.
fn held(column: &Column, value: &Value) -> Result<Option<Parameter>, RowWriteError> {
    let stored = Stored::of(column.ty);
    let parameter = match value {
        Value::Null => return Ok(None),
        Value::TextArray(items) => Some(Parameter::Many(stored, items.iter().cloned().map(Parameter::Text).map(Some).collect())),
        value => stored.parameter(value),
    };
    let unfit = || {
        let shown = value.to_text().unwrap_or_default();
        let problem = format!("numeric field overflow: {shown} cannot be kept in {}", column.name);
        RowWriteError::Refused(QueryError::sqlstate("22003", problem))
    };
    parameter.map(Some).ok_or_else(unfit)
}

fn all_held(table: &Table, values: &[(usize, Value)]) -> Result<Vec<(usize, Option<Parameter>)>, RowWriteError> {
    values.iter().map(|(column, value)| Ok((*column, held(&table.columns[*column], value)?))).collect()
}

fn holding(columns: &[usize], values: &[Value]) -> Vec<(usize, Value)> {
    columns.iter().copied().zip(values.iter().cloned()).collect()
}

fn columns<'a>(table: &'a Table, positions: &[usize]) -> Vec<read::Column<'a>> {
    positions.iter().map(|column| (table, *column)).collect()
}

fn positions(table: &Table, columns: &[&'static str]) -> Vec<usize> {
    columns.iter().filter_map(|column| table.position(column)).collect()
}

fn shown(values: &[Value]) -> String {
    values.iter().map(|value| value.to_text().unwrap_or_default()).collect::<Vec<_>>().join(", ")
}
