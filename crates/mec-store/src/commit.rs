//! What a lane hands to the store: everything one batch changes.

use mec_kernel::{
    AccountId, CatalogueChange, Code, Decision, DecisionId, EntitlementId, Head, Quantity, RuleId, Time, Total, WindowKey,
    WindowTotal, Write,
};

/// One batch, committed whole.
#[derive(Debug, Default)]
pub struct Commit {
    /// The batch's instant.
    pub now: Option<Time>,
    /// What the next batch of each tree continues from.
    pub heads: Vec<Head>,
    /// What was ruled, in order.
    pub writes: Vec<Write>,
    /// Counters that moved, as they are after the batch.
    pub windows: Vec<(AccountId, WindowKey, WindowTotal)>,
    /// Changes of the catalogue.
    pub catalogue: Vec<CatalogueChange>,
    /// The catalogue's version after them.
    pub catalogue_version: Option<i64>,
    /// Decisions to log.
    pub decisions: Vec<DecisionRow>,
}

impl Commit {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.catalogue.is_empty() && self.decisions.is_empty()
    }
}

/// What a decision was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `check_entitlement`.
    Check,
    /// `consume`.
    Consume,
    /// `reserve`.
    Reserve,
    /// `acquire_lease`.
    AcquireLease,
    /// `renew_lease`.
    RenewLease,
}

impl Operation {
    /// As the log names it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Consume => "consume",
            Self::Reserve => "reserve",
            Self::AcquireLease => "acquire_lease",
            Self::RenewLease => "renew_lease",
        }
    }
}

/// One row of the decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// Its id.
    pub id: DecisionId,
    /// Who asked for whom.
    pub account: AccountId,
    /// About what.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// What was asked for.
    pub operation: Operation,
    /// How much was asked for.
    pub requested: Option<Quantity>,
    /// The decision.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// Why, as a code.
    pub reason_code: &'static str,
    /// The entitlement that bound it.
    pub entitlement: Option<EntitlementId>,
    /// The rule it was enforced by.
    pub rule: Option<RuleId>,
    /// The limit.
    pub allowed: Option<Total>,
    /// What was used.
    pub used: Option<Total>,
    /// The request's id.
    pub request_id: Option<Code>,
    /// When.
    pub decided_at: Time,
}
