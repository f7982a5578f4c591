//! Everything that was ever told, as lists, and the way a command takes through the rules.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::amount::Amount;
use crate::answer::Answer;
use crate::audit::{Audit, RowInWords};
use crate::command::{
    Action, Code, Command, Condition, Grant, Id, Patch, Question, RowStatus, SECOND, Status, Step,
    Time, Window,
};
use crate::coverage::{Coverage, Rule};
use crate::history::{Counter, Event, Except, Hold, Lease};
use crate::pool::Pool;
use crate::row::{Account, Holding, Row, RuleRow, Source};
use crate::shop::{Kind, Shop};
use crate::window::FOREVER;

/// Levels a tree may have.
const LEVELS_MAX: usize = 8;

/// The naive judge of one sequence.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub(crate) shop: Shop,
    pub(crate) now: Time,
    pub(crate) accounts: BTreeMap<Id, Account>,
    pub(crate) rows: BTreeMap<Id, Row>,
    pub(crate) holdings: Vec<Holding>,
    pub(crate) rules: Vec<RuleRow>,
    pub(crate) events: Vec<Event>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) over_since: BTreeMap<Counter, Time>,
    /// Things the present step has made.
    pub(crate) made: Vec<Id>,
    /// Entitlements the present step has written.
    pub(crate) touched: Vec<Id>,
    serial: u32,
    pub(crate) audits: Vec<Audit>,
    /// How many of them there were before the present step.
    pub(crate) audited: usize,
    /// Counted by what only reads, too.
    pub(crate) coverage: RefCell<Coverage>,
    /// The rule that is left out, to see what it changes.
    pub(crate) without: Cell<Option<Rule>>,
}

impl Oracle {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What `step` is answered; from then on it has happened.
    pub fn run(&mut self, step: &Step) -> Answer {
        assert!(step.at >= self.now, "time never runs backwards");
        self.now = step.at;
        self.serial = step.serial;
        self.made.clear();
        self.touched.clear();
        self.audited = self.audits.len();
        let is_about_rows = matches!(
            step.command,
            Command::Grant(_)
                | Command::PatchEntitlement { .. }
                | Command::Provision(_)
                | Command::Cancel { .. }
        );
        let before = if is_about_rows {
            self.rows.clone()
        } else {
            BTreeMap::new()
        };
        let answer = self.answer(&step.command.entered());
        self.audit(&before);
        self.count_empty_scopes(&step.command, &answer);
        answer
    }

    fn answer(&mut self, command: &Command) -> Answer {
        match command {
            Command::CreateAccount { parent, zone } => self.create_account(*parent, *zone),
            Command::PatchAccount {
                account,
                status,
                zone,
            } => self.patch_account(*account, *status, *zone),
            Command::Grant(grant) => self.grant(grant),
            Command::PatchEntitlement { entitlement, patch } => {
                self.patch_entitlement(*entitlement, patch)
            }
            Command::PutRule(rule) => {
                let wrong = self.wrong_rule(rule);
                if !wrong.is_empty() {
                    return Answer::refused(&wrong);
                }
                let id = self.make();
                self.rules.push(RuleRow {
                    id,
                    rule: rule.clone(),
                });
                Answer::Done
            }
            Command::PutPlan(plan) => {
                let of = self
                    .shop
                    .plans
                    .iter_mut()
                    .find(|of| of.id == plan.id)
                    .expect("a plan of the shop");
                let version = of.version + i32::from(of.templates != plan.templates);
                *of = crate::command::Plan {
                    version,
                    ..plan.clone()
                };
                Answer::Done
            }
            Command::PutResource(resource) => {
                *self
                    .shop
                    .resources
                    .iter_mut()
                    .find(|of| of.code == resource.code)
                    .expect("a resource of the shop") = resource;
                Answer::Done
            }
            Command::Provision(provision) => self.provision(provision),
            Command::Cancel {
                account,
                plan,
                reference,
                at,
            } => self.cancel(*account, plan, *reference, *at),
            Command::Check(question) => self.check(question),
            Command::CheckAll {
                account,
                resources,
                attributes,
            } => self.check_all(*account, resources.as_deref(), attributes),
            Command::Usage(question) => self.usage(question),
            Command::Consume {
                question,
                key,
                details,
            } => self.consume(question, key, *details),
            Command::Meter(meter) => self.meter(meter),
            Command::MeterBatch(meters) => {
                Answer::Each(meters.iter().map(|meter| self.meter(meter)).collect())
            }
            Command::Correct {
                event,
                key,
                quantity,
            } => self.correct(*event, key, *quantity),
            Command::Reserve {
                question,
                key,
                ttl_seconds,
            } => self.reserve(question, key, *ttl_seconds),
            Command::Settle {
                reservation,
                quantity,
                attributes,
            } => self.settle(*reservation, *quantity, attributes),
            Command::ReleaseReservation { reservation } => self.release_reservation(*reservation),
            Command::Acquire {
                question,
                token,
                ttl_seconds,
            } => self.acquire(question, *token, *ttl_seconds),
            Command::Renew {
                lease,
                ttl_seconds,
                attributes,
            } => self.renew(*lease, *ttl_seconds, attributes),
            Command::ReleaseLease { lease } => self.release_lease(*lease),
        }
    }

