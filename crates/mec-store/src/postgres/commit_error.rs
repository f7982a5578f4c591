//! What the server's words, or their absence, say about a batch that failed.

use std::collections::{BTreeMap, BTreeSet};

use mec_kernel::{AccountId, Write};
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::{Commit, StoreError};

pub(super) fn warned(warning: &str) -> StoreError {
    StoreError::Stopped(format!("the server warned at COMMIT: {warning}"))
}

/// Whether the server itself said no to a statement: because of its row, or for another reason.
/// `None`: it did not say anything.
pub(super) fn refusal(error: &StoreError, commit: &Commit) -> Option<bool> {
    let StoreError::Postgres(error) = error else {
        // A statement that was cut short by the server's own limit.
        return matches!(error, StoreError::TimedOut).then_some(false);
    };
    let said = error.as_db_error()?;
    let class = said.code().code().get(..2).unwrap_or_default();
    // A pooler between says so of a connection it has lost, which may have carried out all it was
    // sent.
    if is_fatal(said) && matches!(class, "08" | "58") {
        return None;
    }
    // Another batch, under its own locks, made the same tree or took the same name first: this one
    // is decided anew on what it left. Where two accounts of this batch want one name, that would
    // not help.
    let is_late = *said.code() == SqlState::UNIQUE_VIOLATION
        && match said.table() {
            Some("account_trees") => true,
            Some("account_links") => !has_one_name_twice(&commit.writes),
            _ => false,
        };
    Some(matches!(class, "22" | "23") && !is_late)
}

/// Whether the connection ends with it, in whatever language the server says so.
fn is_fatal(said: &DbError) -> bool {
    match said.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        None => matches!(said.severity(), "FATAL" | "PANIC"),
    }
}

fn has_one_name_twice(writes: &[Write]) -> bool {
    let mut named: BTreeMap<AccountId, &str> = BTreeMap::new();
    for write in writes {
        let Write::Account(account) = write else {
            continue;
        };
        match &account.external_id {
            Some(name) => drop(named.insert(account.id, name)),
            None => drop(named.remove(&account.id)),
        }
    }
    let names: BTreeSet<&str> = named.values().copied().collect();
    names.len() < named.len()
}

/// Whether COMMIT itself says that it did not happen.
pub(super) fn is_rolled_back(error: &StoreError) -> bool {
    let StoreError::Postgres(error) = error else {
        return false;
    };
    error
        .as_db_error()
        .is_some_and(|said| matches!(said.code().code().get(..2), Some("23" | "40")))
}
