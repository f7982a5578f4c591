//! Takes a plan or an add-on away.

use mec_kernel::{Cancel, Halt, Making, Need, Ruling, TreeId, View, cancel};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

impl Command for Cancel {
    type Answer = i64;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.account)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.account)].into()
    }

    fn decide(&mut self, view: &View<'_>, making: &mut Making<'_>) -> Result<Ruling<i64>, Halt> {
        cancel(view, making, self)
    }
}

impl Mec {
    /// Takes a plan or an add-on away; the answer is the number of entitlements that end.
    ///
    /// # Errors
    /// An unknown account or plan.
    pub async fn cancel(&self, command: Cancel, caller: &Caller) -> Result<i64, MecError> {
        self.record(command, caller).await
    }
}
