//! Decisions on their way to the log. A check leaves its row here and goes on; a full buffer is
//! counted, never waited for, and no answer depends on it.

use std::collections::{HashMap, VecDeque, hash_map};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mec_kernel::{
    AccountId, Amount, Catalog, Check, Code, Decision, DecisionId, IdSource, Lease, Leased,
    Quantity, Reason, Standing, Time, Total, Trace, scope_of,
};
use mec_store::{DecisionRow, Operation};
use tokio::sync::Notify;

/// Rows that may wait to be written. Those of one account take at most half of the room that all
/// others leave: whoever asks too much about it does not push out the rows of others.
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
    /// None.
    Off,
}

/// With which decisions in the log every limit considered is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traced {
    /// With every one: a check then always makes it, and a row is some 500 bytes larger.
    All,
    /// With all but plain `allow`s.
    #[default]
    Notable,
    /// With none.
    Off,
}

impl Logged {
    const fn wants(self, decision: Decision) -> bool {
        match self {
            Self::All => true,
            Self::Notable => !matches!(decision, Decision::Allow),
            Self::Off => false,
        }
    }
}

impl Traced {
    const fn wants(self, decision: Decision) -> bool {
        match self {
            Self::All => true,
            Self::Notable => !matches!(decision, Decision::Allow),
            Self::Off => false,
        }
    }
}

/// Rows in the order they came, and how many each account has among them.
#[derive(Debug, Default)]
struct Waiting {
    rows: VecDeque<DecisionRow>,
    of_account: HashMap<AccountId, usize>,
}

/// The rows that wait.
#[derive(Debug)]
pub(crate) struct DecisionLog {
    rows: Mutex<Waiting>,
    pub(crate) filled: Notify,
    /// Nobody writes rows any more; changed and read under the lock of `rows`.
    ended: AtomicBool,
    dropped: AtomicU64,
    drawn: AtomicU64,
    logged: Logged,
    traced: Traced,
    kept: Duration,
    rows_max: u64,
}

impl DecisionLog {
    /// `seed` makes its ids differ from those of other processes on the same store.
    pub(crate) fn new(
        logged: Logged,
        traced: Traced,
        (kept, rows_max): (Duration, u64),
        seed: u64,
    ) -> Self {
        let (dropped, drawn) = (AtomicU64::new(0), AtomicU64::new(seed));
        let ended = AtomicBool::new(false);
        Self {
            rows: Mutex::default(),
            filled: Notify::new(),
            ended,
            dropped,
            drawn,
            logged,
            traced,
            kept,
            rows_max,
        }
    }

    /// For how long a written row is kept.
    pub(crate) fn kept_seconds(&self) -> i64 {
        i64::try_from(self.kept.as_secs()).unwrap_or(i64::MAX)
    }

    /// How many written rows are kept.
    pub(crate) const fn rows_max(&self) -> u64 {
        self.rows_max
    }

    /// Whether a decision is kept at all.
    pub(crate) fn wants(&self, decision: Decision) -> bool {
        self.logged.wants(decision)
    }

    /// Whether every limit considered is kept with such a decision.
    pub(crate) fn traces(&self, decision: Decision) -> bool {
        self.wants(decision) && self.traced.wants(decision)
    }

    /// Whether there is a decision with which every limit considered is kept.
    pub(crate) fn traces_any(&self) -> bool {
        Decision::ALL.iter().any(|decision| self.traces(*decision))
    }

    /// An id for a row that is not decided in a lane. A lane's ids have the seed's top bit clear,
    /// these have it set.
    pub(crate) fn draw(&self, account: AccountId, now: Time) -> DecisionId {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let seed = u16::try_from(drawn & 0x3fff).unwrap_or_default() | 0x4000;
        // A clock may stand still for long: what the seed has no room for goes where a lane's ids
        // count.
        let count = u128::from((drawn >> 14) & 0x7fff) << 47;
        DecisionId(IdSource::new(account.tree(), now, seed).draw() | count)
    }

