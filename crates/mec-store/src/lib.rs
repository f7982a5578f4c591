//! The room that keeps: migrations, rows, and the hot verbs (`heads`, `look_up`, `commit`). The only SQL of MEC.
//!
//! A [`Store`] is opened once; its [`Writer`] belongs to a lane, which locks trees, looks facts up, and commits what
//! the kernel ruled, all of it or nothing. Reads that decide nothing go through the store's own read-only connections.
//!
//! Never in here: a rule, HTTP, a clock a decision depends on.

mod commit;
mod error;
pub mod sqlite;

pub use commit::{Commit, DecisionRow, Operation};
pub use error::{CommitError, StoreError};

use std::time::Duration;

use mec_kernel::{Catalogue, Fact, Head, Need, Time, TreeId};

/// Where everything is kept.
#[derive(Debug)]
pub enum Store {
    /// One file, owned by this process.
    Sqlite(sqlite::Sqlite),
}

/// The one writing connection of a store (or one of several, on a database server).
#[derive(Debug)]
pub enum Writer {
    /// The file's only writer.
    Sqlite(sqlite::Writer),
}

/// How a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Whether a store that does not exist is made, and an older schema migrated.
    pub create: bool,
    /// The longest a read may take.
    pub read_timeout: Duration,
    /// Connections that read beside the writer.
    pub readers: usize,
    /// What to tell a second process that finds this store owned (the address this one listens on, if any).
    pub note: String,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { create: true, read_timeout: Duration::from_secs(10), readers: 2, note: String::new() }
    }
}

impl Store {
    /// Opens `url` (`sqlite:PATH`), migrates it where needed, and takes it for this process.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with a sentence that says what to do: another process owns the file, it is not a MEC
    /// file, its schema is newer than this program, the SQLite library is unsuitable, the URL is not understood.
    pub fn open(url: &str, options: &OpenOptions) -> Result<(Self, Writer), StoreError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                let (store, writer) = sqlite::Sqlite::open(path.strip_prefix("//").unwrap_or(path).as_ref(), options)?;
                Ok((Self::Sqlite(store), Writer::Sqlite(writer)))
            }
            Some(("postgres" | "postgresql", _)) => Err(StoreError::Unusable(
                "this version of mec keeps its data in SQLite only; use --store sqlite:mec.db".to_owned(),
            )),
            _ => Err(StoreError::Unusable(format!("\"{url}\" is not a store; use sqlite:PATH, for example sqlite:mec.db"))),
        }
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// Why it does not.
    pub fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.ping(),
        }
    }
}

impl Writer {
    /// Locks `trees` until the next commit or abort and reads what their batches continue from. A tree that has no
    /// row yet is answered as new.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn heads(&mut self, trees: &[TreeId]) -> Result<Vec<(Head, bool)>, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.heads(trees),
        }
    }

    /// Answers `needs` of `tree` from what is committed.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn look_up(
        &mut self,
        tree: TreeId,
        needs: &[Need],
        catalogue: &Catalogue,
        now: Time,
    ) -> Result<Vec<Fact>, StoreError> {
        match self {
            Self::Sqlite(writer) => needs.iter().map(|need| writer.look_up(tree, need, catalogue, now)).collect(),
        }
    }

    /// Makes a batch durable, all of it or nothing, and unlocks its trees.
    ///
    /// # Errors
    /// [`CommitError`] tells whether it is certain that nothing was changed.
    pub async fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        match self {
            Self::Sqlite(writer) => writer.commit(commit),
        }
    }

    /// Unlocks without changing anything.
    pub async fn abort(&mut self) {
        match self {
            Self::Sqlite(writer) => writer.abort(),
        }
    }

    /// Reads the whole catalogue.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn catalogue(&mut self) -> Result<Catalogue, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.catalogue(),
        }
    }

    /// Which catalogue codes rows of customers refer to.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn in_use(&mut self) -> Result<mec_kernel::InUse, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.in_use(),
        }
    }
}
