//! What is held for a while: leases and reservations.

use mec_kernel::{Lease, Reservation};

use crate::postgres::bulk::Bulk;
use crate::postgres::codec::{Exact, Id, Instant, Units};
use crate::postgres::session::Change;
use crate::postgres::tree_number::number;

pub(super) fn put_leases<'a>(rows: &[&'a Lease]) -> Option<Change<'a>> {
    let each = || rows.iter().copied();
    Bulk::of("concurrency_leases")
        .column("lease_id", each().map(|lease| Id(lease.id.0)))
        .column("account_id", each().map(|lease| Id(lease.account.0)))
        .column(
            "resource_type_code",
            each().map(|lease| lease.resource.as_str()),
        )
        .column("resource_scope", each().map(|lease| lease.scope.as_deref()))
        .column("session_token", each().map(|lease| lease.token.as_deref()))
        .column(
            "quantity",
            each().map(|lease| Units::<6>(lease.quantity.millionths())),
        )
        .column("amount", each().map(|lease| Exact(lease.amount)))
        .column("fencing_token", each().map(|lease| lease.fencing_token))
        .column(
            "acquired_at",
            each().map(|lease| Instant::from(lease.acquired_at)),
        )
        .column(
            "expires_at",
            each().map(|lease| Instant::from(lease.expires_at)),
        )
        .column(
            "released_at",
            each().map(|lease| lease.released_at.map(Instant::from)),
        )
        .column("tree", each().map(|lease| number(lease.id.tree())))
        .replace(
            "lease_id, tree",
            &["quantity", "amount", "expires_at", "released_at"],
        )
}

pub(super) fn put_reservations<'a>(rows: &[&'a Reservation]) -> Option<Change<'a>> {
    let each = || rows.iter().copied();
    Bulk::of("reservations")
        .column("reservation_id", each().map(|held| Id(held.id.0)))
        .column("idempotency_key", each().map(|held| held.key.as_str()))
        .column("account_id", each().map(|held| Id(held.account.0)))
        .column(
            "resource_type_code",
            each().map(|held| held.resource.as_str()),
        )
        .column("resource_scope", each().map(|held| held.scope.as_deref()))
        .column(
            "quantity",
            each().map(|held| Units::<6>(held.quantity.millionths())),
        )
        .column("unit_code", each().map(|held| held.unit.as_str()))
        .column("amount", each().map(|held| Exact(held.amount)))
        .column("status", each().map(|held| held.status.code()))
        .column(
            "reserved_at",
            each().map(|held| Instant::from(held.reserved_at)),
        )
        .column(
            "expires_at",
            each().map(|held| Instant::from(held.expires_at)),
        )
        .column("event_id", each().map(|held| held.event.map(|id| Id(id.0))))
        .column("decision", each().map(|held| held.ruling.decision.code()))
        .column("reason", each().map(|held| &*held.ruling.reason))
        .column(
            "reason_code",
            each().map(|held| held.ruling.reason_code.as_str()),
        )
        .column(
            "entitlement_id",
            each().map(|held| held.ruling.entitlement.map(|id| Id(id.0))),
        )
        .column("tree", each().map(|held| number(held.id.tree())))
        .replace("reservation_id, tree", &["status", "event_id"])
}
