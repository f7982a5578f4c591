//! Old rows leave the decision log on request, a commit at a time, so that commands wait for no
//! more than one of them. The ledger is never touched: what happened stays, only what was said
//! about it goes.

use std::time::Duration;

use mec_kernel::Time;
use mec_store::Store;
use tokio::sync::oneshot;

use crate::decision_log::WRITTEN_MAX;
use crate::error::MecError;
use crate::mec::Mec;
use crate::message::{Message, Prune};
use crate::sending::put;

/// What a part of a pruning removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that are gone.
    pub removed: usize,
    /// Whether there are more as old.
    pub has_more: bool,
}

impl Mec {
    /// For how long decisions are kept by themselves.
    pub fn decisions_kept(&self) -> Duration {
        Duration::from_secs(self.log.kept_seconds().unsigned_abs())
    }

    /// Removes the oldest decisions that were made before `before`, at most one commit's worth of
    /// them.
    ///
    /// # Errors
    /// [`MecError`] says whether any were removed.
    pub async fn prune_decisions(&self, before: Time) -> Result<Pruned, MecError> {
        let (sender, answer) = oneshot::channel();
        let prune = Prune {
            before,
            caller: sender,
        };
        put(self.lanes.logging(), Message::Prune(prune))?;
        let removed = answer.await.map_err(|_| MecError::lane_died())??;
        Ok(Pruned {
            removed,
            has_more: removed >= WRITTEN_MAX,
        })
    }

    /// How many decisions were made before `before` and are in the log.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn count_decisions(&self, before: Time) -> Result<u64, MecError> {
        self.read_store(move |store: &Store| store.count_decisions(before))
            .await
    }
}
