//! `meter_consumption` and `correct_consumption`: recording what happened. Never refuses for a
//! limit, nor for a suspended or closed account (design 1.4).

use std::sync::Arc;

use crate::catalog::LimitKind;
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::counting::check_not_below_zero;
use crate::entitlement::Attributes;
use crate::id::{AccountId, EventId};
use crate::judge::pools;
use crate::ledger::{Content, LedgerEvent};
use crate::need::Halt;
use crate::quantity::{Amount, Quantity};
use crate::record::{check_key, record, replayed};
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::request::{Request, check_is_recorded, scope_of, unit_named, unit_of};
use crate::time::Time;

/// Something was used; write it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// The caller's name for it: the same key is the same event, for ever.
    pub key: Arc<str>,
    /// Who used.
    pub account: AccountId,
    /// What was used.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// How much; below zero only for inventory given back and for corrections.
    pub quantity: Quantity,
    /// In which unit; `None`: the canonical one.
    pub unit: Option<Code>,
    /// When it happened; `None`: now.
    pub occurred_at: Option<Time>,
    /// Free JSON text about it.
    pub details: Option<Arc<str>>,
    /// Whether it corrects an earlier event.
    pub is_correction: bool,
    /// Which one.
    pub corrects: Option<EventId>,
    /// What conditions look at: in which pools the use may accrue overage. No part of what the key
    /// stands for.
    pub attributes: Attributes,
}

/// A new total for an event that was recorded wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correct {
    /// The caller's name for the correction.
    pub key: Arc<str>,
    /// Which event.
    pub event: EventId,
    /// What its total should have been, in its unit; `None` voids it.
    pub quantity: Option<Quantity>,
    /// JSON text saying the new total and why: the same key with other details is a conflict.
    pub details: Arc<str>,
}

/// An event that is in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub event: EventId,
    /// Whether it was there before, under the same key.
    pub replayed: bool,
}

/// Records what happened.
pub fn meter(
    view: &View<'_>,
    making: &mut Making<'_>,
    meter: &Meter,
) -> Result<Ruling<Recorded>, Halt> {
    check_key(&meter.key)?;
    let path = view.path(meter.account)?;
    let resource = view.resource(&meter.resource)?;
    let unit = unit_named(resource, meter.unit.as_ref());
    let scope = scope_of(meter.scope.as_ref());
    let content = Content {
        account: meter.account,
        resource: &meter.resource,
        scope: scope.map(Code::as_str),
        quantity: meter.quantity,
        unit,
        occurred_at: meter.occurred_at,
        is_correction: meter.is_correction,
        corrects: meter.corrects,
        details: meter.details.as_deref(),
    };
    let fingerprint = content.fingerprint();
    if let Some(event) = replayed(view, &meter.key, &content, &fingerprint)? {
        return Ok(Ruling::unchanged(Recorded {
            event: event.id,
            replayed: true,
        }));
    }
    let original = meter
        .corrects
        .map(|id| original(view, meter, unit, id))
        .transpose()?;
    // What a unit was allowed for can be corrected in it for ever.
    let factor = match original {
        Some(original) => view.catalog.factor(&original.unit),
        None => unit_of(view, resource, meter.unit.as_ref())?.1,
    };
    check_is_recorded(resource, "meter_consumption")?;
    let may_be_negative = meter.is_correction || resource.limit_kind == LimitKind::Inventory;
    if meter.quantity.is_zero() || (meter.quantity.is_negative() && !may_be_negative) {
        return Err(Refusal::QuantityNotPositive {
            argument: "quantity",
        }
        .into());
    }
    if meter.corrects.is_some() && !meter.is_correction {
        return Err(Refusal::BadCorrection {
            argument: "is_correction",
        }
        .into());
    }
    let occurred_at = match (original, meter.occurred_at) {
        (Some(original), _) => original.occurred_at,
        (None, Some(at)) => check_instant(view, at)?,
        (None, None) => view.now,
    };
    let amount = Amount::of(meter.quantity, factor);
    if let Some(original) = original {
        check_total(view, original, meter.quantity)?;
    }
    if amount.0 < 0 {
        check_not_below_zero(view, &path, resource, scope, occurred_at, amount)?;
    }
    // A correction states none, whichever way it comes.
    let none = Attributes::new();
    let attributes = if meter.is_correction {
        &none
    } else {
        &meter.attributes
    };
    let request = Request {
        resource,
        scope,
        amount: Some(amount),
        attributes,
        extends: None,
    };
    let pools = pools(view, &request, &path)?;
    let recording = Recording {
        key: meter.key.clone(),
        reservation: None,
        content,
        fingerprint,
        resource,
        unit: unit.clone(),
        amount,
        occurred_at,
        attributes,
        ruling: None,
        original: original.map(Arc::as_ref),
    };
    let (event, writes) = record(view, making, &path, &pools.judged, recording)?;
    Ok(Ruling {
        answer: Recorded {
            event,
            replayed: false,
        },
        writes,
    })
}

