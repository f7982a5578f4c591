//! A request as the rules see it, and what a caller's words for its parts mean.

use std::sync::Arc;

use crate::catalog::{LimitKind, Resource};
use crate::code::Code;
use crate::command::View;
use crate::entitlement::Attributes;
use crate::lease::Lease;
use crate::need::Halt;
use crate::quantity::{Amount, Factor, Quantity, QuantityError, SCALE};
use crate::refusal::Refusal;

/// A request as the rules see it.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) scope: Option<&'a Code>,
    /// In base units; `None` asks where the account stands.
    pub(crate) amount: Option<Amount>,
    pub(crate) attributes: &'a Attributes,
    /// The live lease this request extends: decided as if its slots were free.
    pub(crate) extends: Option<&'a Lease>,
}

/// The unit a caller named (the canonical one where none) and how large it is.
pub(crate) fn unit_of<'a>(
    view: &View<'a>,
    resource: &'a Resource,
    unit: Option<&Code>,
) -> Result<(&'a Code, Factor), Halt> {
    let Some(code) = unit else {
        return Ok((&resource.unit, view.catalog.canonical(resource)));
    };
    let Some(unit) = view.catalog.units.get(code) else {
        return Err(Refusal::UnitNotFound {
            unit: code.to_string(),
        }
        .into());
    };
    if unit.code != resource.unit && !resource.allowed_units.contains(&unit.code) {
        let allowed = std::iter::once(&resource.unit)
            .chain(&resource.allowed_units)
            .map(ToString::to_string)
            .collect();
        return Err(Refusal::UnitNotAllowed {
            unit: code.to_string(),
            resource: resource.code.to_string(),
            allowed,
        }
        .into());
    }
    Ok((&unit.code, unit.factor))
}

/// The unit a caller's content is in, known or not, so that a key can be looked up before the unit
/// is judged.
pub(crate) fn unit_named<'a>(resource: &'a Resource, unit: Option<&'a Code>) -> &'a Code {
    unit.unwrap_or(&resource.unit)
}

/// The scope a caller named. An empty one is none: whatever the door, there is one way to mean the
/// whole resource.
pub fn scope_of(scope: Option<&Code>) -> Option<&Code> {
    scope.filter(|scope| !scope.is_empty())
}

/// Seats are whole: of a concurrency resource nobody has a part of its unit.
pub(crate) fn check_whole(
    view: &View<'_>,
    resource: &Resource,
    amount: Option<Amount>,
    argument: &'static str,
) -> Result<(), Halt> {
    let one = Amount::of(Quantity::whole(1), view.catalog.canonical(resource)).0;
    let is_whole = amount.is_none_or(|amount| amount.0.checked_rem(one) == Some(0));
    if resource.limit_kind == LimitKind::Concurrency && !is_whole {
        return Err(Refusal::BadQuantity {
            argument,
            error: QuantityError::NotWhole,
        }
        .into());
    }
    Ok(())
}

/// The smallest further amount there is: a seat, or a millionth of the canonical unit.
pub(crate) fn smallest(kind: LimitKind, canonical: Factor) -> Amount {
    let millionths = if kind == LimitKind::Concurrency {
        i128::from(SCALE)
    } else {
        1
    };
    Amount(i128::from(canonical.get()).saturating_mul(millionths))
}

/// Refuses an operation of the ledger on a resource whose use is not recorded there.
pub(crate) fn check_is_recorded(resource: &Resource, operation: &'static str) -> Result<(), Halt> {
    if matches!(
        resource.limit_kind,
        LimitKind::Cumulative | LimitKind::Inventory
    ) {
        return Ok(());
    }
    let (resource, kind) = (resource.code.to_string(), resource.limit_kind);
    Err(Refusal::WrongLimitKind {
        resource,
        kind,
        operation,
    }
    .into())
}

/// Refuses a quantity that is zero or below.
pub(crate) fn check_positive(quantity: Quantity) -> Result<(), Halt> {
    if quantity.millionths() > 0 {
        return Ok(());
    }
    Err(Refusal::QuantityNotPositive {
        argument: "quantity",
    }
    .into())
}
