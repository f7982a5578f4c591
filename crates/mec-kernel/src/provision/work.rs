//! A plan or an add-on on its way to an account: its rows, and what is written so far.

use std::sync::Arc;

use crate::account::AccountPlan;
use crate::catalog::{LimitKind, Plan, Template};
use crate::code::Code;
use crate::command::{Making, View};
use crate::entitlement::{Entitlement, EntitlementStatus, Source};
use crate::entitlement_write::entitlement_write;
use crate::id::EntitlementId;
use crate::need::Halt;
use crate::node::Node;
use crate::pool::row_window;
use crate::quantity::{Quantity, QuantityError};
use crate::refusal::Refusal;
use crate::time::Time;
use crate::window::{Window, WindowKind, WindowRule, window_at};
use crate::write::Write;

/// What is provisioned to whom, and what that changes so far.
pub(super) struct Work<'a, 'b, 'v> {
    pub(super) view: &'a View<'v>,
    pub(super) making: &'a mut Making<'b>,
    pub(super) path: &'a [&'a Arc<Node>],
    pub(super) node: &'a Arc<Node>,
    pub(super) plan: &'a Arc<Plan>,
    /// How many were asked for.
    pub(super) wanted: Option<Quantity>,
    pub(super) until: Option<Time>,
    pub(super) migrate: bool,
    pub(super) start: Time,
    pub(super) quantity: Quantity,
    pub(super) reference: Code,
    pub(super) writes: Vec<Write>,
}

