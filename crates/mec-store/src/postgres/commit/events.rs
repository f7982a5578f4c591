//! Events with their keys and details.

use mec_kernel::{LedgerEvent, key_hash};

use crate::postgres::bulk::Bulk;
use crate::postgres::codec::{Hash, Id, Instant, Json, Units};
use crate::postgres::session::Change;
use crate::postgres::tree_number::number;
use crate::rows::effects_text;

/// The ledger's new rows, the keys that lead to them, and what callers said about them.
pub(super) fn add_events<'a>(events: &[&'a LedgerEvent]) -> impl Iterator<Item = Change<'a>> {
    let changes = [rows(events), keys(events), details(events)];
    changes.into_iter().flatten()
}

fn rows<'a>(events: &[&'a LedgerEvent]) -> Option<Change<'a>> {
    let each = || events.iter().copied();
    let overage = || each().map(|event| event.overage);
    let rows = Bulk::of("consumption_ledger")
        .column("event_id", each().map(|event| Id(event.id.0)))
        .column("tree", each().map(|event| number(event.id.tree())))
        .column("tree_seq", each().map(|event| event.tree_seq))
        .column("idempotency_key", each().map(|event| &*event.key))
        .column("account_id", each().map(|event| Id(event.account.0)))
        .column(
            "resource_type_code",
            each().map(|event| event.resource.as_str()),
        )
        .column("resource_scope", each().map(|event| event.scope.as_deref()))
        .column(
            "quantity",
            each().map(|event| Units::<6>(event.quantity.millionths())),
        )
        .column("unit_code", each().map(|event| event.unit.as_str()))
        .column(
            "occurred_at",
            each().map(|event| Instant::from(event.occurred_at)),
        )
        .column(
            "recorded_at",
            each().map(|event| Instant::from(event.recorded_at)),
        )
        .column("is_correction", each().map(|event| event.is_correction))
        .column(
            "corrects_event_id",
            each().map(|event| event.corrects.map(|id| Id(id.0))),
        )
        .column("source", each().map(|event| event.source.as_str()))
        .column(
            "recorded_by",
            each().map(|event| event.recorded_by.as_str()),
        )
        .column(
            "effects",
            each().map(|event| effects_text(&event.effects).map(Json)),
        )
        .column(
            "details_hash",
            each().map(|event| event.details_hash.map(Hash)),
        )
        .column("fingerprint", each().map(|event| Hash(event.fingerprint)))
        .column("chain", each().map(|event| Hash(event.chain)))
        .column(
            "reservation_id",
            each().map(|event| event.reservation.map(|id| Id(id.0))),
        )
        .column(
            "overage_quantity",
            overage().map(|overage| overage.map(|of| Units::<6>(of.quantity.millionths()))),
        )
        .column(
            "overage_cost",
            overage().map(|overage| overage.map(|of| Units::<6>(of.cost.millionths()))),
        );
    with_rulings(rows, events).insert()
}

/// The decision that let an event in, if one did.
fn with_rulings<'a>(rows: Bulk<'a>, events: &[&'a LedgerEvent]) -> Bulk<'a> {
    let ruling = || events.iter().map(|event| event.ruling.as_ref());
    rows.column(
        "decision",
        ruling().map(|ruling| ruling.map(|ruling| ruling.decision.code())),
    )
    .column(
        "reason",
        ruling().map(|ruling| ruling.map(|ruling| &*ruling.reason)),
    )
    .column(
        "reason_code",
        ruling().map(|ruling| ruling.map(|ruling| ruling.reason_code.as_str())),
    )
    .column(
        "entitlement_id",
        ruling().map(|ruling| {
            ruling
                .and_then(|ruling| ruling.entitlement)
                .map(|id| Id(id.0))
        }),
    )
}

/// A settlement is found by its reservation: no caller's key leads to it.
fn keys<'a>(events: &[&'a LedgerEvent]) -> Option<Change<'a>> {
    let each = || events.iter().copied();
    let keyed = || each().filter(|event| event.reservation.is_none());
    Bulk::of("ledger_keys")
        .column(
            "key_hash",
            keyed().map(|event| key_hash(event.id.tree(), &event.key)),
        )
        .column("tree", keyed().map(|event| number(event.id.tree())))
        .column("event_id", keyed().map(|event| Id(event.id.0)))
        .insert()
}

fn details<'a>(events: &[&'a LedgerEvent]) -> Option<Change<'a>> {
    let each = || events.iter().copied();
    let detailed = || each().filter_map(|event| Some((event.id, event.details.as_deref()?)));
    Bulk::of("consumption_event_details")
        .column("event_id", detailed().map(|(id, _)| Id(id.0)))
        .column("tree", detailed().map(|(id, _)| number(id.tree())))
        .column("details", detailed().map(|(_, details)| Json(details)))
        .insert()
}
