//! A database as the target of a copy: marked from before the first row until everything is there
//! and right.
//!
//! The mark is a table with a row for each table that is copied: what the source is, and how many
//! of its rows have come. Each batch moves it in its own transaction, so it is true whenever a copy
//! breaks off. While it is there, nobody opens the database as a store.

mod row;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mec_kernel::Time;
use tokio_postgres::types::ToSql;

use self::row::{Cutter, HEADER, Kind, millionths};
use super::cells::one;
use super::session::Session;
use super::{Link, Postgres, connect, decisions, migrate, roles};
use crate::copy::value::Value;
use crate::{OpenOptions, Progress, Report, StoreError};

/// What migrations fill themselves: there is something in an empty store, and it is replaced by the
/// source's.
const FILLED: [&str; 4] = ["limit_actions", "limit_kinds", "time_zones", "window_types"];
/// Only a migration writes it, and each store has its own.
const OWN: &str = "schema_migrations";
/// Sent in one piece once a batch has so many bytes.
const BATCH_BYTES: usize = 4 << 20;
/// Tables named where there is something in several.
const NAMED_MAX: usize = 3;
/// Pieces taken from the connection at once when rows are read back.
const PIECES_AT_ONCE: usize = 2_000;

const HAS_MARK: &str = "SELECT to_regclass('copy_progress') IS NOT NULL";
const MAKE_MARK: &str = "CREATE TABLE copy_progress (table_name TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, rows_copied BIGINT NOT NULL)";
const SET_MARK: &str = "INSERT INTO copy_progress (table_name, source, rows_copied) SELECT name, $2, 0 FROM unnest($1::text[]) AS name";
const READ_MARK: &str = "SELECT table_name, source, rows_copied FROM copy_progress";
const MOVE_MARK: &str =
    "UPDATE copy_progress SET rows_copied = $3 WHERE table_name = $1 AND rows_copied = $2";
/// How far it came is as durable as its rows, so nothing is lost that matters when both are.
const BEGIN_BATCH: &str =
    "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = 0";
/// The columns of these tables as they were made.
const COLUMNS: &str = "SELECT c.relname::text, a.attname::text, t.typname::text, a.atttypmod FROM pg_class c \
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY($1) \
     ORDER BY c.relname, a.attnum";
/// Whether the role is the one that tables belong to, and may make more.
const IS_OWNER: &str = "SELECT current_user::text, has_schema_privilege(current_schema(), 'CREATE') \
     AND (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'account_trees'::regclass)";

/// Refuses a database that a copy has begun to fill and not finished.
pub(super) async fn check_whole(session: &Session, shown: &str) -> Result<(), StoreError> {
    if has_mark(session).await? {
        return Err(StoreError::Unusable(format!(
            "{shown} is filled by a copy that has not ended; run the same `mec copy` again, it goes on where it stopped"
        )));
    }
    Ok(())
}

async fn has_mark(session: &Session) -> Result<bool, StoreError> {
    Ok(one(session.query_once(HAS_MARK, &[]).await?)?.try_get(0)?)
}

/// A database that is filled.
pub(crate) struct Target {
    link: Arc<Link>,
    session: Arc<Session>,
}

/// A table as the database has it.
#[derive(Clone, Debug)]
pub(crate) struct TargetTable {
    pub(crate) name: String,
    columns: Vec<(String, Kind)>,
}

impl TargetTable {
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// What an event says was used, in millionths; 0 in a row of another table.
    pub(crate) fn used(&self, row: &[u8]) -> Result<i128, StoreError> {
        if self.name != "consumption_ledger" {
            return Ok(0);
        }
        let place = self.columns().position(|column| column == "quantity");
        let used = place.map_or(Ok(0), |place| millionths(row, place));
        used.map_err(|problem| StoreError::Stopped(format!("{}: {problem}", self.name)))
    }

    fn column_list(&self) -> String {
        self.columns().collect::<Vec<_>>().join(", ")
    }
}

/// Rows of one table on their way.
pub(crate) struct Batch<'a> {
    table: &'a TargetTable,
    bytes: BytesMut,
    rows: usize,
    /// Where the last row begins.
    last: usize,
}

impl<'a> Batch<'a> {
    pub(crate) fn of(table: &'a TargetTable) -> Self {
        Self {
            table,
            bytes: BytesMut::from(&HEADER[..]),
            rows: 0,
            last: 0,
        }
    }

