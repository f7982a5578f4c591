//! Gives a slot back.

use mec_kernel::{Halt, LeaseId, Making, Need, Ruling, TreeId, View, release};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::known_tree;

/// Which slot, and whose tree that is.
struct ReleaseLease {
    id: LeaseId,
    tree: TreeId,
}

impl Command for ReleaseLease {
    type Answer = bool;

    fn tree(&self) -> Result<TreeId, MecError> {
        Ok(self.tree)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Lease(self.id)].into()
    }

    fn decide(&mut self, view: &View<'_>, _: &mut Making<'_>) -> Result<Ruling<bool>, Halt> {
        release(view, self.id)
    }
}

impl Mec {
    /// Gives a slot back: `true` once.
    ///
    /// # Errors
    /// Only where the store fails.
    pub async fn release_lease(&self, id: LeaseId, caller: &Caller) -> Result<bool, MecError> {
        let Some(tree) = known_tree(id.tree()) else {
            return Ok(false);
        };
        self.record(ReleaseLease { id, tree }, caller).await
    }
}
