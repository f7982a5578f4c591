//! `provision_plan`: give an account a plan or an add-on (design 1.6). An account has one plan and
//! any number of add-ons. Provisioning is known by what it is about (account, plan, an add-on's
//! reference), so repeating it changes nothing.

mod addon;
mod base;
mod work;

use self::work::Work;
use crate::account_change::check_open;
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::entitlement_write::marks_after;
use crate::id::AccountId;
use crate::need::Halt;
use crate::quantity::Quantity;
use crate::refusal::Refusal;
use crate::time::Time;

/// Give an account a plan or an add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provision {
    /// Who.
    pub account: AccountId,
    /// Which plan.
    pub plan: Code,
    /// From when; `None`: now. A start ahead leaves the plan in force until then.
    pub start: Option<Time>,
    /// How many (seats): multiplies the templates that say so, and every template of an add-on.
    /// `None`: as many as it has, else one.
    pub quantity: Option<Quantity>,
    /// The plan's or add-on's name where it was bought. Empty: the one a plan has, else none.
    pub reference: Code,
    /// Until when; `None`: without end (a trial ends by itself).
    pub until: Option<Time>,
    /// Whether an account on an older version of the plan moves to the newest.
    pub migrate: bool,
}

impl Provision {
    /// One of `plan`, from now on.
    pub fn new(account: AccountId, plan: &str) -> Self {
        let (plan, reference) = (Code::from(plan), Code::from(""));
        Self {
            account,
            plan,
            start: None,
            quantity: None,
            reference,
            until: None,
            migrate: false,
        }
    }
}

/// Gives the plan; the answer is the number of its entitlements.
pub fn provision(
    view: &View<'_>,
    making: &mut Making<'_>,
    provision: &Provision,
) -> Result<Ruling<i64>, Halt> {
    let path = view.path(provision.account)?;
    let Some(node) = path.first().copied() else {
        return Ok(Ruling::unchanged(0));
    };
    check_open(&path)?;
    let plan = view.catalog.plans.get(&provision.plan);
    let plan = plan.ok_or_else(|| Refusal::PlanNotFound {
        plan: provision.plan.to_string(),
    })?;
    if provision
        .quantity
        .is_some_and(|quantity| quantity.millionths() <= 0)
    {
        return Err(Refusal::QuantityNotPositive {
            argument: "quantity",
        }
        .into());
    }
    let start = provision.start.unwrap_or(view.now);
    if provision.until.is_some_and(|until| until <= start) {
        return Err(Refusal::BadValue {
            column: "until",
            must: "be after the start".to_owned(),
        }
        .into());
    }
    let (quantity, reference) = (
        provision.quantity.unwrap_or(Quantity::whole(1)),
        provision.reference.clone(),
    );
    let mut work = Work {
        view,
        making,
        path: &path,
        node,
        plan,
        wanted: provision.quantity,
        until: provision.until,
        migrate: provision.migrate,
        start,
        quantity,
        reference,
        writes: vec![],
    };
    let answer = if plan.is_addon {
        work.addon()?
    } else {
        work.base()?
    };
    let mut writes = work.writes;
    marks_after(view, &path, &mut writes)?;
    Ok(Ruling { answer, writes })
}
