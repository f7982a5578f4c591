//! What a lane works with, and where it stands between two batches.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mec_kernel::TreeId;
use mec_store::{Hold, Store, Writer};
use tokio::sync::{mpsc, oneshot};

use super::due::Due;
use crate::away::Away;
use crate::cache::Cache;
use crate::clock::Hands;
use crate::decision_log::DecisionLog;
use crate::error::MecError;
use crate::job::Job;
use crate::message::{Message, Prune};
use crate::steps::TableWrite;
use crate::writes::Writes;

/// How often a batch that was not done is run again.
pub(crate) const RUNS_MAX: usize = 3;

/// What a lane is for. One does everything where its process alone has the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Everything.
    All,
    /// Commands, of trees that are free.
    Record,
    /// Commands of trees that somebody else has, one tree at a time; table writes.
    Wait,
    /// Questions that published state cannot answer.
    Look,
    /// The decision log.
    Log,
}

impl Duty {
    pub(super) const fn hold(self) -> Hold {
        match self {
            Self::All | Self::Record | Self::Log => Hold::Free,
            Self::Wait => Hold::Waited,
            Self::Look => Hold::Snapshot,
        }
    }

    pub(crate) const fn keeps_log(self) -> bool {
        matches!(self, Self::All | Self::Log)
    }
}

/// What the lane works with.
pub(crate) struct Lane {
    pub(crate) duty: Duty,
    pub(crate) writer: Writer,
    /// Held so that the store stays this process's until the last batch is through.
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) log: Arc<DecisionLog>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) writes: Arc<Writes>,
    pub(crate) queue: mpsc::Receiver<Message>,
    /// Where commands wait whose trees are not free; also keeps those lanes, and the log's, from
    /// ending before this one.
    pub(crate) away: Option<Arc<Away>>,
    pub(crate) _log_lane: Option<mpsc::Sender<Message>>,
    /// The longest that deciding one batch may take: everybody else waits meanwhile.
    pub(crate) batch_time_max: Duration,
    pub(crate) seed: u64,
    pub(crate) state: State,
}

/// Where the lane stands between two batches.
#[derive(Default)]
pub(crate) struct State {
    pub(super) waiting: VecDeque<Entry>,
    /// How many commands the next batches take, the next one last: the store refused one of them,
    /// and only the culprit gets the error.
    pub(super) parts: Vec<usize>,
    /// Trees the last batch asked for that somebody else had.
    pub(super) missed: BTreeSet<TreeId>,
    /// What of the decision log is to be done when.
    pub(super) due: Due,
    /// Why the lane ends before it is told to.
    pub(super) failure: Option<String>,
}

/// What waits its turn.
pub(super) enum Entry {
    Job(Box<dyn Job>),
    Table(Box<TableWrite>),
    Prune(Prune),
    Probe(oneshot::Sender<Result<(), MecError>>),
}

impl Lane {
    pub(super) fn random(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.seed
    }
}
