//! Published state: the newest committed state of the trees looked at, bounded in bytes.
//!
//! Whoever reads takes an immutable tree and never waits for the lane. What falls out is read again
//! when it is needed; nothing is lost with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mec_kernel::{AccountId, Catalog, Code, Head, Tree, TreeId};

/// Remembered names of other systems; beyond it they are forgotten all at once.
const LINKS_MAX: usize = 100_000;

/// What checks read.
#[derive(Debug)]
pub(crate) struct Cache {
    /// From when instants are counted.
    made_at: Instant,
    trees: RwLock<Trees>,
    bytes_max: usize,
    /// Counts looks, so that the trees looked at longest ago go first.
    looks: AtomicU64,
    catalog: RwLock<Arc<Catalog>>,
    /// When the catalog was last known to be the newest.
    catalog_seen: Seen,
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
    /// When it was last known to be the newest.
    seen: Seen,
}

/// An instant that only moves forward: microseconds since the cache was made.
#[derive(Debug)]
struct Seen(AtomicU64);

impl Seen {
    fn confirm(&self, micros: u64) {
        self.0.fetch_max(micros, Ordering::Relaxed);
    }

    fn is_within(&self, micros: u64, most: Duration) -> bool {
        u128::from(micros.saturating_sub(self.0.load(Ordering::Relaxed))) <= most.as_micros()
    }
}

impl Cache {
    /// An empty one; at the instant `seen` the catalog was the newest.
    pub(crate) fn new(catalog: Catalog, bytes_max: usize, seen: Instant) -> Self {
        Self {
            made_at: seen,
            trees: RwLock::default(),
            bytes_max,
            looks: AtomicU64::new(0),
            catalog: RwLock::new(Arc::new(catalog)),
            catalog_seen: Seen(AtomicU64::new(0)),
            links: RwLock::default(),
        }
    }

    pub(crate) fn tree(&self, id: TreeId) -> Option<Arc<Tree>> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let entry = trees.by_id.get(&id)?;
        self.look(entry);
        Some(entry.tree.clone())
    }

    fn look(&self, entry: &Entry) {
        entry.looked_at.store(
            self.looks.fetch_add(1, Ordering::Relaxed),
            Ordering::Relaxed,
        );
    }

    /// The same, where it was known to be the newest no longer ago than `most`, and the catalog
    /// too.
    pub(crate) fn tree_seen_within(&self, id: TreeId, most: Duration) -> Option<Arc<Tree>> {
        let now = self.micros(Instant::now());
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let entry = trees.by_id.get(&id)?;
        self.look(entry);
        (entry.seen.is_within(now, most) && self.catalog_seen.is_within(now, most))
            .then(|| entry.tree.clone())
    }

    /// At the instant `at` the tree's state at `head` and the catalog were the newest ones.
    pub(crate) fn confirm(&self, head: &Head, at: Instant) {
        let micros = self.micros(at);
        self.catalog_seen.confirm(micros);
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        // Another state may have taken its place meanwhile: a newer one counts as well, an older
        // one was not meant.
        let is_meant =
            |entry: &&Entry| entry.tree.head == *head || entry.tree.head.version > head.version;
        if let Some(entry) = trees.by_id.get(&head.tree).filter(is_meant) {
            entry.seen.confirm(micros);
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made_at).as_micros()).unwrap_or(u64::MAX)
    }

    /// A state that was the newest at the instant `seen`. It never takes the place of a newer one.
    pub(crate) fn publish(&self, id: TreeId, tree: Tree, seen: Instant) {
        let bytes = tree.size_bytes();
        if bytes > self.bytes_max {
            // A tree that does not fit is begun anew with what is asked for next.
            self.forget(id);
            return;
        }
        let looked_at = AtomicU64::new(self.looks.fetch_add(1, Ordering::Relaxed));
        let seen = Seen(AtomicU64::new(self.micros(seen)));
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        if trees
            .by_id
            .get(&id)
            .is_some_and(|held| held.tree.head.version > tree.head.version)
        {
            return;
        }
        let before = trees.by_id.insert(
            id,
            Entry {
                tree: Arc::new(tree),
                bytes,
                looked_at,
                seen,
            },
        );
        trees.bytes = (trees.bytes + bytes).saturating_sub(before.map_or(0, |entry| entry.bytes));
        if trees.bytes > self.bytes_max {
            trees.shrink(self.bytes_max - self.bytes_max / 8, id);
        }
    }

    pub(crate) fn forget(&self, id: TreeId) {
        self.trees
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A catalog that was committed. It never takes the place of a newer one.
    pub(crate) fn set_catalog(&self, catalog: Catalog) {
        let mut held = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        if held.version <= catalog.version {
            *held = Arc::new(catalog);
        }
    }

    /// The account `external_id` stood for when it was last looked up. It still does where the
    /// account's published row says so; a reader has to compare.
    pub(crate) fn link(&self, external_id: &str) -> Option<AccountId> {
        let id = *self
            .links
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(external_id)?;
        let tree = self.tree(id.tree())?;
        tree.get(id)
            .filter(|node| node.account.external_id.as_deref() == Some(external_id))
            .map(|_| id)
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
    use super::*;

    #[test]
    fn what_was_looked_at_longest_ago_goes_first() {
        let one = Tree::new(Head::new(TreeId(1))).size_bytes();
        let cache = Cache::new(Catalog::default(), one * 8, Instant::now());
        for id in 1..=8 {
            cache.publish(TreeId(id), Tree::new(Head::new(TreeId(id))), Instant::now());
        }
        assert!(cache.tree(TreeId(1)).is_some());
        cache.publish(TreeId(9), Tree::new(Head::new(TreeId(9))), Instant::now());
        let held: Vec<u32> = (1..=9)
            .filter(|id| cache.tree(TreeId(*id)).is_some())
            .collect();
        assert_eq!(held, [1, 4, 5, 6, 7, 8, 9]);
        assert_eq!(cache.size(), (7, one * 7));
        cache.forget(TreeId(4));
        assert_eq!(cache.size(), (6, one * 6));
    }

    #[test]
    fn a_state_never_takes_the_place_of_a_newer_one() {
        let cache = Cache::new(Catalog::default(), 1 << 20, Instant::now());
        let of_version = |version| {
            Tree::new(Head {
                version,
                ..Head::new(TreeId(1))
            })
        };
        for (published, held) in [(2, 2), (1, 2), (3, 3)] {
            cache.publish(TreeId(1), of_version(published), Instant::now());
            assert_eq!(cache.tree(TreeId(1)).unwrap().head.version, held);
        }
    }

    #[test]
    fn a_state_is_as_old_as_the_last_look_that_found_it_newest() {
        let cache = Cache::new(Catalog::default(), 1 << 20, Instant::now());
        let (start, second) = (cache.made_at, Duration::from_secs(1));
        cache.publish(TreeId(1), Tree::new(Head::new(TreeId(1))), start);
        let entry = |most| {
            cache.trees.read().unwrap().by_id[&TreeId(1)]
                .seen
                .is_within(3_000_000, most)
        };
        assert!(entry(3 * second) && !entry(2 * second));
        let head = Head::new(TreeId(1));
        cache.confirm(&head, start + 2 * second);
        cache.confirm(&head, start + second);
        assert!(entry(second) && !entry(second / 2));
        // What was found newest has left the cache, and an older state has come in its place.
        cache.confirm(&Head { version: 1, ..head }, start + 3 * second);
        assert!(!entry(second / 2));
        assert!(cache.tree_seen_within(TreeId(1), 60 * second).is_some());
    }
}
