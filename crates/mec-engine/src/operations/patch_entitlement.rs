//! Changes an entitlement.

use std::sync::Arc;

use mec_kernel::{
    AccountId, Entitlement, EntitlementId, EntitlementPatch, Halt, Making, Need, Ruling, TreeId,
    View, patch_entitlement,
};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

/// Which entitlement, and what of it.
struct PatchEntitlement {
    account: AccountId,
    id: EntitlementId,
    patch: EntitlementPatch,
}

impl Command for PatchEntitlement {
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
        patch_entitlement(view, making, self.account, self.id, &self.patch)
    }
}

impl Mec {
    /// Changes an entitlement.
    ///
    /// # Errors
    /// An unknown one; an expired one that shall live again.
    pub async fn patch_entitlement(
        &self,
        account: AccountId,
        id: EntitlementId,
        patch: EntitlementPatch,
        caller: &Caller,
    ) -> Result<Arc<Entitlement>, MecError> {
        let command = PatchEntitlement { account, id, patch };
        self.record(command, caller).await
    }
}
