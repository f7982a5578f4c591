//! Gives an account a plan or an add-on.

use mec_kernel::{Halt, Making, Need, Provision, Ruling, TreeId, View, provision};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

impl Command for Provision {
    type Answer = i64;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.account)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.account)].into()
    }

    fn decide(&mut self, view: &View<'_>, making: &mut Making<'_>) -> Result<Ruling<i64>, Halt> {
        provision(view, making, self)
    }
}

impl Mec {
    /// Gives an account a plan or an add-on; the answer is the number of its entitlements.
    ///
    /// # Errors
    /// An unknown account or plan; a trial the tree has had.
    pub async fn provision(&self, command: Provision, caller: &Caller) -> Result<i64, MecError> {
        self.record(command, caller).await
    }
}
