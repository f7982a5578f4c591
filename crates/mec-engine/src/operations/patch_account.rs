//! Changes an account.

use mec_kernel::{
    Account, AccountId, AccountPatch, Halt, Making, Need, Ruling, TreeId, View, patch_account,
};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

/// Which account, and what of it.
struct PatchAccount {
    id: AccountId,
    patch: AccountPatch,
}

impl Command for PatchAccount {
    type Answer = Account;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.id)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.id)].into()
    }

    fn decide(&mut self, view: &View<'_>, _: &mut Making<'_>) -> Result<Ruling<Account>, Halt> {
        patch_account(view, self.id, &self.patch)
    }
}

impl Mec {
    /// Changes an account.
    ///
    /// # Errors
    /// An unknown account; a closed one that shall be opened; an external id that is taken.
    pub async fn patch_account(
        &self,
        id: AccountId,
        patch: AccountPatch,
        caller: &Caller,
    ) -> Result<Account, MecError> {
        self.record(PatchAccount { id, patch }, caller).await
    }
}
