//! Whose turn it is to do what takes long, and the budget of rows, bytes and time that each has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mec_query::{Budget, Excess};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::background::Background;
use crate::error::MecError;

/// Rows of one answer, those of embeds included.
pub(crate) const ANSWER_ROWS_MAX: u64 = 100_000;
/// Bytes of one answer, unless it is configured.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Answers of the largest size that can be on their way to callers at once.
const ANSWERS_MAX: usize = 4;
/// What the room for answers is counted in.
pub(crate) const ROOM_BYTES: u64 = 64 << 10;
/// Work at once that reads no table.
const WORKERS: usize = 2;
/// The longest that a caller waits for its turn.
pub(crate) const TURN_WITHIN: Duration = Duration::from_secs(5);
/// The longest that an answer waits for room, while it keeps others from their turn.
pub(crate) const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns {
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) askers: Arc<Semaphore>,
    pub(crate) workers: Arc<Semaphore>,
    pub(crate) answers: Arc<Semaphore>,
    /// Where those who have their turn work.
    pub(crate) background: Background,
    pub(crate) answer_bytes_max: u64,
    read_timeout: Duration,
}

impl Turns {
    pub(crate) fn of(
        readers: usize,
        answer_bytes_max: u64,
        read_timeout: Duration,
    ) -> std::io::Result<Self> {
        let room = usize::try_from(answer_bytes_max.div_ceil(ROOM_BYTES))
            .unwrap_or(usize::MAX)
            .saturating_mul(ANSWERS_MAX);
        let of = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Ok(Self {
            readers: of(readers),
            askers: of(1),
            workers: of(WORKERS),
            answers: of(room),
            background: Background::start(readers + WORKERS)?,
            answer_bytes_max,
            read_timeout,
        })
    }

    /// The budget of one answer, whose caller waits for as long as the other value lives.
    pub(crate) fn budget(&self) -> (Budget, Waiting) {
        let (end, waiting) = (Instant::now() + self.read_timeout, Waiting::default());
        let has_left = waiting.0.clone();
        let budget = Budget::new(ANSWER_ROWS_MAX, self.answer_bytes_max, move || {
            if has_left.load(Ordering::Relaxed) {
                return Some(Excess::Left);
            }
            (Instant::now() > end).then_some(Excess::Time)
        });
        (budget, waiting)
    }
}

/// Somebody waits for the answer; dropped with the request when its connection ends.
#[derive(Default)]
pub(crate) struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A turn, waited for within a time.
pub(crate) async fn turn(
    of: &Arc<Semaphore>,
    permits: u32,
    within: Duration,
) -> Result<OwnedSemaphorePermit, MecError> {
    match tokio::time::timeout(within, of.clone().acquire_many_owned(permits)).await {
        Ok(permit) => permit.map_err(|_| MecError::Stopped),
        Err(_) => Err(MecError::ReadsBusy),
    }
}
