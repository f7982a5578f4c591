//! A connection for the tables without rules, in PostgreSQL.

use std::sync::{Arc, Mutex, PoisonError};

use super::read::Snapshot;
use super::session::Session;
use super::{Link, Postgres};
use crate::StoreError;
use crate::plain::{self, PlainTable, RowWriteError};
use crate::render::plain::lock;

/// A connection that writes, one transaction at a time.
#[derive(Debug)]
pub(crate) struct PlainConnection {
    link: Arc<Link>,
    session: Mutex<Option<Arc<Session>>>,
    /// What keeps every other writer of these tables out.
    lock: String,
}

impl Postgres {
    /// Makes the tables that are not there.
    pub(crate) fn plain_connection(&self, tables: &[PlainTable]) -> Result<PlainConnection, StoreError> {
        let mut connection = PlainConnection { link: self.link.clone(), session: Mutex::new(None), lock: String::new() };
        let missing = connection.transact(|rows| {
            let known = rows.wait(|session| async move {
                session.query_once("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()", &[]).await
            })?;
            let known = known.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
            let is_missing = |plain: &&PlainTable| !known.iter().any(|name| name == plain.table.name);
            let missing = tables.iter().filter(is_missing).collect::<Vec<_>>();
            for plain in &missing {
                plain::make(rows, plain)?;
            }
            Ok(())
        });
        missing.map_err(|error| match error {
            RowWriteError::Store(error) => error,
            RowWriteError::Refused(error) => StoreError::Unusable(error.message),
        })?;
        let mut names: Vec<&str> = tables.iter().map(|plain| plain.table.name).collect();
        names.sort_unstable();
        connection.lock = lock(&names);
        Ok(connection)
    }
}

impl PlainConnection {
    /// Does all of `work` or, where it fails, nothing.
    pub(crate) fn transact<T>(&self, work: impl FnOnce(&mut Snapshot) -> Result<T, RowWriteError>) -> Result<T, RowWriteError> {
        let mut kept = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let (link, idle, lock) = (self.link.clone(), kept.take(), self.lock.clone());
        let session = self.link.io.wait(async move {
            let session = match idle.filter(|session| !session.is_closed()) {
                Some(session) => session,
                None => Arc::new(link.connect().await?),
            };
            session.run(&format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {lock}")).await?;
            Ok(session)
        })?;
        let mut rows = Snapshot::of(self.link.clone(), session.clone());
        let done = work(&mut rows);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        rows.wait(|session| async move { session.run(end).await })?;
        // A connection that could not end its transaction is not used again.
        *kept = Some(session);
        done
    }
}