/// Sets a new total for an event, or voids it, by one more event.
pub fn correct(
    view: &View<'_>,
    making: &mut Making<'_>,
    correct: &Correct,
) -> Result<Ruling<Recorded>, Halt> {
    check_key(&correct.key)?;
    let not_found = || Refusal::EventNotFound {
        event: correct.event.to_string(),
    };
    let original = view.facts.event(correct.event)?.ok_or_else(not_found)?;
    let meter_of = |quantity: Quantity| Meter {
        key: correct.key.clone(),
        account: original.account,
        resource: original.resource.clone(),
        scope: original.scope.clone(),
        quantity,
        unit: Some(original.unit.clone()),
        occurred_at: None,
        details: Some(correct.details.clone()),
        is_correction: true,
        corrects: Some(original.id),
        attributes: Attributes::new(),
    };
    // The same key again means the same correction, although the difference to the new total is
    // gone by then.
    if let Some(event) = view.facts.key(&correct.key)? {
        let same = event.corrects == Some(original.id)
            && event.details_hash == Some(crate::ledger::details_hash(&correct.details));
        if same {
            return Ok(Ruling::unchanged(Recorded {
                event: event.id,
                replayed: true,
            }));
        }
        let argument = if event.corrects == Some(original.id) {
            "details"
        } else {
            "event_id"
        };
        return Err(Refusal::IdempotencyConflict {
            key: correct.key.to_string(),
            argument,
        }
        .into());
    }
    if correct.quantity.is_some_and(Quantity::is_negative) {
        return Err(Refusal::QuantityNotPositive {
            argument: "quantity",
        }
        .into());
    }
    let current = i128::from(original.quantity.millionths())
        .saturating_add(view.facts.corrections_of(original.id)?);
    let wanted = i128::from(correct.quantity.unwrap_or(Quantity::ZERO).millionths());
    let difference = i64::try_from(wanted.saturating_sub(current))
        .ok()
        .and_then(Quantity::from_millionths)
        .ok_or(Refusal::BadQuantity {
            argument: "quantity",
            error: crate::quantity::QuantityError::TooLarge,
        })?;
    if difference.is_zero() {
        return Err(Refusal::BadValue {
            column: "quantity",
            must: "differ from the event's present total".to_owned(),
        }
        .into());
    }
    meter(view, making, &meter_of(difference))
}

/// The event a correction names: of the same account, resource, scope, unit and instant, and no
/// correction itself.
fn original<'a>(
    view: &View<'a>,
    meter: &Meter,
    unit: &Code,
    id: EventId,
) -> Result<&'a Arc<LedgerEvent>, Halt> {
    let event = view
        .facts
        .event(id)?
        .ok_or_else(|| Refusal::EventNotFound {
            event: id.to_string(),
        })?;
    let argument = if event.is_correction {
        "corrects_event_id"
    } else if event.account != meter.account {
        "account_id"
    } else if event.resource != meter.resource {
        "resource_type"
    } else if event.scope.as_ref() != scope_of(meter.scope.as_ref()) {
        "resource_scope"
    } else if event.unit != *unit {
        "unit_code"
    } else if meter.occurred_at.is_some_and(|at| at != event.occurred_at) {
        "occurred_at"
    } else {
        return Ok(event);
    };
    Err(Refusal::BadCorrection { argument }.into())
}

fn check_instant(view: &View<'_>, at: Time) -> Result<Time, Halt> {
    let settings = &view.catalog.settings;
    if at > view.now.plus_seconds(settings.ahead_seconds_max) {
        return Err(Refusal::OccurredInFuture {
            ahead_seconds_max: settings.ahead_seconds_max,
        }
        .into());
    }
    if at
        < view
            .now
            .plus_seconds(settings.late_seconds_max.saturating_neg())
    {
        return Err(Refusal::OccurredTooLate {
            late_seconds_max: settings.late_seconds_max,
        }
        .into());
    }
    Ok(at)
}

/// Refuses a correction that would take the total of its event below zero.
fn check_total(view: &View<'_>, original: &LedgerEvent, quantity: Quantity) -> Result<(), Halt> {
    let corrections = view
        .facts
        .corrections_of(original.id)?
        .saturating_add(i128::from(quantity.millionths()));
    let total = i128::from(original.quantity.millionths()).saturating_add(corrections);
    if quantity.is_negative() && total < 0 {
        return Err(Refusal::BelowZero {
            resource: original.resource.to_string(),
        }
        .into());
    }
    Ok(())
}
