//! Rules written: a customer's with its batch, the catalog's with a change of it.

use mec_kernel::{Quantity, Rule, RuleId, TreeId};
use rusqlite::{Connection, params};

use super::rows::{self, sql};

sql!(
    PUT_RULE = "INSERT INTO control_rules (",
    rows::RULE,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
     ON CONFLICT (rule_id) DO UPDATE SET resource_type_code = excluded.resource_type_code, \
     limit_kind_code = excluded.limit_kind_code, plan_id = excluded.plan_id, window_type_code = excluded.window_type_code, \
     limit_action_code = excluded.limit_action_code, \
     warn_at_percent = excluded.warn_at_percent, grace_quantity = excluded.grace_quantity, \
     grace_period_seconds = excluded.grace_period_seconds, overage_limit = excluded.overage_limit, \
     overage_unit_price = excluded.overage_unit_price, currency = excluded.currency, priority = excluded.priority, \
     is_active = excluded.is_active, updated_at = excluded.updated_at",
);

pub(super) fn put_rule(connection: &Connection, rule: &Rule) -> rusqlite::Result<()> {
    connection.prepare_cached(&PUT_RULE)?.execute(params![
        rows::Id(rule.id.0),
        rule.resource.as_str(),
        rule.limit_kind.code(),
        rule.account.map(|id| rows::Id(id.0)),
        rule.plan.as_deref(),
        rule.window.map(|kind| kind.code()),
        rule.action.code(),
        rule.warn_at.map(|percent| percent.0),
        rule.grace_quantity.map(Quantity::millionths),
        rule.grace_seconds,
        rule.overage_limit.map(Quantity::millionths),
        rule.overage_price.map(Quantity::millionths),
        rule.currency.as_deref(),
        rule.priority,
        rule.is_active,
        rule.created_at.micros(),
        rule.updated_at.micros(),
        rule.account
            .map_or(TreeId::CATALOG.0, |account| account.tree().0),
    ])?;
    Ok(())
}

pub(super) fn remove_rule(connection: &Connection, rule: RuleId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM control_rules WHERE rule_id = ?1")?
        .execute(params![rows::Id(rule.0)])?;
    Ok(())
}
