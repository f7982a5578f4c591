//! `reserve`, `settle_reservation`, `release_reservation`: hold now, record the true amount later
//! (design 1.4).

use std::sync::Arc;

use crate::catalog::LimitKind;
use crate::check::{Check, Effect, Request, Standing, judge, pools, scope_of, unit_named, unit_of};
use crate::code::Code;
use crate::command::{Facts, Halt, Making, Ruling, View};
use crate::entitlement::Attributes;
use crate::id::{EventId, ReservationId};
use crate::lease::expiry;
use crate::ledger::{Content, RecordedRuling};
use crate::quantity::{Amount, Quantity, QuantityError};
use crate::record::{Recording, check_key, record};
use crate::refusal::Refusal;
use crate::reservation::{Reservation, ReservationStatus};
use crate::tree::Node;
use crate::write::Write;

/// May this account use about this much? If so, hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// The question; its quantity is required here.
    pub check: Check,
    /// The caller's name for the hold: the same key is the same reservation.
    pub key: Code,
    /// For how long, in seconds: 1 … 86,400.
    pub ttl_seconds: i64,
}

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

/// What came of a `reserve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The check's answer, with the quantities after the hold.
    pub standing: Standing,
    /// The reservation; `None`: none was made.
    pub reservation: Option<Arc<Reservation>>,
    /// Whether it holds its amount now: not where it was released, settled or expired since.
    pub is_held: bool,
    /// Whether it was there before, under the same key.
    pub replayed: bool,
}

/// What came of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The event; `None`: released, nothing was used.
    pub event: Option<EventId>,
    /// Whether it was settled before, with the same amount.
    pub replayed: bool,
}

/// Decides, and holds what is let through.
pub fn reserve(
    view: &View<'_>,
    making: &mut Making<'_>,
    reserve: &Reserve,
) -> Result<Ruling<Reserved>, Halt> {
    check_key(&reserve.key)?;
    let check = &reserve.check;
    let path = view.path(check.account)?;
    let resource = view.resource(&check.resource)?;
    let unit = unit_named(resource, check.unit.as_ref());
    let quantity = check.quantity.unwrap_or(Quantity::ZERO);
    if quantity.millionths() <= 0 {
        return Err(Refusal::QuantityNotPositive {
            argument: "quantity",
        }
        .into());
    }
    let expires_at = expiry(view.now, reserve.ttl_seconds)?;
    let scope = scope_of(check.scope.as_ref());
    let request = |amount| Request {
        resource,
        scope,
        amount: Some(amount),
        attributes: &check.attributes,
        extends: None,
    };
    if let Some(held) = view.facts.hold(&reserve.key)? {
        let argument = if held.account != check.account {
            Some("account_id")
        } else if held.resource != check.resource {
            Some("resource_type")
        } else if held.scope.as_ref() != scope {
            Some("resource_scope")
        } else if held.quantity != quantity {
            Some("quantity")
        } else if held.unit != *unit {
            Some("unit_code")
        } else {
            None
        };
        if let Some(argument) = argument {
            return Err(Refusal::IdempotencyConflict {
                key: reserve.key.to_string(),
                argument,
            }
            .into());
        }
        let request = request(held.amount);
        let standing =
            judge(view, &request, &path)?.standing(view, &request, Effect::None, check.explain);
        let (reservation, is_held) = (Some(held.clone()), held.holds(view.now));
        return Ok(Ruling::unchanged(Reserved {
            standing,
            reservation,
            is_held,
            replayed: true,
        }));
    }
    let factor = unit_of(view, resource, check.unit.as_ref())?.1;
    if !matches!(
        resource.limit_kind,
        LimitKind::Cumulative | LimitKind::Inventory
    ) {
        let (resource, kind) = (resource.code.to_string(), resource.limit_kind);
        return Err(Refusal::WrongLimitKind {
            resource,
            kind,
            operation: "reserve",
        }
        .into());
    }
    let amount = Amount::of(quantity, factor);
    let request = request(amount);
    let judgement = judge(view, &request, &path)?;
    if !judgement.decision.allowed() {
        let standing = judgement.standing(view, &request, Effect::None, check.explain);
        return Ok(Ruling::unchanged(Reserved {
            standing,
            reservation: None,
            is_held: false,
            replayed: false,
        }));
    }
    let standing = judgement.standing(view, &request, Effect::Held(amount), check.explain);
    let reservation = Arc::new(Reservation {
        id: ReservationId(making.ids.draw()),
        key: reserve.key.clone(),
        account: check.account,
        resource: resource.code.clone(),
        scope: scope.cloned(),
        quantity,
        unit: unit.clone(),
        amount,
        status: ReservationStatus::Open,
        reserved_at: view.now,
        expires_at,
        ruling: RecordedRuling::of(&standing),
        event: None,
    });
    let writes = vec![write(&path, None, reservation.clone())];
    Ok(Ruling {
        answer: Reserved {
            standing,
            reservation: Some(reservation),
            is_held: true,
            replayed: false,
        },
        writes,
    })
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
    match (held.status, held.event) {
        (ReservationStatus::Open, _) => {}
        (ReservationStatus::Settled, Some(event)) => {
            let recorded = view.facts.event(event)?.map(|event| event.quantity);
            return if recorded == Some(settle.quantity) {
                Ok(Ruling::unchanged(Settled {
                    event: Some(event),
                    replayed: true,
                }))
            } else {
                Err(Refusal::ReservationClosed {
                    status: "settled with another amount",
                }
                .into())
            };
        }
        // Settled with nothing, or given back, which is the same.
        (ReservationStatus::Released, _) if settle.quantity.is_zero() => {
            return Ok(Ruling::unchanged(Settled {
                event: None,
                replayed: true,
            }));
        }
        _ => return Err(Refusal::ReservationClosed { status: "released" }.into()),
    }
    let path = view.path(held.account)?;
    if settle.quantity.is_zero() {
        let released = Reservation {
            status: ReservationStatus::Released,
            ..Reservation::clone(held)
        };
        let writes = vec![write(&path, Some(held.clone()), Arc::new(released))];
        return Ok(Ruling {
            answer: Settled {
                event: None,
                replayed: false,
            },
            writes,
        });
    }
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
    tree.apply(&write(&path, Some(held.clone()), Arc::new(freed)), view.now);
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
    let (event, events) = record(view, making, &path, &pools.judged, recording)?;
    let settled = Reservation {
        status: ReservationStatus::Settled,
        event: Some(event),
        ..Reservation::clone(held)
    };
    let mut writes = vec![write(&path, Some(held.clone()), Arc::new(settled))];
    writes.extend(events);
    Ok(Ruling {
        answer: Settled {
            event: Some(event),
            replayed: false,
        },
        writes,
    })
}

/// Gives a hold back: `true` once, then `false`; also for one that is expired or unknown.
pub fn release_reservation(
    view: &View<'_>,
    reservation: ReservationId,
) -> Result<Ruling<bool>, Halt> {
    let held = view
        .facts
        .reservation(reservation)?
        .filter(|held| held.holds(view.now));
    let Some(held) = held else {
        return Ok(Ruling::unchanged(false));
    };
    let path = view.path(held.account)?;
    let released = Reservation {
        status: ReservationStatus::Released,
        ..Reservation::clone(held)
    };
    Ok(Ruling {
        answer: true,
        writes: vec![write(&path, Some(held.clone()), Arc::new(released))],
    })
}

fn write(path: &[&Arc<Node>], old: Option<Arc<Reservation>>, new: Arc<Reservation>) -> Write {
    Write::Reservation {
        old,
        new,
        path: path.iter().map(|node| node.account.id).collect(),
    }
}
