//! A tree's number as the columns of every table hold it.

use std::collections::BTreeSet;

use mec_kernel::TreeId;

/// A tree's number as its columns hold it.
pub(super) fn number(tree: TreeId) -> i32 {
    i32::try_from(tree.0).unwrap_or(i32::MAX)
}

/// The numbers of all trees, each once, in their order.
pub(super) fn numbers(trees: impl Iterator<Item = TreeId>) -> Vec<i32> {
    trees
        .map(number)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
