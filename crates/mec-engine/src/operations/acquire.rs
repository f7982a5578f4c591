//! Takes a slot.

use mec_kernel::{
    Acquire, Halt, IdSource, Leased, Making, Need, Ruling, Time, TreeId, View, acquire, scope_of,
};
use mec_store::{DecisionRow, Operation};

use super::logging::Logging;
use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::decision_log::{Entry, slots};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

/// With what the decision log keeps of it.
struct Acquiring {
    command: Acquire,
    logging: Logging,
}

impl Command for Acquiring {
    type Answer = Leased;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.command.account)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.command.account)].into()
    }

    fn decide(&mut self, view: &View<'_>, making: &mut Making<'_>) -> Result<Ruling<Leased>, Halt> {
        acquire(view, making, &self.command)
    }

    fn log(&self, leased: &Leased, ids: &mut IdSource, now: Time) -> Option<DecisionRow> {
        Some(self.logging.lease_row(leased, ids, now))
    }
}

impl Mec {
    /// Takes a slot.
    ///
    /// # Errors
    /// As [`Mec::check`]; a time to live out of range.
    pub async fn acquire(&self, command: Acquire, caller: &Caller) -> Result<Leased, MecError> {
        let entry = Entry {
            account: command.account,
            resource: command.resource.clone(),
            scope: scope_of(command.scope.as_ref()).cloned(),
            operation: Operation::AcquireLease,
            requested: Some(slots(command.quantity)),
            request_id: caller.request_id.clone(),
        };
        let logging = Logging {
            entry,
            log: self.log.clone(),
        };
        self.record(Acquiring { command, logging }, caller).await
    }
}
