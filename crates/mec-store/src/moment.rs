//! What several processes on one database must ask before they decide: who has a tree, who is
//! newest, what time it is.

use mec_kernel::{Time, TreeId};

/// How a batch takes its trees. In a file that one process owns, all are always free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Locks the trees that are free; what another batch has locked is left out of the answer.
    Free,
    /// Waits for what another batch has locked.
    Waited,
    /// Waits until no other batch is open, and lets none begin: for what no batch may rest on any
    /// more.
    Alone,
    /// Locks nothing, and sees everything as it was in one instant; such a batch is only ever
    /// aborted.
    Snapshot,
}

/// What was read right after the locks of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The database's clock; `None` where this process alone writes, whose own clock counts.
    pub now: Option<Time>,
    /// The catalog's version; `None` where this process alone writes, which knows it.
    pub catalog_version: Option<i64>,
}

/// Which states are the newest ones, read in one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The clock then, and the catalog's version.
    pub moment: Moment,
    /// Version and stamp of each tree that is there, in the order of the trees: published state is
    /// the newest only where both are the same.
    pub trees: Vec<(TreeId, i64, i64)>,
}
