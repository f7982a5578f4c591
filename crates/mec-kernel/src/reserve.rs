//! `reserve`: hold now, record the true amount later (design 1.4).

use std::sync::Arc;

use crate::answer::Effect;
use crate::check::Check;
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::id::ReservationId;
use crate::judge::judge;
use crate::ledger::RecordedRuling;
use crate::need::Halt;
use crate::quantity::{Amount, Quantity};
use crate::record::check_key;
use crate::refusal::Refusal;
use crate::request::{Request, check_is_recorded, check_positive, scope_of, unit_named, unit_of};
use crate::reservation::{Reservation, ReservationStatus};
use crate::standing::Standing;
use crate::time_to_live::expiry;
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
    check_positive(quantity)?;
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
        check_same(held, reserve, quantity, unit)?;
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
    check_is_recorded(resource, "reserve")?;
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
    let writes = vec![Write::reservation(&path, None, reservation.clone())];
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

/// Refuses a key that stands for another hold.
fn check_same(
    held: &Reservation,
    reserve: &Reserve,
    quantity: Quantity,
    unit: &Code,
) -> Result<(), Halt> {
    let argument = if held.account != reserve.check.account {
        Some("account_id")
    } else if held.resource != reserve.check.resource {
        Some("resource_type")
    } else if held.scope.as_ref() != scope_of(reserve.check.scope.as_ref()) {
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
    Ok(())
}
