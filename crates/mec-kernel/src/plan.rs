//! Plans: `provision_plan` and `cancel_plan` (design 1.6). An account has one plan and any number
//! of add-ons. Provisioning is known by what it is about (account, plan, an add-on's reference), so
//! repeating it changes nothing.

use std::sync::Arc;

use crate::account::AccountPlan;
use crate::account_change::check_open;
use crate::catalog::{LimitKind, Plan, Resource, Template};
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::entitlement::{Attributes, Entitlement, EntitlementStatus, Source};
use crate::facts::Facts;
use crate::id::{AccountId, AuditId, EntitlementId};
use crate::judge::{Judged, pools};
use crate::marks::marks;
use crate::need::Halt;
use crate::node::Node;
use crate::pool::row_window;
use crate::quantity::{Amount, Quantity, QuantityError};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::time::Time;
use crate::window::{Window, WindowKind, WindowRule, window_at};
use crate::write::{Audit, Write};

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

/// Take a plan or an add-on away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Who.
    pub account: AccountId,
    /// Which plan.
    pub plan: Code,
    /// Only the plan or add-on of this name; `None`: whatever its name.
    pub reference: Option<Code>,
    /// From when; `None`: now.
    pub at: Option<Time>,
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
        provision,
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

/// Takes the plan away, now or later; the answer is the number of entitlements that end.
pub fn cancel(
    view: &View<'_>,
    making: &mut Making<'_>,
    cancel: &Cancel,
) -> Result<Ruling<i64>, Halt> {
    let path = view.path(cancel.account)?;
    let Some(node) = path.first().copied() else {
        return Ok(Ruling::unchanged(0));
    };
    if !view.catalog.plans.contains_key(&cancel.plan) {
        return Err(Refusal::PlanNotFound {
            plan: cancel.plan.to_string(),
        }
        .into());
    }
    let at = cancel.at.unwrap_or(view.now).max(view.now);
    let fits = |reference: &str| {
        cancel
            .reference
            .as_deref()
            .is_none_or(|wanted| wanted == reference)
    };
    let is_asked = |held: &AccountPlan| {
        held.plan == cancel.plan
            && fits(&held.reference)
            && !held.is_over(view.now)
            && !held.never_begins()
    };
    let mut writes = Vec::new();
    for held in node.plans.iter().filter(|held| is_asked(held)) {
        let ends = |end: Option<Time>| Some(earlier(end, at).max(held.starts_at));
        put_held(
            held,
            AccountPlan {
                ends_at: ends(held.ends_at),
                own_end: ends(held.own_end),
                ..AccountPlan::clone(held)
            },
            &mut writes,
        );
    }
    let mut ended: i64 = 0;
    let reason = format!("cancel_plan {}", cancel.plan);
    for row in node
        .entitlements
        .iter()
        .filter(|row| row.is_standing(view.now) && row.plan.as_ref() == Some(&cancel.plan))
    {
        if matches!(row.source, Source::Plan | Source::Addon)
            && fits(row.source_ref.as_deref().unwrap_or_default())
        {
            writes.extend(end(row, at, view.now, making, &reason));
            ended = ended.saturating_add(1);
        }
    }
    let (cancelled, staying): (Vec<_>, Vec<_>) = node
        .plans
        .iter()
        .filter(|held| !held.is_addon && !held.never_begins())
        .partition(|held| is_asked(held));
    let dropped: Vec<Time> = cancelled
        .iter()
        .map(|held| held.starts_at)
        .filter(|start| *start > view.now && at <= *start)
        .collect();
    for held in staying.iter().filter(|held| {
        held.ends_at
            .is_some_and(|end| end > view.now && dropped.contains(&end))
    }) {
        writes.extend(go_on(node, held, &staying, view.now, making, &reason));
    }
    marks_after(view, &path, &mut writes)?;
    Ok(Ruling {
        answer: ended,
        writes,
    })
}