impl Work<'_, '_, '_> {
    /// The rows this plan (or add-on of this reference) gave and that are not over.
    pub(super) fn standing(&self) -> Vec<Arc<Entitlement>> {
        let source = if self.plan.is_addon {
            Source::Addon
        } else {
            Source::Plan
        };
        let reference = Some(&self.reference).filter(|reference| !reference.is_empty());
        let rows = self.node.entitlements.iter().filter(|row| {
            row.source == source
                && row.plan.as_ref() == Some(&self.plan.id)
                && row.is_standing(self.view.now)
                && (!self.plan.is_addon || row.source_ref.as_ref() == reference)
        });
        rows.cloned().collect()
    }

    /// The template `row` was made from: of several for its resource and scope the one with its
    /// window.
    pub(super) fn template_of(&self, row: &Entitlement) -> Option<&Template> {
        let gives =
            |template: &&Template| template.resource == row.resource && template.scope == row.scope;
        let is_same_window = |template: &&Template| {
            template.window.unwrap_or(WindowKind::Lifetime) == row.window.kind
        };
        let templates = || self.plan.templates.iter().filter(gives);
        templates()
            .find(is_same_window)
            .or_else(|| templates().next())
    }

    pub(super) fn check_new(&self) -> Result<(), Halt> {
        if self.plan.is_active {
            Ok(())
        } else {
            Err(Refusal::PlanInactive {
                plan: self.plan.id.to_string(),
            }
            .into())
        }
    }

    /// Where it ends when it begins at `start`; nothing makes a trial longer.
    pub(super) fn end_from(&self, start: Time) -> Option<Time> {
        let trial = trial_end(self.plan, start);
        match (self.until, trial) {
            (Some(until), Some(trial)) => Some(until.min(trial)),
            (until, trial) => until.or(trial),
        }
    }

    pub(super) fn put_plan(&mut self, anchor: Time, ends_at: Option<Time>, own_end: Option<Time>) {
        self.writes.push(Write::AccountPlan(Arc::new(AccountPlan {
            account: self.node.account.id,
            plan: self.plan.id.clone(),
            reference: self.reference.clone(),
            version: self.plan.version,
            quantity: self.quantity,
            anchor,
            starts_at: self.start,
            ends_at,
            own_end,
            is_addon: self.plan.is_addon,
            is_trial: self.plan.is_trial,
        })));
    }

    /// The templates become entitlements, in their order.
    pub(super) fn grant(
        &mut self,
        anchor: Time,
        ends_at: Option<Time>,
        source: Source,
        quantity: impl Fn(&Template, Quantity) -> Option<Option<Quantity>>,
    ) -> Result<i64, Halt> {
        let plan = self.plan.clone();
        for template in &plan.templates {
            let kind = self.view.resource(&template.resource)?.limit_kind;
            let quantity = match quantity(template, self.quantity) {
                None => None,
                Some(Some(quantity)) => Some(quantity),
                Some(None) => return Err(too_large()),
            };
            let own = template.window_rule(kind, anchor);
            let is_joining = source == Source::Addon && kind == LimitKind::Cumulative;
            let row = Entitlement {
                id: EntitlementId(self.making.ids.draw()),
                account: self.node.account.id,
                resource: template.resource.clone(),
                scope: template.scope.clone(),
                quantity: quantity.filter(|_| kind != LimitKind::TimeAccess),
                window: if is_joining {
                    self.joined_window(template, own)
                } else {
                    own
                },
                status: EntitlementStatus::Active,
                source,
                source_ref: Some(self.reference.clone()).filter(|reference| !reference.is_empty()),
                plan: Some(plan.id.clone()),
                plan_version: Some(plan.version),
                priority: 0,
                valid_from: self.start,
                valid_until: ends_at,
                conditions: vec![],
                created_at: self.view.now,
                updated_at: self.view.now,
            };
            self.put(row, "create");
        }
        Ok(count(plan.templates.len()))
    }

    /// The window of the limit an add-on's row joins when it starts, which it keeps: of several the
    /// one with its own window, else the longest. Its own where there is no limit.
    fn joined_window(&self, template: &Template, own: WindowRule) -> WindowRule {
        let at = self.start.max(self.view.now);
        let joins = |row: &&Arc<Entitlement>| {
            row.resource == template.resource
                && row.scope == template.scope
                && matches!(row.source, Source::Plan | Source::Manual)
                && row.is_standing(self.view.now)
        };
        let rows = || self.node.entitlements.iter().filter(joins);
        let (zone, plan) = (self.view.zone(self.path), self.node.current_plan(at));
        let anchor = plan.map_or(self.start, |plan| plan.anchor);
        let is_then = |row: &&Arc<Entitlement>| row.starts_at() <= at && row.is_standing(at);
        let is_any = rows().any(|row| is_then(&row));
        let mut windows: Vec<(WindowRule, Window)> = Vec::new();
        for row in rows().filter(|row| !is_any || is_then(row)) {
            let window = row_window(row, plan, &zone, at);
            if !windows
                .iter()
                .any(|(rule, other)| rule.kind == row.window.kind && *other == window)
            {
                windows.push((row.window, window));
            }
        }
        let wanted = window_at(own, &zone, anchor, at);
        let same = windows
            .iter()
            .find(|(rule, window)| rule.kind == own.kind && *window == wanted);
        let joined = same.or_else(|| {
            windows
                .iter()
                .max_by_key(|(_, window)| window.length_micros())
        });
        joined.map_or(own, |(rule, _)| *rule)
    }

    /// Changes `row` to what it is now, if that is something else.
    pub(super) fn put_changed(&mut self, row: &Entitlement, changed: Entitlement) {
        if changed != *row {
            self.put(
                Entitlement {
                    updated_at: self.view.now,
                    ..changed
                },
                "update",
            );
        }
    }

    pub(super) fn put(&mut self, row: Entitlement, action: &'static str) {
        let reason = format!("provision_plan {}", self.plan.id);
        self.writes
            .push(entitlement_write(row, action, self.making, reason));
    }
}

pub(super) fn times(each: Option<Quantity>, quantity: Quantity) -> Result<Option<Quantity>, Halt> {
    each.map(|each| each.times(quantity).ok_or_else(too_large))
        .transpose()
}

pub(super) fn too_large() -> Halt {
    Refusal::BadQuantity {
        argument: "quantity",
        error: QuantityError::TooLarge,
    }
    .into()
}

pub(super) fn trial_end(plan: &Plan, start: Time) -> Option<Time> {
    let days = plan.trial_days.filter(|_| plan.is_trial)?;
    Some(start.plus_seconds(i64::from(days).saturating_mul(86_400)))
}

pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
