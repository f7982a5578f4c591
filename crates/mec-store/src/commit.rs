//! What a lane hands to the store: everything one batch changes.

use std::collections::BTreeMap;

use mec_kernel::{
    AccountId, CatalogChange, Code, Decision, DecisionId, EntitlementId, Head, RuleId, Time, Total,
    Trace, TreeId, WindowKey, WindowTotal, Write,
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
    /// Changes of the catalog.
    pub catalog: Vec<CatalogChange>,
    /// The catalog's version after them.
    pub catalog_version: Option<i64>,
    /// Decisions to log.
    pub decisions: Vec<DecisionRow>,
}

impl Commit {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.catalog.is_empty() && self.decisions.is_empty()
    }

    /// The present of what belongs to no tree.
    pub(crate) fn now(&self) -> Time {
        self.now.unwrap_or(Time::from_micros(0))
    }

    /// Each tree has its own present: after a clock was set back, one may be far ahead of another.
    pub(crate) fn present(&self) -> impl Fn(TreeId) -> Time {
        let present: BTreeMap<TreeId, Time> = self
            .heads
            .iter()
            .map(|head| (head.tree, head.last_at))
            .collect();
        let now = self.now();
        move |tree| present.get(&tree).copied().unwrap_or(now)
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

/// One row of the decision log. It belongs to no batch: a commit of nothing but decisions locks no
/// tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// Its id, made at `decided_at`: rows are pruned by it.
    pub id: DecisionId,
    /// For whom it was asked; its tree is the row's.
    pub account: AccountId,
    /// About what.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// What was asked for.
    pub operation: Operation,
    /// How much was asked for, in the resource's canonical unit; `None` where the caller asked how
    /// the account stands.
    pub requested: Option<Total>,
    /// The decision.
    pub decision: Decision,
    /// Why, in words.
    pub reason: String,
    /// Why, as a code.
    pub reason_code: &'static str,
    /// The binding pool's entitlement; `None` for a `deny`.
    pub entitlement: Option<EntitlementId>,
    /// The rule it was enforced by; `None`: the default.
    pub rule: Option<RuleId>,
    /// Whose limit it was bound by, or whose level denied.
    pub binding: Option<AccountId>,
    /// The limit of the binding pool, in the resource's canonical unit; `None`: unlimited, or not
    /// entitled.
    pub allowed: Option<Total>,
    /// What of it was used, in the canonical unit; `None`: not entitled. A total beyond 64 bits of
    /// millionths is kept as the largest there is, as are the limit and what was asked for.
    pub used: Option<Total>,
    /// What it rests on, where that is kept.
    pub trace: Trace,
    /// The request's id, as its answer's `X-Request-Id` shows it.
    pub request_id: Option<Code>,
    /// The instant it was decided at.
    pub decided_at: Time,
}