    /// Names the next thing the present step makes.
    pub(crate) fn make(&mut self) -> Id {
        let id = Id::new(
            self.serial,
            u32::try_from(self.made.len()).expect("a step makes few things"),
        );
        self.made.push(id);
        id
    }

    /// The entitlements there are, of one account, in the order they were made.
    pub fn entitlements_of(&self, account: Id) -> Vec<Id> {
        self.rows
            .values()
            .filter(|row| row.account == account)
            .map(|row| row.id)
            .collect()
    }

    /// Whose an entitlement is.
    pub fn owner(&self, entitlement: Id) -> Option<Id> {
        self.rows.get(&entitlement).map(|row| row.account)
    }

    /// An entitlement as it is.
    pub fn row_in_words(&self, entitlement: Id) -> Option<RowInWords> {
        self.rows.get(&entitlement).map(Row::in_words)
    }

    /// The present catalog.
    pub const fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The zone of an account: its own, or the nearest above.
    pub(crate) fn zone(&self, account: Id) -> Tz {
        let named = self.accounts[&account]
            .path
            .iter()
            .find_map(|id| self.accounts[id].zone);
        named.map_or(Tz::UTC, |name| name.parse().expect("a zone of the list"))
    }

    /// The account's base plan at `at`: of several that began in the past, the one that replaced
    /// the others there.
    pub(crate) fn current_plan(&self, account: Id, at: Time) -> Option<&Holding> {
        let held = self
            .holdings
            .iter()
            .filter(|holding| holding.account == account && !holding.is_addon && holding.holds(at));
        held.max_by_key(|holding| (holding.start, holding.end.unwrap_or(FOREVER)))
    }

    fn create_account(&mut self, parent: Option<Id>, zone: Option<Code>) -> Answer {
        let above: Arc<[Id]> = match parent {
            None => Arc::new([]),
            Some(parent) => match self.accounts.get(&parent) {
                None => return Answer::refused(&["MEC_PARENT_NOT_FOUND", "MEC_ACCOUNT_NOT_FOUND"]),
                Some(parent) => parent.path.clone(),
            },
        };
        if parent.is_some_and(|parent| self.is_closed(parent)) {
            return Answer::refused(&["MEC_ACCOUNT_CLOSED", "MEC_TOO_DEEP"]);
        }
        if above.len() == LEVELS_MAX {
            return Answer::refused(&["MEC_TOO_DEEP"]);
        }
        let id = self.make();
        let path = std::iter::once(id).chain(above.iter().copied()).collect();
        self.accounts.insert(
            id,
            Account {
                id,
                zone,
                status: Status::Active,
                path,
            },
        );
        Answer::Done
    }

    /// Whether an account or one above it is closed, which is final: nothing new begins.
    pub(crate) fn is_closed(&self, account: Id) -> bool {
        let path = self
            .accounts
            .get(&account)
            .map_or(&[][..], |account| &account.path);
        let is_closed = path
            .iter()
            .any(|id| self.accounts[id].status == Status::Closed);
        self.count(
            Rule::ClosedIsFinal,
            is_closed && self.holds(Rule::ClosedIsFinal),
        );
        is_closed && self.holds(Rule::ClosedIsFinal)
    }