/// A plan that was to end when another began goes on as it would have without that one: to its own
/// end, or until what is scheduled next.
fn go_on(
    node: &Node,
    held: &Arc<AccountPlan>,
    staying: &[&Arc<AccountPlan>],
    now: Time,
    making: &mut Making<'_>,
    reason: &str,
) -> Vec<Write> {
    let next = staying
        .iter()
        .map(|other| other.starts_at)
        .filter(|start| *start > held.starts_at.max(now))
        .min();
    let ends_at = next.map_or(held.own_end, |next| Some(earlier(held.own_end, next)));
    let mut writes = Vec::new();
    put_held(
        held,
        AccountPlan {
            ends_at,
            ..AccountPlan::clone(held)
        },
        &mut writes,
    );
    let rows = node
        .entitlements
        .iter()
        .filter(|row| row.source == Source::Plan && came_with(row, held) && row.is_standing(now));
    for row in rows.filter(|row| row.valid_until == held.ends_at && row.valid_until != ends_at) {
        let lifted = Entitlement {
            valid_until: ends_at,
            updated_at: now,
            ..Entitlement::clone(row)
        };
        writes.push(entitlement_write(
            lifted,
            "update",
            making,
            reason.to_owned(),
        ));
    }
    writes
}

/// Writes a plan that is had as it is now, unless it is what it was.
fn put_held(before: &AccountPlan, held: AccountPlan, writes: &mut Vec<Write>) {
    if held != *before {
        writes.push(Write::AccountPlan(Arc::new(held)));
    }
}

struct Work<'a, 'b, 'v> {
    view: &'a View<'v>,
    making: &'a mut Making<'b>,
    path: &'a [&'a Arc<Node>],
    node: &'a Arc<Node>,
    plan: &'a Arc<Plan>,
    provision: &'a Provision,
    start: Time,
    quantity: Quantity,
    reference: Code,
    writes: Vec<Write>,
}

