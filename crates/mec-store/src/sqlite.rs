//! The store in one SQLite file: WAL, `synchronous=FULL`, one writer, one process.
//!
//! `mec.db.lock` beside the file is held for as long as the process lives; a second process reads in it whose file
//! it is. Nothing here decides anything.

mod catalogue;
mod commit;
pub(crate) mod copy;
mod decisions;
mod entitlement;
mod functions;
mod ledger;
mod look_up;
mod migrate;
mod plain;
mod read;
mod rows;
mod scan;
mod stored;
mod usage;
mod verify;
mod versions;

pub(crate) use plain::PlainConnection;

use std::fs::File;
use std::io::{Read, Seek, Write as _};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mec_kernel::{AccountId, Catalogue, Head, Time, TreeId};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::{Faults, OpenOptions, StoreError};

/// Files of MEC carry it in their header (`PRAGMA application_id`): "MEC1".
const APPLICATION_ID: i32 = 0x4d45_4331;
/// Older libraries can corrupt a file in WAL mode.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
const STATEMENTS_CACHED: usize = 128;
/// The longest the writer may look for the rows of a table write: every command waits meanwhile.
const WRITER_READ_TIMEOUT: Duration = Duration::from_secs(2);
/// Whoever asks for the owner holds the lock for a moment; an owner keeps it. So a held lock is tried again so often.
const LOOKS_MAX: usize = 5;
const LOOK_TIME: Duration = Duration::from_millis(10);

/// An open file and its readers.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    readers: Readers,
    read_timeout: Duration,
    /// Held for as long as the store is open; a store that only reads has none.
    _lock: Option<File>,
}

/// The file's only writing connection.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    path: PathBuf,
    faults: Faults,
    /// Whether a test has filled the disk.
    is_full: bool,
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
        if !options.create && !path.exists() {
            return Err(StoreError::Unusable(format!(
                "{} does not exist; `mec migrate --store sqlite:{}` makes it",
                path.display(),
                path.display()
            )));
        }
        let lock = take(path, &options.note)?;
        let made = if options.create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
        let mut connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | made)?;
        if options.create {
            migrate::check_ours(&connection, path)?;
            configure(&connection)?;
            migrate::run(&mut connection, path)?;
        } else {
            migrate::check_current(&connection, path)?;
            configure(&connection)?;
        }
        let readers: Result<Vec<_>, StoreError> = (0..options.readers.max(1)).map(|_| open_reader(path)).collect();
        let store = Self {
            path: path.to_owned(),
            readers: Readers { idle: Mutex::new(readers?), returned: Condvar::new() },
            read_timeout: options.read_timeout,
            _lock: Some(lock),
        };
        Ok((store, Writer { connection, path: path.to_owned(), faults: options.faults.clone(), is_full: false }))
    }

    /// Opens the file to read it beside the process that owns it, which is not asked: no lock, no migration.
    pub(crate) fn open_read_only(path: &Path, options: &OpenOptions) -> Result<(Self, Catalogue), StoreError> {
        let first = open_reader(path)?;
        migrate::check_current(&first, path)?;
        let catalogue = catalogue::catalogue(&first)?;
        let further: Result<Vec<_>, StoreError> = (1..options.readers).map(|_| open_reader(path)).collect();
        let idle = std::iter::once(first).chain(further?).collect();
        let readers = Readers { idle: Mutex::new(idle), returned: Condvar::new() };
        Ok((Self { path: path.to_owned(), readers, read_timeout: options.read_timeout, _lock: None }, catalogue))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lends a read-only connection to `read`, which may take as long as `read_timeout`.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = self.readers.borrow();
        // A panic must not cost the others a connection.
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| read_within(self.read_timeout, &mut connection, read)));
        self.readers.give_back(connection);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(crate) fn catalogue(&self) -> Result<Catalogue, StoreError> {
        self.read(catalogue::catalogue)
    }

    pub(crate) fn account_linked(&self, source: &str, external_id: &str) -> Result<Option<AccountId>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT account_id FROM account_links WHERE source = ?1 AND external_id = ?2")?;
            Ok(statement.query_row(params![source, external_id], |row| rows::id(row, 0).map(AccountId)).optional()?)
        })
    }

    pub(crate) fn ping(&self) -> Result<(), StoreError> {
        self.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?))
    }
}

