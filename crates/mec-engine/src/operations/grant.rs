//! Grants by hand.

use std::sync::Arc;

use mec_kernel::{Entitlement, Grant, Halt, Making, Need, Ruling, TreeId, View, grant};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

impl Command for Grant {
    type Answer = Arc<Entitlement>;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.account)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.account)].into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Arc<Entitlement>>, Halt> {
        grant(view, making, self)
    }
}

impl Mec {
    /// Grants by hand.
    ///
    /// # Errors
    /// An unknown account or resource; a value a row cannot hold.
    pub async fn grant(
        &self,
        command: Grant,
        caller: &Caller,
    ) -> Result<Arc<Entitlement>, MecError> {
        self.record(command, caller).await
    }
}