impl Work<'_, '_, '_> {
    /// The account's one plan: what it replaces ends when it starts.
    fn base(&mut self) -> Result<i64, Halt> {
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
            self.quantity = self.provision.quantity.unwrap_or(held.quantity);
            if self.reference.is_empty() {
                self.reference = held.reference.clone();
            }
        }
        let is_newest = standing
            .iter()
            .all(|row| row.plan_version == Some(self.plan.version));
        let is_migration = self.provision.migrate && !is_newest;
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
            Some(held) if self.provision.until.is_none() => {
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

    /// The template `row` was made from: of several for its resource and scope the one with its
    /// window.
    fn template_of(&self, row: &Entitlement) -> Option<&Template> {
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

    /// An add-on: known by its plan and reference; again sets its quantity, never adds.
    fn addon(&mut self) -> Result<i64, Halt> {
        let now = self.view.now;
        let standing = self.standing();
        let held = self.node.plans.iter().rfind(|held| {
            held.is_addon
                && held.plan == self.plan.id
                && held.reference == self.provision.reference
                && !held.is_over(now)
        });
        let ends_at = self.end_from(self.start);
        if let Some(held) = held.filter(|_| !standing.is_empty()) {
            let quantity = self.provision.quantity.unwrap_or(held.quantity);
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

    /// The rows this plan (or add-on of this reference) gave and that are not over.
    fn standing(&self) -> Vec<Arc<Entitlement>> {
        let source = if self.plan.is_addon {
            Source::Addon
        } else {
            Source::Plan
        };
        let reference = Some(&self.provision.reference).filter(|reference| !reference.is_empty());
        let rows = self.node.entitlements.iter().filter(|row| {
            row.source == source
                && row.plan.as_ref() == Some(&self.plan.id)
                && row.is_standing(self.view.now)
                && (!self.plan.is_addon || row.source_ref.as_ref() == reference)
        });
        rows.cloned().collect()
    }

    fn check_new(&self) -> Result<(), Halt> {
        if self.plan.is_active {
            Ok(())
        } else {
            Err(Refusal::PlanInactive {
                plan: self.plan.id.to_string(),
            }
            .into())
        }
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
        let is_ended = |row: &&Arc<Entitlement>| {
            row.source == Source::Plan
                && came_with(row, held)
                && row.is_standing(now)
                && row.valid_until.is_none_or(|until| until > start)
                && !staying.iter().any(|other| other.id == row.id)
        };
        let reason = format!("provision_plan {}", self.plan.id);
        for row in self.node.entitlements.iter().filter(is_ended) {
            self.writes
                .extend(end(row, start, now, self.making, &reason));
        }
    }

    /// Where it ends when it begins at `start`; nothing makes a trial longer.
    fn end_from(&self, start: Time) -> Option<Time> {
        let trial = trial_end(self.plan, start);
        match (self.provision.until, trial) {
            (Some(until), Some(trial)) => Some(until.min(trial)),
            (until, trial) => until.or(trial),
        }
    }

    fn put_plan(&mut self, anchor: Time, ends_at: Option<Time>, own_end: Option<Time>) {
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
    fn grant(
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

    /// Changes `row` to what it is now, if that is something else.
    fn put_changed(&mut self, row: &Entitlement, changed: Entitlement) {
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

    fn put(&mut self, row: Entitlement, action: &'static str) {
        let reason = format!("provision_plan {}", self.plan.id);
        self.writes
            .push(entitlement_write(row, action, self.making, reason));
    }
}

fn times(each: Option<Quantity>, quantity: Quantity) -> Result<Option<Quantity>, Halt> {
    each.map(|each| each.times(quantity).ok_or_else(too_large))
        .transpose()
}

fn too_large() -> Halt {
    Refusal::BadQuantity {
        argument: "quantity",
        error: QuantityError::TooLarge,
    }
    .into()
}

fn trial_end(plan: &Plan, start: Time) -> Option<Time> {
    let days = plan.trial_days.filter(|_| plan.is_trial)?;
    Some(start.plus_seconds(i64::from(days).saturating_mul(86_400)))
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The write that makes or changes `row`, with its audit row.
pub(crate) fn entitlement_write(
    row: Entitlement,
    action: &'static str,
    making: &mut Making<'_>,
    reason: String,
) -> Write {
    let reason = match &making.actor.reason {
        Some(stated) => format!("{reason}: {stated}"),
        None => reason,
    };
    let audit = Audit {
        id: AuditId(making.ids.draw()),
        action,
        by: making.actor.name.clone(),
        reason,
    };
    Write::Entitlement {
        row: Arc::new(row),
        metadata: None,
        audit,
    }
}

/// `at`, or the end that was set where it is earlier: ending something never makes it longer.
fn earlier(end: Option<Time>, at: Time) -> Time {
    end.map_or(at, |end| end.min(at))
}

/// Whether `row` is one of those that `held` gave, and not of the same plan at another time. What
/// was taken back before it began gave nothing.
fn came_with(row: &Entitlement, held: &AccountPlan) -> bool {
    row.plan.as_ref() == Some(&held.plan)
        && held
            .ends_at
            .is_none_or(|end| held.starts_at < end && row.valid_from < end)
        && row.valid_until.is_none_or(|until| until > held.starts_at)
}

/// Ends `row` at `at`; a row that ends by now, or before it begins, is expired for good. `None`: it
/// ends no later anyway.
fn end(
    row: &Arc<Entitlement>,
    at: Time,
    now: Time,
    making: &mut Making<'_>,
    reason: &str,
) -> Option<Write> {
    let at = earlier(row.valid_until, at);
    let status = if at <= now.max(row.valid_from) {
        EntitlementStatus::Expired
    } else {
        row.status
    };
    let valid_until = Some(at.max(row.valid_from));
    if (status, valid_until) == (row.status, row.valid_until) {
        return None;
    }
    let ended = Entitlement {
        status,
        valid_until,
        updated_at: now,
        ..Entitlement::clone(row)
    };
    Some(entitlement_write(
        ended,
        if status == EntitlementStatus::Expired {
            "expire"
        } else {
            "update"
        },
        making,
        reason.to_owned(),
    ))
}

/// Refuses what would give an account more entitlements than it may have, or more conditions. One
/// that has more already (the setting was lowered) may be changed, and have fewer.
fn check_standing_rows(view: &View<'_>, before: &Node, after: &Node) -> Result<(), Halt> {
    let rows = |node: &Node| {
        node.entitlements
            .iter()
            .filter(|row| row.is_standing(view.now))
            .count()
    };
    let conditions = |node: &Node| {
        let standing = node
            .entitlements
            .iter()
            .filter(|row| row.is_standing(view.now));
        standing.map(|row| row.conditions.len()).sum()
    };
    check_rows(view, "entitlements", rows(before), rows(after))?;
    check_rows(view, "conditions", conditions(before), conditions(after))
}

/// Refuses more rows of one kind than an account may have.
pub(crate) fn check_rows(
    view: &View<'_>,
    what: &'static str,
    before: usize,
    after: usize,
) -> Result<(), Halt> {
    let max = view.catalog.settings.rows_per_account_max;
    let is_over = after > before && i64::try_from(after).is_ok_and(|after| after > max);
    if is_over {
        Err(Refusal::TooManyRows { what, max }.into())
    } else {
        Ok(())
    }
}

/// After limits changed: notes which pools of these accounts are above their limit now, or no
/// longer. Grace periods run from the write that lowered a limit.
pub(crate) fn marks_after(
    view: &View<'_>,
    path: &[&Arc<Node>],
    writes: &mut Vec<Write>,
) -> Result<(), Halt> {
    let Some(node) = path.first() else {
        return Ok(());
    };
    let mut tree = view.tree.clone();
    for write in writes.iter() {
        tree.apply(write, view.now);
    }
    if let Some(after) = tree.get(node.account.id) {
        check_standing_rows(view, node, after)?;
    }
    let mut touched: Vec<(&Arc<Resource>, Option<Code>)> = Vec::new();
    for write in writes.iter() {
        if let Write::Entitlement { row, .. } = write
            && let Some(resource) = view.catalog.resources.get(&row.resource)
            && resource.limit_kind != LimitKind::TimeAccess
            && !touched
                .iter()
                .any(|(of, scope)| of.code == row.resource && *scope == row.scope)
        {
            touched.push((resource, row.scope.clone()));
        }
    }
    touched.sort_by(|(one, of_one), (other, of_other)| {
        (&one.code, of_one).cmp(&(&other.code, of_other))
    });
    let (facts, attributes) = (Facts::default(), Attributes::new());
    let before = limits(view, node.account.id, &touched, &attributes)?;
    let after = View {
        tree: &tree,
        facts: &facts,
        catalog: view.catalog,
        now: view.now,
    };
    let mut limits = limits(&after, node.account.id, &touched, &attributes)?;
    for judged in &mut limits {
        // Limits on one counter share its note. One that use was not above before has a grace
        // period of its own, from now on, whatever was noted of an earlier one and whenever its
        // rows begin.
        let is_it =
            |of: &&Judged<'_>| of.pool.level == judged.pool.level && of.pool.key == judged.pool.key;
        judged.over_since = before.iter().filter(is_it).find_map(|of| of.over_since);
    }
    writes.extend(marks(&limits, Amount::ZERO, view.now, view.now));
    Ok(())
}

/// The pools of the account's path for each of `touched`.
fn limits<'a>(
    view: &View<'a>,
    account: AccountId,
    touched: &'a [(&'a Arc<Resource>, Option<Code>)],
    attributes: &'a Attributes,
) -> Result<Vec<Judged<'a>>, Halt> {
    let path = view.path(account)?;
    let mut found = Vec::new();
    for (resource, scope) in touched {
        let request = Request {
            resource,
            scope: scope.as_ref(),
            amount: None,
            attributes,
            extends: None,
        };
        found.extend(pools(view, &request, &path)?.judged);
    }
    Ok(found)
}