    pub(crate) fn push(&self, row: DecisionRow) {
        let mut waiting = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let of_account = waiting.of_account.get(&row.account).copied().unwrap_or(0);
        let room = WAITING_MAX - waiting.rows.len();
        if of_account >= room || self.ended.load(Ordering::Relaxed) {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.of_account.insert(row.account, of_account + 1);
        waiting.rows.push_back(row);
        let is_first = waiting.rows.len() == 1;
        drop(waiting);
        if is_first {
            self.filled.notify_one();
        }
    }

    /// The oldest rows, at most [`WRITTEN_MAX`].
    pub(crate) fn take(&self) -> Vec<DecisionRow> {
        let mut waiting = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.rows.len().min(WRITTEN_MAX);
        let taken: Vec<DecisionRow> = waiting.rows.drain(..count).collect();
        for row in &taken {
            if let hash_map::Entry::Occupied(mut of_account) = waiting.of_account.entry(row.account)
            {
                *of_account.get_mut() -= 1;
                if *of_account.get() == 0 {
                    of_account.remove();
                }
            }
        }
        taken
    }

    /// From now on rows are only counted; answers how many nobody will write.
    pub(crate) fn end(&self) -> usize {
        let mut waiting = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        self.ended.store(true, Ordering::Relaxed);
        std::mem::take(&mut *waiting).rows.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rows
            .len()
    }

    /// Rows the store did not take.
    pub(crate) fn count_lost(&self, rows: usize) {
        self.dropped
            .fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
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
    /// In the resource's canonical unit.
    pub(crate) requested: Option<Total>,
    pub(crate) request_id: Option<Code>,
}

impl Entry {
    pub(crate) fn of_check(
        check: &Check,
        operation: Operation,
        request_id: Option<Code>,
        catalog: &Catalog,
    ) -> Self {
        // Units and what is counted in them are fixed once used, so any catalog that knows them
        // says the same.
        let requested = |quantity: Quantity| {
            let canonical = catalog.canonical(catalog.resources.get(&check.resource)?);
            let factor = check
                .unit
                .as_ref()
                .map_or(canonical, |unit| catalog.factor(unit));
            Some(Amount::of(quantity, factor).rounded(canonical))
        };
        Self {
            account: check.account,
            resource: check.resource.clone(),
            scope: scope_of(check.scope.as_ref()).cloned(),
            operation,
            requested: check
                .quantity
                .filter(|quantity| !quantity.is_zero())
                .and_then(requested),
            request_id,
        }
    }

    /// Of slots, which are counted in the canonical unit.
    pub(crate) fn of_lease(lease: &Lease, operation: Operation, request_id: Option<Code>) -> Self {
        Self {
            account: lease.account,
            resource: lease.resource.clone(),
            scope: lease.scope.clone(),
            operation,
            requested: Some(slots(lease.quantity)),
            request_id,
        }
    }

    pub(crate) fn row(
        self,
        standing: &Standing,
        trace: Trace,
        id: DecisionId,
        decided_at: Time,
    ) -> DecisionRow {
        let figures = standing.figures.as_ref();
        DecisionRow {
            entitlement: standing.entitlement,
            rule: standing.rule,
            binding: standing.account,
            allowed: figures.and_then(|figures| figures.allowed),
            used: figures.and_then(|figures| figures.used),
            ..self.bare_row(standing.decision, &standing.reason, trace, id, decided_at)
        }
    }

    pub(crate) fn lease_row(
        self,
        leased: &Leased,
        trace: Trace,
        id: DecisionId,
        decided_at: Time,
    ) -> DecisionRow {
        match &leased.standing {
            Some(standing) => self.row(standing, trace, id, decided_at),
            None => self.bare_row(leased.decision, &leased.reason, trace, id, decided_at),
        }
    }

    /// A row of a decision that no pool was bound by.
    fn bare_row(
        self,
        decision: Decision,
        reason: &Reason,
        trace: Trace,
        id: DecisionId,
        decided_at: Time,
    ) -> DecisionRow {
        DecisionRow {
            id,
            account: self.account,
            resource: self.resource,
            scope: self.scope,
            operation: self.operation,
            requested: self.requested,
            decision,
            reason: reason.to_string(),
            reason_code: reason.code(),
            entitlement: None,
            rule: None,
            binding: None,
            allowed: None,
            used: None,
            trace,
            request_id: self.request_id,
            decided_at,
        }
    }
}

/// Slots as the total they are.
pub(crate) fn slots(quantity: Quantity) -> Total {
    Total(i128::from(quantity.millionths()))
}
