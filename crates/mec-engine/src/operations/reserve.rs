//! Checks, and holds what is let through.

use mec_kernel::{
    Halt, IdSource, Making, Need, Reserve, Reserved, Ruling, Time, Trace, TreeId, View, reserve,
};
use mec_store::{DecisionRow, Operation};

use super::logging::Logging;
use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::decision_log::Entry;
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

/// With what the decision log keeps of it.
struct Reserving {
    command: Reserve,
    logging: Logging,
}

impl Command for Reserving {
    type Answer = Reserved;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.command.check.account)
    }

    fn foreseen(&self) -> Foreseen {
        vec![
            Need::Account(self.command.check.account),
            Need::Hold(self.command.key.clone()),
        ]
        .into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Reserved>, Halt> {
        reserve(view, making, &self.command)
    }

    fn log(&self, reserved: &Reserved, ids: &mut IdSource, now: Time) -> Option<DecisionRow> {
        (!reserved.replayed).then(|| self.logging.row(&reserved.standing, ids, now))
    }
}

impl Mec {
    /// Checks, and holds what is let through.
    ///
    /// # Errors
    /// As [`Mec::consume`].
    pub async fn reserve(
        &self,
        mut command: Reserve,
        caller: &Caller,
    ) -> Result<Reserved, MecError> {
        let entry = Entry::of_check(
            &command.check,
            Operation::Reserve,
            caller.request_id.clone(),
            &self.catalog(),
        );
        let is_asked = command.check.explain;
        command.check.explain |= self.log.traces_any();
        let logging = Logging {
            entry,
            log: self.log.clone(),
        };
        let mut reserved = self.record(Reserving { command, logging }, caller).await?;
        if !is_asked {
            reserved.standing.trace = Trace::default();
        }
        Ok(reserved)
    }
}
