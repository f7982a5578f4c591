//! Accounts, and what is limited.

use serde::{Deserialize, Serialize};

/// A microsecond of the machine's clock.
pub(crate) type Instant = i64;
pub(crate) const SECOND: Instant = 1_000_000;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub(crate) enum Resource {
    /// Counted in the ledger, held by reservations.
    Runs,
    /// Taken by leases.
    Seats,
}

/// The limits of an account or a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    pub(crate) runs: u64,
    pub(crate) seats: u64,
}

/// Accounts as the model knows them: by their places, a parent before its children.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) parents: Vec<Option<usize>>,
    /// What each has by hand before anything happens.
    pub(crate) limits: Vec<Option<Limits>>,
    pub(crate) plans: Vec<Limits>,
}