    /// Adds a row, and answers it in the form in which it is sent.
    pub(crate) fn add(&mut self, values: &[Value<'_>]) -> Result<&[u8], StoreError> {
        self.last = self.bytes.len();
        let count =
            i16::try_from(values.len()).map_err(|_| self.damaged("a row", "too many columns"))?;
        self.bytes.extend_from_slice(&count.to_be_bytes());
        for ((name, kind), value) in self.table.columns.iter().zip(values) {
            kind.put(*value, &mut self.bytes)
                .map_err(|problem| self.damaged(name, &problem))?;
        }
        self.rows += 1;
        Ok(&self.bytes[self.last..])
    }

    /// Takes the row back that was added last.
    pub(crate) fn take_back(&mut self) {
        self.bytes.truncate(self.last);
        self.rows -= 1;
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES
    }

    /// What is sent, after which there is nothing.
    fn take(&mut self) -> Bytes {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.rows = 0;
        std::mem::replace(&mut self.bytes, BytesMut::from(&HEADER[..])).freeze()
    }

    fn damaged(&self, what: &str, problem: &str) -> StoreError {
        StoreError::Stopped(format!(
            "{}, {what}: {problem}; `mec verify` says more of the file",
            self.table.name
        ))
    }
}

impl Target {
    /// Connects as the role that owns the schema, and makes or migrates it.
    pub(crate) fn open(url: &str) -> Result<Self, StoreError> {
        let (link, session) = connect(url, |session, shown| async move {
            migrate::check_server(&session, &shown).await?;
            migrate::check_version(&session, &shown, true).await?;
            migrate::run(&session, &shown, false).await?;
            let row = one(session.query_once(IS_OWNER, &[]).await?)?;
            let (role, is_owner): (&str, bool) = (row.try_get(0)?, row.try_get(1)?);
            if !is_owner {
                return Err(StoreError::Unusable(format!(
                    "the role {role} does not own the tables of {shown}; copy as the role that ran `mec migrate`, and serve as {role}"
                )));
            }
            decisions::make_days(&session).await;
            Ok(session)
        })?;
        Ok(Self {
            link,
            session: Arc::new(session),
        })
    }

    /// Runs a task on the connection and waits for it.
    fn wait<T: Send + 'static, F>(
        &self,
        task: impl FnOnce(Arc<Session>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.link.io.wait(task(self.session.clone()))
    }

    /// Every table that is copied.
    pub(crate) fn tables(&self) -> Result<Vec<TargetTable>, StoreError> {
        let ours: Vec<&str> = roles::tables().filter(|name| *name != OWN).collect();
        let found =
            self.wait(move |session| async move { session.query(COLUMNS, &[&ours]).await })?;
        let mut tables: Vec<TargetTable> = vec![];
        for row in &found {
            let (table, column): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (type_name, modifier): (&str, i32) = (row.try_get(2)?, row.try_get(3)?);
            let kind = Kind::of(&table, type_name, modifier);
            let kind = kind.ok_or_else(|| {
                StoreError::Stopped(format!(
                    "{table}.{column} is of type {type_name}, which no copy knows"
                ))
            })?;
            match tables.last_mut().filter(|last| last.name == table) {
                Some(last) => last.columns.push((column, kind)),
                None => tables.push(TargetTable {
                    name: table,
                    columns: vec![(column, kind)],
                }),
            }
        }
        Ok(tables)
    }

    /// Marks an empty database for this source, or finds the mark of the same copy; how many rows
    /// of each table have come.
    pub(crate) fn begin<'a>(
        &self,
        source: &str,
        tables: impl Iterator<Item = &'a TargetTable>,
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        let names: Vec<String> = tables.map(|table| table.name.clone()).collect();
        let (source, shown) = (source.to_owned(), self.link.address.shown.clone());
        self.wait(|session| async move {
            // Whoever writes is waited for, and a second copy waits for this one's mark.
            session
                .run("BEGIN; LOCK TABLE account_trees IN SHARE ROW EXCLUSIVE MODE")
                .await?;
            let begun = begin(&session, &shown, &source, &names).await;
            let ended = session
                .run(if begun.is_ok() { "COMMIT" } else { "ROLLBACK" })
                .await;
            begun.and_then(|begun| ended.map(|()| begun))
        })
    }

    /// Writes a batch, which is then empty, and how many rows of its table have come with it.
    pub(crate) fn write(&self, batch: &mut Batch<'_>, rows_copied: u64) -> Result<(), StoreError> {
        let (table, before) = (
            batch.table.name.clone(),
            rows_copied - u64::try_from(batch.rows()).unwrap_or(0),
        );
        let sql = format!(
            "COPY {table} ({}) FROM STDIN (FORMAT binary)",
            batch.table.column_list()
        );
        let bytes = batch.take();
        self.wait(|session| async move {
            session.run(BEGIN_BATCH).await?;
            let counts =
                [before, rows_copied].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
            let written = async {
                session
                    .copy_in(&sql, bytes)
                    .await
                    .map_err(|error| refused(&table, error))?;
                match session
                    .execute(MOVE_MARK, &[&table, &counts[0], &counts[1]])
                    .await?
                {
                    1 => Ok(()),
                    _ => Err(StoreError::Stopped(
                        "another copy fills the same database; let one of them end".to_owned(),
                    )),
                }
            }
            .await;
            let ended = session
                .run(if written.is_ok() {
                    "COMMIT"
                } else {
                    "ROLLBACK"
                })
                .await;
            written.and(ended)
        })
    }

