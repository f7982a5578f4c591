//! Reads of the table API, each on one instant's state, in the time it may take.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use mec_kernel::{AccountId, InUse, Node, Time};
use mec_query::{Budget, Fetched, Filter, Read, Table, Value};
use tokio::sync::Semaphore;
use tokio_postgres::types::Type;

use super::cells::Found;
use super::codec::Id;
use super::readers::{Lent, Readers};
use super::session::{Parameter as Boxed, ROWS_ON_THEIR_WAY, Session, room_for};
use super::values::{boxed, held};
use super::{Link, Postgres, Writer, catalog, look_up};
use crate::StoreError;
use crate::dialect::Dialect;
use crate::read::{self, Column, PARENTS_AT_ONCE, Rows};
use crate::render::{self, Statement};
use crate::rows::Cells as _;
use crate::stored::Stored;

/// The longest that a lane reads for a commit it prepares: everything else waits meanwhile.
const WRITER_READ_TIMEOUT: Duration = Duration::from_secs(2);

/// A reading transaction: everything it answers is of one instant.
pub(crate) struct Snapshot {
    link: Arc<Link>,
    session: Arc<Session>,
}

impl Snapshot {
    /// Begins one that ends when nothing happens in it any more for as long as it may take. A read
    /// takes one of the server's processors at most: no workers beside it, and no time for
    /// compiling it.
    async fn begin(session: &Session, most: Option<Duration>) -> Result<(), StoreError> {
        let limit = most.map_or(0, |most| {
            u64::try_from(most.as_millis())
                .unwrap_or(u64::MAX)
                .clamp(1, 2_147_483_647)
        });
        session
            .run(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {limit}; \
                 SET LOCAL idle_in_transaction_session_timeout = '10min'; \
                 SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off"
            ))
            .await
    }

    /// Runs a task on the connection and waits for it.
    pub(super) fn wait<T: Send + 'static, F>(
        &self,
        task: impl FnOnce(Arc<Session>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.link.io.wait(task(self.session.clone()))
    }

    /// Shows `each` the rows of a statement as they come, no more than a few of them on their way.
    fn each_row_within(
        &self,
        statement: &Statement,
        budget: &Budget,
        mut each: impl FnMut(&tokio_postgres::Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (sql, session, asked) = (statement.sql.clone(), self.session.clone(), budget.clone());
        let values: Vec<(Boxed<'static>, Type)> = statement.values.iter().map(boxed).collect();
        let (sender, rows) = mpsc::channel();
        let room = Arc::new(Semaphore::new(ROWS_ON_THEIR_WAY as usize));
        let given = room.clone();
        self.link.io.handle().spawn(async move {
            let ended = session
                .stream(&sql, &values, &asked, &given, |row| {
                    sender.send(Ok(row)).is_ok()
                })
                .await;
            if let Err(error) = ended {
                // Nobody waits for it where the other side has ended first.
                drop(sender.send(Err(error)));
            }
        });
        for row in rows {
            let looked_at = row.and_then(|row| each(&row).map(|()| room_for(&row)));
            match looked_at {
                Ok(taken) => room.add_permits(taken as usize),
                Err(error) => {
                    self.session.give_up();
                    room.close();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl Rows for Snapshot {
    fn dialect(&self) -> Dialect {
        self.link.dialect
    }

    fn all(
        &mut self,
        statement: &Statement,
        columns: &[Column<'_>],
        budget: &Budget,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let value = |row: &tokio_postgres::Row, at, (table, column): &Column<'_>| {
            let column = &table.columns[*column];
            held(row, at, Stored::of(column.ty)).map_err(|problem| StoreError::Damaged {
                table: table.name,
                problem: format!(
                    "{} does not hold a {}: {problem}",
                    column.name,
                    column.ty.sql_name()
                ),
            })
        };
        let mut rows = Vec::new();
        self.each_row_within(statement, budget, |row| {
            let row = columns
                .iter()
                .enumerate()
                .map(|(at, column)| value(row, at, column))
                .collect::<Result<Vec<_>, _>>()?;
            budget.take_row(read::bytes_of(&row))?;
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    fn parents_at_once(&self, _width: usize, _own: usize) -> Result<usize, StoreError> {
        Ok(PARENTS_AT_ONCE)
    }
}

impl Postgres {
    /// Lends one of the connections that read tables to `read`, whose statements can each take as
    /// long as `most`.
    pub(super) fn read_within<T>(
        &self,
        most: Option<Duration>,
        read: impl FnOnce(&mut Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_on(&self.readers, most, read)
    }

    fn read_on<T>(
        &self,
        readers: &Readers,
        most: Option<Duration>,
        read: impl FnOnce(&mut Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut lent = Lent {
            readers,
            session: readers.borrow(),
        };
        let (link, kept) = (self.link.clone(), lent.session.take());
        let session = self.link.io.wait(async move {
            if let Some(session) = kept.filter(|session| !session.is_closed())
                && Snapshot::begin(&session, most).await.is_ok()
            {
                return Ok(session);
            }
            // The server was restarted, or has ended an idle connection: a new one shows.
            let session = Arc::new(link.connect().await?);
            Snapshot::begin(&session, most).await?;
            Ok(session)
        })?;
        let mut snapshot = Snapshot {
            link: self.link.clone(),
            session: session.clone(),
        };
        let outcome = read(&mut snapshot);
        if session.is_closed() {
            // It was given up in the middle of a statement.
            return outcome;
        }
        let ended = snapshot.wait(|session| async move { session.run("COMMIT").await });
        // A connection that could not end its transaction is not lent again.
        lent.session = ended.is_ok().then_some(session);
        outcome
    }

    /// Reads tables in the time that is for it.
    pub(super) fn read_for<T>(
        &self,
        read: impl FnOnce(&mut Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_within(Some(self.read_timeout), read)
    }

    /// The same with the connection for short questions, which no read of tables keeps busy.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&mut Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_on(&self.askers, Some(self.read_timeout), read)
    }

    pub(crate) fn fetch(&self, read: &Read, budget: &Budget) -> Result<Fetched, StoreError> {
        self.read_for(|snapshot| read::fetch(snapshot, read, budget))
    }

    pub(crate) fn count(
        &self,
        table: &Table,
        filter: &Filter,
        budget: &Budget,
    ) -> Result<u64, StoreError> {
        let statement = render::count(self.link.dialect, table, filter);
        self.read_for(|snapshot| {
            let mut count = None;
            snapshot.each_row_within(&statement, budget, |row| {
                count = Some(
                    Found {
                        row,
                        table: table.name,
                    }
                    .integer(0)?,
                );
                Ok(())
            })?;
            Ok(count
                .and_then(|count| u64::try_from(count).ok())
                .unwrap_or(0))
        })
    }

    pub(crate) fn keys(
        &self,
        table: &Table,
        filter: &Filter,
        max: usize,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        self.read_for(|snapshot| read::keys(snapshot, table, filter, limit))
    }

    pub(crate) fn account_linked(
        &self,
        source: &str,
        external_id: &str,
    ) -> Result<Option<AccountId>, StoreError> {
        let (source, external_id) = (source.to_owned(), external_id.to_owned());
        let sql = "SELECT account_id FROM account_links WHERE source = $1 AND external_id = $2";
        self.read(|snapshot| {
            let rows = snapshot.wait(|session| async move {
                session.query(sql, &[&source, &external_id]).await
            })?;
            rows.first()
                .map(|row| {
                    Found {
                        row,
                        table: "account_links",
                    }
                    .id(0)
                    .map(AccountId)
                })
                .transpose()
        })
    }

    pub(crate) fn ping(&self) -> Result<(), StoreError> {
        self.read(|snapshot| snapshot.wait(|session| async move { session.run("SELECT 1").await }))
    }

    pub(crate) fn account(&self, id: AccountId) -> Result<Option<Node>, StoreError> {
        let key = (id.tree(), id);
        self.read(|snapshot| {
            let mut nodes =
                snapshot.wait(|session| async move { look_up::granted(&session, &[key]).await })?;
            Ok(nodes.remove(&key))
        })
    }

    pub(crate) fn in_use(&self) -> Result<InUse, StoreError> {
        self.read_within(None, |snapshot| {
            snapshot.wait(|session| async move { catalog::in_use(&session).await })
        })
    }

    pub(crate) fn count_decisions(&self, before: Time) -> Result<u64, StoreError> {
        let first_kept =
            Id(mec_kernel::IdSource::new(mec_kernel::TreeId::CATALOG, before, 0).draw());
        let sql = "SELECT count(*) FROM control_decisions_log WHERE decision_id < $1";
        self.read_within(None, |snapshot| {
            let rows =
                snapshot.wait(|session| async move { session.query(sql, &[&first_kept]).await })?;
            let count = rows
                .first()
                .map(|row| {
                    Found {
                        row,
                        table: "control_decisions_log",
                    }
                    .integer(0)
                })
                .transpose()?;
            Ok(count
                .and_then(|count| u64::try_from(count).ok())
                .unwrap_or(0))
        })
    }

    /// The whole catalog, as it is in one instant. Who asks may hold trees, so no other reader is
    /// waited for.
    pub(crate) fn catalog(&self) -> Result<mec_kernel::Catalog, StoreError> {
        self.read_apart(|snapshot| {
            snapshot.wait(|session| async move { catalog::catalog(&session).await })
        })
    }
}

impl Writer {
    /// Reads on a connection of its own, so that it waits for no other reader.
    pub(crate) fn fetch(&mut self, read: &Read, budget: &Budget) -> Result<Fetched, StoreError> {
        let store = Postgres::with_one_reader(self.link.clone(), WRITER_READ_TIMEOUT);
        store.readers.give_back(self.reader.take());
        let outcome = store.fetch(read, budget);
        self.reader = store.readers.borrow();
        outcome
    }
}
