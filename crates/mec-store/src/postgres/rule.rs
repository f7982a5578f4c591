//! Rules written: a customer's with its batch, the catalog's with a change of it.

use std::iter::once;

use mec_kernel::{AccountId, Quantity, Rule, RuleId, TreeId};

use super::bulk::Bulk;
use super::codec::{Id, Instant, Units};
use super::session::Change;
use super::tree_number::number;

/// One rule; there are never many.
pub(super) fn put_rule(rule: &Rule) -> Change<'static> {
    let money =
        |quantity: Option<Quantity>| quantity.map(|quantity| Units::<6>(quantity.millionths()));
    let change = Bulk::of("control_rules")
        .column("rule_id", once(Id(rule.id.0)))
        .column(
            "resource_type_code",
            once(rule.resource.as_str().to_owned()),
        )
        .column("limit_kind_code", once(rule.limit_kind.code()))
        .column("account_id", once(rule.account.map(|id| Id(id.0))))
        .column("plan_id", once(rule.plan.as_deref().map(str::to_owned)))
        .column(
            "window_type_code",
            once(rule.window.map(|kind| kind.code())),
        )
        .column("limit_action_code", once(rule.action.code()))
        .column(
            "warn_at_percent",
            once(rule.warn_at.map(|percent| Units::<2>(percent.0))),
        )
        .column("grace_quantity", once(money(rule.grace_quantity)))
        .column("grace_period_seconds", once(rule.grace_seconds))
        .column("overage_limit", once(money(rule.overage_limit)))
        .column("overage_unit_price", once(money(rule.overage_price)))
        .column("currency", once(rule.currency.clone()))
        .column("priority", once(rule.priority))
        .column("is_active", once(rule.is_active))
        .column("created_at", once(Instant::from(rule.created_at)))
        .column("updated_at", once(Instant::from(rule.updated_at)))
        .column("tree", once(number(tree_of(rule.account))))
        .replace(
            "rule_id, tree",
            &[
                "resource_type_code",
                "limit_kind_code",
                "plan_id",
                "window_type_code",
                "limit_action_code",
                "warn_at_percent",
                "grace_quantity",
                "grace_period_seconds",
                "overage_limit",
                "overage_unit_price",
                "currency",
                "priority",
                "is_active",
                "updated_at",
            ],
        );
    change.expect("there is one row")
}

pub(super) fn remove_rules(removed: &[(RuleId, TreeId)]) -> Option<Change<'static>> {
    Bulk::of("control_rules")
        .column("rule_id", removed.iter().map(|(rule, _)| Id(rule.0)))
        .column("tree", removed.iter().map(|(_, tree)| number(*tree)))
        .with_trees(
            "DELETE FROM control_rules r USING {rows} WHERE r.rule_id = x.rule_id AND r.tree = x.tree AND r.tree = {trees}",
            removed.iter().map(|(_, tree)| *tree),
        )
}

/// The tree a rule is kept with; one of nobody is the catalog's.
pub(super) fn tree_of(account: Option<AccountId>) -> TreeId {
    account.map_or(TreeId::CATALOG, AccountId::tree)
}
