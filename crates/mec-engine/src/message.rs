//! What is put into a lane's queue.

use std::sync::Arc;

use mec_kernel::Time;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::error::MecError;
use crate::job::Job;
use crate::steps::TableWrite;

/// What a caller hands to the lane.
pub(crate) enum Message {
    /// One command.
    One(Box<dyn Job>),
    /// Several, kept in their order, with the room they take in the queue; those of one caller may
    /// go to several lanes.
    Many(Vec<Box<dyn Job>>, Arc<OwnedSemaphorePermit>),
    /// A write of rows picked by a filter, or of the catalog: it gets a batch of its own.
    Table(Box<TableWrite>),
    /// Remove old rows of the decision log.
    Prune(Prune),
    /// Write something that leaves nothing behind, and say whether that went through.
    Probe(oneshot::Sender<Result<(), MecError>>),
    /// Answer everything that waits, then end.
    Close,
}

impl Message {
    /// Answers everybody who waits for it.
    pub(crate) fn refuse(self, error: &MecError) {
        match self {
            Self::One(job) => job.finish(Err(error.clone())),
            Self::Many(jobs, _) => jobs
                .into_iter()
                .for_each(|job| job.finish(Err(error.clone()))),
            Self::Table(write) => drop(write.caller.send(Err(error.clone()))),
            Self::Prune(prune) => drop(prune.caller.send(Err(error.clone()))),
            Self::Probe(caller) => drop(caller.send(Err(error.clone()))),
            Self::Close => {}
        }
    }
}

/// One commit's worth of old rows of the decision log to remove.
pub(crate) struct Prune {
    /// What was decided before it goes.
    pub(crate) before: Time,
    /// Is told how many rows went; fewer than a commit's worth: there are no more.
    pub(crate) caller: oneshot::Sender<Result<usize, MecError>>,
}
