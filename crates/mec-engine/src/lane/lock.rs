//! The trees of a batch are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use mec_kernel::{Facts, IdSource, Tree, TreeId};
use mec_store::{Hold, StoreError};

use super::batch::{Batch, Work};
use super::state::Lane;
use crate::clock::later_than;

impl Lane {
    /// Takes the trees and reads what each one's batch continues from; a cached tree counts only
    /// while it is the newest. The catalog is read again where another process has changed it.
    pub(super) async fn lock(
        &mut self,
        trees: BTreeSet<TreeId>,
        hold: Hold,
    ) -> Result<Batch, StoreError> {
        let ids: Vec<TreeId> = trees.into_iter().collect();
        let seen = Instant::now();
        let heads = self.writer.heads(&ids, hold).await?;
        let moment = self.writer.moment();
        let now = self.clock.at(moment);
        if moment
            .catalog_version
            .is_some_and(|version| version > self.cache.catalog().version)
        {
            self.cache.set_catalog(self.store.catalog()?);
        }
        let mut trees = BTreeMap::new();
        for (head, exists) in heads {
            let cached = self.cache.tree(head.tree).filter(|tree| tree.head == head);
            let now = later_than(now, &head);
            // The top bit of 15 is clear: ids of checks, which no lane makes, have it set.
            let seed = u16::try_from(self.random() >> 50).unwrap_or_default();
            let work = Work {
                began: head,
                tree: cached.map_or_else(|| Tree::new(head), |tree| Tree::clone(&tree)),
                facts: Facts::default(),
                ids: IdSource::new(head.tree, now, seed),
                now,
                is_new: !exists,
                has_writes: false,
                waits: false,
            };
            trees.insert(head.tree, work);
        }
        Ok(Batch::of(trees, now, seen))
    }
}
