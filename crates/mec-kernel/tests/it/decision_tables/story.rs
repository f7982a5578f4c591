//! One row of a table, told to the kernel: what the accounts have, what happened, and what is
//! asked.

use mec_kernel::*;

use super::document::Row;
use super::givens::plan_of;
use super::vocabulary::{self, Item, LEVELS, Question, Step, Use, Verb};
use crate::world::{World, check_of, meter_of, new_account};

/// Columns that say what is; every other must be one of an outcome.
pub(super) const GIVENS: [&str; 7] = ["resource", "has", "rule", "used", "then", "who", "asks"];
/// The account of a table without levels.
pub(super) const ALONE: &str = "account";
pub(super) const DEFAULT_RESOURCE: &str = "benchmark_runs";

/// What the kernel told.
pub(super) enum Outcome {
    Refused(Refusal),
    Told(Box<Told>),
}

/// An answer, whatever was asked.
pub(super) struct Told {
    pub(super) decision: Decision,
    pub(super) reason: Reason,
    pub(super) allowed: bool,
    /// Of everything but leases.
    pub(super) standing: Option<Standing>,
    pub(super) retry_after_seconds: Option<i64>,
}

/// The accounts of one row and what they have.
pub(super) struct Story {
    pub(super) world: World,
    pub(super) resource: String,
    /// From the root down.
    pub(super) accounts: Vec<(String, AccountId)>,
    pub(super) who: AccountId,
    /// Every entitlement with its name: `user 2` is the second that the cell `user` lists.
    pub(super) rows: Vec<(EntitlementId, String)>,
    pub(super) rules: Vec<RuleId>,
    pub(super) event: Option<EventId>,
    pub(super) lease: Option<LeaseId>,
    pub(super) made: u32,
}

/// Why a row cannot be told: its words are wrong, or the kernel refused what leads to the question.
pub(super) enum Stop {
    Words(String),
    Refused(Refusal),
}

impl From<String> for Stop {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Tells a row and asks its question. `is_cold`: everything loaded is forgotten before every
/// command.
pub(super) fn tell(row: &Row, is_cold: bool) -> Result<(Story, Outcome), String> {
    let mut story = Story::begin(row, is_cold)?;
    let outcome = match story.lead_up(row).and_then(|()| story.ask(row)) {
        Ok(told) => Outcome::Told(Box::new(told)),
        Err(Stop::Refused(refusal)) => Outcome::Refused(refusal),
        Err(Stop::Words(why)) => return Err(why),
    };
    Ok((story, outcome))
}

impl Story {
    fn begin(row: &Row, is_cold: bool) -> Result<Self, String> {
        let mut world = World::new();
        world.is_cold = is_cold;
        let mut accounts: Vec<(String, AccountId)> = Vec::new();
        let levels = LEVELS
            .into_iter()
            .filter(|level| row.cell(level).is_some())
            .collect::<Vec<_>>();
        for name in if levels.is_empty() {
            vec![ALONE]
        } else {
            levels
        } {
            let account = new_account(accounts.last().map(|(_, parent)| *parent));
            let made = world.run(|view, making| create_account(view, making.ids, &account));
            accounts.push((
                name.to_owned(),
                made.map_err(|why| format!("{name}: {}", why.code()))?.id,
            ));
        }
        let resource = row.given("resource").unwrap_or(DEFAULT_RESOURCE).to_owned();
        let who = accounts.last().expect("at least one").1;
        let (rows, rules) = (Vec::new(), Vec::new());
        let mut story = Self {
            world,
            resource,
            accounts,
            who,
            rows,
            rules,
            event: None,
            lease: None,
            made: 0,
        };
        if let Some(name) = row.given("who") {
            let nobody = AccountId(story.who.0 + 1);
            story.who = if name == "nobody" {
                nobody
            } else {
                story.account(Some(name))?
            };
        }
        Ok(story)
    }

    /// Everything before the question.
    fn lead_up(&mut self, row: &Row) -> Result<(), Stop> {
        let mut has = Vec::new();
        for (name, account) in self.accounts.clone() {
            let column = if name == ALONE { "has" } else { &name };
            has.push((
                name.clone(),
                account,
                vocabulary::items(row.cell(column).unwrap_or(super::document::NOTHING))?,
            ));
        }
        for (name, account, items) in &has {
            self.put_plans_into_catalog(name, items);
            if let Some(zone) = items.iter().find_map(|item| {
                if let Item::Zone(zone) = item {
                    Some(zone)
                } else {
                    None
                }
            }) {
                self.world.set_zone(*account, zone);
            }
        }
        for rule in vocabulary::rules(row.cell("rule").unwrap_or(super::document::NOTHING))? {
            let made = self.rule(&rule)?;
            self.rules.push(made);
        }
        for (name, account, items) in &has {
            self.give(name, *account, items)?;
        }
        for used in vocabulary::uses(row.cell("used").unwrap_or(super::document::NOTHING))? {
            self.step(&Step::Use(used))?;
        }
        for step in vocabulary::steps(row.cell("then").unwrap_or(super::document::NOTHING))? {
            self.step(&step)?;
        }
        for (_, account, items) in &has {
            for item in items {
                if let Item::Account(status) = item {
                    self.world.set_status(*account, *status);
                }
            }
        }
        Ok(())
    }

