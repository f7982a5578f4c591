//! What a verification looks at: the rows of one instant, whichever database keeps them.

use mec_kernel::{
    AccountId, Chain, EntitlementId, EventId, Head, HourSum, Lease, LedgerEvent, Reservation, Time,
    TreeId, WindowKey, WindowTotal,
};
use serde_json::Value;

use crate::StoreError;
use crate::rows::HourKey;

/// A row as it was read; or what is to be said of one that does not hold what this program writes.
pub(crate) type Reading<T> = Result<T, String>;

/// A ledger row.
pub(crate) enum EventRow {
    /// It was read.
    Read(Box<LedgerEvent>),
    /// It cannot be read as a whole.
    Unreadable {
        seq: i64,
        event: EventId,
        chain: Option<Chain>,
        problem: String,
    },
}

/// Where a key's hash leads.
pub(crate) struct KeyRow {
    pub(crate) event: EventId,
    /// The event's place in its tree and its own key; `None`: there is no such event.
    pub(crate) found: Option<(i64, String)>,
}

/// What is counted as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Trees that have a head.
    Trees,
    /// Ledger rows that the heads say there are.
    Events,
    /// Rows of `ledger_keys`.
    Keys,
}

/// An open window as it is stored.
pub(crate) type WindowRow = (AccountId, WindowKey, WindowTotal);

/// Shows rows, one after the other.
pub(crate) type Each<'a, T> = &'a mut dyn FnMut(T) -> Result<(), StoreError>;

/// The rows of one instant. A row that cannot be read is a [`Reading`], what ends the verification
/// an error.
pub(crate) trait Evidence {
    fn count(&self, what: Counted) -> Result<u64, StoreError>;
    /// The next tree that any of its tables knows, so that one without a head or without events is
    /// looked at too.
    fn next_tree(&self, last: TreeId) -> Result<Option<TreeId>, StoreError>;
    fn head(&self, tree: TreeId) -> Result<Reading<Option<Head>>, StoreError>;
    fn parents(&self, tree: TreeId) -> Result<Vec<(AccountId, Option<AccountId>)>, StoreError>;
    /// The windows that are open at `now`.
    fn windows(&self, tree: TreeId, now: Time) -> Result<Vec<Reading<WindowRow>>, StoreError>;
    fn hours(
        &self,
        tree: TreeId,
        each: Each<'_, Reading<(HourKey, HourSum)>>,
    ) -> Result<(), StoreError>;
    /// The tree's ledger in order, some rows at a time.
    fn events(&self, tree: TreeId, each: Each<'_, Vec<EventRow>>) -> Result<(), StoreError>;
    /// Where each of the hashes leads, in their order.
    fn keys(&self, tree: TreeId, hashes: &[i64]) -> Result<Vec<Vec<KeyRow>>, StoreError>;
    /// Every key with its hash and tree.
    fn all_keys(&self, each: Each<'_, (i64, TreeId, KeyRow)>) -> Result<(), StoreError>;
    fn details_of_no_event(&self, each: Each<'_, (TreeId, EventId)>) -> Result<(), StoreError>;
    /// Every reservation; one that cannot be read with the words for it and its id.
    fn reservations(
        &self,
        each: Each<'_, Result<Reservation, (String, String)>>,
    ) -> Result<(), StoreError>;
    /// As reservations.
    fn leases(&self, each: Each<'_, Result<Lease, (String, String)>>) -> Result<(), StoreError>;
    fn event(&self, id: EventId) -> Result<Reading<Option<LedgerEvent>>, StoreError>;
    /// Every entitlement as its table shows it (`None`: only its audit knows it), with its last
    /// audit row.
    fn entitlements(
        &self,
        each: Each<'_, (EntitlementId, Reading<Option<Value>>, Option<String>)>,
    ) -> Result<(), StoreError>;
}
