//! A connection for the tables without rules, in SQLite.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::read::Reader;
use super::{Sqlite, functions};
use crate::StoreError;
use crate::plain::{self, PlainTable, RowWriteError};

/// A connection that writes beside the store's own writer, one transaction at a time.
#[derive(Debug)]
pub(crate) struct PlainConnection(Mutex<Connection>);

impl Sqlite {
    /// Makes the tables that are not there.
    pub(crate) fn plain_connection(&self, tables: &[PlainTable]) -> Result<PlainConnection, StoreError> {
        let mut connection = Connection::open(self.path())?;
        connection.busy_timeout(Duration::from_secs(5))?;
        functions::add_to(&connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for plain in tables {
            let known = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
            if !transaction.prepare_cached(known)?.exists([plain.table.name])? {
                plain::make(&mut Reader(&transaction), plain)?;
            }
        }
        transaction.commit()?;
        Ok(PlainConnection(Mutex::new(connection)))
    }
}

impl PlainConnection {
    /// Does all of `work` or, where it fails, nothing.
    pub(crate) fn transact<T>(&self, work: impl FnOnce(&mut Reader<'_>) -> Result<T, RowWriteError>) -> Result<T, RowWriteError> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&mut Reader(&transaction))?;
        transaction.commit()?;
        Ok(done)
    }
}
