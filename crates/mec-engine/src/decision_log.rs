//! Decisions on their way to the log. A check leaves its row here and goes on; a full buffer is counted, never waited
//! for, and no answer depends on it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mec_kernel::{AccountId, Check, Code, Decision, DecisionId, IdSource, Leased, Quantity, Standing, Time};
use mec_store::{DecisionRow, Operation};
use tokio::sync::Notify;

/// Rows that may wait to be written.
const WAITING_MAX: usize = 65_536;
/// Rows written at once.
pub(crate) const WRITTEN_MAX: usize = 1_000;
/// The longest a row waits while the lane has nothing else to do.
pub(crate) const WAIT: Duration = Duration::from_millis(100);

/// Which decisions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logged {
    /// Every one.
    #[default]
    All,
    /// All but plain `allow`s.
    Notable,
}

/// The rows that wait.
#[derive(Debug)]
pub(crate) struct DecisionLog {
    rows: Mutex<VecDeque<DecisionRow>>,
    pub(crate) filled: Notify,
    dropped: AtomicU64,
    drawn: AtomicU64,
    logged: Logged,
    kept: Duration,
}

impl DecisionLog {
    pub(crate) fn new(logged: Logged, kept: Duration) -> Self {
        let (dropped, drawn) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { rows: Mutex::default(), filled: Notify::new(), dropped, drawn, logged, kept }
    }

    /// For how long a written row is kept.
    pub(crate) fn kept_seconds(&self) -> i64 {
        i64::try_from(self.kept.as_secs()).unwrap_or(i64::MAX)
    }

    /// Whether a decision is kept at all.
    pub(crate) fn wants(&self, decision: Decision) -> bool {
        self.logged == Logged::All || decision != Decision::Allow
    }

    /// An id for a row that is not decided in a lane. A lane's ids have the seed's top bit clear, these have it set.
    pub(crate) fn draw(&self, account: AccountId, now: Time) -> DecisionId {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let seed = u16::try_from(drawn & 0x3fff).unwrap_or_default() | 0x4000;
        DecisionId(IdSource::new(account.tree(), now, seed).draw())
    }

    pub(crate) fn push(&self, row: DecisionRow) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= WAITING_MAX {
            drop(rows);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        rows.push_back(row);
        let is_first = rows.len() == 1;
        drop(rows);
        if is_first {
            self.filled.notify_one();
        }
    }

    /// The oldest rows, at most [`WRITTEN_MAX`].
    pub(crate) fn take(&self) -> Vec<DecisionRow> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let count = rows.len().min(WRITTEN_MAX);
        rows.drain(..count).collect()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Rows the store did not take.
    pub(crate) fn count_lost(&self, rows: usize) {
        self.dropped.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Rows that found the buffer full, or the store unable, and were not kept.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A decision as the log keeps it, but for what only its place of decision knows.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    pub(crate) resource: Code,
    pub(crate) scope: Option<Code>,
    pub(crate) operation: Operation,
    pub(crate) requested: Option<Quantity>,
    pub(crate) request_id: Option<Code>,
}

impl Entry {
    pub(crate) fn of_check(check: &Check, operation: Operation, request_id: Option<Code>) -> Self {
        Self {
            account: check.account,
            resource: check.resource.clone(),
            scope: check.scope.clone(),
            operation,
            requested: check.quantity,
            request_id,
        }
    }

    pub(crate) fn row(self, standing: &Standing, id: DecisionId, decided_at: Time) -> DecisionRow {
        let figures = standing.figures.as_ref();
        DecisionRow {
            id,
            account: self.account,
            resource: self.resource,
            scope: self.scope,
            operation: self.operation,
            requested: self.requested,
            decision: standing.decision,
            reason: standing.reason.to_string(),
            reason_code: standing.reason.code(),
            entitlement: standing.entitlement,
            rule: standing.rule,
            allowed: figures.and_then(|figures| figures.allowed),
            used: figures.and_then(|figures| figures.used),
            request_id: self.request_id,
            decided_at,
        }
    }

    pub(crate) fn lease_row(self, leased: &Leased, id: DecisionId, decided_at: Time) -> DecisionRow {
        DecisionRow {
            id,
            account: self.account,
            resource: self.resource,
            scope: self.scope,
            operation: self.operation,
            requested: self.requested,
            decision: leased.decision,
            reason: leased.reason.to_string(),
            reason_code: leased.reason.code(),
            entitlement: None,
            rule: None,
            allowed: None,
            used: None,
            request_id: self.request_id,
            decided_at,
        }
    }
}