    pub(super) fn account(&self, name: Option<&str>) -> Result<AccountId, String> {
        let Some(name) = name else {
            return Ok(self.who);
        };
        let found = self.accounts.iter().find(|(other, _)| other == name);
        found
            .map(|(_, id)| *id)
            .ok_or(format!("no account is called {name:?} here"))
    }

    /// What the account that asks is billed beyond its limits, of the resource, by all that was
    /// recorded.
    pub(super) fn billed(&self) -> Option<Total> {
        let resource = self.world.catalog.resources.get(self.resource.as_str())?;
        let effects = self
            .world
            .written
            .events
            .iter()
            .flat_map(|event| &event.effects);
        let of_account = effects
            .filter(|effect| effect.account == self.who && effect.key.resource == resource.code);
        let overage = of_account.fold(Amount::ZERO, |sum, effect| sum.plus(effect.overage));
        Some(overage.rounded(self.world.catalog.factor(&resource.unit)))
    }

    pub(super) fn name_of(&self, account: AccountId) -> &str {
        self.accounts
            .iter()
            .find(|(_, id)| *id == account)
            .map_or("?", |(name, _)| name)
    }

    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match step {
            Step::Use(used) => self.record(used),
            Step::Hold(used) => {
                let check = self.check_of(used)?;
                self.made += 1;
                let hold = Reserve {
                    check,
                    key: format!("hold {}", self.made).as_str().into(),
                    ttl_seconds: used.seconds,
                };
                let reserved = self
                    .world
                    .run(|view, making| reserve(view, making, &hold))?;
                reserved
                    .reservation
                    .map(|_| ())
                    .ok_or(Stop::Words("the hold is not let through".to_owned()))
            }
            Step::Wait(seconds) => {
                self.world.pass(*seconds);
                Ok(())
            }
            Step::ItIs(instant) => {
                self.world.at(&instant.to_string());
                Ok(())
            }
            Step::CorrectTo(total) => {
                let event = self
                    .event
                    .ok_or("nothing was used that could be corrected".to_owned())?;
                self.made += 1;
                let key = format!("correction {}", self.made).as_str().into();
                let correction = Correct {
                    key,
                    event,
                    quantity: Some(*total),
                    details: "{}".into(),
                };
                self.world.try_correct(&correction)?;
                Ok(())
            }
            Step::LimitBecomes { who, quantity } => {
                let account = self.account(who.as_deref())?;
                let rows = self.world.rows(account);
                let row = rows
                    .iter()
                    .map(|row| row.id)
                    .min()
                    .ok_or("there is no limit to change".to_owned())?;
                self.world.patch(
                    row,
                    &EntitlementPatch {
                        quantity: Some(*quantity),
                        ..EntitlementPatch::default()
                    },
                )?;
                Ok(())
            }
            Step::PlanCancelled { who } => {
                let account = self.account(who.as_deref())?;
                let plan = plan_of(self.name_of(account));
                self.world.run(|view, making| {
                    let asked = Cancel {
                        account,
                        plan: plan.clone(),
                        reference: None,
                        at: None,
                    };
                    cancel(view, making, &asked)
                })?;
                Ok(())
            }
        }
    }

    fn kind(&self) -> Option<LimitKind> {
        self.world
            .catalog
            .resources
            .get(self.resource.as_str())
            .map(|resource| resource.limit_kind)
    }

    /// Records use: an event, or a lease where seats are counted.
    fn record(&mut self, used: &Use) -> Result<(), Stop> {
        if used.quantity.is_zero() {
            return Ok(());
        }
        let account = self.account(used.who.as_deref())?;
        if self.kind() == Some(LimitKind::Concurrency) {
            let leased = self.lease(account, used)?;
            let lease = leased
                .lease
                .ok_or(Stop::Words("the lease is not let through".to_owned()))?;
            self.lease = Some(lease.id);
            return Ok(());
        }
        self.made += 1;
        let amount = used.quantity.to_string();
        let mut event = meter_of(
            account,
            &self.resource,
            &amount,
            &format!("used {}", self.made),
        );
        event.scope.clone_from(&used.scope);
        event.unit.clone_from(&used.unit);
        event.attributes.clone_from(&used.attributes);
        event.occurred_at = used.at;
        self.event = Some(self.world.try_meter(&event)?.event);
        Ok(())
    }

