//! The store of either kind: opened once, and read by any number of callers at once.

use mec_kernel::{AccountId, Catalog, LedgerEvent, Node, Stay, Time, TreeId};
use mec_query::{Budget, Fetched, Filter, Read, Table, Value};

use crate::options::OpenOptions;
use crate::writer::Writer;
use crate::{
    EventFilter, Progress, Report, StoreError, UsageBucket, UsageQuery, Versions, postgres, sqlite,
};

/// Where everything is kept.
#[derive(Debug)]
pub enum Store {
    /// One file, owned by this process.
    Sqlite(sqlite::Sqlite),
    /// A database of a server, owned by nobody.
    Postgres(postgres::Postgres),
}

impl Store {
    /// Opens `url` (`sqlite:PATH` or `postgres://…`), makes or migrates it where it may and must,
    /// and takes it for this process.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with a sentence that says what to do: another process owns the
    /// file, it is not a MEC file, its schema is newer than this program (or older, where it may
    /// not be migrated), the SQLite library is unsuitable, the URL is not understood.
    pub fn open(url: &str, options: &OpenOptions) -> Result<(Self, Writer), StoreError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                let (store, writer) = sqlite::Sqlite::open(
                    path.strip_prefix("//").unwrap_or(path).as_ref(),
                    options,
                )?;
                Ok((Self::Sqlite(store), Writer::Sqlite(writer)))
            }
            Some(("postgres" | "postgresql", _)) => {
                let (store, writer) = postgres::Postgres::open(url, options)?;
                Ok((Self::Postgres(store), Writer::Postgres(writer)))
            }
            _ => Err(not_a_store(url)),
        }
    }

    /// Opens `url` (`sqlite:PATH` or `postgres://…`) to read it, beside the process that may own
    /// it, and reads its catalog. It is not locked, made or migrated.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with a sentence that says what to do, also where the schema is
    /// older than this program's; a file that cannot be read.
    pub fn open_read_only(url: &str) -> Result<(Self, Catalog), StoreError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                let path = path.strip_prefix("//").unwrap_or(path);
                let (store, catalog) =
                    sqlite::Sqlite::open_read_only(path.as_ref(), &OpenOptions::default())?;
                Ok((Self::Sqlite(store), catalog))
            }
            Some(("postgres" | "postgresql", _)) => {
                let (store, catalog) =
                    postgres::Postgres::open_read_only(url, &OpenOptions::default())?;
                Ok((Self::Postgres(store), catalog))
            }
            _ => Err(not_a_store(url)),
        }
    }

    /// Whether other processes may write to it beside this one: then nothing is known that was not
    /// just asked.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// The shard `tree` is on, where the database spreads its tables: a batch takes trees of one.
    /// `None`: all trees lie together.
    pub fn shard_of(&self, tree: TreeId) -> Option<usize> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => store.shard_of(tree),
        }
    }

    /// One more writer beside the one it was opened with, connected when it is first used; a file
    /// has only one.
    pub fn writer(&self) -> Option<Writer> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => Some(Writer::Postgres(store.writer())),
        }
    }

    /// The whole catalog as it is committed.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn catalog(&self) -> Result<Catalog, StoreError> {
        match self {
            Self::Sqlite(store) => store.catalog(),
            Self::Postgres(store) => store.catalog(),
        }
    }

    /// The account a system calls `external_id`; the source '' is `accounts.external_id`.
    ///
    /// # Errors
    /// Where the store cannot be read, or not in time.
    pub fn account_linked(
        &self,
        source: &str,
        external_id: &str,
    ) -> Result<Option<AccountId>, StoreError> {
        match self {
            Self::Sqlite(store) => store.account_linked(source, external_id),
            Self::Postgres(store) => store.account_linked(source, external_id),
        }
    }

    /// The account with its entitlements, plans and rules, and none of its counters; `None` where
    /// there is none.
    ///
    /// # Errors
    /// Where the store cannot be read, or not in time.
    pub fn account(&self, id: AccountId) -> Result<Option<Node>, StoreError> {
        match self {
            Self::Sqlite(store) => store.account(id),
            Self::Postgres(store) => store.account(id),
        }
    }

    /// Which catalog codes rows of customers refer to. It may take as long as it needs.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn in_use(&self) -> Result<mec_kernel::InUse, StoreError> {
        match self {
            Self::Sqlite(store) => store.in_use(),
            Self::Postgres(store) => store.in_use(),
        }
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// Why it does not.
    pub fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.ping(),
            Self::Postgres(store) => store.ping(),
        }
    }

    /// Which states are the newest ones, and what the clock says that decisions on them go by.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn versions(&self, trees: &[TreeId]) -> Result<Versions, StoreError> {
        match self {
            Self::Sqlite(store) => store.versions(trees),
            Self::Postgres(store) => store.versions(trees).await,
        }
    }

    /// Fetches what `read` asks of one of [`tables`](crate::tables::tables), its embeds included, all from one
    /// snapshot.
    ///
    /// # Errors
    /// [`StoreError::Excess`], [`StoreError::TimedOut`], [`StoreError::TooLarge`],
    /// [`StoreError::Damaged`], or a store that cannot be read.
    pub fn fetch(&self, read: &Read, budget: &Budget) -> Result<Fetched, StoreError> {
        match self {
            Self::Sqlite(store) => store.fetch(read, budget),
            Self::Postgres(store) => store.fetch(read, budget),
        }
    }

    /// How many rows of `table` pass `filter`.
    ///
    /// # Errors
    /// As [`Store::fetch`].
    pub fn count(
        &self,
        table: &Table,
        filter: &Filter,
        budget: &Budget,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(store) => store.count(table, filter, budget),
            Self::Postgres(store) => store.count(table, filter, budget),
        }
    }

    /// The primary keys of the rows of `table` that pass `filter`, in their order and at most `max
    /// + 1` of them, so that a caller sees when there are more than `max`. A table without a
    ///   primary key answers none.
    ///
    /// # Errors
    /// As [`Store::fetch`].
    pub fn keys(
        &self,
        table: &Table,
        filter: &Filter,
        max: usize,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        match self {
            Self::Sqlite(store) => store.keys(table, filter, max),
            Self::Postgres(store) => store.keys(table, filter, max),
        }
    }

    /// How many rows of the decision log were decided before `before`. It may take as long as it
    /// needs.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn count_decisions(&self, before: Time) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(store) => store.count_decisions(before),
            Self::Postgres(store) => store.count_decisions(before),
        }
    }

    /// Shows `each` every ledger event that `filter` lets through, from tree to tree, each in
    /// order, as they are in one instant; however many there are, they are never held together. It
    /// may take as long as `each` needs.
    ///
    /// # Errors
    /// What `each` answered ([`StoreError::Stopped`] is there for it), or why the store cannot be
    /// read.
    pub fn each_event(
        &self,
        filter: &EventFilter,
        catalog: &Catalog,
        each: &mut dyn FnMut(&LedgerEvent) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.each_event(filter, catalog, each),
            Self::Postgres(store) => store.each_event(filter, catalog, each),
        }
    }

    /// Recomputes everything that follows from the ledger (chain, keys, sums, windows open at
    /// `now`) and compares it with what is stored, all of it as it is in one instant. What does not
    /// agree is a finding, not an error.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn verify(
        &self,
        catalog: &Catalog,
        now: Time,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, StoreError> {
        match self {
            Self::Sqlite(store) => store.verify(catalog, now, progress),
            Self::Postgres(store) => store.verify(catalog, now, progress),
        }
    }

    /// The use in each of the query's buckets: whole UTC hours from the stored sums, what is cut by
    /// a bucket's edge from the ledger.
    ///
    /// # Errors
    /// Where the store cannot be read, or not in time.
    pub fn usage(
        &self,
        query: &UsageQuery<'_>,
        catalog: &Catalog,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        match self {
            Self::Sqlite(store) => store.usage(query, catalog),
            Self::Postgres(store) => store.usage(query, catalog),
        }
    }

    /// The leases that counted at any instant between the first and the last of the query's
    /// buckets, in no order.
    ///
    /// # Errors
    /// Where the store cannot be read, or not in time.
    pub fn stays(&self, query: &UsageQuery<'_>) -> Result<Vec<Stay>, StoreError> {
        match self {
            Self::Sqlite(store) => store.stays(query),
            Self::Postgres(store) => store.stays(query),
        }
    }
}

fn not_a_store(url: &str) -> StoreError {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    StoreError::Unusable(format!(
        "\"{scheme}\" is no kind of store; use sqlite:PATH, for example sqlite:mec.db, or postgres://USER@HOST/DATABASE"
    ))
}
