//! Sets a new total for an event, or voids it.

use mec_kernel::{Correct, Halt, Making, Need, Recorded, Refusal, Ruling, TreeId, View, correct};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::known_tree;

impl Command for Correct {
    type Answer = Recorded;

    fn tree(&self) -> Result<TreeId, MecError> {
        known_tree(self.event.tree()).ok_or_else(|| {
            Refusal::EventNotFound {
                event: self.event.to_string(),
            }
            .into()
        })
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Key(self.key.clone())].into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Recorded>, Halt> {
        correct(view, making, self)
    }
}

impl Mec {
    /// Sets a new total for an event, or voids it.
    ///
    /// # Errors
    /// An unknown event; a total that would go below zero.
    pub async fn correct(&self, command: Correct, caller: &Caller) -> Result<Recorded, MecError> {
        self.record(command, caller).await
    }
}
