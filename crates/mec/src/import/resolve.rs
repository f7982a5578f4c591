//! What a line names, as the target knows it: accounts by their names elsewhere, corrected events
//! by their keys.
//!
//! An exported ledger names accounts and events by ids of the store it comes from, and by names
//! that are the same everywhere; these lead to the rows of the store it goes to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Method;
use bytes::Bytes;
use mec_engine::MecError;
use mec_kernel::{AccountId, EventId};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::event::Event;
use crate::client::target::{CallError, Target};

/// Accounts remembered; when there are more, remembering starts anew.
const REMEMBERED_MAX: usize = 100_000;

/// Why a name leads nowhere.
pub(super) enum Unresolved {
    /// The line is wrong.
    Line { code: &'static str, reason: String },
    /// The target could not be asked.
    Target(CallError),
    /// The engine could not be asked.
    Engine(MecError),
}

/// Asks a target what names stand for.
pub(super) struct Resolver {
    target: Arc<Target>,
    accounts: Mutex<HashMap<(Option<AccountId>, String), AccountId>>,
}

impl Resolver {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self {
            target,
            accounts: Mutex::default(),
        }
    }

    /// Puts the target's own ids into `event`. An account with an id and an external id is the one
    /// with the id where it is known, else the one with the external id.
    pub(super) async fn resolve(&self, event: &mut Event) -> Result<(), Unresolved> {
        // A server finds an account by its external id itself.
        let is_left_to_server = event.account.is_none()
            && event.corrects_key.is_none()
            && matches!(*self.target, Target::Remote { .. });
        if let (Some(external_id), false) = (&event.external_id, is_left_to_server) {
            event.account = self.account(event.account, external_id).await?;
        }
        if let (Some(key), Some(account)) = (&event.corrects_key, event.account) {
            event.corrects = Some(self.event(account, key).await?);
        }
        Ok(())
    }

    /// Whether `event` settled a reservation of the target's own: then it is there, under a key no
    /// import can state.
    pub(super) async fn is_settlement_there(&self, event: &Event) -> Result<bool, Unresolved> {
        let Some(reservation) = event.reservation else {
            return Ok(false);
        };
        Ok(self
            .first(
                "reservations",
                "event_id",
                &[("reservation_id", &reservation.to_string())],
            )
            .await?
            .is_some())
    }

    async fn account(
        &self,
        id: Option<AccountId>,
        external_id: &str,
    ) -> Result<Option<AccountId>, Unresolved> {
        let names = (id, external_id.to_owned());
        if let Some(known) = self.remembered().get(&names) {
            return Ok(Some(*known));
        }
        let is_known = match id {
            Some(id) => self
                .first("accounts", "account_id", &[("account_id", &id.to_string())])
                .await?
                .is_some(),
            None => false,
        };
        let found = match (id, &*self.target) {
            (Some(id), _) if is_known => id,
            (None, Target::Local { mec, .. }) => mec
                .account_of(external_id)
                .await
                .map_err(Unresolved::Engine)?,
            _ => {
                let found = self
                    .first("accounts", "account_id", &[("external_id", external_id)])
                    .await?;
                found
                    .and_then(|id| id.parse().ok())
                    .ok_or_else(|| Unresolved::Line {
                        code: "MEC_ACCOUNT_NOT_FOUND",
                        reason: format!("There is no account \"{external_id}\""),
                    })?
            }
        };
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(names, found);
        Ok(Some(found))
    }

    async fn event(&self, account: AccountId, key: &str) -> Result<EventId, Unresolved> {
        let account = account.to_string();
        let filters = [("account_id", account.as_str()), ("idempotency_key", key)];
        let found = self
            .first("consumption_ledger", "event_id", &filters)
            .await?;
        found
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Unresolved::Line {
                code: "MEC_EVENT_NOT_FOUND",
                reason: format!("There is no event with the key \"{key}\" to correct"),
            })
    }

    /// `column` of the first row of `table` in which every column is as said.
    async fn first(
        &self,
        table: &str,
        column: &str,
        filters: &[(&str, &str)],
    ) -> Result<Option<String>, Unresolved> {
        let mut path = format!("/api/{table}?select={column}&limit=1");
        for (name, value) in filters {
            path.push_str(&format!(
                "&{name}=eq.{}",
                utf8_percent_encode(value, NON_ALPHANUMERIC)
            ));
        }
        let answer = self
            .target
            .call(Method::GET, &path, "application/json", Bytes::new())
            .await
            .map_err(Unresolved::Target)?;
        let rows: Value = serde_json::from_slice(&answer.body).map_err(|error| {
            Unresolved::Target(CallError::Unreachable(format!(
                "the answer is not JSON: {error}"
            )))
        })?;
        Ok(rows[0][column].as_str().map(str::to_owned))
    }

    fn remembered(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<(Option<AccountId>, String), AccountId>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