impl Readers {
    fn borrow(&self) -> Connection {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match idle.pop() {
                Some(connection) => return connection,
                None => idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        self.returned.notify_one();
    }
}

impl Writer {
    pub(crate) fn heads(&mut self, trees: &[TreeId]) -> Result<Vec<(Head, bool)>, StoreError> {
        if !self.connection.is_autocommit() {
            self.abort();
        }
        // One process owns the file and this is its only writer: nothing can change between here and the commit.
        let mut statement = self.connection.prepare_cached(&rows::HEAD_OF)?;
        let mut heads = Vec::with_capacity(trees.len());
        for tree in trees {
            let head = statement.query_row(params![tree.0], rows::head).optional()?;
            heads.push((head.unwrap_or(Head::new(*tree)), head.is_some()));
        }
        Ok(heads)
    }

    /// Moves what is committed from the log beside the file into the file, and leaves the log empty.
    pub(crate) fn close(mut self) -> Result<(), StoreError> {
        self.abort();
        let is_busy: bool = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy {
            let reason = "a reader did not end in time; copy it together with its -wal file";
            return Err(StoreError::Stopped(format!("{}: {reason}", self.path.display())));
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

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Takes the lock file; says whose the store is where somebody else has it.
fn take(path: &Path, note: &str) -> Result<File, StoreError> {
    let lock_path = lock_path(path);
    let failed = |error| StoreError::File { path: lock_path.display().to_string(), error };
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&lock_path).map_err(failed)?;
    let mut locked = file.try_lock();
    for _ in 0..LOOKS_MAX {
        if !matches!(locked, Err(std::fs::TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOOK_TIME);
        locked = file.try_lock();
    }
    if let Err(error) = locked {
        if matches!(error, std::fs::TryLockError::Error(_)) {
            return Err(StoreError::Unusable(format!("{}: cannot be locked: {error}", lock_path.display())));
        }
        let mut owner = String::new();
        file.read_to_string(&mut owner).map_err(failed)?;
        return Err(StoreError::Unusable(format!(
            "{} is in use by another process ({}); stop it first, or talk to it over HTTP",
            path.display(),
            owner.trim()
        )));
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    write!(file, "pid {}{}{note}", std::process::id(), if note.is_empty() { "" } else { ", " }).map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(file)
}

/// Who owns the store at `path` now, as it said itself: `None` where nobody does.
///
/// # Errors
/// Where the lock file cannot be read.
pub fn owner(path: &Path) -> Result<Option<String>, StoreError> {
    let lock_path = lock_path(path);
    let failed = |error| StoreError::File { path: lock_path.display().to_string(), error };
    let mut file = match File::options().read(true).write(true).open(&lock_path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(failed)?;
            Ok(Some(text.trim().to_owned()))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
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
    let connection = open_reader(path)?;
    migrate::check_ours(&connection, path)?;
    let schema_version = migrate::version(&connection)?;
    let last_at = match schema_version {
        0 => None,
        _ => connection.query_row("SELECT max(last_at) FROM account_trees", [], |row| row.get::<_, Option<i64>>(0))?,
    };
    Ok(Inspection { schema_version, schema_version_newest: migrate::newest(), last_at: last_at.map(Time::from_micros) })
}

/// The version of the SQLite library in this program.
pub fn library_version() -> &'static str {
    rusqlite::version()
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Without it, INSERT OR REPLACE would walk past the trigger that forbids DELETE.
    connection.pragma_update(None, "recursive_triggers", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    add_functions(connection)
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
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

/// Reads for as long as `timeout`.
fn read_within<T>(
    timeout: Duration,
    connection: &mut Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let end = Instant::now() + timeout;
    connection.progress_handler(10_000, Some(move || Instant::now() > end))?;
    let outcome = read(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match outcome {
        Err(StoreError::Sqlite(rusqlite::Error::SqliteFailure(error, _)))
            if error.code == rusqlite::ErrorCode::OperationInterrupted =>
        {
            Err(StoreError::TimedOut)
        }
        outcome => outcome,
    }
}

/// A statement's plan never depends on what is bound to it: without this, a cached statement with a join is prepared
/// anew at every use, which costs ten times what a look-up by key does.
fn plan_once(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}
