//! What of the ledger a scan shows.

use mec_kernel::{AccountId, Time, TreeId};

/// A place in the ledger: after the event `tree_seq` of `tree`. Scans go from tree to tree, each in
/// order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// Which tree.
    pub tree: TreeId,
    /// Its last event that was seen; 0: none.
    pub tree_seq: i64,
}

/// Which events a scan shows. The default is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only this account's own.
    pub account: Option<AccountId>,
    /// Only what happened at this instant or later (`occurred_at`).
    pub from: Option<Time>,
    /// Only what happened before this instant.
    pub to: Option<Time>,
    /// Only what follows: where an earlier scan ended.
    pub after: Option<EventCursor>,
}