    fn lease(&mut self, account: AccountId, used: &Use) -> Result<Leased, Refusal> {
        let asked = Acquire {
            account,
            resource: self.resource.as_str().into(),
            scope: used.scope.clone(),
            token: None,
            quantity: used.quantity,
            ttl_seconds: used.seconds,
            attributes: used.attributes.clone(),
        };
        self.world.run(|view, making| acquire(view, making, &asked))
    }

    fn check_of(&self, used: &Use) -> Result<Check, String> {
        let mut check = check_of(self.account(used.who.as_deref())?, &self.resource, None);
        check.quantity = Some(used.quantity);
        check.unit.clone_from(&used.unit);
        check.scope.clone_from(&used.scope);
        check.attributes.clone_from(&used.attributes);
        Ok(check)
    }

    fn ask(&mut self, row: &Row) -> Result<Told, Stop> {
        let Question { verb, used } =
            vocabulary::question(row.cell("asks").ok_or("no column asks".to_owned())?)?;
        let amount = || {
            used.as_ref()
                .ok_or(Stop::Words("an amount is missing".to_owned()))
        };
        let nothing = check_of(self.who, &self.resource, None);
        match verb {
            Verb::Check => {
                let mut check = used
                    .as_ref()
                    .map_or(Ok(nothing), |used| self.check_of(used))?;
                check.explain = true;
                Ok(of_standing(self.world.check(&check)?))
            }
            Verb::Consume => {
                let consume = Consume {
                    check: self.check_of(amount()?)?,
                    key: "asked".into(),
                    details: None,
                };
                Ok(of_standing(self.world.try_consume(&consume)?.standing))
            }
            Verb::Reserve => {
                let used = amount()?;
                let hold = Reserve {
                    check: self.check_of(used)?,
                    key: "asked".into(),
                    ttl_seconds: used.seconds,
                };
                Ok(of_standing(
                    self.world
                        .run(|view, making| reserve(view, making, &hold))?
                        .standing,
                ))
            }
            Verb::Lease => {
                let used = amount()?.clone();
                Ok(of_lease(self.lease(self.who, &used)?))
            }
            Verb::Renew => {
                let lease = self.lease.ok_or("no lease was taken".to_owned())?;
                let attributes = used.map(|used| used.attributes).unwrap_or_default();
                let asked = Renew {
                    lease,
                    ttl_seconds: 3_600,
                    attributes,
                };
                Ok(of_lease(self.world.run(|view, _| renew(view, &asked))?))
            }
        }
    }

    /// A consume's decision and reason are the check's, and it records exactly what was let
    /// through.
    pub(super) fn consume_agrees(&mut self, row: &Row, told: &Told) -> Result<(), String> {
        let question = vocabulary::question(row.cell("asks").unwrap_or_default())?;
        let is_counted = matches!(
            self.kind(),
            Some(LimitKind::Cumulative | LimitKind::Inventory)
        );
        let Some(used) = question
            .used
            .filter(|used| question.verb == Verb::Check && used.quantity.millionths() > 0)
        else {
            return Ok(());
        };
        if !is_counted {
            return Ok(());
        }
        let consume = Consume {
            check: self.check_of(&used)?,
            key: "consumed".into(),
            details: None,
        };
        let consumed = self
            .world
            .try_consume(&consume)
            .map_err(|why| format!("consume is refused: {}", why.code()))?;
        let said = (
            consumed.standing.decision,
            consumed.standing.reason,
            consumed.event.is_some(),
        );
        let expected = (told.decision, told.reason.clone(), told.allowed);
        if said == expected {
            Ok(())
        } else {
            Err(format!(
                "consume says {said:?} where check says {expected:?}"
            ))
        }
    }
}

fn of_standing(standing: Standing) -> Told {
    let (decision, reason, allowed) =
        (standing.decision, standing.reason.clone(), standing.allowed);
    let retry_after_seconds = standing.retry_after_seconds;
    Told {
        decision,
        reason,
        allowed,
        standing: Some(standing),
        retry_after_seconds,
    }
}

fn of_lease(leased: Leased) -> Told {
    let Leased {
        lease,
        decision,
        reason,
        retry_after_seconds,
        ..
    } = leased;
    Told {
        decision,
        reason,
        allowed: lease.is_some(),
        standing: None,
        retry_after_seconds,
    }
}
