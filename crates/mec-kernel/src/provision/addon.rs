//! An add-on: it raises limits of what the account has already.

use std::sync::Arc;

use super::work::{Work, count, times};
use crate::account::AccountPlan;
use crate::catalog::Template;
use crate::entitlement::{Entitlement, Source};
use crate::held_plan::{earlier, put_held};
use crate::need::Halt;
use crate::refusal::Refusal;

impl Work<'_, '_, '_> {
    /// An add-on: known by its plan and reference; again sets its quantity, never adds.
    pub(super) fn addon(&mut self) -> Result<i64, Halt> {
        let now = self.view.now;
        let standing = self.standing();
        let held = self.node.plans.iter().rfind(|held| {
            held.is_addon
                && held.plan == self.plan.id
                && held.reference == self.reference
                && !held.is_over(now)
        });
        let ends_at = self.end_from(self.start);
        if let Some(held) = held.filter(|_| !standing.is_empty()) {
            let quantity = self.wanted.unwrap_or(held.quantity);
            if held.quantity == quantity && held.ends_at == ends_at {
                return Ok(count(standing.len()));
            }
            put_held(
                held,
                AccountPlan {
                    quantity,
                    ends_at,
                    own_end: ends_at,
                    ..AccountPlan::clone(held)
                },
                &mut self.writes,
            );
            for row in &standing {
                let Some(template) = self.template_of(row) else {
                    continue;
                };
                let quantity = times(template.quantity, quantity)?;
                self.put_changed(
                    row,
                    Entitlement {
                        quantity,
                        valid_until: ends_at,
                        ..Entitlement::clone(row)
                    },
                );
            }
            return Ok(count(standing.len()));
        }
        self.check_new()?;
        for template in &self.plan.templates {
            self.check_has_pool(template)?;
        }
        if let Some(held) = held {
            // Its rows were ended one by one: so is it.
            let over = Some(earlier(held.ends_at, self.start).max(held.starts_at));
            put_held(
                held,
                AccountPlan {
                    ends_at: over,
                    own_end: over,
                    ..AccountPlan::clone(held)
                },
                &mut self.writes,
            );
        }
        let anchor = self
            .node
            .current_plan(now)
            .map_or(self.start, |current| current.anchor);
        self.put_plan(anchor, ends_at, ends_at);
        self.grant(anchor, ends_at, Source::Addon, |template, quantity| {
            template.quantity.map(|each| each.times(quantity))
        })
    }

    /// An add-on never tightens: where its resource is limited, it needs a pool at this level to
    /// join.
    fn check_has_pool(&self, template: &Template) -> Result<(), Halt> {
        let gives = |row: &&Arc<Entitlement>| {
            row.resource == template.resource && row.is_standing(self.view.now)
        };
        let joins =
            |row: &Arc<Entitlement>| row.source != Source::Addon && row.scope == template.scope;
        let here = self.node.entitlements.iter().filter(gives).any(joins);
        let caps = |row: &Arc<Entitlement>| row.source != Source::Addon && row.quantity.is_some();
        let is_limited = self
            .path
            .iter()
            .flat_map(|node| node.entitlements.iter().filter(gives))
            .any(caps);
        if is_limited && !here {
            let (plan, resource) = (self.plan.id.to_string(), template.resource.to_string());
            return Err(Refusal::AddonNoPool { plan, resource }.into());
        }
        Ok(())
    }
}
