//! The catalog: what can be counted, sold and enforced. It is one more tree (0) with a version of
//! its own; every decision names the catalog it was made with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::code::{Code, closed_list};
use crate::id::{AccountId, RuleId, TemplateId};
use crate::quantity::{Factor, Percent, Quantity};
use crate::time::Time;
use crate::window::{WindowKind, WindowRule, Zone};

closed_list! {
    /// How a resource is counted.
    LimitKind {
        Cumulative = "cumulative": "Adds up over a window of time",
        Concurrency = "concurrency": "Counts what is in use at the same moment",
        Inventory = "inventory": "Counts what is owned now",
        TimeAccess = "time_access": "Valid until a date; has no quantity",
    }
}

closed_list! {
    /// What happens beyond a limit.
    LimitAction {
        Block = "block": "Refuse what would exceed the limit",
        Warn = "warn": "Let it through and say so",
        Grace = "grace": "Let it through for a further quantity or a period",
        Overage = "overage": "Let it through and bill it",
    }
}

/// A unit of measure; `factor` base units of its dimension large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// `gpu_hours` are counted in `hour`.
    pub code: Code,
    /// For people.
    pub name: String,
    /// What it measures (`time`, `count`, `data`): only units of one dimension convert.
    pub dimension: Code,
    /// Base units per unit; fixed once used.
    pub factor: Factor,
}

/// Something that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `benchmark_runs`.
    pub code: Code,
    /// For people.
    pub name: String,
    /// How it is counted; fixed once used.
    pub limit_kind: LimitKind,
    /// The canonical unit: limits and answers are in it; fixed once used.
    pub unit: Code,
    /// Further units a recorder may use.
    pub allowed_units: Vec<Code>,
    /// For people.
    pub description: Option<String>,
}

/// A commercial package or an add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `starter`.
    pub id: Code,
    /// For people.
    pub name: String,
    /// Given once per tree, for `trial_days`.
    pub is_trial: bool,
    /// Length of the trial in days.
    pub trial_days: Option<i32>,
    /// Added to a plan instead of replacing it.
    pub is_addon: bool,
    /// Raised by every change of its templates.
    pub version: i32,
    /// What is shown as its price; `None` is by agreement.
    pub price_amount: Option<Quantity>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// `month`, `year`.
    pub price_period: Option<String>,
    /// The billing provider's price, by which a webhook finds the plan.
    pub external_ref: Option<String>,
    /// An inactive plan is kept for those who have it and given to nobody else.
    pub is_active: bool,
    /// Place in lists.
    pub sort_order: i32,
    /// Free JSON text.
    pub metadata: Option<String>,
    /// What it grants, in order.
    pub templates: Vec<Template>,
}

/// One grant of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// What it grants.
    pub resource: Code,
    /// Of which part of the resource.
    pub scope: Option<Code>,
    /// How much; `None` is unlimited.
    pub quantity: Option<Quantity>,
    /// The window it is counted in.
    pub window: Option<WindowKind>,
    /// Length of a rolling window in seconds.
    pub window_seconds: Option<i64>,
    /// Whether the provisioned quantity multiplies it (seats).
    pub per_quantity: bool,
    /// Place in the plan.
    pub sort_order: i32,
}

