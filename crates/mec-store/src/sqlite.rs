//! The store in one SQLite file: WAL, `synchronous=FULL`, one writer, one process.
//!
//! The file is locked for as long as the process lives; a second process reads in `mec.db.lock`
//! beside it whose it is. Nothing is read from it before everything in it is on the disk. Nothing
//! here decides anything.

mod backup;
mod catalog;
mod commit;
mod commit_error;
pub(crate) mod copy;
mod decisions;
mod entitlement;
mod file;
mod functions;
mod ledger;
mod look_up;
mod migrate;
mod query;
mod read;
mod rows;
mod rule;
mod scan;
mod stored;
mod usage;
mod verify;
mod versions;

pub use backup::Backup;
pub use file::owner;

use std::ops::Not as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mec_kernel::{AccountId, Catalog, Head, Time, TreeId};
use mec_query::{Budget, Excess};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use self::file::Taken;
use crate::{Faults, OpenOptions, StoreError};

/// Older libraries can corrupt a file in WAL mode.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
const STATEMENTS_CACHED: usize = 128;
/// The longest the writer may look for the rows of a table write: every command waits meanwhile.
const WRITER_READ_TIMEOUT: Duration = Duration::from_secs(2);
/// `PRAGMA synchronous` when every commit waits until it is on the disk.
const SYNCHRONOUS_FULL: i64 = 2;

/// An open file and its readers.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    /// For reads of tables.
    readers: Readers,
    /// For short questions.
    askers: Readers,
    read_timeout: Duration,
    /// Held for as long as a connection is open; a store that only reads has none.
    _taken: Option<Arc<Taken>>,
}

/// The file's only writing connection.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    path: PathBuf,
    faults: Faults,
    /// Whether a test has filled the disk.
    is_full: bool,
    _taken: Arc<Taken>,
}

/// Read-only connections, lent one at a time.
#[derive(Debug)]
struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Sqlite {
    /// Opens the file, makes or migrates it where it may, and takes it for this process.
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<(Self, Writer), StoreError> {
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            return Err(StoreError::Unusable(format!(
                "this program was built with SQLite {}, which can corrupt a file in WAL mode; build it with SQLite 3.51.3 or newer",
                rusqlite::version()
            )));
        }
        let taken = Taken::take(path, &options.note, options.create)?;
        let path = taken.path();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(path, flags)?;
        taken.check_still_there()?;
        if options.create {
            migrate::check_ours(&connection, path)?;
        } else {
            migrate::check_current(&connection, path)?;
        }
        configure(&connection, path)?;
        taken.write_log_anew()?;
        if !tidy(&connection)? {
            tracing::info!(path = %path.display(), "another process reads the file; the log beside it stays until that has ended");
        }
        if options.create {
            migrate::run(&mut connection, path)?;
        }
        taken.sync()?;
        let (readers, askers) = (
            Readers::open(path, options.readers)?,
            Readers::open(path, 1)?,
        );
        let (path, taken) = (path.to_owned(), Arc::new(taken));
        let store = Self {
            path: path.clone(),
            readers,
            askers,
            read_timeout: options.read_timeout,
            _taken: Some(taken.clone()),
        };
        Ok((
            store,
            Writer {
                connection,
                path,
                faults: options.faults.clone(),
                is_full: false,
                _taken: taken,
            },
        ))
    }

    /// Opens the file to read it beside the process that owns it, which is not asked: no lock, no
    /// migration.
    pub(crate) fn open_read_only(
        path: &Path,
        options: &OpenOptions,
    ) -> Result<(Self, Catalog), StoreError> {
        let path = &find_or_refuse(path)?;
        let first = open_reader(path)?;
        migrate::check_current(&first, path)?;
        let catalog = catalog::catalog(&first)?;
        file::sync_log(path)?;
        let readers = Readers::open(path, options.readers)?;
        let askers = Readers {
            idle: Mutex::new(vec![first]),
            returned: Condvar::new(),
        };
        Ok((
            Self {
                path: path.to_owned(),
                readers,
                askers,
                read_timeout: options.read_timeout,
                _taken: None,
            },
            catalog,
        ))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lends one of the connections that read tables to `read`, which can take as long as
    /// `read_timeout` and its budget.
    pub(crate) fn read_for<T>(
        &self,
        budget: &Budget,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_with(&self.readers, budget, read)
    }

    /// The same with the connection for short questions, which no read of tables keeps busy.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_with(&self.askers, &Budget::unlimited(), read)
    }

    fn read_with<T>(
        &self,
        readers: &Readers,
        budget: &Budget,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = readers.borrow();
        // A panic must not cost the others a connection.
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            read_within(self.read_timeout, budget, &mut connection, read)
        }));
        readers.give_back(connection);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(crate) fn catalog(&self) -> Result<Catalog, StoreError> {
        self.read(catalog::catalog)
    }

    pub(crate) fn account_linked(
        &self,
        source: &str,
        external_id: &str,
    ) -> Result<Option<AccountId>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT account_id FROM account_links WHERE source = ?1 AND external_id = ?2",
            )?;
            Ok(statement
                .query_row(params![source, external_id], |row| {
                    rows::id(row, 0).map(AccountId)
                })
                .optional()?)
        })
    }

    pub(crate) fn ping(&self) -> Result<(), StoreError> {
        self.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?))
    }
}

