//! The lanes of an installation: how many there are, which of them gets what, and how they end.
//!
//! Where one process has the store, one lane does everything. On a shared database a few lanes
//! record, each on its own connection; others wait for trees that somebody else has, answer what
//! published state cannot, and keep the log.

use std::sync::Arc;
use std::time::Duration;

use mec_kernel::TreeId;
use mec_store::{Store, Writer};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::away::Away;
use crate::cache::Cache;
use crate::clock::Hands;
use crate::connections::WAITING;
use crate::decision_log::DecisionLog;
use crate::error::{MecError, OpenError};
use crate::job::Job;
use crate::lane::{Duty, Lane, State};
use crate::message::Message;
use crate::writes::Writes;

/// Messages that may wait for a lane.
const QUEUE_MAX: usize = 8_192;
/// Commands that may wait for a lane that waits for trees: two whole batches of them.
const WAITING_MAX: usize = 40_000;
/// What all lanes of an installation share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) log: Arc<DecisionLog>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) writes: Arc<Writes>,
    pub(crate) batch_time_max: Duration,
}

/// The lanes, as those who send see them.
#[derive(Debug)]
pub(crate) struct Lanes {
    recording: Vec<mpsc::Sender<Message>>,
    /// What picks rows of many trees goes here.
    tables: mpsc::Sender<Message>,
    looking: mpsc::Sender<Message>,
    logging: mpsc::Sender<Message>,
    waiting: Vec<mpsc::Sender<Message>>,
    running: watch::Receiver<Running>,
}

/// Which lanes have not ended, and what went wrong with those that have.
#[derive(Debug)]
struct Running {
    lanes: usize,
    failure: Option<String>,
}

impl Lanes {
    /// Starts them: on a shared store `recording` lanes that record, and the others.
    pub(crate) fn start(
        first: Writer,
        shared: &Shared,
        recording: usize,
    ) -> Result<Self, OpenError> {
        let (running, ended) = watch::channel(Running {
            lanes: 0,
            failure: None,
        });
        let (logging, log_queue) = mpsc::channel(QUEUE_MAX);
        let starting = Starting {
            shared,
            running: Arc::new(running),
            logging: &logging,
        };
        if !shared.store.is_shared() {
            starting.start(Duty::All, first, log_queue, None)?;
            let all = || logging.clone();
            let (recording, tables, looking) = (vec![all()], all(), all());
            return Ok(Self {
                recording,
                tables,
                looking,
                logging,
                waiting: vec![],
                running: ended,
            });
        }
        starting.start(Duty::Log, starting.writer()?, log_queue, None)?;
        let waiting = (0..WAITING)
            .map(|_| starting.start_new(Duty::Wait, WAITING_MAX))
            .collect::<Result<Vec<_>, _>>()?;
        let away = Away::of(waiting.clone());
        let looking = starting.start_new(Duty::Look, QUEUE_MAX)?;
        let mut senders = Vec::with_capacity(recording);
        let mut first = Some(first);
        for _ in 0..recording.max(1) {
            let (sender, queue) = mpsc::channel(QUEUE_MAX);
            let writer = first.take().map_or_else(|| starting.writer(), Ok)?;
            starting.start(Duty::Record, writer, queue, Some(&away))?;
            senders.push(sender);
        }
        // A write of many trees waits for them, and so has a lane of its own.
        let tables = starting.start_new(Duty::Wait, QUEUE_MAX)?;
        let waiting = waiting.into_iter().chain([tables.clone()]).collect();
        Ok(Self {
            recording: senders,
            tables,
            looking,
            logging,
            waiting,
            running: ended,
        })
    }

    /// The lane that records what happens in a tree.
    pub(crate) fn recording(&self, tree: TreeId) -> &mpsc::Sender<Message> {
        &self.recording[self.lane_of(tree)]
    }

    /// Numbers of trees are drawn at random, so they spread themselves.
    fn lane_of(&self, tree: TreeId) -> usize {
        usize::try_from(tree.0).unwrap_or_default() % self.recording.len()
    }

    pub(crate) const fn tables(&self) -> &mpsc::Sender<Message> {
        &self.tables
    }

    pub(crate) const fn looking(&self) -> &mpsc::Sender<Message> {
        &self.looking
    }

    pub(crate) const fn logging(&self) -> &mpsc::Sender<Message> {
        &self.logging
    }

    /// Many commands, each to the lane of its tree, those of a tree in their order.
    pub(crate) async fn send_many(&self, jobs: Vec<Box<dyn Job>>, room: OwnedSemaphorePermit) {
        let room = Arc::new(room);
        let mut parts: Vec<Vec<Box<dyn Job>>> = self.recording.iter().map(|_| vec![]).collect();
        for job in jobs {
            parts[self.lane_of(job.tree())].push(job);
        }
        for (lane, part) in self.recording.iter().zip(parts) {
            if !part.is_empty()
                && let Err(mpsc::error::SendError(message)) =
                    lane.send(Message::Many(part, room.clone())).await
            {
                message.refuse(&MecError::Stopped);
            }
        }
    }