    fn wrong_rule(&self, rule: &crate::command::Rule) -> Vec<Code> {
        let mut wrong = Vec::new();
        if rule
            .account
            .is_some_and(|account| !self.accounts.contains_key(&account))
        {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        if rule.account.is_some_and(|account| self.is_closed(account)) {
            wrong.push("MEC_ACCOUNT_CLOSED");
        }
        if rule.action == Action::Grace
            && rule.grace_quantity.is_none()
            && rule.grace_period_seconds.is_none()
        {
            wrong.push("MEC_BAD_VALUE");
        }
        let kind = self
            .shop
            .resource(rule.resource)
            .expect("a resource of the shop")
            .kind;
        let bills =
            matches!(kind, Kind::Cumulative | Kind::Inventory) && rule.overage_unit_price.is_some();
        if rule.action == Action::Overage && !bills && self.holds(Rule::OverageNeedsUse) {
            self.count(Rule::OverageNeedsUse, true);
            wrong.extend(["MEC_BAD_VALUE", "MEC_WRONG_LIMIT_KIND"]);
        }
        if rule.window.is_some() && kind != Kind::Cumulative {
            wrong.extend(["MEC_BAD_VALUE", "MEC_WRONG_LIMIT_KIND"]);
        }
        wrong
    }

    fn patch_account(
        &mut self,
        id: Id,
        status: Option<Status>,
        zone: Option<Option<Code>>,
    ) -> Answer {
        let Some(account) = self.accounts.get_mut(&id) else {
            return Answer::refused(&["MEC_ACCOUNT_NOT_FOUND"]);
        };
        if account.status == Status::Closed && status.is_some_and(|status| status != Status::Closed)
        {
            return Answer::refused(&["MEC_ACCOUNT_CLOSED"]);
        }
        account.status = status.unwrap_or(account.status);
        account.zone = zone.unwrap_or(account.zone);
        Answer::Done
    }

    fn grant(&mut self, grant: &Grant) -> Answer {
        let mut wrong = Vec::new();
        if !self.accounts.contains_key(&grant.account) {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        let resource = self.shop.resource(grant.resource);
        if resource.is_none() {
            wrong.extend(["MEC_RESOURCE_NOT_FOUND", "MEC_NOT_PRESENT"]);
        }
        let valid_from = grant.valid_from.unwrap_or(self.now);
        if grant.valid_until.is_some_and(|until| until < valid_from)
            || grant.quantity.is_some_and(|quantity| quantity < 0)
            || grant.window.is_some_and(is_bad)
        {
            wrong.extend([
                "MEC_BAD_VALUE",
                "MEC_BAD_QUANTITY",
                "MEC_QUANTITY_NOT_POSITIVE",
            ]);
        }
        if self.is_closed(grant.account) {
            wrong.push("MEC_ACCOUNT_CLOSED");
        }
        let Some(resource) = resource.filter(|_| wrong.is_empty()) else {
            return Answer::refused(&wrong);
        };
        let alike = |row: &&Row| {
            row.account == grant.account
                && row.resource == grant.resource
                && row.scope == grant.scope
                && !row.is_over(self.now)
        };
        let default = self
            .rows
            .values()
            .rfind(alike)
            .map_or(Window::Lifetime(None), |row| row.window);
        let window = if resource.kind == Kind::Cumulative {
            grant.window.unwrap_or(default)
        } else {
            Window::Lifetime(None)
        };
        let before = self.clone();
        let id = self.make();
        let row = Row {
            id,
            account: grant.account,
            resource: grant.resource,
            scope: grant.scope,
            quantity: grant.quantity,
            window,
            source: if grant.is_override {
                Source::Override
            } else {
                Source::Manual
            },
            plan: None,
            priority: grant.priority,
            valid_from,
            valid_until: grant.valid_until,
            status: RowStatus::Active,
            conditions: vec![],
        };
        self.rows.insert(id, row);
        self.touched.push(id);
        self.note_limits(grant.account, &before);
        Answer::Done
    }

    fn patch_entitlement(&mut self, id: Id, patch: &Patch) -> Answer {
        let Some(row) = self.rows.get(&id) else {
            return Answer::refused(&["MEC_ENTITLEMENT_NOT_FOUND", "MEC_ACCOUNT_NOT_FOUND"]);
        };
        if row.is_over(self.now)
            && patch
                .status
                .is_some_and(|status| status != RowStatus::Expired)
        {
            return Answer::refused(&["MEC_ENTITLEMENT_EXPIRED"]);
        }
        let is_new = |condition: &Condition| !row.conditions.contains(condition);
        if patch.conditions.iter().flatten().any(is_new) && self.is_closed(row.account) {
            return Answer::refused(&["MEC_ACCOUNT_CLOSED", "MEC_BAD_VALUE"]);
        }
        let mut changed = row.clone();
        changed.quantity = patch.quantity.unwrap_or(row.quantity);
        changed.priority = patch.priority.unwrap_or(row.priority);
        changed.valid_from = patch.valid_from.unwrap_or(row.valid_from);
        changed.valid_until = patch.valid_until.unwrap_or(row.valid_until);
        changed.conditions = patch.conditions.clone().unwrap_or(changed.conditions);
        if self
            .shop
            .resource(row.resource)
            .is_some_and(|resource| resource.kind == Kind::Cumulative)
        {
            changed.window = patch.window.unwrap_or(row.window);
        }
        if changed
            .valid_until
            .is_some_and(|until| until < changed.valid_from)
            || changed.quantity.is_some_and(|quantity| quantity < 0)
            || is_bad(changed.window)
        {
            return Answer::refused(&[
                "MEC_BAD_VALUE",
                "MEC_BAD_QUANTITY",
                "MEC_QUANTITY_NOT_POSITIVE",
            ]);
        }
        match patch.status {
            Some(RowStatus::Expired) if row.status != RowStatus::Expired => {
                changed.end(self.now, self.now)
            }
            Some(status) => changed.status = status,
            None => {}
        }
        if row.is_over(self.now) && !changed.is_over(self.now) {
            return Answer::refused(&["MEC_ENTITLEMENT_EXPIRED"]);
        }
        let account = row.account;
        // What changes nothing is no write, so nothing is noted.
        if changed == *row {
            return Answer::Done;
        }
        let before = self.clone();
        self.rows.insert(id, changed);
        self.touched.push(id);
        self.note_limits(account, &before);
        Answer::Done
    }

    /// Notes since when pools on the path of an account are above their limit, after its rows
    /// changed from what they were `before`.
    pub(crate) fn note_limits(&mut self, account: Id, before: &Self) {
        let rows = self.touched.iter().map(|id| &self.rows[id]);
        let mut touched: Vec<(Code, Option<Code>)> =
            rows.map(|row| (row.resource, row.scope)).collect();
        touched.sort_unstable();
        touched.dedup();
        for (resource, scope) in touched {
            let resource = self
                .shop
                .resource(resource)
                .expect("a row names a resource");
            let question = Question {
                scope,
                ..Question::of(account, resource.code)
            };
            let was = before.pools(&question, resource, Except::Nothing);
            let is = self.pools(&question, resource, Except::Nothing);
            self.note(&was, &is);
        }
    }

    /// Notes which pools are above their limit once `amount` is used at `at`, or leased.
    pub(crate) fn note_use(&mut self, pools: &[Pool], amount: &Amount, at: Time) {
        let mut after = pools.to_vec();
        for pool in after
            .iter_mut()
            .filter(|pool| pool.counter.cut.counts(at, self.now))
        {
            pool.used += amount;
        }
        self.note(pools, &after);
    }

    /// Of pools that share a counter the tightest keeps its note. Where there is none although a
    /// limit had fallen, it is of that instant.
    fn note(&mut self, was: &[Pool], is: &[Pool]) {
        let is_over = |pools: &[Pool], counter: &Counter| {
            pools
                .iter()
                .any(|of| of.counter == *counter && of.is_over())
        };
        for pool in is {
            let counter = &pool.counter;
            let is_tighter_over = is_over(is, counter);
            self.count(
                Rule::TheTighterLimitKeepsTheNote,
                is_tighter_over && !pool.is_over(),
            );
            if !is_tighter_over {
                self.over_since.remove(counter);
            } else if !is_over(was, counter) {
                self.over_since.insert(counter.clone(), self.now);
            } else if !self.over_since.contains_key(counter) {
                let fell = was
                    .iter()
                    .filter(|of| of.counter == *counter)
                    .find_map(|of| of.fell);
                self.count(
                    Rule::LimitsFallByThemselves,
                    fell.is_some_and(|fell| fell < self.now),
                );
                self.over_since
                    .insert(counter.clone(), fell.unwrap_or(self.now));
            }
        }
    }
}

impl Pool {
    /// Whether what is used is above the limit; what is only held is not used.
    pub(crate) fn is_over(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| self.used > *limit)
    }
}

impl Question {
    /// Where does the account stand?
    pub const fn of(account: Id, resource: Code) -> Self {
        Self {
            account,
            resource,
            scope: None,
            quantity: None,
            unit: None,
            attributes: BTreeMap::new(),
        }
    }
}

/// The next full second.
pub(crate) fn full_second(at: Time) -> Time {
    at + (-at).rem_euclid(SECOND)
}

fn is_bad(window: Window) -> bool {
    match window {
        Window::Rolling(seconds) => seconds < 60,
        Window::Period(start, end) => end <= start,
        _ => false,
    }
}
