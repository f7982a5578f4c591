//! Trees that another process has locked for longer: their commands wait for them on connections of
//! their own, so that nobody waits for them who does not want them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mec_kernel::{Halt, IdSource, Time, TreeId, View, Write};
use mec_store::DecisionRow;
use tokio::sync::mpsc;

use crate::command::Foreseen;
use crate::error::MecError;
use crate::job::Job;
use crate::message::Message;

/// The lanes that wait, and which trees they wait for.
#[derive(Debug)]
pub(crate) struct Away {
    lanes: Vec<mpsc::Sender<Message>>,
    trees: Mutex<HashMap<TreeId, Waited>>,
}

/// A tree that is waited for: every command of it goes the same way until there is none, which
/// keeps their order.
#[derive(Debug)]
struct Waited {
    lane: usize,
    commands: usize,
}

impl Away {
    pub(crate) fn of(lanes: Vec<mpsc::Sender<Message>>) -> Arc<Self> {
        Arc::new(Self {
            lanes,
            trees: Mutex::default(),
        })
    }

    /// Whether commands of the tree are waiting.
    pub(crate) fn has(&self, tree: TreeId) -> bool {
        self.trees
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&tree)
    }

    /// Lets a command wait for its tree.
    pub(crate) fn send(self: &Arc<Self>, job: Box<dyn Job>) {
        let tree = job.tree();
        let lane = self.enter(tree);
        let waiting = Waiting {
            job,
            place: Place {
                away: self.clone(),
                tree,
            },
        };
        match self.lanes[lane].try_send(Message::One(Box::new(waiting))) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(message)) => message.refuse(&MecError::Busy),
            Err(mpsc::error::TrySendError::Closed(message)) => message.refuse(&MecError::Stopped),
        }
    }

    fn enter(&self, tree: TreeId) -> usize {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waited) = trees.get_mut(&tree) {
            waited.commands += 1;
            return waited.lane;
        }
        let mut loads = vec![0_usize; self.lanes.len()];
        trees.values().for_each(|waited| loads[waited.lane] += 1);
        let lane = loads
            .iter()
            .enumerate()
            .min_by_key(|(_, load)| **load)
            .map_or(0, |(lane, _)| lane);
        trees.insert(tree, Waited { lane, commands: 1 });
        lane
    }

    fn leave(&self, tree: TreeId) {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waited) = trees.get_mut(&tree) {
            waited.commands -= 1;
            if waited.commands == 0 {
                trees.remove(&tree);
            }
        }
    }
}

/// A command among those that wait for a tree.
struct Waiting {
    job: Box<dyn Job>,
    place: Place,
}

/// Given up when the command is answered, or gone.
struct Place {
    away: Arc<Away>,
    tree: TreeId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.away.leave(self.tree);
    }
}

impl Job for Waiting {
    fn tree(&self) -> TreeId {
        self.job.tree()
    }

    fn foreseen(&self) -> &Foreseen {
        self.job.foreseen()
    }

    fn decide(&mut self, view: &View<'_>, ids: &mut IdSource) -> Result<Vec<Write>, Halt> {
        self.job.decide(view, ids)
    }

    fn log(&self, ids: &mut IdSource, now: Time) -> Option<DecisionRow> {
        self.job.log(ids, now)
    }

    fn finish(self: Box<Self>, outcome: Result<(), MecError>) {
        let Self { job, place } = *self;
        // First, so that what its caller does next need not wait too.
        drop(place);
        job.finish(outcome);
    }
}
