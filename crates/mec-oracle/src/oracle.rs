//! The way a command takes through the rules.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::command::{Action, Code, Command, Plan, Step};
use crate::coverage::Rule;
use crate::row::RuleRow;
use crate::shop::{Kind, Resource};
use crate::state::Oracle;

impl Oracle {
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
            Command::PutRule(rule) => self.put_rule(rule),
            Command::PutPlan(plan) => self.put_plan(plan),
            Command::PutResource(resource) => self.put_resource(resource),
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

    fn put_rule(&mut self, rule: &crate::command::Rule) -> Answer {
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

    fn put_plan(&mut self, plan: &Plan) -> Answer {
        let plans = &mut self.shop.plans;
        let of = plans.iter_mut().find(|of| of.id == plan.id);
        let of = of.expect("a plan of the shop");
        let version = of.version + i32::from(of.templates != plan.templates);
        *of = Plan {
            version,
            ..plan.clone()
        };
        Answer::Done
    }

    fn put_resource(&mut self, resource: &'static Resource) -> Answer {
        let resources = &mut self.shop.resources;
        let of = resources.iter_mut().find(|of| of.code == resource.code);
        *of.expect("a resource of the shop") = resource;
        Answer::Done
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
}
