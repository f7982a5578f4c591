//! The one plan of an account: given, repeated, or moved to the newest version.

use std::sync::Arc;

use super::work::{Work, count, times};
use crate::account::AccountPlan;
use crate::entitlement::{Entitlement, Source};
use crate::held_plan::{came_with, earlier, end, put_held};
use crate::need::Halt;
use crate::refusal::Refusal;
use crate::write::Write;

impl Work<'_, '_, '_> {
    /// The account's one plan: what it replaces ends when it starts.
    pub(super) fn base(&mut self) -> Result<i64, Halt> {
        let now = self.view.now;
        // Repeated is what would be in force at the start without this; one scheduled for later is
        // brought forward.
        let is_repeated = |held: &&Arc<AccountPlan>| {
            held.plan == self.plan.id && !held.is_addon && held.is_current(self.start.max(now))
        };
        let held = self.node.plans.iter().rfind(is_repeated).cloned();
        let mut standing = self.standing();
        standing.retain(|row| held.as_ref().is_some_and(|held| came_with(row, held)));
        if let Some(held) = held.as_ref().filter(|_| !standing.is_empty()) {
            self.quantity = self.wanted.unwrap_or(held.quantity);
            if self.reference.is_empty() {
                self.reference = held.reference.clone();
            }
        }
        let is_newest = standing
            .iter()
            .all(|row| row.plan_version == Some(self.plan.version));
        let is_migration = self.migrate && !is_newest;
        if let Some(held) = held
            .as_ref()
            .filter(|_| !standing.is_empty() && !is_migration)
        {
            return self.keep(held, &standing);
        }
        self.check_new()?;
        let is_own = |trial: &AccountPlan| {
            let is_moved = trial.plan == self.plan.id && trial.starts_at > now;
            trial.account == self.node.account.id && (is_moved || is_migration)
        };
        // One that was taken back before it began was not given.
        let is_given = |trial: &AccountPlan| trial.ends_at.is_none_or(|end| end > trial.starts_at);
        if self.plan.is_trial
            && self
                .view
                .facts
                .trials()?
                .iter()
                .any(|trial| is_given(trial) && !is_own(trial))
        {
            return Err(Refusal::TrialUsed {
                plan: self.plan.id.to_string(),
            }
            .into());
        }
        let migrated = held.filter(|_| is_migration);
        // The plan it replaces then, which may be one that is scheduled now.
        let anchor = self
            .node
            .current_plan(self.start.max(now))
            .map_or(self.start, |replaced| replaced.anchor);
        // A migration changes what the plan grants, not until when, nor what comes after it.
        let (ends_at, own_end) = match migrated {
            Some(held) if self.until.is_none() => {
                self.end_plan(&held, &[]);
                (held.ends_at, held.own_end)
            }
            other => {
                self.end_plans();
                let end = self.end_from(other.map_or(self.start, |held| held.starts_at));
                (end, end)
            }
        };
        self.put_plan(anchor, ends_at, own_end);
        self.grant(anchor, ends_at, Source::Plan, |template, quantity| {
            if template.per_quantity {
                template.quantity.map(|each| each.times(quantity))
            } else {
                template.quantity.map(Some)
            }
        })
    }

    /// Repeated: the rows stay. An end that was set is lifted, and what was to come after is
    /// dropped; another quantity is set, another reference is taken over.
    fn keep(&mut self, held: &AccountPlan, standing: &[Arc<Entitlement>]) -> Result<i64, Halt> {
        let now = self.view.now;
        let ends_at = self.end_from(held.starts_at);
        let (is_lifted, is_renamed) = (held.ends_at != ends_at, held.reference != self.reference);
        if is_renamed {
            // Its name is part of what it is known by: under the old one it never was.
            let under_old = AccountPlan {
                ends_at: Some(held.starts_at),
                own_end: Some(held.starts_at),
                ..held.clone()
            };
            self.writes.push(Write::AccountPlan(Arc::new(under_old)));
        }
        let (quantity, reference) = (self.quantity, self.reference.clone());
        put_held(
            held,
            AccountPlan {
                reference,
                quantity,
                ends_at,
                own_end: ends_at,
                ..held.clone()
            },
            &mut self.writes,
        );
        let to_come = |other: &&Arc<AccountPlan>| {
            !other.is_addon && other.starts_at > now.max(held.starts_at) && !other.is_over(now)
        };
        let scheduled: Vec<_> = self
            .node
            .plans
            .iter()
            .filter(to_come)
            .filter(|_| is_lifted)
            .cloned()
            .collect();
        for other in &scheduled {
            self.end_plan(other, standing);
        }
        for row in standing {
            let mut kept = Entitlement::clone(row);
            if is_lifted {
                kept.valid_until = ends_at;
            }
            if is_renamed {
                kept.source_ref = Some(self.reference.clone());
            }
            let template = self
                .template_of(row)
                .filter(|template| template.per_quantity && held.quantity != quantity);
            if let Some(template) = template {
                kept.quantity = times(template.quantity, quantity)?;
            }
            self.put_changed(row, kept);
        }
        Ok(count(standing.len()))
    }

    fn end_plans(&mut self) {
        let now = self.view.now;
        let held: Vec<_> = self
            .node
            .plans
            .iter()
            .filter(|held| !held.is_addon && !held.is_over(now))
            .cloned()
            .collect();
        for held in held {
            self.end_plan(&held, &[]);
        }
    }

    /// Ends a plan and its rows, but those that stay, when the new one starts; one that has not
    /// begun by then never does.
    fn end_plan(&mut self, held: &Arc<AccountPlan>, staying: &[Arc<Entitlement>]) {
        let (now, start) = (self.view.now, self.start.max(self.view.now));
        let ends_at = earlier(held.ends_at, start).max(held.starts_at);
        put_held(
            held,
            AccountPlan {
                ends_at: Some(ends_at),
                ..AccountPlan::clone(held)
            },
            &mut self.writes,
        );
        // A row whose end was set by hand can reach into the same plan's next time: it came with
        // both, and ends once.
        let is_written = |row: &Entitlement| {
            self.writes.iter().any(|write| {
                matches!(write, Write::Entitlement { row: written, .. } if written.id == row.id)
            })
        };
        let is_ended = |row: &&Arc<Entitlement>| {
            row.source == Source::Plan
                && came_with(row, held)
                && row.is_standing(now)
                && row.valid_until.is_none_or(|until| until > start)
                && !staying.iter().any(|other| other.id == row.id)
                && !is_written(row)
        };
        let ended: Vec<_> = self.node.entitlements.iter().filter(is_ended).collect();
        let reason = format!("provision_plan {}", self.plan.id);
        for row in ended {
            self.writes
                .extend(end(row, start, now, self.making, &reason));
        }
    }
}