    /// Whether it takes nothing any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.recording[0].is_closed()
    }

    /// Messages that wait for lanes that record.
    pub(crate) fn queued(&self) -> usize {
        self.recording
            .iter()
            .map(|lane| QUEUE_MAX.saturating_sub(lane.capacity()))
            .sum()
    }

    pub(crate) fn have_ended(&self) -> bool {
        let running = self.running.borrow();
        running.lanes == 0 || running.failure.is_some()
    }

    /// Lets everything that waits be answered, and the log be written, one kind of lane after the
    /// other.
    pub(crate) async fn close(&self) {
        for lane in self.recording.iter().chain([&self.looking]) {
            // A lane that is not there any more has nothing to close.
            drop(lane.send(Message::Close).await);
        }
        if !self.waiting.is_empty() {
            // Those that wait and the one that keeps the log; a close that was given up may have
            // ended some of them.
            self.ended_down_to(self.waiting.len() + 1).await;
            for lane in &self.waiting {
                drop(lane.send(Message::Close).await);
            }
            self.ended_down_to(1).await;
            drop(self.logging.send(Message::Close).await);
        }
    }

    /// Waits until no more than so many are left, or one has failed.
    async fn ended_down_to(&self, left: usize) {
        let mut running = self.running.clone();
        // Whoever would say so is gone with the lanes.
        drop(
            running
                .wait_for(|running| running.lanes <= left || running.failure.is_some())
                .await,
        );
    }

    /// Waits until all have ended, or one has failed.
    pub(crate) async fn ended(&self) -> Result<(), String> {
        self.ended_down_to(0).await;
        self.running.borrow().failure.clone().map_or(Ok(()), Err)
    }
}

/// What it takes to start a lane.
struct Starting<'a> {
    shared: &'a Shared,
    running: Arc<watch::Sender<Running>>,
    logging: &'a mpsc::Sender<Message>,
}

impl Starting<'_> {
    fn start(
        &self,
        duty: Duty,
        writer: Writer,
        queue: mpsc::Receiver<Message>,
        away: Option<&Arc<Away>>,
    ) -> Result<(), OpenError> {
        let seed = getrandom::u64().map_err(|error| OpenError::Randomness(error.to_string()))?;
        let Shared {
            store,
            cache,
            log,
            clock,
            writes,
            batch_time_max,
        } = self.shared.clone();
        // The lane that keeps the log ends when nobody sends to it any more.
        let _log_lane = (!duty.keeps_log()).then(|| self.logging.clone());
        let lane = Lane {
            duty,
            writer,
            store,
            cache,
            log,
            clock,
            writes,
            queue,
            away: away.cloned(),
            _log_lane,
            batch_time_max,
            seed,
            state: State::default(),
        };
        run(lane, &self.running)
    }

    /// With a writer and a queue of its own.
    fn start_new(&self, duty: Duty, room: usize) -> Result<mpsc::Sender<Message>, OpenError> {
        let (sender, queue) = mpsc::channel(room);
        self.start(duty, self.writer()?, queue, None)?;
        Ok(sender)
    }

    fn writer(&self) -> Result<Writer, OpenError> {
        self.shared
            .store
            .writer()
            .ok_or_else(|| OpenError::Thread(std::io::ErrorKind::Unsupported.into()))
    }
}

/// Says when a lane ends, however it does.
struct Ending {
    running: Arc<watch::Sender<Running>>,
    outcome: Option<Result<(), String>>,
}

impl Ending {
    fn with(mut self, outcome: Result<(), String>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let outcome = self
            .outcome
            .take()
            .unwrap_or_else(|| Err("a lane's thread has died".to_owned()));
        self.running.send_modify(|running| {
            running.lanes -= 1;
            if let Err(failure) = outcome {
                running.failure.get_or_insert(failure);
            }
        });
    }
}

fn run(lane: Lane, running: &Arc<watch::Sender<Running>>) -> Result<(), OpenError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(OpenError::Thread)?;
    running.send_modify(|running| running.lanes += 1);
    let ending = Ending {
        running: running.clone(),
        outcome: None,
    };
    std::thread::Builder::new()
        .name("mec-lane".to_owned())
        .spawn(move || {
            let outcome = runtime.block_on(lane.run());
            // It waits for what the lane began beside itself, such as a count of the log, which has
            // the store open: whoever closed it can open it again once this is told.
            drop(runtime);
            ending.with(outcome);
        })
        .map_err(OpenError::Thread)?;
    Ok(())
}
