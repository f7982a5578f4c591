//! The store in one SQLite file: WAL, `synchronous=FULL`, one writer, one process.
//!
//! `mec.db.lock` beside the file is held for as long as the process lives; a second process reads in it whose file
//! it is. Nothing here decides anything.

mod catalogue;
mod commit;
mod look_up;
mod migrate;
mod rows;

use std::fs::File;
use std::io::{Read, Seek, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use mec_kernel::{Head, TreeId};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::{OpenOptions, StoreError};

/// Files of MEC carry it in their header (`PRAGMA application_id`): "MEC1".
const APPLICATION_ID: i32 = 0x4d45_4331;
/// Older libraries can corrupt a file in WAL mode.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
const STATEMENTS_CACHED: usize = 128;

/// An open file and its readers.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    readers: Readers,
    read_timeout: Duration,
    _lock: File,
}

/// The file's only writing connection.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    path: PathBuf,
}

/// Read-only connections, lent one at a time.
#[derive(Debug)]
struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Sqlite {
    /// Opens the file, migrates it, and takes it for this process.
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
        let mut connection = Connection::open(path)?;
        configure(&connection)?;
        migrate::check_ours(&connection, path)?;
        migrate::run(&mut connection, path)?;
        let readers: Result<Vec<_>, StoreError> = (0..options.readers.max(1)).map(|_| open_reader(path)).collect();
        let store = Self {
            path: path.to_owned(),
            readers: Readers { idle: Mutex::new(readers?), returned: Condvar::new() },
            read_timeout: options.read_timeout,
            _lock: lock,
        };
        Ok((store, Writer { connection, path: path.to_owned() }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lends a read-only connection to `read`, which may take as long as `read_timeout`.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.read_within(Some(self.read_timeout), read)
    }

    /// Lends a read-only connection to `read` for as long as `limit` allows.
    pub(crate) fn read_within<T>(
        &self,
        limit: Option<Duration>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.readers.borrow();
        if let Some(limit) = limit {
            let end = Instant::now() + limit;
            connection.progress_handler(10_000, Some(move || Instant::now() > end))?;
        }
        let outcome = read(&connection);
        let cleared = connection.progress_handler(0, None::<fn() -> bool>);
        self.readers.give_back(connection);
        cleared?;
        match outcome {
            Err(StoreError::Sqlite(rusqlite::Error::SqliteFailure(error, _)))
                if error.code == rusqlite::ErrorCode::OperationInterrupted =>
            {
                Err(StoreError::TimedOut)
            }
            outcome => outcome,
        }
    }

    pub(crate) fn ping(&self) -> Result<(), StoreError> {
        self.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?))
    }
}

impl Readers {
    fn borrow(&self) -> Connection {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        loop {
            match idle.pop() {
                Some(connection) => return connection,
                None => idle = self.returned.wait(idle).unwrap_or_else(std::sync::PoisonError::into_inner),
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(connection);
        self.returned.notify_one();
    }
}

impl Writer {
    pub(crate) fn heads(&mut self, trees: &[TreeId]) -> Result<Vec<(Head, bool)>, StoreError> {
        if !self.connection.is_autocommit() {
            self.abort();
        }
        // One process owns the file and this is its only writer: nothing can change between here and the commit.
        let mut statement = self
            .connection
            .prepare_cached("SELECT version, stamp, last_at, next_seq, next_token, chain FROM account_trees WHERE tree = ?1")?;
        let mut heads = Vec::with_capacity(trees.len());
        for tree in trees {
            let head = statement
                .query_row(params![tree.0], |row| {
                    Ok(Head {
                        tree: *tree,
                        version: row.get(0)?,
                        stamp: row.get(1)?,
                        last_at: rows::time(row, 2)?,
                        next_seq: row.get(3)?,
                        next_token: row.get(4)?,
                        chain: row.get(5)?,
                    })
                })
                .optional()?;
            heads.push((head.unwrap_or(Head::new(*tree)), head.is_some()));
        }
        Ok(heads)
    }

    pub(crate) fn abort(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(path = %self.path.display(), %error, "a batch could not be rolled back");
        }
    }
}

/// Takes the lock file; says whose the store is where somebody else has it.
fn take(path: &Path, note: &str) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let failed = |error| StoreError::File { path: lock_path.display().to_string(), error };
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&lock_path).map_err(failed)?;
    if let Err(error) = file.try_lock() {
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
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
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

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Without it, INSERT OR REPLACE would walk past the trigger that forbids DELETE.
    connection.pragma_update(None, "recursive_triggers", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    rows::add_functions(connection)?;
    Ok(())
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", "ON")?;
    rows::add_functions(&connection)?;
    Ok(connection)
}
