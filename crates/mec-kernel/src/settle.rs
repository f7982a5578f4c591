//! `settle_reservation`: record what was truly used of a hold.

use std::sync::Arc;

use crate::command::{Making, Ruling, View};
use crate::entitlement::Attributes;
use crate::facts::Facts;
use crate::id::{EventId, ReservationId};
use crate::judge::pools;
use crate::ledger::Content;
use crate::need::Halt;
use crate::node::Node;
use crate::quantity::{Amount, Quantity, QuantityError};
use crate::record::record;
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::reservation::{Reservation, ReservationStatus};
use crate::write::Write;

/// Record what was truly used of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Which hold.
    pub reservation: ReservationId,
    /// How much was used, in the reservation's unit; more or less than was held. Zero releases.
    pub quantity: Quantity,
    /// What conditions look at; those of the `reserve` are not remembered.
    pub attributes: Attributes,
}

/// What came of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The event; `None`: released, nothing was used.
    pub event: Option<EventId>,
    /// Whether it was settled before, with the same amount.
    pub replayed: bool,
}

/// Records what was truly used, in the windows that hold the instant of the hold; also after its
/// expiry.
pub fn settle(
    view: &View<'_>,
    making: &mut Making<'_>,
    settle: &Settle,
) -> Result<Ruling<Settled>, Halt> {
    let not_found = || Refusal::ReservationNotFound {
        reservation: settle.reservation.to_string(),
    };
    let held = view
        .facts
        .reservation(settle.reservation)?
        .ok_or_else(not_found)?;
    if settle.quantity.is_negative() {
        return Err(Refusal::QuantityNotPositive {
            argument: "quantity",
        }
        .into());
    }
    if let Some(settled) = settled_before(view, settle, held)? {
        return Ok(Ruling::unchanged(settled));
    }
    let path = view.path(held.account)?;
    if settle.quantity.is_zero() {
        let released = Reservation {
            status: ReservationStatus::Released,
            ..Reservation::clone(held)
        };
        let writes = vec![Write::reservation(
            &path,
            Some(held.clone()),
            Arc::new(released),
        )];
        return Ok(Ruling {
            answer: Settled {
                event: None,
                replayed: false,
            },
            writes,
        });
    }
    let (event, events) = record_use(view, making, settle, held, &path)?;
    let settled = Reservation {
        status: ReservationStatus::Settled,
        event: Some(event),
        ..Reservation::clone(held)
    };
    let mut writes = vec![Write::reservation(
        &path,
        Some(held.clone()),
        Arc::new(settled),
    )];
    writes.extend(events);
    Ok(Ruling {
        answer: Settled {
            event: Some(event),
            replayed: false,
        },
        writes,
    })
}

/// What an earlier settlement answered, if this one asks for the same.
fn settled_before(
    view: &View<'_>,
    settle: &Settle,
    held: &Reservation,
) -> Result<Option<Settled>, Halt> {
    match (held.status, held.event) {
        (ReservationStatus::Open, _) => Ok(None),
        (ReservationStatus::Settled, Some(event)) => {
            let recorded = view.facts.event(event)?.map(|event| event.quantity);
            if recorded == Some(settle.quantity) {
                Ok(Some(Settled {
                    event: Some(event),
                    replayed: true,
                }))
            } else {
                Err(Refusal::ReservationClosed {
                    status: "settled with another amount",
                }
                .into())
            }
        }
        // Settled with nothing, or given back, which is the same.
        (ReservationStatus::Released, _) if settle.quantity.is_zero() => Ok(Some(Settled {
            event: None,
            replayed: true,
        })),
        _ => Err(Refusal::ReservationClosed { status: "released" }.into()),
    }
}

/// The event of what was truly used, and what records it.
fn record_use(
    view: &View<'_>,
    making: &mut Making<'_>,
    settle: &Settle,
    held: &Arc<Reservation>,
    path: &[&Arc<Node>],
) -> Result<(EventId, Vec<Write>), Halt> {
    let resource = view.resource(&held.resource)?;
    let factor = view.catalog.factor(&held.unit);
    let amount = Amount::of(settle.quantity, factor);
    if Quantity::from_millionths(settle.quantity.millionths()).is_none() {
        return Err(Refusal::BadQuantity {
            argument: "quantity",
            error: QuantityError::TooLarge,
        }
        .into());
    }
    // The pools are judged with the hold gone: what it held is free for its own event.
    let freed = Reservation {
        status: ReservationStatus::Settled,
        ..Reservation::clone(held)
    };
    let mut tree = view.tree.clone();
    tree.apply(
        &Write::reservation(path, Some(held.clone()), Arc::new(freed)),
        view.now,
    );
    let without = View {
        tree: &tree,
        facts: &Facts::default(),
        catalog: view.catalog,
        now: view.now,
    };
    let (scope, attributes) = (held.scope.as_ref(), &settle.attributes);
    let request = Request {
        resource,
        scope,
        amount: Some(amount),
        attributes,
        extends: None,
    };
    let path_without = without.path(held.account)?;
    let pools = pools(&without, &request, &path_without)?;
    let content = Content {
        account: held.account,
        resource: &held.resource,
        scope: held.scope.as_deref(),
        quantity: settle.quantity,
        unit: &held.unit,
        occurred_at: Some(held.reserved_at),
        is_correction: false,
        corrects: None,
        details: None,
    };
    let recording = Recording {
        key: format!("reservation:{}", held.id).into(),
        reservation: Some(held.id),
        fingerprint: content.fingerprint(),
        content,
        resource,
        unit: held.unit.clone(),
        amount,
        occurred_at: held.reserved_at,
        attributes,
        ruling: None,
        original: None,
    };
    record(view, making, path, &pools.judged, recording)
}
