//! What open reservations hold of a window.

use mec_kernel::{AccountId, Expiries, Time, WindowKey};
use rusqlite::{Connection, params};

use crate::StoreError;
use crate::sqlite::ledger::SUBTREE;
use crate::sqlite::query::all;
use crate::sqlite::rows::{self, sql};

sql!(
    HELD = SUBTREE,
    "SELECT expires_at, amount, reserved_at FROM reservations WHERE account_id IN (SELECT id FROM subtree) \
     AND status = 'open' AND expires_at > ?2 AND resource_type_code = ?3 AND (?4 IS NULL OR resource_scope = ?4)",
);

/// Open reservations of the account and everything below it that count in `key`.
pub(super) fn held(
    connection: &Connection,
    id: AccountId,
    key: &WindowKey,
    now: Time,
) -> Result<Expiries, StoreError> {
    let parameters = params![
        rows::Id(id.0),
        now.micros(),
        key.resource.as_str(),
        key.scope.as_deref()
    ];
    let found = all(connection, &HELD, parameters, |row| {
        Ok((
            rows::time(row, 0)?,
            row.get::<_, rows::Exact>(1)?.0,
            rows::time(row, 2)?,
        ))
    })?;
    let mut held = Expiries::default();
    for (expires_at, amount, _) in found.into_iter().filter(|(.., at)| key.window.holds(*at)) {
        held.add(expires_at, amount, now);
    }
    Ok(held)
}
