//! What is held for a while: leases and reservations.

use mec_kernel::{Lease, Reservation, Time};
use rusqlite::{Connection, params};

use crate::sqlite::rows::{self, sql};

sql!(
    PUT_LEASE = "INSERT INTO concurrency_leases (",
    rows::LEASE,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
     ON CONFLICT (lease_id) DO UPDATE SET quantity = excluded.quantity, amount = excluded.amount, \
     expires_at = excluded.expires_at, released_at = excluded.released_at",
);

sql!(
    PUT_RESERVATION = "INSERT INTO reservations (",
    rows::RESERVATION,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
     ON CONFLICT (reservation_id) DO UPDATE SET status = excluded.status, event_id = excluded.event_id",
);

pub(super) fn put_lease(connection: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    connection.prepare_cached(&PUT_LEASE)?.execute(params![
        rows::Id(lease.id.0),
        rows::Id(lease.account.0),
        lease.resource.as_str(),
        lease.scope.as_deref(),
        lease.token.as_deref(),
        lease.quantity.millionths(),
        rows::Exact(lease.amount),
        lease.fencing_token,
        lease.acquired_at.micros(),
        lease.expires_at.micros(),
        lease.released_at.map(Time::micros),
        lease.id.tree().0,
    ])?;
    Ok(())
}

pub(super) fn put_reservation(connection: &Connection, held: &Reservation) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&PUT_RESERVATION)?
        .execute(params![
            rows::Id(held.id.0),
            held.key.as_str(),
            rows::Id(held.account.0),
            held.resource.as_str(),
            held.scope.as_deref(),
            held.quantity.millionths(),
            held.unit.as_str(),
            rows::Exact(held.amount),
            held.status.code(),
            held.reserved_at.micros(),
            held.expires_at.micros(),
            held.event.map(|id| rows::Id(id.0)),
            held.ruling.decision.code(),
            &*held.ruling.reason,
            held.ruling.reason_code.as_str(),
            held.ruling.entitlement.map(|id| rows::Id(id.0)),
            held.id.tree().0,
        ])?;
    Ok(())
}
