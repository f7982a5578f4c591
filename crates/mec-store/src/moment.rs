//! What several processes on one database must ask before they decide: the database's clock, and who is newest.

use mec_kernel::{Time, TreeId};

/// What was read right after the locks of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The database's clock; `None` where this process alone writes, whose own clock counts.
    pub now: Option<Time>,
    /// The catalogue's version; `None` where this process alone writes, which knows it.
    pub catalogue_version: Option<i64>,
}

/// Which states are the newest ones, read in one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The clock then, and the catalogue's version.
    pub moment: Moment,
    /// Version and stamp of each tree that is there, in the order of the trees: published state is the newest only
    /// where both are the same.
    pub trees: Vec<(TreeId, i64, i64)>,
}
