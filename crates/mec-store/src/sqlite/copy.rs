//! A whole file as a copy reads it: every table, every column, row by row, by a process that owns
//! the file meanwhile.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest as _, Sha256};

use super::{Sqlite, Writer};
use crate::copy::value::Value;
use crate::{OpenOptions, StoreError};

/// A file that nobody else changes for as long as this lives.
pub(crate) struct Source {
    writer: Writer,
    /// Keeps the file this process's.
    _store: Sqlite,
}

/// A table as the file has it.
#[derive(Debug)]
pub(crate) struct SourceTable {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: u64,
    /// What its rows are read in the order of: the same at every run, and the one they lie in.
    order: String,
}

impl Source {
    /// Takes the file, which has to be there and of this program's schema.
    pub(crate) fn open(path: &Path, note: &str) -> Result<Self, StoreError> {
        let options = OpenOptions {
            create: false,
            note: note.to_owned(),
            readers: 1,
            ..OpenOptions::default()
        };
        let (store, writer) = Sqlite::open(path, &options)?;
        Ok(Self {
            writer,
            _store: store,
        })
    }

    /// Every table of the file, with how many rows it has.
    pub(crate) fn tables(&self) -> Result<Vec<SourceTable>, StoreError> {
        let sql = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' \
                   ORDER BY name";
        let mut statement = self.connection().prepare(sql)?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found: Vec<(String, bool)> = found.collect::<Result<_, _>>()?;
        found
            .into_iter()
            .map(|(name, is_without_rowid)| self.table(name, is_without_rowid))
            .collect()
    }

    fn table(&self, name: String, is_without_rowid: bool) -> Result<SourceTable, StoreError> {
        let mut statement = self
            .connection()
            .prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
        let found = statement.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found: Vec<(String, u32)> = found.collect::<Result<_, _>>()?;
        let order = if is_without_rowid {
            let mut key: Vec<&(String, u32)> =
                found.iter().filter(|(_, place)| *place > 0).collect();
            key.sort_by_key(|(_, place)| *place);
            key.into_iter()
                .map(|(column, _)| column.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        } else {
            "rowid".to_owned()
        };
        let count = |row: &Row<'_>| row.get::<_, i64>(0);
        let rows =
            self.connection()
                .query_row(&format!("SELECT count(*) FROM {name}"), [], count)?;
        Ok(SourceTable {
            columns: found.into_iter().map(|(column, _)| column).collect(),
            order,
            rows: rows.unsigned_abs(),
            name,
        })
    }

    /// What tells this state of this file from every other: each commit writes random stamps, and
    /// what has none is counted.
    pub(crate) fn identity<'a>(
        &self,
        tables: impl Iterator<Item = &'a SourceTable>,
    ) -> Result<String, StoreError> {
        let mut hash = Sha256::new();
        let mut statement = self
            .connection()
            .prepare("SELECT tree, version, stamp FROM account_trees ORDER BY tree")?;
        let mut heads = statement.query([])?;
        while let Some(head) = heads.next()? {
            for column in 0..3 {
                hash.update(head.get::<_, i64>(column)?.to_be_bytes());
            }
        }
        for table in tables {
            hash.update(&table.name);
            hash.update(table.rows.to_be_bytes());
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        Ok(text)
    }

    /// Shows `each` all rows of `table`, with the values of `columns` in their order.
    pub(crate) fn each_row<'a>(
        &self,
        table: &SourceTable,
        columns: impl Iterator<Item = &'a str>,
        each: &mut dyn FnMut(&[Value<'_>]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let columns: Vec<&str> = columns.collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            table.name,
            table.order
        );
        let mut statement = self.connection().prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values: Result<Vec<Value<'_>>, StoreError> = (0..columns.len())
                .map(|column| value(row, column))
                .collect();
            each(&values?)?;
        }
        Ok(())
    }

    /// Gives the file back, whole without what lies beside it.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        let Self { writer, _store } = self;
        writer.close()
    }

    fn connection(&self) -> &Connection {
        &self.writer.connection
    }
}

fn value<'a>(row: &'a Row<'_>, column: usize) -> Result<Value<'a>, StoreError> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Blob(bytes) => Value::Bytes(bytes),
        held @ (ValueRef::Text(_) | ValueRef::Real(_)) => {
            Value::Text(held.as_str().map_err(rusqlite::Error::from)?)
        }
    })
}
