//! Reads of tables, and other work that is too long for the runtime's threads: few at once, each
//! within a budget of rows, bytes and time, and ended when its caller leaves. Checks and health
//! never wait for any of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mec_query::{Budget, Excess, Fetched, Filter, Read, Table};
use mec_store::{Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::background::Background;
use crate::error::MecError;
use crate::mec::Mec;

/// Rows of one answer, those of embeds included.
pub(crate) const ANSWER_ROWS_MAX: u64 = 100_000;
/// Bytes of one answer, unless it is configured.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Answers of the largest size that can be on their way to callers at once.
const ANSWERS_MAX: usize = 4;
/// What the room for answers is counted in.
const ROOM_BYTES: u64 = 64 << 10;
/// Work at once that reads no table.
const WORKERS: usize = 2;
/// The longest that a caller waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// The longest that an answer waits for room, while it keeps others from their turn.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns {
    readers: Arc<Semaphore>,
    askers: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    /// Where those who have their turn work.
    background: Background,
    answer_bytes_max: u64,
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
    fn budget(&self) -> (Budget, Waiting) {
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
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a read of tables works with.
#[derive(Debug)]
pub struct Reading<'a> {
    store: &'a Store,
    /// What its answer can take.
    pub budget: &'a Budget,
}

impl Reading<'_> {
    /// Fetches what a resolved read asks for, all of it from one state of the store.
    ///
    /// # Errors
    /// It does not fit the budget.
    pub fn fetch(&self, read: &Read) -> Result<Fetched, MecError> {
        Ok(self.store.fetch(read, self.budget)?)
    }

    /// How many rows pass `filter`.
    ///
    /// # Errors
    /// It takes longer than the budget has.
    pub fn count(&self, table: &Table, filter: &Filter) -> Result<u64, MecError> {
        Ok(self.store.count(table, filter, self.budget)?)
    }
}

/// What came of a read, before others have their turn.
#[derive(Debug)]
pub struct Answered<T> {
    /// It.
    pub value: T,
    /// Its turn.
    pub turn: OwnedSemaphorePermit,
}

impl Mec {
    /// Reads tables off the runtime's threads. Nobody else has the turn until what it answered is
    /// dropped.
    ///
    /// # Errors
    /// [`MecError::ReadsBusy`]: too many read at the moment; what `read` answers.
    pub async fn read_tables<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reading<'_>) -> Result<T, MecError> + Send + 'static,
    ) -> Result<Answered<T>, MecError> {
        let turn = turn(&self.turns.readers, 1, TURN_WITHIN).await?;
        let (store, (budget, _waiting)) = (self.store.clone(), self.turns.budget());
        // A reader is busy until the read has ended, also when nobody waits for it any more.
        let work = move || {
            let value = read(&Reading {
                store: &store,
                budget: &budget,
            })?;
            Ok(Answered { value, turn })
        };
        self.turns.background.run(work).await
    }

    /// Works on what is in memory off the runtime's threads.
    ///
    /// # Errors
    /// As [`Mec::read_tables`].
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Budget) -> Result<T, MecError> + Send + 'static,
    ) -> Result<T, MecError> {
        let turn = turn(&self.turns.workers, 1, TURN_WITHIN).await?;
        let (budget, _waiting) = self.turns.budget();
        let work = move || {
            let outcome = work(&budget);
            drop(turn);
            outcome
        };
        self.turns.background.run(work).await
    }

    /// Room for an answer of so many bytes on its way to its caller, until it is dropped.
    ///
    /// # Errors
    /// [`MecError::ReadsBusy`]: callers are slow to take what they asked for.
    pub async fn room_for_answer(&self, bytes: usize) -> Result<OwnedSemaphorePermit, MecError> {
        let permits = u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .min(self.turns.answer_bytes_max)
            .div_ceil(ROOM_BYTES);
        turn(
            &self.turns.answers,
            u32::try_from(permits).unwrap_or(u32::MAX),
            ROOM_WITHIN,
        )
        .await
    }

    /// A long question to the store, with the turn of those who read tables.
    pub(crate) async fn read_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, MecError> {
        Ok(self
            .read_tables(move |reading| Ok(read(reading.store)?))
            .await?
            .value)
    }

    /// A short question to the store, on a connection that no read of tables has.
    pub(crate) async fn ask_store<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, MecError> {
        let turn = turn(&self.turns.askers, 1, TURN_WITHIN).await?;
        let store = self.store.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let outcome = ask(&store);
            drop(turn);
            outcome
        });
        Ok(asked
            .await
            .map_err(|error| MecError::NotDone(format!("the read ended early: {error}")))??)
    }
}

async fn turn(
    of: &Arc<Semaphore>,
    permits: u32,
    within: Duration,
) -> Result<OwnedSemaphorePermit, MecError> {
    match tokio::time::timeout(within, of.clone().acquire_many_owned(permits)).await {
        Ok(permit) => permit.map_err(|_| MecError::Stopped),
        Err(_) => Err(MecError::ReadsBusy),
    }
}
