//! Design 1.1: accounts, made and changed.

use std::sync::Arc;

use crate::answer::Answer;
use crate::command::{Code, Id, Status};
use crate::coverage::Rule;
use crate::row::Account;
use crate::state::Oracle;

/// Levels a tree may have.
const LEVELS_MAX: usize = 8;

impl Oracle {
    pub(crate) fn create_account(&mut self, parent: Option<Id>, zone: Option<Code>) -> Answer {
        let above: Arc<[Id]> = match parent {
            None => Arc::new([]),
            Some(parent) => match self.accounts.get(&parent) {
                None => return Answer::refused(&["MEC_PARENT_NOT_FOUND", "MEC_ACCOUNT_NOT_FOUND"]),
                Some(parent) => parent.path.clone(),
            },
        };
        if parent.is_some_and(|parent| self.is_closed(parent)) {
            return Answer::refused(&["MEC_ACCOUNT_CLOSED", "MEC_TOO_DEEP"]);
        }
        if above.len() == LEVELS_MAX {
            return Answer::refused(&["MEC_TOO_DEEP"]);
        }
        let id = self.make();
        let path = std::iter::once(id).chain(above.iter().copied()).collect();
        self.accounts.insert(
            id,
            Account {
                id,
                zone,
                status: Status::Active,
                path,
            },
        );
        Answer::Done
    }

    pub(crate) fn patch_account(
        &mut self,
        id: Id,
        status: Option<Status>,
        zone: Option<Option<Code>>,
    ) -> Answer {
        let Some(account) = self.accounts.get_mut(&id) else {
            return Answer::refused(&["MEC_ACCOUNT_NOT_FOUND"]);
        };
        if account.status == Status::Closed && status.is_some_and(|status| status != Status::Closed)
        {
            return Answer::refused(&["MEC_ACCOUNT_CLOSED"]);
        }
        account.status = status.unwrap_or(account.status);
        account.zone = zone.unwrap_or(account.zone);
        Answer::Done
    }

    /// Whether an account or one above it is closed, which is final: nothing new begins.
    pub(crate) fn is_closed(&self, account: Id) -> bool {
        let path = self
            .accounts
            .get(&account)
            .map_or(&[][..], |account| &account.path);
        let is_closed = path
            .iter()
            .any(|id| self.accounts[id].status == Status::Closed);
        self.count(
            Rule::ClosedIsFinal,
            is_closed && self.holds(Rule::ClosedIsFinal),
        );
        is_closed && self.holds(Rule::ClosedIsFinal)
    }
}
