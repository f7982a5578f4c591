//! Published state: the newest committed state of the trees looked at, bounded in bytes.
//!
//! Whoever reads takes an immutable tree and never waits for the lane. What falls out is read again when it is
//! needed; nothing is lost with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mec_kernel::{AccountId, Catalogue, Code, Tree, TreeId};

/// Remembered names of other systems; beyond it they are forgotten all at once.
const LINKS_MAX: usize = 100_000;

/// What checks read.
#[derive(Debug)]
pub(crate) struct Cache {
    trees: RwLock<Trees>,
    bytes_max: usize,
    /// Counts looks, so that the trees looked at longest ago go first.
    looks: AtomicU64,
    catalogue: RwLock<Arc<Catalogue>>,
    links: RwLock<HashMap<Code, AccountId>>,
}

#[derive(Debug, Default)]
struct Trees {
    by_id: HashMap<TreeId, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    tree: Arc<Tree>,
    bytes: usize,
    looked_at: AtomicU64,
}

impl Cache {
    pub(crate) fn new(catalogue: Catalogue, bytes_max: usize) -> Self {
        Self {
            trees: RwLock::default(),
            bytes_max,
            looks: AtomicU64::new(0),
            catalogue: RwLock::new(Arc::new(catalogue)),
            links: RwLock::default(),
        }
    }

    pub(crate) fn tree(&self, id: TreeId) -> Option<Arc<Tree>> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let entry = trees.by_id.get(&id)?;
        entry.looked_at.store(self.looks.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(entry.tree.clone())
    }

    pub(crate) fn publish(&self, id: TreeId, tree: Tree) {
        let bytes = tree.size_bytes();
        if bytes > self.bytes_max {
            // A tree that does not fit is begun anew with what is asked for next.
            self.forget(id);
            return;
        }
        let looked_at = AtomicU64::new(self.looks.fetch_add(1, Ordering::Relaxed));
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        let before = trees.by_id.insert(id, Entry { tree: Arc::new(tree), bytes, looked_at });
        trees.bytes = (trees.bytes + bytes).saturating_sub(before.map_or(0, |entry| entry.bytes));
        if trees.bytes > self.bytes_max {
            trees.shrink(self.bytes_max - self.bytes_max / 8, id);
        }
    }

    pub(crate) fn forget(&self, id: TreeId) {
        self.trees.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_catalogue(&self, catalogue: Catalogue) {
        *self.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
    }

    /// The account `external_id` stood for when it was last looked up. It still does where the account's published
    /// row says so; a reader has to compare.
    pub(crate) fn link(&self, external_id: &str) -> Option<AccountId> {
        let id = *self.links.read().unwrap_or_else(PoisonError::into_inner).get(external_id)?;
        let tree = self.tree(id.tree())?;
        tree.get(id).filter(|node| node.account.external_id.as_deref() == Some(external_id)).map(|_| id)
    }

    pub(crate) fn remember_link(&self, external_id: Code, account: AccountId) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= LINKS_MAX {
            links.clear();
        }
        links.insert(external_id, account);
    }

    /// Trees held, and roughly how many bytes they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        (trees.by_id.len(), trees.bytes)
    }
}

impl Trees {
    fn remove(&mut self, id: TreeId) {
        if let Some(entry) = self.by_id.remove(&id) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }

    /// Lets go of what was looked at longest ago until `bytes` are left; `kept` stays.
    fn shrink(&mut self, bytes: usize, kept: TreeId) {
        let mut ages: Vec<(u64, TreeId)> = self
            .by_id
            .iter()
            .filter(|(id, _)| **id != kept)
            .map(|(id, entry)| (entry.looked_at.load(Ordering::Relaxed), *id))
            .collect();
        ages.sort_unstable();
        for (_, id) in ages {
            if self.bytes <= bytes {
                return;
            }
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use mec_kernel::Head;

    use super::*;

    #[test]
    fn what_was_looked_at_longest_ago_goes_first() {
        let one = Tree::new(Head::new(TreeId(1))).size_bytes();
        let cache = Cache::new(Catalogue::default(), one * 8);
        for id in 1..=8 {
            cache.publish(TreeId(id), Tree::new(Head::new(TreeId(id))));
        }
        assert!(cache.tree(TreeId(1)).is_some());
        cache.publish(TreeId(9), Tree::new(Head::new(TreeId(9))));
        let held: Vec<u32> = (1..=9).filter(|id| cache.tree(TreeId(*id)).is_some()).collect();
        assert_eq!(held, [1, 4, 5, 6, 7, 8, 9]);
        assert_eq!(cache.size(), (7, one * 7));
        cache.forget(TreeId(4));
        assert_eq!(cache.size(), (6, one * 6));
    }
}
