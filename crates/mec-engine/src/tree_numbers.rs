//! Numbers of trees: which can be one, and new ones.

use mec_kernel::{AccountId, Refusal, TreeId};

use crate::error::MecError;

/// An id that no root's number is in stands for no account.
pub(crate) fn tree_of(account: AccountId) -> Result<TreeId, MecError> {
    known_tree(account.tree()).ok_or_else(|| {
        Refusal::AccountNotFound {
            account: account.to_string(),
        }
        .into()
    })
}

/// The tree whose number an id has in it; `None`: no root's number can be that.
pub(crate) fn known_tree(tree: TreeId) -> Option<TreeId> {
    (tree != TreeId::CATALOG && tree.0 <= TreeId::MAX).then_some(tree)
}

/// A free number is likely; whether it is, the lane sees.
pub(crate) fn draw_tree() -> Result<TreeId, MecError> {
    loop {
        let drawn = getrandom::u32()
            .map_err(|error| MecError::NotDone(format!("the system has no randomness: {error}")))?;
        let tree = TreeId(drawn & TreeId::MAX);
        if tree != TreeId::CATALOG {
            return Ok(tree);
        }
    }
}
