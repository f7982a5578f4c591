//! The account that another system's name stands for.

use std::time::Duration;

use mec_kernel::{AccountId, Refusal};

use crate::caller::Caller;
use crate::error::MecError;
use crate::mec::Mec;

impl Mec {
    /// The account another system calls `external_id`, as the store knows it at this moment.
    ///
    /// # Errors
    /// There is none.
    pub async fn account_of(&self, external_id: &str) -> Result<AccountId, MecError> {
        self.account_seen_within(external_id, Duration::ZERO).await
    }

    /// The same for a question that changes nothing: as it was known no longer ago than `caller` is
    /// content with.
    ///
    /// # Errors
    /// As [`Mec::account_of`].
    pub async fn account_asked_about(
        &self,
        external_id: &str,
        caller: &Caller,
    ) -> Result<AccountId, MecError> {
        self.account_seen_within(external_id, self.staleness_of(caller))
            .await
    }

    async fn account_seen_within(
        &self,
        external_id: &str,
        staleness: Duration,
    ) -> Result<AccountId, MecError> {
        if let Some(id) = self.account_published(external_id, staleness).await? {
            return Ok(id);
        }
        let name = external_id.to_owned();
        let found = self
            .ask_store(move |store| store.account_linked("", &name))
            .await?;
        let id = found.ok_or_else(|| Refusal::AccountNotFound {
            account: external_id.to_owned(),
        })?;
        self.cache.remember_link(external_id.into(), id);
        Ok(id)
    }
}