impl Readers {
    fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let idle: Result<Vec<_>, StoreError> =
            (0..count.max(1)).map(|_| open_reader(path)).collect();
        Ok(Self {
            idle: Mutex::new(idle?),
            returned: Condvar::new(),
        })
    }

    fn borrow(&self) -> Connection {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match idle.pop() {
                Some(connection) => return connection,
                None => {
                    idle = self
                        .returned
                        .wait(idle)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        self.returned.notify_one();
    }
}

impl Writer {
    pub(crate) fn heads(&mut self, trees: &[TreeId]) -> Result<Vec<(Head, bool)>, StoreError> {
        if !self.connection.is_autocommit() {
            self.abort();
        }
        // One process owns the file and this is its only writer: nothing can change between here
        // and the commit.
        let mut statement = self.connection.prepare_cached(&rows::HEAD_OF)?;
        let mut heads = Vec::with_capacity(trees.len());
        for tree in trees {
            let head = statement
                .query_row(params![tree.0], rows::head)
                .optional()?;
            heads.push((head.unwrap_or(Head::new(*tree)), head.is_some()));
        }
        Ok(heads)
    }

    /// Moves what is committed from the log beside the file into the file, and leaves the log
    /// empty.
    pub(crate) fn close(mut self) -> Result<(), StoreError> {
        self.abort();
        if !tidy(&self.connection)? {
            let reason = "a reader did not end in time; copy it together with its -wal file";
            return Err(StoreError::Stopped(format!(
                "{}: {reason}",
                self.path.display()
            )));
        }
        Ok(())
    }

    pub(crate) fn abort(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(path = %self.path.display(), %error, "a batch could not be rolled back");
        }
    }
}

/// Moves what is committed from the log into the file and empties the log; SQLite syncs both on the
/// way. `false`: somebody reads beside, and the log stays.
fn tidy(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, bool>(0)
        })?
        .not())
}

fn find_or_refuse(path: &Path) -> Result<PathBuf, StoreError> {
    let missing = || {
        StoreError::Unusable(format!(
            "{} does not exist; `mec migrate` makes a new store",
            path.display()
        ))
    };
    file::find(path)?.ok_or_else(missing)
}

/// What a store's file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Its schema; 0: an empty file.
    pub schema_version: i32,
    /// The schema this program writes.
    pub schema_version_newest: i32,
    /// The newest instant something was decided at.
    pub last_at: Option<Time>,
}

/// Looks at the file at `path` without locking or changing it.
///
/// # Errors
/// It cannot be read, or is not a file this program can work with.
pub fn inspect(path: &Path) -> Result<Inspection, StoreError> {
    let path = &find_or_refuse(path)?;
    let connection = open_reader(path)?;
    migrate::check_ours(&connection, path)?;
    let schema_version = migrate::version(&connection)?;
    let last_at = match schema_version {
        0 => None,
        _ => connection.query_row("SELECT max(last_at) FROM account_trees", [], |row| {
            row.get::<_, Option<i64>>(0)
        })?,
    };
    Ok(Inspection {
        schema_version,
        schema_version_newest: migrate::newest(),
        last_at: last_at.map(Time::from_micros),
    })
}

/// The version of the SQLite library in this program.
pub fn library_version() -> &'static str {
    rusqlite::version()
}

fn configure(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let journal_mode: String =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if synchronous != SYNCHRONOUS_FULL || journal_mode != "wal" {
        return Err(StoreError::Unusable(format!(
            "{}: SQLite keeps it with synchronous={synchronous}, journal_mode={journal_mode}, so a power cut could lose what was \
             recorded; put the file on a local file system that supports WAL",
            path.display()
        )));
    }
    // Without it, INSERT OR REPLACE would walk past the trigger that forbids DELETE.
    connection.pragma_update(None, "recursive_triggers", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    add_functions(connection)
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", "ON")?;
    add_functions(&connection)?;
    Ok(connection)
}

fn add_functions(connection: &Connection) -> Result<(), StoreError> {
    plan_once(connection)?;
    rows::add_functions(connection)?;
    functions::add_to(connection)
}

/// Reads for as long as `timeout` and the budget; SQLite asks every few steps, and our functions in
/// it do.
fn read_within<T>(
    timeout: Duration,
    budget: &Budget,
    connection: &mut Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (end, budget) = (Instant::now() + timeout, budget.clone());
    let watch = functions::Watch::begin(Budget::new(u64::MAX, u64::MAX, move || {
        if Instant::now() > end {
            Some(Excess::Time)
        } else {
            budget.check().err()
        }
    }));
    connection.progress_handler(10_000, Some(functions::is_over))?;
    let outcome = read(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match (outcome, watch.excess()) {
        (Err(_), Some(Excess::Time)) => Err(StoreError::TimedOut),
        (Err(_), Some(excess)) => Err(StoreError::Excess(excess)),
        (outcome, _) => outcome,
    }
}

/// A statement's plan never depends on what is bound to it: without this, a cached statement with a
/// join is prepared anew at every use, which costs ten times what a look-up by key does.
fn plan_once(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(
        rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG,
        true,
    )?;
    Ok(())
}
