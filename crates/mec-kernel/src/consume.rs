//! `consume`: check and record in one step. When the decision lets it through the event is
//! recorded; otherwise nothing is. Of N callers racing for the last unit exactly one gets it, at
//! every level of the tree (design 1.4).

use std::sync::Arc;

use crate::answer::Effect;
use crate::catalog::LimitKind;
use crate::check::Check;
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::counting::check_not_below_zero;
use crate::id::EventId;
use crate::judge::judge;
use crate::ledger::{Content, RecordedRuling};
use crate::need::Halt;
use crate::quantity::{Amount, Quantity};
use crate::record::{check_key, record, replayed};
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::request::{Request, check_is_recorded, scope_of, unit_named, unit_of};
use crate::standing::Standing;

/// May this account use this, now? If so, it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consume {
    /// The question; its quantity is required here.
    pub check: Check,
    /// The caller's name for it: the same key is the same event, for ever. A refusal leaves it
    /// free.
    pub key: Arc<str>,
    /// Free JSON text about it.
    pub details: Option<Arc<str>>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// The check's answer, with the quantities after the effect.
    pub standing: Standing,
    /// The event; `None`: nothing was recorded.
    pub event: Option<EventId>,
    /// Set where the event was there before: what its recorder was told then.
    pub replayed: Option<Option<RecordedRuling>>,
}

/// Decides, and records what is let through.
pub fn consume(
    view: &View<'_>,
    making: &mut Making<'_>,
    consume: &Consume,
) -> Result<Ruling<Consumed>, Halt> {
    check_key(&consume.key)?;
    let check = &consume.check;
    let path = view.path(check.account)?;
    let resource = view.resource(&check.resource)?;
    let (unit, quantity) = (
        unit_named(resource, check.unit.as_ref()),
        check.quantity.unwrap_or(Quantity::ZERO),
    );
    let scope = scope_of(check.scope.as_ref());
    let content = Content {
        account: check.account,
        resource: &check.resource,
        scope: scope.map(Code::as_str),
        quantity,
        unit,
        occurred_at: None,
        is_correction: false,
        corrects: None,
        details: consume.details.as_deref(),
    };
    let fingerprint = content.fingerprint();
    if let Some(event) = replayed(view, &consume.key, &content, &fingerprint)? {
        let amount = Some(Amount::of(quantity, view.catalog.factor(unit)));
        let request = Request {
            resource,
            scope,
            amount,
            attributes: &check.attributes,
            extends: None,
        };
        let standing =
            judge(view, &request, &path)?.standing(view, &request, Effect::None, check.explain);
        return Ok(Ruling::unchanged(Consumed {
            standing,
            event: Some(event.id),
            replayed: Some(event.ruling.clone()),
        }));
    }
    let factor = unit_of(view, resource, check.unit.as_ref())?.1;
    check_is_recorded(resource, "consume")?;
    let is_return = quantity.is_negative() && resource.limit_kind == LimitKind::Inventory;
    if quantity.is_zero() || (quantity.is_negative() && !is_return) {
        return Err(Refusal::QuantityNotPositive {
            argument: "quantity",
        }
        .into());
    }
    let amount = Amount::of(quantity, factor);
    let request = Request {
        resource,
        scope,
        amount: Some(amount),
        attributes: &check.attributes,
        extends: None,
    };
    let judgement = judge(view, &request, &path)?;
    if !judgement.decision.allowed() {
        let standing = judgement.standing(view, &request, Effect::None, check.explain);
        return Ok(Ruling::unchanged(Consumed {
            standing,
            event: None,
            replayed: None,
        }));
    }
    if is_return {
        check_not_below_zero(view, &path, resource, scope, view.now, amount)?;
    }
    let standing = judgement.standing(view, &request, Effect::Used(amount), check.explain);
    let ruling = RecordedRuling::of(&standing);
    let recording = Recording {
        key: consume.key.clone(),
        reservation: None,
        content,
        fingerprint,
        resource,
        unit: unit.clone(),
        amount,
        occurred_at: view.now,
        attributes: &check.attributes,
        ruling: Some(ruling),
        original: None,
    };
    let (event, writes) = record(view, making, &path, &judgement.pools, recording)?;
    Ok(Ruling {
        answer: Consumed {
            standing,
            event: Some(event),
            replayed: None,
        },
        writes,
    })
}
