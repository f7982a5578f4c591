//! The writer of either kind of store: takes trees, answers needs, and commits a batch whole.

use mec_kernel::{Catalog, Fact, Head, Need, Time, TreeId};
use mec_query::{Budget, Fetched, Read};

use crate::{Commit, CommitError, Hold, Moment, StoreError, postgres, sqlite};

/// The one writing connection of a store (or one of several, on a database server).
#[derive(Debug)]
pub enum Writer {
    /// The file's only writer.
    Sqlite(sqlite::Writer),
    /// One of any number of connections.
    Postgres(postgres::Writer),
}

impl Writer {
    /// Takes `trees` as `hold` says until the next commit or abort, and reads what their batches
    /// continue from; those that were not free are left out. A tree that has no row yet is answered
    /// as new (`false`).
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn heads(
        &mut self,
        trees: &[TreeId],
        hold: Hold,
    ) -> Result<Vec<(Head, bool)>, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.heads(trees),
            Self::Postgres(writer) => writer.heads(trees, hold).await,
        }
    }

    /// What was read right after the locks of the open batch.
    pub fn moment(&self) -> Moment {
        match self {
            Self::Sqlite(_) => Moment::default(),
            Self::Postgres(writer) => writer.moment(),
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
        catalog: &Catalog,
        now: Time,
    ) -> Result<Vec<Fact>, StoreError> {
        match self {
            Self::Sqlite(writer) => needs
                .iter()
                .map(|need| writer.look_up(tree, need, catalog, now))
                .collect(),
            Self::Postgres(writer) => writer.look_up(tree, needs, catalog, now).await,
        }
    }

    /// Answers needs of several trees in one go, in their order, from what is committed.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn look_up_many(
        &mut self,
        needs: &[(TreeId, Need)],
        catalog: &Catalog,
        now: Time,
    ) -> Result<Vec<(TreeId, Fact)>, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.look_up_many(needs, catalog, now),
            Self::Postgres(writer) => writer.look_up_many(needs, catalog, now).await,
        }
    }

    /// Removes at most `rows_max` rows of the decision log that were decided before `before`,
    /// oldest first, and answers how many they were. Fewer than `rows_max`: there are no more.
    ///
    /// # Errors
    /// [`CommitError`] tells whether it is certain that nothing was changed.
    pub async fn prune_decisions(
        &mut self,
        before: Time,
        rows_max: usize,
    ) -> Result<usize, CommitError> {
        match self {
            Self::Sqlite(writer) => writer.prune_decisions(before, rows_max),
            Self::Postgres(writer) => writer.prune_decisions(before, rows_max).await,
        }
    }

    /// Makes a batch durable, all of it or nothing, and unlocks its trees.
    ///
    /// # Errors
    /// [`CommitError`] tells whether it is certain that nothing was changed.
    pub async fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        match self {
            Self::Sqlite(writer) => writer.commit(commit),
            Self::Postgres(writer) => writer.commit(commit).await,
        }
    }

    /// Fetches what `read` asks for, as it is between two commits: a lane reads here what the
    /// commit it prepares builds on, and waits for no other reader.
    ///
    /// # Errors
    /// As [`Store::fetch`](crate::Store::fetch); [`StoreError::TimedOut`] after two seconds, because everything else
    /// waits meanwhile.
    pub fn fetch(&mut self, read: &Read, budget: &Budget) -> Result<Fetched, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.fetch(read, budget),
            Self::Postgres(writer) => writer.fetch(read, budget),
        }
    }

    /// Whether the store takes writes: one that leaves nothing behind.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn probe(&mut self) -> Result<(), CommitError> {
        match self {
            Self::Sqlite(writer) => writer.probe(),
            Self::Postgres(writer) => writer.probe().await,
        }
    }

    /// Unlocks without changing anything.
    pub async fn abort(&mut self) {
        match self {
            Self::Sqlite(writer) => writer.abort(),
            Self::Postgres(writer) => writer.abort().await,
        }
    }

    /// Unlocks a batch that writes nothing, and answers once what it has read is as durable as what
    /// a commit writes.
    ///
    /// # Errors
    /// [`CommitError::NotDone`]: run the batch again. [`CommitError::Unknown`]: what it has read
    /// may yet be lost.
    pub async fn release(&mut self) -> Result<(), CommitError> {
        match self {
            Self::Sqlite(writer) => {
                writer.abort();
                Ok(())
            }
            Self::Postgres(writer) => writer.release().await,
        }
    }

    /// Ends: what is committed is in the store's one file, which can be copied from then on.
    ///
    /// # Errors
    /// Where the file could not be tidied; nothing is lost, the next process finds it beside the
    /// file.
    pub async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(writer) => writer.close(),
            Self::Postgres(writer) => writer.close().await,
        }
    }

    /// Reads the whole catalog.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn catalog(&mut self) -> Result<Catalog, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.catalog(),
            Self::Postgres(writer) => writer.catalog().await,
        }
    }

    /// Which catalog codes rows of customers refer to.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn in_use(&mut self) -> Result<mec_kernel::InUse, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.in_use(),
            Self::Postgres(writer) => writer.in_use().await,
        }
    }
}