/// What happens at and beyond a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// For which resource.
    pub resource: Code,
    /// Of which kind.
    pub limit_kind: LimitKind,
    /// Only for pools of this account.
    pub account: Option<AccountId>,
    /// Only for pools of accounts on this plan.
    pub plan: Option<Code>,
    /// Only for limits counted in windows of this kind; without one, for all but rolling windows.
    pub window: Option<WindowKind>,
    /// What happens beyond the limit.
    pub action: LimitAction,
    /// Warn from here on; `None`: the configured default.
    pub warn_at: Option<Percent>,
    /// How much further grace goes; `None` with a period: any amount.
    pub grace_quantity: Option<Quantity>,
    /// How long grace lasts, in seconds, from the write that went over; `None`: no end.
    pub grace_seconds: Option<i64>,
    /// How far overage goes; `None`: no end.
    pub overage_limit: Option<Quantity>,
    /// Price of one canonical unit beyond the limit.
    pub overage_price: Option<Quantity>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Among rules as specific, the highest wins.
    pub priority: i32,
    /// An inactive rule is not looked at.
    pub is_active: bool,
    /// When it was made; among equals the newest wins.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl Rule {
    /// Whether it reaches limits counted in windows of `kind`. A rolling window limits a rate: what
    /// is billed beyond a month's allowance must not sell calls beyond 20 a minute, so only a rule
    /// that names it reaches it.
    pub fn reaches(&self, kind: WindowKind) -> bool {
        self.window
            .map_or(kind != WindowKind::Rolling, |named| named == kind)
    }

    /// Whether whoever writes it must say how far overage goes: it is for everybody, so that
    /// overage without an end must be meant.
    pub fn must_state_overage_limit(&self) -> bool {
        self.action == LimitAction::Overage && self.account.is_none() && self.plan.is_none()
    }
}

/// Figures an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where warnings begin when no rule says so: 80 %.
    pub warn_at: Percent,
    /// How old an event may be, in seconds: 90 days.
    pub late_seconds_max: i64,
    /// How far ahead of now an event may be, in seconds: 5 minutes.
    pub ahead_seconds_max: i64,
    /// How many rows an account may have: entitlements that are not over, their conditions, rules,
    /// each: 200.
    pub rows_per_account_max: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            warn_at: Percent(8_000),
            late_seconds_max: 90 * 86_400,
            ahead_seconds_max: 300,
            rows_per_account_max: 200,
        }
    }
}

/// Everything decisions are made with that belongs to no customer.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Raised by every change.
    pub version: i64,
    /// By code.
    pub units: BTreeMap<Code, Unit>,
    /// By code.
    pub resources: BTreeMap<Code, Arc<Resource>>,
    /// By id.
    pub plans: BTreeMap<Code, Arc<Plan>>,
    /// Rules that name no account.
    pub rules: Vec<Arc<Rule>>,
    /// Codes with their description.
    pub account_types: BTreeMap<Code, Option<String>>,
    /// Time zones by IANA name.
    pub zones: Arc<BTreeMap<Code, Zone>>,
    /// What an operator set.
    pub settings: Settings,
}

impl Catalog {
    /// How large `unit` is; 1 for a unit that is not there (no row can name one).
    pub fn factor(&self, unit: &str) -> Factor {
        self.units.get(unit).map_or(Factor::ONE, |unit| unit.factor)
    }

    /// How large the canonical unit of `resource` is.
    pub fn canonical(&self, resource: &Resource) -> Factor {
        self.factor(&resource.unit)
    }

    /// The zone named `name`; UTC for a name that is not there (no row can name one).
    pub fn zone(&self, name: &str) -> Zone {
        self.zones.get(name).cloned().unwrap_or(Zone::UTC)
    }

    /// The names of everything a caller may meter, for hints.
    pub fn resource_codes(&self) -> BTreeSet<&str> {
        self.resources.keys().map(|code| &**code).collect()
    }
}

impl Template {
    /// What cuts its window, for a row valid from `valid_from` whose billing windows are counted
    /// from `anchor`.
    pub fn window_rule(&self, kind: LimitKind, anchor: Time) -> WindowRule {
        let kind = match kind {
            LimitKind::Cumulative => self.window.unwrap_or(WindowKind::Lifetime),
            _ => WindowKind::Lifetime,
        };
        let anchored = matches!(kind, WindowKind::BillingMonth | WindowKind::BillingYear);
        WindowRule {
            kind,
            anchor: anchored.then_some(anchor),
            seconds: self.window_seconds,
            period: None,
        }
    }
}
