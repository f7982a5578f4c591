//! What the accounts of a story have: plans, entitlements, rules.

use std::sync::Arc;

use mec_kernel::*;

use super::story::{Stop, Story};
use super::vocabulary::{Item, RowOf, RuleOf, Whose};
use crate::world::{grant_of, provision_of};

impl Story {
    /// The plan rows of an account are the templates of one plan, and every add-on is a plan of its
    /// own.
    pub(super) fn put_plans_into_catalog(&mut self, name: &str, items: &[Item]) {
        let rows = || {
            items
                .iter()
                .enumerate()
                .filter_map(|(place, item)| Some((place, row_of(item)?)))
        };
        let templates: Vec<_> = rows()
            .filter(|(_, row)| row.source == Source::Plan)
            .map(|(_, row)| self.template(row))
            .collect();
        if !templates.is_empty() {
            self.put_plan(plan_of(name), false, templates);
        }
        for (place, row) in rows().filter(|(_, row)| row.source == Source::Addon) {
            let template = self.template(row);
            self.put_plan(addon_of(name, place), true, vec![template]);
        }
    }

    pub(super) fn template(&self, row: &RowOf) -> Template {
        Template {
            id: TemplateId(0),
            resource: self.resource.as_str().into(),
            scope: row.scope.clone(),
            quantity: row.quantity,
            window: row.window.map(|window| window.kind),
            window_seconds: row.window.and_then(|window| window.seconds),
            per_quantity: false,
            sort_order: 0,
        }
    }

    pub(super) fn put_plan(&mut self, id: Code, is_addon: bool, templates: Vec<Template>) {
        let starter = Plan::clone(&self.world.catalog.plans["starter"]);
        let plan = Plan {
            id: id.clone(),
            is_addon,
            templates,
            ..starter
        };
        self.world.catalog.plans.insert(id, Arc::new(plan));
    }

    pub(super) fn rule(&mut self, rule: &RuleOf) -> Result<RuleId, Stop> {
        let plan = match rule.whose {
            Whose::Plan => {
                let plans = &self.world.catalog.plans;
                let given = self
                    .accounts
                    .iter()
                    .rev()
                    .map(|(name, _)| plan_of(name))
                    .find(|plan| plans.contains_key(plan));
                Some(given.ok_or("no plan is given that the rule could be for".to_owned())?)
            }
            Whose::AnotherPlan => Some(Code::from("pro")),
            Whose::Resource | Whose::Account(_) => None,
        };
        let account = match &rule.whose {
            Whose::Account(name) => Some(self.account(Some(name))?),
            _ => None,
        };
        let resource = self.resource.clone();
        Ok(self.world.rule(&resource, |made| {
            (made.plan, made.account, made.window) = (plan, account, rule.window);
            made.action = rule.action;
            made.warn_at = rule.warn_at;
            match rule.action {
                LimitAction::Grace => made.grace_quantity = rule.quantity,
                _ => made.overage_limit = rule.quantity,
            }
            made.grace_seconds = rule.seconds;
            made.overage_price = rule.price;
            made.priority = rule.priority;
            made.is_active = rule.is_active;
        }))
    }

    /// Gives an account its rows: the plan with all of its templates where the first of them
    /// stands.
    pub(super) fn give(
        &mut self,
        name: &str,
        account: AccountId,
        items: &[Item],
    ) -> Result<(), Stop> {
        for (place, item) in items.iter().enumerate() {
            let Some(row) = row_of(item) else { continue };
            let entitlement = match row.source {
                Source::Plan => {
                    let before = items[..place]
                        .iter()
                        .filter_map(row_of)
                        .filter(|row| row.source == Source::Plan)
                        .count();
                    if before == 0 {
                        self.world
                            .try_provision(&provision_of(account, &plan_of(name)))?;
                    }
                    let rows = self.world.rows(account);
                    let mut given = rows
                        .iter()
                        .filter(|row| row.source == Source::Plan)
                        .map(|row| row.id)
                        .collect::<Vec<_>>();
                    given.sort();
                    given[before]
                }
                Source::Addon => {
                    let plan = addon_of(name, place);
                    self.world.try_provision(&provision_of(account, &plan))?;
                    let rows = self.world.rows(account);
                    rows.iter()
                        .find(|row| row.plan.as_ref() == Some(&plan))
                        .expect("it was just given")
                        .id
                }
                Source::Manual | Source::Override => {
                    let mut grant = grant_of(account, &self.resource, None);
                    grant.quantity = row.quantity;
                    grant.window = row.window;
                    grant.scope.clone_from(&row.scope);
                    (grant.source, grant.priority) = (row.source, row.priority);
                    self.world.grant(&grant)
                }
            };
            self.qualify(entitlement, row)?;
            self.rows
                .push((entitlement, format!("{name} {}", place + 1)));
        }
        Ok(())
    }

    /// Makes a row what the parentheses behind it say.
    pub(super) fn qualify(&mut self, id: EntitlementId, row: &RowOf) -> Result<(), Stop> {
        if !row.conditions.is_empty() {
            self.world.set_conditions(id, &row.conditions);
        }
        let until = if row.is_expired {
            Some(self.world.now)
        } else {
            row.until
        };
        let status = row.is_suspended.then_some(EntitlementStatus::Suspended);
        let patch = EntitlementPatch {
            status,
            valid_from: row.from,
            valid_until: until.map(Some),
            ..EntitlementPatch::default()
        };
        if patch != EntitlementPatch::default() {
            self.world.patch(id, &patch)?;
        }
        Ok(())
    }
}

pub(super) fn row_of(item: &Item) -> Option<&RowOf> {
    if let Item::Row(row) = item {
        Some(row)
    } else {
        None
    }
}

pub(super) fn plan_of(account: &str) -> Code {
    Code::from(format!("plan of {account}"))
}

pub(super) fn addon_of(account: &str, place: usize) -> Code {
    Code::from(format!("add-on {} of {account}", place + 1))
}
