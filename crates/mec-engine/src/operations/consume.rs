//! Checks and records in one step.

use mec_kernel::{
    Consume, Consumed, Halt, IdSource, Making, Need, Ruling, Time, Trace, TreeId, View, consume,
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
struct Consuming {
    command: Consume,
    logging: Logging,
}

impl Command for Consuming {
    type Answer = Consumed;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.command.check.account)
    }

    fn foreseen(&self) -> Foreseen {
        let needs = vec![
            Need::Account(self.command.check.account),
            Need::Key(self.command.key.clone()),
        ];
        Foreseen::with_details(needs, self.command.details.as_deref())
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Consumed>, Halt> {
        consume(view, making, &self.command)
    }

    fn log(&self, consumed: &Consumed, ids: &mut IdSource, now: Time) -> Option<DecisionRow> {
        match consumed.replayed {
            Some(_) => None,
            None => Some(self.logging.row(&consumed.standing, ids, now)),
        }
    }
}

impl Mec {
    /// Checks and records in one step: what is let through is recorded, nothing else is.
    ///
    /// # Errors
    /// As [`Mec::check`]; a key that stands for something else.
    pub async fn consume(
        &self,
        mut command: Consume,
        caller: &Caller,
    ) -> Result<Consumed, MecError> {
        let entry = Entry::of_check(
            &command.check,
            Operation::Consume,
            caller.request_id.clone(),
            &self.catalog(),
        );
        let is_asked = command.check.explain;
        command.check.explain |= self.log.traces_any();
        let logging = Logging {
            entry,
            log: self.log.clone(),
        };
        let mut consumed = self.record(Consuming { command, logging }, caller).await?;
        if !is_asked {
            consumed.standing.trace = Trace::default();
        }
        Ok(consumed)
    }
}
