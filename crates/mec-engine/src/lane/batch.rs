//! One batch in the making: the trees it has, what it will commit, whose commands are in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use mec_kernel::{AccountId, Facts, Head, IdSource, Time, Tree, TreeId, WindowKey, Write};
use mec_store::{Commit, DecisionRow, StoreError};

use crate::error::MecError;
use crate::job::Job;

/// What is decided together and committed at once.
pub(super) struct Batch {
    pub(super) trees: BTreeMap<TreeId, Work>,
    pub(super) commit: Commit,
    pub(super) done: Vec<(Box<dyn Job>, Result<(), MecError>)>,
    /// For the next batch.
    pub(super) later: Vec<Box<dyn Job>>,
    /// Decisions without an effect: logged apart.
    pub(super) decisions: Vec<DecisionRow>,
    pub(super) moved: BTreeSet<(AccountId, WindowKey)>,
    /// Trees that somebody else had now and the time before.
    pub(super) missed_again: BTreeSet<TreeId>,
    /// The instant its trees were taken at, by the clock that decides.
    pub(super) now: Time,
    /// An instant before its trees were read.
    pub(super) seen: Instant,
    /// Why nothing more of it can be done.
    pub(super) lost: Option<StoreError>,
}

/// One tree of a batch.
pub(super) struct Work {
    pub(super) tree: Tree,
    /// What it continues from.
    pub(super) began: Head,
    pub(super) facts: Facts,
    pub(super) ids: IdSource,
    pub(super) now: Time,
    pub(super) is_new: bool,
    pub(super) has_writes: bool,
    /// Its next command needs a fact that this batch's own writes may have changed.
    pub(super) waits: bool,
}

/// Why a command of a batch has no answer.
pub(super) enum Trouble {
    /// It is the command's own.
    Own(MecError),
    /// The store did not answer what it asked.
    Failed(StoreError),
    /// The store took the batch away; it is run again.
    Lost(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            Self::Lost(error)
        } else {
            Self::Failed(error)
        }
    }
}

impl From<MecError> for Trouble {
    fn from(error: MecError) -> Self {
        Self::Own(error)
    }
}

impl From<mec_kernel::Refusal> for Trouble {
    fn from(refusal: mec_kernel::Refusal) -> Self {
        Self::Own(refusal.into())
    }
}

impl Batch {
    pub(super) fn of(trees: BTreeMap<TreeId, Work>, now: Time, seen: Instant) -> Self {
        Self {
            trees,
            commit: Commit::default(),
            done: vec![],
            later: vec![],
            decisions: vec![],
            moved: BTreeSet::new(),
            missed_again: BTreeSet::new(),
            now,
            seen,
            lost: None,
        }
    }

    /// The state after `writes` of `tree`, which will be committed.
    pub(super) fn apply(&mut self, tree: TreeId, writes: Vec<Write>) {
        let Some(work) = self.trees.get_mut(&tree) else {
            return;
        };
        for write in &writes {
            work.tree.apply(write, work.now);
            work.facts.apply(write);
            self.moved.extend(
                work.tree
                    .moved_by(write)
                    .into_iter()
                    .map(|(account, key, _)| (account, key.clone())),
            );
        }
        work.has_writes |= !writes.is_empty();
        self.commit.writes.extend(writes);
    }

    /// The first instant that has passed at `now` and that it was decided before, where one of its
    /// decisions might be another since: a lease or a hold has expired, a row or a window has
    /// ended.
    pub(super) fn outlived(&self, now: Time) -> Option<Time> {
        let ends = self.commit.writes.iter().filter_map(|write| {
            let work = self.trees.get(&write.tree()?)?;
            work.tree.decided_until(write, work.now)
        });
        ends.filter(|end| *end <= now).min()
    }

    /// Its commands, in an order that keeps that of each tree.
    pub(super) fn into_jobs(self) -> impl Iterator<Item = Box<dyn Job>> {
        self.done.into_iter().map(|(job, _)| job).chain(self.later)
    }

    /// The counters as they are after it.
    pub(super) fn take_windows(&mut self) {
        for (account, key) in std::mem::take(&mut self.moved) {
            let node = self
                .trees
                .get(&account.tree())
                .and_then(|work| work.tree.get(account));
            if let Some(total) = node.and_then(|node| node.windows.get(&key)) {
                self.commit.windows.push((account, key, total.clone()));
            }
        }
    }
}
