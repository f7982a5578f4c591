//! Moves an account to the newest version of a plan it is on.

use mec_kernel::{
    Halt, Making, MigratePlan, Need, PlanMigration, Ruling, TreeId, View, migrate_plan,
};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

impl Command for MigratePlan {
    type Answer = PlanMigration;

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
    ) -> Result<Ruling<PlanMigration>, Halt> {
        migrate_plan(view, making, self)
    }
}

impl Mec {
    /// Moves an account to the newest version of a plan it is on.
    ///
    /// # Errors
    /// An unknown account or plan, a plan that is not given any more, what [`Mec::provision`]
    /// refuses.
    pub async fn migrate_plan(
        &self,
        command: MigratePlan,
        caller: &Caller,
    ) -> Result<PlanMigration, MecError> {
        self.record(command, caller).await
    }
}
