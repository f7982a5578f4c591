//! Records what was truly used of a hold.

use mec_kernel::{Halt, Making, Need, Refusal, Ruling, Settle, Settled, TreeId, View, settle};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::known_tree;

impl Command for Settle {
    type Answer = Settled;

    fn tree(&self) -> Result<TreeId, MecError> {
        known_tree(self.reservation.tree()).ok_or_else(|| {
            Refusal::ReservationNotFound {
                reservation: self.reservation.to_string(),
            }
            .into()
        })
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Reservation(self.reservation)].into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Settled>, Halt> {
        settle(view, making, self)
    }
}

impl Mec {
    /// Records what was truly used of a hold.
    ///
    /// # Errors
    /// An unknown reservation; one that was settled with another amount, or released.
    pub async fn settle(&self, command: Settle, caller: &Caller) -> Result<Settled, MecError> {
        self.record(command, caller).await
    }
}
