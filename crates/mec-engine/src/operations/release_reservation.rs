//! Gives a hold back.

use mec_kernel::{Halt, Making, Need, ReservationId, Ruling, TreeId, View, release_reservation};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::known_tree;

/// Which hold, and whose tree that is.
struct ReleaseReservation {
    id: ReservationId,
    tree: TreeId,
}

impl Command for ReleaseReservation {
    type Answer = bool;

    fn tree(&self) -> Result<TreeId, MecError> {
        Ok(self.tree)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Reservation(self.id)].into()
    }

    fn decide(&mut self, view: &View<'_>, _: &mut Making<'_>) -> Result<Ruling<bool>, Halt> {
        release_reservation(view, self.id)
    }
}

impl Mec {
    /// Gives a hold back: `true` once.
    ///
    /// # Errors
    /// Only where the store fails.
    pub async fn release_reservation(
        &self,
        id: ReservationId,
        caller: &Caller,
    ) -> Result<bool, MecError> {
        let Some(tree) = known_tree(id.tree()) else {
            return Ok(false);
        };
        self.record(ReleaseReservation { id, tree }, caller).await
    }
}