    /// Shows `each` all rows of a table, some at a time, in the form in which they were sent.
    pub(crate) fn each_batch(
        &self,
        table: &TargetTable,
        each: &mut dyn FnMut(Vec<BytesMut>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // Of the table itself it could not be said where it has parts.
        let sql = format!(
            "COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)",
            table.column_list(),
            table.name
        );
        let mut from = self.wait(|session| async move {
            session
                .run("BEGIN READ ONLY; SET LOCAL statement_timeout = 0")
                .await?;
            session.copy_out(&sql).await
        })?;
        let mut cutter = Cutter::default();
        loop {
            let (left, pieces) = self.wait(|session| async move {
                let pieces = session.copied_out(&mut from, PIECES_AT_ONCE).await?;
                Ok((from, pieces))
            })?;
            from = left;
            if pieces.is_empty() {
                break;
            }
            for piece in &pieces {
                each(cutter.cut(piece).map_err(|problem| {
                    StoreError::Stopped(format!("{}: {problem}", table.name))
                })?)?;
            }
        }
        self.wait(|session| async move { session.run("COMMIT").await })
    }

    /// Computes everything anew that follows from the ledger.
    pub(crate) fn verify(
        &self,
        now: Time,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, StoreError> {
        let store = Postgres::of(
            self.link.clone(),
            &OpenOptions {
                readers: 1,
                ..OpenOptions::default()
            },
        );
        let catalog = store.catalog()?;
        store.verify(&catalog, now, progress)
    }

    /// Takes the mark away: from now on it is a store.
    pub(crate) fn finish<'a>(
        &self,
        tables: impl Iterator<Item = &'a TargetTable>,
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = tables.map(|table| table.name.as_str()).collect();
        // The first plans are made from what is counted here.
        let sql = format!("ANALYZE {}; DROP TABLE copy_progress", names.join(", "));
        self.wait(|session| async move {
            session
                .run("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = on")
                .await?;
            let done = session.run(&sql).await;
            let ended = session
                .run(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })
                .await;
            done.and(ended)
        })
    }
}

async fn begin(
    session: &Session,
    shown: &str,
    source: &str,
    names: &[String],
) -> Result<BTreeMap<String, u64>, StoreError> {
    if has_mark(session).await? {
        let mut begun = BTreeMap::new();
        for row in session.query(READ_MARK, &[]).await? {
            let (table, of, rows): (String, &str, i64) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if of != source {
                return Err(StoreError::Unusable(format!(
                    "{shown} holds the beginning of a copy of another store, or of this one before it was used again; \
                     copy into a new, empty database"
                )));
            }
            begun.insert(table, rows.unsigned_abs());
        }
        return Ok(begun);
    }
    let looks: Vec<String> = names
        .iter()
        .filter(|name| !FILLED.contains(&name.as_str()))
        .map(|name| format!("SELECT '{name}' WHERE EXISTS (SELECT FROM {name})"))
        .collect();
    let held = session.query_once(&looks.join(" UNION ALL "), &[]).await?;
    if !held.is_empty() {
        let first: Result<Vec<&str>, _> = held
            .iter()
            .take(NAMED_MAX)
            .map(|row| row.try_get(0))
            .collect();
        let more = if held.len() > NAMED_MAX { ", …" } else { "" };
        return Err(StoreError::Unusable(format!(
            "{shown} holds an installation already (rows in {}{more}); copy into a new, empty database",
            first?.join(", ")
        )));
    }
    let emptied: Vec<String> = FILLED
        .iter()
        .map(|name| format!("DELETE FROM {name}"))
        .collect();
    session
        .run(&format!("{MAKE_MARK}; {}", emptied.join("; ")))
        .await?;
    let parameters: [&(dyn ToSql + Sync); 2] = [&names, &source];
    session.execute(SET_MARK, &parameters).await?;
    Ok(names.iter().map(|name| (name.clone(), 0)).collect())
}

/// What the server says to rows it does not take, and which one it was.
fn refused(table: &str, error: StoreError) -> StoreError {
    let StoreError::Postgres(said) = &error else {
        return error;
    };
    match said
        .as_db_error()
        .and_then(|said| Some((said, said.where_()?)))
    {
        Some((said, place)) => {
            StoreError::Stopped(format!("{table}: {} ({place})", said.message()))
        }
        None => error,
    }
}
