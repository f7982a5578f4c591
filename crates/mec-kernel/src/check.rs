//! `check_entitlement`: may this account do this? Asks and changes nothing.

use crate::answer::Effect;
use crate::catalog::LimitKind;
use crate::code::Code;
use crate::command::View;
use crate::entitlement::Attributes;
use crate::id::AccountId;
use crate::judge::judge;
use crate::need::Halt;
use crate::quantity::{Amount, Quantity};
use crate::refusal::Refusal;
use crate::request::{Request, check_whole, scope_of, unit_of};
use crate::standing::Standing;

/// A question: may this account do this?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Who.
    pub account: AccountId,
    /// What.
    pub resource: Code,
    /// Which part of it; empty is none.
    pub scope: Option<Code>,
    /// How much; `None` or zero asks where the account stands.
    pub quantity: Option<Quantity>,
    /// In which unit; `None`: the canonical one.
    pub unit: Option<Code>,
    /// What conditions look at.
    pub attributes: Attributes,
    /// Whether the answer lists every pool considered.
    pub explain: bool,
}

impl Check {
    /// The question about `resource` as a whole, in its canonical unit, without attributes;
    /// `quantity` as [`Check::quantity`].
    pub fn of(account: AccountId, resource: &str, quantity: Option<Quantity>) -> Self {
        let (resource, attributes) = (Code::from(resource), Attributes::default());
        Self {
            account,
            resource,
            scope: None,
            quantity,
            unit: None,
            attributes,
            explain: false,
        }
    }
}

/// Answers a question on the state it is given; changes nothing.
pub fn check(view: &View<'_>, check: &Check) -> Result<Standing, Halt> {
    let path = view.path(check.account)?;
    let resource = view.resource(&check.resource)?;
    let quantity = check.quantity.filter(|quantity| !quantity.is_zero());
    let unit = unit_of(view, resource, check.unit.as_ref())?.1;
    if quantity.is_some_and(Quantity::is_negative) && resource.limit_kind != LimitKind::Inventory {
        return Err(Refusal::QuantityNotPositive {
            argument: "requested_qty",
        }
        .into());
    }
    let amount = quantity.map(|quantity| Amount::of(quantity, unit));
    check_whole(view, resource, amount, "requested_qty")?;
    let request = Request {
        resource,
        scope: scope_of(check.scope.as_ref()),
        amount,
        attributes: &check.attributes,
        extends: None,
    };
    let judgement = judge(view, &request, &path)?;
    Ok(judgement.standing(view, &request, Effect::None, check.explain))
}
