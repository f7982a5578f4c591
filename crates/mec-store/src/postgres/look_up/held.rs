//! What open reservations hold of a window.

use mec_kernel::{AccountId, Amount, Code, Time, WindowKey};
use tokio_postgres::Row;

use crate::StoreError;
use crate::postgres::cells::Found;
use crate::postgres::ledger::SUBTREE;
use crate::rows::{Cells as _, sql};

sql!(
    /// Open reservations of the accounts of $1 and of everything below them.
    pub HELD = SUBTREE,
    "SELECT s.root, r.resource_type_code, r.resource_scope, r.expires_at, r.amount, r.reserved_at FROM subtree s \
     JOIN reservations r ON r.account_id = s.id AND r.tree = ANY($2) WHERE r.status = 'open' AND r.expires_at > $3",
);

/// An open reservation of an account or of one below it.
pub(super) struct Held {
    pub(super) of: AccountId,
    resource: Code,
    scope: Option<Code>,
    pub(super) expires_at: Time,
    pub(super) amount: Amount,
    reserved_at: Time,
}

impl Held {
    pub(super) fn of(row: &Row) -> Result<Self, StoreError> {
        let found = Found {
            row,
            table: "reservations",
        };
        Ok(Self {
            of: AccountId(found.id(0)?),
            resource: found.code(1)?,
            scope: found.optional_code(2)?,
            expires_at: found.time(3)?,
            amount: found.exact(4)?,
            reserved_at: found.time(5)?,
        })
    }

    pub(super) fn counts_in(&self, key: &WindowKey) -> bool {
        key.resource == self.resource
            && (key.scope.is_none() || key.scope == self.scope)
            && key.window.holds(self.reserved_at)
    }
}
