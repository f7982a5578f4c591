//! What the decision log keeps of a decision.

use std::sync::Arc;

use mec_kernel::{Decision, DecisionId, IdSource, Leased, Standing, Time, Trace};
use mec_store::DecisionRow;

use crate::decision_log::{DecisionLog, Entry};

/// All of it but the decision, on its way to where that is made.
pub(super) struct Logging {
    pub(super) entry: Entry,
    pub(super) log: Arc<DecisionLog>,
}

impl Logging {
    pub(super) fn row(&self, standing: &Standing, ids: &mut IdSource, now: Time) -> DecisionRow {
        let trace = kept(&self.log, standing.decision, Some(standing));
        let id = DecisionId(ids.draw());
        self.entry.clone().row(standing, trace, id, now)
    }

    pub(super) fn lease_row(&self, leased: &Leased, ids: &mut IdSource, now: Time) -> DecisionRow {
        lease_row(&self.log, self.entry.clone(), leased, ids, now)
    }
}

/// The row of a decision about a lease.
pub(super) fn lease_row(
    log: &DecisionLog,
    entry: Entry,
    leased: &Leased,
    ids: &mut IdSource,
    now: Time,
) -> DecisionRow {
    let trace = kept(log, leased.decision, leased.standing.as_ref());
    entry.lease_row(leased, trace, DecisionId(ids.draw()), now)
}

/// What a decision rests on, where the log keeps that with such a one.
pub(super) fn kept(log: &DecisionLog, decision: Decision, standing: Option<&Standing>) -> Trace {
    standing
        .filter(|_| log.traces(decision))
        .map_or_else(Trace::default, |standing| standing.trace.clone())
}
