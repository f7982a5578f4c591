//! Changes of what may be used.

use super::Generator;
use crate::command::{Code, Command, Id, Patch, Provision, RowStatus, SECOND, Status};
use crate::row::Holding;
use crate::shop::{HOURS, Kind};
use crate::state::Oracle;

impl Generator {
    /// Changes of what may be used.
    pub(super) fn set_up(&mut self, oracle: &Oracle) -> Command {
        let is_patch = self.is_conditional && self.chance.of(5);
        match if is_patch { 71 } else { self.chance.below(100) } {
            0..=24 => Command::Grant(self.grant(oracle)),
            25..=44 => Command::PutRule(self.rule(oracle)),
            45..=64 => Command::Provision(self.provision(oracle)),
            65..=70 => {
                let waits = |of: &&Holding| {
                    !of.is_addon && of.start > self.at && of.end.is_none_or(|end| end > of.start)
                };
                let to_come = oracle
                    .holdings
                    .iter()
                    .rev()
                    .find(waits)
                    .map(|of| (of.account, of.plan, of.reference));
                let (account, plan, reference) = match to_come {
                    Some(to_come) if !self.chance.of(3) => to_come,
                    _ => self.holding(oracle),
                };
                let reference = if self.chance.of(2) {
                    None
                } else {
                    Some(reference)
                };
                let at = if self.chance.of(2) {
                    None
                } else {
                    Some(self.ahead())
                };
                Command::Cancel {
                    account,
                    plan,
                    reference,
                    at,
                }
            }
            71..=88 => self.patch(oracle),
            89..=90 => {
                let status = match self.chance.below(20) {
                    0 => Some(Status::Closed),
                    1..=6 => Some(Status::Suspended),
                    _ => Some(Status::Active),
                };
                let account = self.account(oracle);
                let is_closed = oracle
                    .accounts
                    .get(&account)
                    .is_some_and(|account| account.status == Status::Closed);
                let zone = if !is_closed && self.chance.of(5) {
                    Some(self.zone())
                } else {
                    None
                };
                Command::PatchAccount {
                    account,
                    status,
                    zone,
                }
            }
            91 | 92 => Command::PutResource(&HOURS[self.chance.place(HOURS.len())]),
            93..=95 => self.new_version(oracle),
            _ => {
                let inactive = oracle
                    .accounts
                    .values()
                    .filter(|account| account.status == Status::Suspended);
                let ids: Vec<Id> = inactive.map(|account| account.id).collect();
                let account = if ids.is_empty() {
                    self.account(oracle)
                } else {
                    ids[self.chance.place(ids.len())]
                };
                Command::PatchAccount {
                    account,
                    status: Some(Status::Active),
                    zone: None,
                }
            }
        }
    }

    pub(super) fn new_version(&mut self, oracle: &Oracle) -> Command {
        let mut plan = oracle.shop.plans[self.chance.place(oracle.shop.plans.len())].clone();
        let place = self.chance.place(plan.templates.len());
        let is_unscoped = plan.templates[place].scope.is_none();
        let quantity = self.limit();
        let scope = if self.chance.of(3) { Some("") } else { None };
        let template = &mut plan.templates[place];
        template.scope = if is_unscoped { scope } else { template.scope };
        template.quantity = if template.resource == "access" {
            None
        } else {
            quantity
        };
        Command::PutPlan(plan)
    }

    pub(super) fn provision(&mut self, oracle: &Oracle) -> Provision {
        if self.chance.of(6)
            && let Some(scheduled) = self.scheduled(oracle)
        {
            return scheduled;
        }
        let start = match self.chance.below(6) {
            0 => Some(self.ahead()),
            1 if self.chance.of(3) => {
                Some(self.at - self.chance.below(20 * 86_400).cast_signed() * SECOND)
            }
            _ => None,
        };
        let (account, plan, reference) = self.holding(oracle);
        let is_addon = plan.starts_with("more");
        let until = if self.chance.of(6) {
            Some(self.ahead() + 30 * 86_400 * SECOND)
        } else {
            None
        };
        Provision {
            account,
            plan,
            start: start.filter(|_| !is_addon),
            quantity: if self.chance.of(2) {
                None
            } else {
                Some((1 + self.chance.below(4)).cast_signed() * 1_000_000)
            },
            reference,
            until,
            migrate: self.chance.of(4),
        }
    }

    /// Another plan to come for an account that has one now, so that there are schedules to cancel.
    pub(super) fn scheduled(&mut self, oracle: &Oracle) -> Option<Provision> {
        let at = self.at;
        let bases = oracle
            .holdings
            .iter()
            .filter(|holding| holding.holds(at) && !holding.plan.starts_with("more"));
        let accounts: Vec<Id> = bases.map(|holding| holding.account).collect();
        if accounts.is_empty() {
            return None;
        }
        let account = accounts[self.chance.place(accounts.len())];
        let plan = ["starter", "pro", "team"][self.chance.place(3)];
        let (start, reference) = (Some(self.ahead()), "");
        Some(Provision {
            account,
            plan,
            start,
            quantity: None,
            reference,
            until: None,
            migrate: false,
        })
    }

    /// Who has or shall have what: often what there is already.
    pub(super) fn holding(&mut self, oracle: &Oracle) -> (Id, Code, Code) {
        if !oracle.holdings.is_empty() && self.chance.of(3) {
            let to_come = oracle
                .holdings
                .iter()
                .rev()
                .find(|holding| holding.start > self.at)
                .filter(|_| self.chance.of(3));
            let any = &oracle.holdings[self.chance.place(oracle.holdings.len())];
            let holding = to_come.unwrap_or(any);
            let reference = if self.chance.of(4) {
                self.reference()
            } else {
                holding.reference
            };
            return (holding.account, holding.plan, reference);
        }
        let plan = self.plan();
        let reference = if plan.starts_with("more") || self.chance.of(4) {
            self.reference()
        } else {
            ""
        };
        (self.account(oracle), plan, reference)
    }

    pub(super) fn patch(&mut self, oracle: &Oracle) -> Command {
        let entitlement = self.pick(oracle.rows.keys().copied());
        let row = oracle.rows.get(&entitlement);
        let is_cumulative = row.is_some_and(|row| {
            oracle
                .shop
                .resource(row.resource)
                .is_some_and(|of| of.kind == Kind::Cumulative)
        });
        let is_access = row.is_some_and(|row| row.resource == "access");
        let mut patch = Patch::default();
        match if self.is_conditional && !self.chance.of(3) {
            11
        } else {
            self.chance.below(12)
        } {
            0..=3 if !is_access => patch.quantity = Some(self.limit()),
            4 => patch.status = Some(RowStatus::Suspended),
            5 | 6 => patch.status = Some(RowStatus::Active),
            7 if self.chance.of(3) => patch.status = Some(RowStatus::Expired),
            8 => {
                patch.valid_until = Some(if self.chance.of(2) {
                    None
                } else {
                    Some(self.ahead())
                })
            }
            9 if is_cumulative => patch.window = Some(self.window()),
            11 if self.is_conditional => patch.conditions = Some(vec![self.attribute_condition()]),
            10 => patch.priority = Some(i32::try_from(self.chance.below(3)).expect("small")),
            _ => {
                let conditions = if self.chance.of(2) {
                    vec![]
                } else {
                    vec![self.condition()]
                };
                patch.conditions = Some(conditions);
            }
        }
        Command::PatchEntitlement { entitlement, patch }
    }
}
