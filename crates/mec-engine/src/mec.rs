//! An open installation: its lanes, what it publishes, how it ends.

use std::sync::Arc;
use std::time::Duration;

use mec_kernel::{Catalog, Time};
use mec_store::Store;
use tokio::sync::{Semaphore, oneshot};

use crate::cache::Cache;
use crate::clock::Hands;
use crate::decision_log::DecisionLog;
use crate::error::MecError;
use crate::lanes::Lanes;
use crate::message::Message;
use crate::newest::Newest;
use crate::turns::Turns;
use crate::writes::Writes;

/// Commands that may wait in messages that carry many: a few whole batches.
pub(crate) const MANY_MAX: usize = 40_000;

/// How an installation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Commands that wait for a lane; a batch of events counts as one.
    pub queued: usize,
    /// The room that batches of events take which wait for the lane: an event is one, a KiB of its
    /// details one more.
    pub queued_in_batches: usize,
    /// Trees in memory.
    pub trees_cached: usize,
    /// Roughly what they take, in bytes.
    pub cache_bytes: usize,
    /// Rows on their way to the decision log.
    pub decisions_waiting: usize,
    /// Rows the decision log lost because its buffer was full.
    pub decisions_dropped: u64,
    /// Version of the catalog.
    pub catalog_version: i64,
}

/// An open installation. Dropping it ends its lanes once everything queued is answered;
/// [`Mec::close`] waits for that.
#[derive(Debug)]
pub struct Mec {
    pub(crate) lanes: Lanes,
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) log: Arc<DecisionLog>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) writes: Arc<Writes>,
    /// Asked whether published state is the newest, where others write too.
    pub(crate) newest: Option<Arc<Newest>>,
    pub(crate) staleness_max: Duration,
    pub(crate) turns: Turns,
    /// For commands sent many at once.
    pub(crate) room: Arc<Semaphore>,
}

impl Mec {
    /// The catalog decisions are made with now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.cache.catalog()
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        let (trees_cached, cache_bytes) = self.cache.size();
        Status {
            queued: self.lanes.queued(),
            queued_in_batches: MANY_MAX.saturating_sub(self.room.available_permits()),
            trees_cached,
            cache_bytes,
            decisions_waiting: self.log.waiting(),
            decisions_dropped: self.log.dropped(),
            catalog_version: self.cache.catalog().version,
        }
    }

    /// Whether the store answers, the lanes run, and writes go through: after one that failed,
    /// another is tried.
    ///
    /// # Errors
    /// Why not.
    pub async fn ping(&self) -> Result<(), MecError> {
        if self.lanes.have_ended() {
            return Err(MecError::Stopped);
        }
        self.ask_store(Store::ping).await?;
        if self.writes.fail() {
            self.probe().await
        } else {
            Ok(())
        }
    }

    async fn probe(&self) -> Result<(), MecError> {
        let (caller, outcome) = oneshot::channel();
        // The lane that has not much to do.
        self.lanes
            .logging()
            .send(Message::Probe(caller))
            .await
            .map_err(|_| MecError::Stopped)?;
        outcome.await.map_err(|_| MecError::Stopped)?
    }

    /// Answers everything that waits, writes the log out, and ends; the store's file can then be
    /// copied. Commands and checks that come later are told that it has stopped.
    ///
    /// # Errors
    /// Why it had ended before it was told to.
    pub async fn close(&self) -> Result<(), String> {
        self.lanes.close().await;
        self.ended().await
    }

    /// Waits until the lanes have ended: because it was closed, or because the store failed in a
    /// way that leaves open what is durable. Then the process should end too; the next one reads
    /// what is.
    ///
    /// # Errors
    /// Why one ended before it was told to.
    pub async fn ended(&self) -> Result<(), String> {
        self.lanes.ended().await
    }
}
