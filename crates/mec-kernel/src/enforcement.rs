//! How a limit is enforced: by the most specific rule, or by the default of a resource that has
//! none.

use std::sync::Arc;

use crate::catalog::{Catalog, LimitAction, Resource, Rule};
use crate::code::Code;
use crate::node::Node;
use crate::quantity::{Percent, Quantity};
use crate::window::WindowKind;

/// How a pool is enforced: its rule, or the default of a resource that has none.
#[derive(Clone, Debug)]
pub(crate) struct Enforcement<'a> {
    pub(crate) action: LimitAction,
    pub(crate) warn_at: Percent,
    pub(crate) rule: Option<&'a Arc<Rule>>,
}

/// The most specific active rule: the account's, the plan's, the window's, the resource's; then
/// priority, then the newest.
pub(crate) fn enforcement<'a>(
    catalog: &'a Catalog,
    node: &'a Node,
    plan: Option<&Code>,
    resource: &Resource,
    kind: WindowKind,
) -> Enforcement<'a> {
    let applies = |rule: &&'a Arc<Rule>| {
        rule.is_active
            && rule.resource == resource.code
            && rule.limit_kind == resource.limit_kind
            && (rule.plan.is_none() || rule.plan.as_ref() == plan)
            && rule.reaches(kind)
    };
    let rank = |rule: &&'a Arc<Rule>| {
        let specific = (
            rule.account.is_some(),
            rule.plan.is_some(),
            rule.window.is_some(),
        );
        (specific, rule.priority, rule.created_at, rule.id)
    };
    let rule = node
        .rules
        .iter()
        .chain(&catalog.rules)
        .filter(applies)
        .max_by_key(rank);
    let default_warn_at = catalog.settings.warn_at;
    Enforcement {
        action: rule.map_or(LimitAction::Block, |rule| rule.action),
        warn_at: rule
            .and_then(|rule| rule.warn_at)
            .unwrap_or(default_warn_at),
        rule,
    }
}

impl Enforcement<'_> {
    pub(crate) fn grace_quantity(&self) -> Option<Quantity> {
        self.rule.and_then(|rule| rule.grace_quantity)
    }

    pub(crate) fn grace_seconds(&self) -> Option<i64> {
        self.rule.and_then(|rule| rule.grace_seconds)
    }

    pub(crate) fn overage_limit(&self) -> Option<Quantity> {
        self.rule.and_then(|rule| rule.overage_limit)
    }

    pub(crate) fn overage_price(&self) -> Option<Quantity> {
        self.rule.and_then(|rule| rule.overage_price)
    }
}
