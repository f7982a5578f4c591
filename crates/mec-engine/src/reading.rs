//! Reads of tables, and other work that is too long for the runtime's threads: few at once, each
//! within a budget of rows, bytes and time, and ended when its caller leaves. Checks and health
//! never wait for any of it.

use mec_query::{Budget, Fetched, Filter, Read, Table};
use mec_store::{Store, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::MecError;
use crate::mec::Mec;
use crate::turns::{ROOM_BYTES, ROOM_WITHIN, TURN_WITHIN, turn};

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
