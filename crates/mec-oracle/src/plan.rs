//! Design 1.6: plans and add-ons, given, repeated, replaced and scheduled.

use crate::answer::Answer;
use crate::command::{Id, Plan, Provision, RowStatus, SECOND, Template, Time, Window};
use crate::coverage::Rule;
use crate::row::{Holding, Row, Source};
use crate::shop::Kind;
use crate::state::Oracle;
use crate::window::{Cut, cut};

impl Oracle {
    pub(crate) fn provision(&mut self, asked: &Provision) -> Answer {
        let mut wrong = Vec::new();
        if !self.accounts.contains_key(&asked.account) {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        if self.is_closed(asked.account) {
            wrong.push("MEC_ACCOUNT_CLOSED");
        }
        if asked.quantity.is_some_and(|quantity| quantity <= 0) {
            wrong.push("MEC_QUANTITY_NOT_POSITIVE");
        }
        let start = asked.start.unwrap_or(self.now);
        if asked.until.is_some_and(|until| until <= start) {
            wrong.push("MEC_BAD_VALUE");
        }
        let Some(plan) = self.shop.plan(asked.plan).cloned() else {
            wrong.push("MEC_PLAN_NOT_FOUND");
            return Answer::refused(&wrong);
        };
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let before = self.clone();
        let answer = if plan.is_addon {
            self.provision_addon(asked, &plan, start)
        } else {
            self.provision_base(asked, &plan, start)
        };
        if matches!(answer, Answer::Refused(_)) {
            *self = before;
            return answer;
        }
        self.note_limits(asked.account, &before);
        answer
    }

    fn provision_base(&mut self, asked: &Provision, plan: &Plan, start: Time) -> Answer {
        let from = start.max(self.now);
        let mine = |holding: &Holding| holding.account == asked.account && !holding.is_addon;
        let at_start = self
            .holdings
            .iter()
            .position(|holding| mine(holding) && holding.holds(from));
        let same = at_start.filter(|place| {
            self.holdings[*place].plan == plan.id && !self.given_by(*place).is_empty()
        });
        let is_old = |row: &&Row| {
            row.plan
                .is_some_and(|(.., version)| version != plan.version)
        };
        let old = same.filter(|place| asked.migrate && self.given_by(*place).iter().any(is_old));
        if let Some(place) = same.filter(|_| old.is_none()) {
            if !self.repeat(place, asked, plan) {
                return Answer::refused(&["MEC_BAD_QUANTITY"]);
            }
            return self.stay(place, asked, plan);
        }
        if !plan.is_active {
            return Answer::refused(&["MEC_PLAN_INACTIVE"]);
        }
        let tree = self.accounts[&asked.account].tree();
        let is_given = |holding: &&Holding| {
            let is_trial = self
                .shop
                .plan(holding.plan)
                .is_some_and(|plan| plan.trial_days.is_some());
            let began = holding.end.is_none_or(|end| end > holding.start);
            let is_moved = holding.plan == plan.id && holding.start > self.now;
            let is_own = holding.account == asked.account && (is_moved || old.is_some());
            is_trial && began && !is_own && self.accounts[&holding.account].tree() == tree
        };
        if plan.trial_days.is_some() && self.holdings.iter().any(|holding| is_given(&holding)) {
            return Answer::refused(&["MEC_TRIAL_USED"]);
        }
        let anchor = at_start.map_or(start, |place| self.holdings[place].anchor);
        let old = old.map(|place| (place, self.holdings[place].clone()));
        // A migration changes what is granted: not until when, not what comes after, nor by which
        // name.
        let kept = old.as_ref().map(|(_, old)| old);
        let reference = kept
            .map(|old| old.reference)
            .filter(|_| asked.reference.is_empty())
            .unwrap_or(asked.reference);
        let quantity = asked.quantity.or(kept.map(|old| old.quantity));
        let asked = &Provision {
            reference,
            quantity,
            ..asked.clone()
        };
        if let Some((place, old)) = old.as_ref().filter(|_| asked.until.is_none()) {
            self.end_holding(*place, from, &[]);
            let answer = self.give(asked, plan, start, old.end, anchor);
            if let (Answer::Number(_), Some(given)) = (&answer, self.holdings.last_mut()) {
                given.own_end = old.own_end;
            }
            return answer;
        }
        let end = end_from(kept.map_or(start, |old| old.start), asked, plan);
        for place in 0..self.holdings.len() {
            if mine(&self.holdings[place])
                && self.holdings[place].end.is_none_or(|end| end > self.now)
            {
                self.replace_holding(place, from);
            }
        }
        self.give(asked, plan, start, end, anchor)
    }

    /// A base plan that is there takes over the reference and the quantity it is asked for with;
    /// false: too much.
    fn repeat(&mut self, place: usize, asked: &Provision, plan: &Plan) -> bool {
        let holding = self.holdings[place].clone();
        let quantity = asked.quantity.unwrap_or(holding.quantity);
        if quantity != holding.quantity && self.holds(Rule::RepeatsSetTheQuantity) {
            for id in self.standing_ids(place) {
                let row = &self.rows[&id];
                let of = plan
                    .templates
                    .iter()
                    .find(|of| of.resource == row.resource && of.scope == row.scope);
                let Some(template) = of.filter(|of| of.per_quantity) else {
                    continue;
                };
                let Some(times) = times(template, plan, quantity) else {
                    return false;
                };
                self.row(id).quantity = times;
                self.count(Rule::RepeatsSetTheQuantity, true);
            }
            self.holdings[place].quantity = quantity;
        }
        if asked.reference != holding.reference
            && !asked.reference.is_empty()
            && self.holds(Rule::RepeatsTakeTheReference)
        {
            for id in self.standing_ids(place) {
                let row = self.row(id);
                row.plan = row
                    .plan
                    .map(|(plan, _, version)| (plan, asked.reference, version));
            }
            self.holdings[place].reference = asked.reference;
            self.count(Rule::RepeatsTakeTheReference, true);
        }
        true
    }

    /// It has it already: an end that was set is lifted, and what was to come after is dropped.
    fn stay(&mut self, place: usize, asked: &Provision, plan: &Plan) -> Answer {
        let holding = &self.holdings[place];
        let (start, old, is_addon) = (holding.start, holding.end, holding.is_addon);
        let end = end_from(start, asked, plan);
        let standing = self.standing_ids(place);
        if old != end && !is_addon {
            self.drop_scheduled(asked.account, start + 1, &standing);
        }
        (self.holdings[place].end, self.holdings[place].own_end) = (end, end);
        if old != end {
            for id in &standing {
                self.row(*id).valid_until = end;
            }
        }
        Answer::Number(i64::try_from(standing.len()).expect("few"))
    }

    fn provision_addon(&mut self, asked: &Provision, plan: &Plan, start: Time) -> Answer {
        let is_it = |holding: &Holding| {
            holding.account == asked.account
                && holding.plan == plan.id
                && holding.reference == asked.reference
                && holding.is_addon
        };
        let current = self
            .holdings
            .iter()
            .position(|holding| is_it(holding) && holding.holds(start.max(self.now)));
        if let Some(place) = current.filter(|place| !self.given_by(*place).is_empty()) {
            let holding = &self.holdings[place];
            let end = end_from(holding.start, asked, plan);
            let by = asked
                .quantity
                .unwrap_or(if self.holds(Rule::RepeatsSetTheQuantity) {
                    holding.quantity
                } else {
                    1_000_000
                });
            if holding.quantity != by || holding.end != end {
                for id in self.standing_ids(place) {
                    let row = self.row(id);
                    let of = plan
                        .templates
                        .iter()
                        .find(|of| of.resource == row.resource && of.scope == row.scope);
                    let quantity =
                        of.map_or(Some(row.quantity), |template| times(template, plan, by));
                    let Some(quantity) = quantity else {
                        return Answer::refused(&["MEC_BAD_QUANTITY"]);
                    };
                    (row.quantity, row.valid_until) = (quantity, end);
                }
            }
            self.holdings[place].quantity = by;
            return self.stay(place, asked, plan);
        }
        if !plan.is_active {
            return Answer::refused(&["MEC_PLAN_INACTIVE"]);
        }
        for template in &plan.templates {
            if self.has_no_pool(asked.account, template) {
                return Answer::refused(&["MEC_ADDON_NO_POOL"]);
            }
        }
        let end = end_from(start, asked, plan);
        let scheduled: Vec<usize> = (0..self.holdings.len())
            .filter(|place| is_it(&self.holdings[*place]) && self.holdings[*place].start >= start)
            .collect();
        for place in scheduled {
            self.end_holding(place, start, &[]);
        }
        if let Some(place) = current {
            self.end_holding(place, start, &[]);
        }
        let anchor = self
            .current_plan(asked.account, self.now)
            .map_or(start, |holding| holding.anchor);
        self.give(asked, plan, start, end, anchor)
    }

    /// Whether the resource of a template is or will be limited, and nothing is there for an add-on
    /// to join.
    fn has_no_pool(&self, account: Id, template: &Template) -> bool {
        let path = &self.accounts[&account].path;
        let standing = self.rows.values().filter(|row| {
            row.resource == template.resource
                && row.source != Source::Addon
                && !row.is_over(self.now)
        });
        let rows: Vec<&Row> = standing.filter(|row| path.contains(&row.account)).collect();
        let joins = rows
            .iter()
            .any(|row| row.account == account && row.scope == template.scope);
        !joins && rows.iter().any(|row| row.quantity.is_some())
    }

    fn give(
        &mut self,
        asked: &Provision,
        plan: &Plan,
        start: Time,
        end: Option<Time>,
        anchor: Time,
    ) -> Answer {
        let by = asked.quantity.unwrap_or(1_000_000);
        for template in &plan.templates {
            let Some(quantity) = times(template, plan, by) else {
                return Answer::refused(&["MEC_BAD_QUANTITY"]);
            };
            let id = self.make();
            let row = Row {
                id,
                account: asked.account,
                resource: template.resource,
                scope: template.scope,
                quantity,
                window: self.window_of(
                    asked.account,
                    plan,
                    template,
                    anchored(template.window, anchor),
                    start,
                ),
                source: if plan.is_addon {
                    Source::Addon
                } else {
                    Source::Plan
                },
                plan: Some((plan.id, asked.reference, plan.version)),
                priority: 0,
                valid_from: start,
                valid_until: end,
                status: RowStatus::Active,
                conditions: vec![],
            };
            self.rows.insert(id, row);
            self.touched.push(id);
        }
        let number = i64::try_from(plan.templates.len()).expect("few");
        self.holdings.push(Holding {
            account: asked.account,
            plan: plan.id,
            reference: asked.reference,
            quantity: by,
            anchor,
            start,
            end,
            own_end: end,
            is_addon: plan.is_addon,
        });
        Answer::Number(number)
    }

    /// An add-on takes over the window of what it joins, and keeps it.
    fn window_of(
        &self,
        account: Id,
        plan: &Plan,
        template: &Template,
        own: Window,
        start: Time,
    ) -> Window {
        let resource = self
            .shop
            .resource(template.resource)
            .expect("a template names a resource");
        if !plan.is_addon
            || resource.kind != Kind::Cumulative
            || !self.holds(Rule::AddOnsKeepTheirWindow)
        {
            return own;
        }
        let owner = &self.accounts[&account];
        let at = start.max(self.now);
        let beside = self.rows.values().filter(|row| {
            let is_alike = row.account == account
                && row.resource == template.resource
                && row.scope == template.scope;
            is_alike
                && matches!(row.source, Source::Plan | Source::Manual)
                && !row.is_over(self.now)
        });
        let beside: Vec<&Row> = beside.collect();
        let begun: Vec<&Row> = beside
            .iter()
            .copied()
            .filter(|row| self.begins(row) <= at && !row.had_ended(at, self.now))
            .collect();
        let beside = if begun.is_empty() { beside } else { begun };
        let mut limits: Vec<(Window, Cut)> = Vec::new();
        for row in beside {
            let (window, stretch) = (row.window, self.stretch(row, owner, resource, at).1);
            if !limits
                .iter()
                .any(|(other, of)| other.kind() == window.kind() && *of == stretch)
            {
                limits.push((window, stretch));
            }
        }
        let wanted = cut(own, self.zone(account), start, at);
        let same = limits
            .iter()
            .find(|(window, stretch)| window.kind() == own.kind() && *stretch == wanted);
        // Of equally long ones the newest.
        let longest = || limits.iter().max_by_key(|(_, stretch)| stretch.length());
        let window = same.or_else(longest).map_or(own, |(window, _)| *window);
        self.count(Rule::AddOnsKeepTheirWindow, window != own);
        window
    }

    /// The rows of a holding that are not over.
    pub(crate) fn given_by(&self, place: usize) -> Vec<&Row> {
        let holding = &self.holdings[place];
        self.rows
            .values()
            .filter(|row| holding.gave(row) && !row.is_over(self.now))
            .collect()
    }

    pub(crate) fn standing_ids(&self, place: usize) -> Vec<Id> {
        self.given_by(place).iter().map(|row| row.id).collect()
    }

    /// A row that is written.
    pub(crate) fn row(&mut self, id: Id) -> &mut Row {
        self.touched.push(id);
        self.rows.get_mut(&id).expect("a row there is")
    }
}

/// A row keeps the anchor its plan had when it was made.
const fn anchored(window: Option<Window>, anchor: Time) -> Window {
    match window {
        None => Window::Lifetime(None),
        Some(Window::BillingMonth(None)) => Window::BillingMonth(Some(anchor)),
        Some(Window::BillingYear(None)) => Window::BillingYear(Some(anchor)),
        Some(window) => window,
    }
}

/// Where it ends when it begins at `start`; nothing makes a trial longer.
fn end_from(start: Time, asked: &Provision, plan: &Plan) -> Option<Time> {
    let trial = plan
        .trial_days
        .map(|days| start + i64::from(days) * 86_400 * SECOND);
    trial.into_iter().chain(asked.until).min()
}

/// A template's quantity, times what was asked where it says so; `Some(None)` is unlimited, `None`
/// too much.
fn times(template: &Template, plan: &Plan, by: i64) -> Option<Option<i64>> {
    let Some(quantity) = template.quantity else {
        return Some(None);
    };
    if !plan.is_addon && !template.per_quantity {
        return Some(Some(quantity));
    }
    let product = i128::from(quantity) * i128::from(by);
    let half = if product < 0 { -500_000 } else { 500_000 };
    let rounded = (product + half) / 1_000_000;
    i64::try_from(rounded)
        .ok()
        .filter(|rounded| *rounded < 1_000_000_000_000_000_000)
        .map(Some)
}
