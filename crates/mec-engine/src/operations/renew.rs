//! Keeps a slot.

use std::sync::Arc;

use mec_kernel::{
    Code, Halt, IdSource, Lease, Leased, Making, Need, Renew, Ruling, Time, TreeId, View, renew,
};
use mec_store::{DecisionRow, Operation};

use super::logging::lease_row;
use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::decision_log::{DecisionLog, Entry};
use crate::error::MecError;
use crate::mec::Mec;

/// With what the decision log keeps of it beside the lease.
struct Renewing {
    command: Renew,
    request_id: Option<Code>,
    log: Arc<DecisionLog>,
}

impl Command for Renewing {
    /// And the lease as it was, which the decision log tells by.
    type Answer = (Leased, Option<Arc<Lease>>);

    /// An id no tree can have is looked for like any other, and is no lease.
    fn tree(&self) -> Result<TreeId, MecError> {
        Ok(self.command.lease.tree())
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Lease(self.command.lease)].into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        _: &mut Making<'_>,
    ) -> Result<Ruling<Self::Answer>, Halt> {
        let held = view.facts.lease(self.command.lease)?.cloned();
        let Ruling { answer, writes } = renew(view, &self.command)?;
        Ok(Ruling {
            answer: (answer, held),
            writes,
        })
    }

    /// A lease nobody has ever had has no account to log a decision for.
    fn log(
        &self,
        (leased, held): &Self::Answer,
        ids: &mut IdSource,
        now: Time,
    ) -> Option<DecisionRow> {
        let request_id = self.request_id.clone();
        let entry = Entry::of_lease(held.as_ref()?, Operation::RenewLease, request_id);
        Some(lease_row(&self.log, entry, leased, ids, now))
    }
}

impl Mec {
    /// Keeps a slot.
    ///
    /// # Errors
    /// A time to live out of range.
    pub async fn renew(&self, command: Renew, caller: &Caller) -> Result<Leased, MecError> {
        let renewing = Renewing {
            command,
            request_id: caller.request_id.clone(),
            log: self.log.clone(),
        };
        Ok(self.record(renewing, caller).await?.0)
    }
}
