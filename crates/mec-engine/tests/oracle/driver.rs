//! An installation on a store of its own, in whatever place, whose clock the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mec_engine::{
    Caller, Clock, GroupBy, Mec, MecError, NewAccount, Now, Options, StandingOf, UsageQuestion,
};
use mec_kernel as k;
use mec_kernel::{Ruling, Time};
use mec_oracle::{Answer, Bucket, Command, Id, Oracle, Shop, Step, Window};
use mec_store::{OpenOptions, Store};

use crate::audit;
use crate::place::Place;
use crate::translate::{self, Names};

/// A clock that shows what it was set to.
#[derive(Debug)]
struct Shown(AtomicI64);

impl Now for Shown {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// The engine in one sequence.
pub(crate) struct Driver {
    place: Box<dyn Place>,
    clock: Arc<Shown>,
    mec: Mec,
    names: Names,
    caller: Caller,
}

impl Driver {
    pub(crate) async fn open(place: Box<dyn Place>) -> Self {
        let clock = Arc::new(Shown(AtomicI64::new(1)));
        let catalog = translate::changes(&Shop::new());
        let options = Options {
            catalog,
            clock: Clock::ruling(clock.clone()),
            ..Options::default()
        };
        let mec = Mec::open(&place.url(), options).await.expect("a new store");
        Self {
            place,
            clock,
            mec,
            names: Names::new(),
            caller: Caller::new("oracle", "api"),
        }
    }

    /// The same store, opened by the next process.
    pub(crate) async fn reopen(self) -> Self {
        self.mec.close().await.expect("it ends in order");
        let Self {
            place,
            clock,
            mec,
            names,
            caller,
        } = self;
        drop(mec);
        let options = Options {
            create: false,
            clock: Clock::ruling(clock.clone()),
            ..Options::default()
        };
        let mec = Mec::open(&place.url(), options)
            .await
            .expect("the store of before");
        Self {
            place,
            clock,
            mec,
            names,
            caller,
        }
    }

    /// What in the store does not follow from the ledger, or of the ledger is not there.
    pub(crate) async fn verify(self, oracle: &Oracle) -> Result<(), String> {
        if let Some(difference) = audit::wrong(&self.mec, &self.names, oracle).await {
            return Err(format!("the audit: {difference}"));
        }
        self.mec.close().await.expect("it ends in order");
        let Self {
            place, clock, mec, ..
        } = self;
        drop(mec);
        let (store, mut writer) =
            Store::open(&place.url(), &OpenOptions::default()).expect("the store of before");
        let catalog = writer.catalog().await.expect("its catalog");
        let report = store
            .verify(&catalog, clock.now(), &mut |_| {})
            .expect("a readable store");
        let events = oracle.event_count();
        if report.is_clean() && usize::try_from(report.events) == Ok(events) {
            Ok(())
        } else {
            Err(format!(
                "{} events for {events}: {:?}",
                report.events, report.findings
            ))
        }
    }

    /// What the engine answers.
    pub(crate) async fn run(&mut self, step: &Step, oracle: &Oracle) -> Answer {
        self.clock.0.store(step.at, Ordering::SeqCst);
        match self.answer(step, oracle).await {
            Ok(answer) => answer,
            Err(MecError::Refused(refusal)) => translate::refused(refusal.code()),
            Err(error) => Answer::Refused(vec![error.to_string()]),
        }
    }

    async fn answer(&mut self, step: &Step, oracle: &Oracle) -> Result<Answer, MecError> {
        let (mec, caller, serial) = (&self.mec, &self.caller, step.serial);
        Ok(match &step.command {
            Command::CreateAccount { parent, zone } => {
                let parent = parent.map(|parent| self.names.account(parent));
                let account = mec
                    .create_account(NewAccount(translate::new_account(parent, *zone)), caller)
                    .await?;
                self.names.account_made(serial, account.id);
                Answer::Done
            }
            Command::PatchAccount {
                account,
                status,
                zone,
            } => {
                let patch = translate::account_patch(*status, *zone);
                mec.patch_account(self.names.account(*account), patch, caller)
                    .await?;
                Answer::Done
            }
            Command::Grant(grant) => {
                let row = mec.grant(self.names.grant(grant), caller).await?;
                self.names.entitlements_made(serial, [row.id]);
                Answer::Done
            }
            Command::PatchEntitlement { entitlement, patch } => {
                let owner = oracle.owner(*entitlement).unwrap_or(Id::new(0, 0));
                let (account, row) = (
                    self.names.account(owner),
                    self.names.entitlement(*entitlement),
                );
                let patch = translate::patch(patch);
                let patched = move |view: &k::View<'_>, making: &mut k::Making<'_>| {
                    let mut patch = patch.clone();
                    for condition in patch.conditions.iter_mut().flatten() {
                        condition.id = k::ConditionId(making.ids.draw());
                    }
                    k::patch_entitlement(view, making, account, row, &patch)
                };
                mec.run(account, caller, patched).await?;
                Answer::Done
            }
            Command::PutRule(rule) => {
                let id = self.put_rule(rule, oracle.shop()).await?;
                self.names.rules.put(Id::new(serial, 0), id);
                Answer::Done
            }
            Command::PutPlan(plan) => {
                let plan = translate::plan(plan);
                mec.change_catalog(caller, move |_| {
                    vec![k::CatalogChange::PutPlan(plan.clone())]
                })
                .await?;
                Answer::Done
            }
            Command::PutResource(resource) => {
                let resource = translate::resource(resource);
                mec.change_catalog(caller, move |_| vec![resource.clone()])
                    .await?;
                Answer::Done
            }
            Command::Provision(provision) => {
                let provision = self.names.provision(provision);
                let account = provision.account;
                let number = mec.provision(provision, caller).await?;
                let rows = mec.run(account, caller, move |view, _| {
                    let rows = view
                        .tree
                        .node(account)?
                        .entitlements
                        .iter()
                        .map(|row| row.id);
                    Ok(Ruling::unchanged(rows.collect::<Vec<_>>()))
                });
                self.names.entitlements_made(serial, rows.await?);
                Answer::Number(number)
            }
            Command::Cancel {
                account,
                plan,
                reference,
                at,
            } => {
                let (account, at) = (self.names.account(*account), at.map(Time::from_micros));
                let cancel = k::Cancel {
                    account,
                    plan: (*plan).into(),
                    reference: reference.map(k::Code::from),
                    at,
                };
                Answer::Number(mec.cancel(cancel, caller).await?)
            }
            Command::Check(question) => {
                let standing = mec
                    .check(self.names.question(question, true), caller)
                    .await?;
                Answer::Standing(self.names.standing(&standing))
            }
            Command::CheckAll {
                account,
                resources,
                attributes,
            } => {
                let resources = resources
                    .as_ref()
                    .map(|codes| codes.iter().map(|code| k::Code::from(*code)).collect());
                let attributes = translate::attributes(attributes);
                let standings = mec
                    .check_all(self.names.account(*account), resources, attributes, caller)
                    .await?;
                let standing = |of: &StandingOf| {
                    (
                        of.resource.to_string(),
                        of.scope.as_ref().map(ToString::to_string),
                        self.names.standing(&of.standing),
                    )
                };
                Answer::Standings(standings.iter().map(standing).collect())
            }
            Command::Usage(question) => {
                let asked = UsageQuestion {
                    account: self.names.account(question.account),
                    resource: question.resource.into(),
                    scope: question.scope.map(k::Code::from),
                    from: question.from.map(Time::from_micros),
                    to: question.to.map(Time::from_micros),
                    group_by: question.group_by.map(|window| match window {
                        Window::Hour => GroupBy::Hour,
                        Window::Day => GroupBy::Day,
                        Window::Week => GroupBy::Week,
                        Window::Month => GroupBy::Month,
                        other => panic!("{other:?} is no bucket"),
                    }),
                    own_only: question.own_only,
                };
                let bucket = |of: &mec_engine::Bucket| Bucket {
                    start: of.start.micros(),
                    end: of.end.micros(),
                    quantity: of.quantity.to_string(),
                    lease_hours: of.lease_hours.map(|hours| hours.to_string()),
                    overage: of.overage.to_string(),
                    events: of.events,
                };
                Answer::Usage(
                    mec.usage(asked, caller)
                        .await?
                        .buckets
                        .iter()
                        .map(bucket)
                        .collect(),
                )
            }
            Command::MeterBatch(meters) => {
                let meters = meters.iter().map(|meter| self.names.meter(meter)).collect();
                let mut each = Vec::new();
                for recorded in mec.meter_batch(meters, caller).await {
                    each.push(match recorded {
                        Ok(recorded) => self.names.recorded(recorded, serial),
                        Err(MecError::Refused(refusal)) => translate::refused(refusal.code()),
                        Err(error) => translate::refused(&error.to_string()),
                    });
                }
                Answer::Each(each)
            }
            Command::Consume {
                question,
                key,
                details,
            } => {
                let check = self.names.question(question, true);
                let consume = k::Consume {
                    check,
                    key: self.names.key(key).as_str().into(),
                    details: details.map(Arc::from),
                };
                let consumed = mec.consume(consume, caller).await?;
                self.names.consumed(&consumed, serial)
            }
            Command::Meter(meter) => {
                let recorded = mec.meter(self.names.meter(meter), caller).await?;
                self.names.recorded(recorded, serial)
            }
            Command::Correct {
                event,
                key,
                quantity,
            } => {
                let (event, details) = (
                    self.names.event(*event),
                    translate::correction_details(*quantity),
                );
                let quantity = quantity.map(translate::quantity);
                let correct = k::Correct {
                    key: self.names.key(key).as_str().into(),
                    event,
                    quantity,
                    details,
                };
                let recorded = mec.correct(correct, caller).await?;
                self.names.recorded(recorded, serial)
            }
            Command::Reserve {
                question,
                key,
                ttl_seconds,
            } => {
                let check = self.names.question(question, true);
                let reserve = k::Reserve {
                    check,
                    key: self.names.key(key).as_str().into(),
                    ttl_seconds: *ttl_seconds,
                };
                let reserved = mec.reserve(reserve, caller).await?;
                self.names.reserved(&reserved, serial)
            }
            Command::Settle {
                reservation,
                quantity,
                attributes,
            } => {
                let reservation = self.names.hold(*reservation);
                let (quantity, attributes) = (
                    translate::quantity(*quantity),
                    translate::attributes(attributes),
                );
                let settled = mec
                    .settle(
                        k::Settle {
                            reservation,
                            quantity,
                            attributes,
                        },
                        caller,
                    )
                    .await?;
                self.names.settled(settled, serial)
            }
            Command::ReleaseReservation { reservation } => Answer::Truth(
                mec.release_reservation(self.names.hold(*reservation), caller)
                    .await?,
            ),
            Command::Acquire {
                question,
                token,
                ttl_seconds,
            } => {
                let check = self.names.question(question, true);
                let acquire = k::Acquire {
                    account: check.account,
                    resource: check.resource,
                    scope: check.scope,
                    token: token.map(k::Code::from),
                    quantity: check.quantity.expect("the generator always says how many"),
                    ttl_seconds: *ttl_seconds,
                    attributes: check.attributes,
                };
                let leased = mec.acquire(acquire, caller).await?;
                self.names.leased(&leased, serial)
            }
            Command::Renew {
                lease,
                ttl_seconds,
                attributes,
            } => {
                let (lease, attributes) =
                    (self.names.lease(*lease), translate::attributes(attributes));
                let renew = k::Renew {
                    lease,
                    ttl_seconds: *ttl_seconds,
                    attributes,
                };
                let leased = mec.renew(renew, caller).await?;
                self.names.leased(&leased, serial)
            }
            Command::ReleaseLease { lease } => {
                Answer::Truth(mec.release_lease(self.names.lease(*lease), caller).await?)
            }
        })
    }

    async fn put_rule(&self, rule: &mec_oracle::Rule, shop: &Shop) -> Result<k::RuleId, MecError> {
        let rule = self.names.rule(rule, k::RuleId(0), self.clock.now(), shop);
        if let Some(account) = rule.account {
            let put = move |view: &k::View<'_>, making: &mut k::Making<'_>| {
                let id = k::RuleId(making.ids.draw());
                let Ruling { answer: (), writes } =
                    k::put_rule(view, &Arc::new(k::Rule { id, ..rule.clone() }))?;
                Ok(Ruling { answer: id, writes })
            };
            return self.mec.run(account, &self.caller, put).await;
        }
        let put = move |_: &k::Catalog| vec![k::CatalogChange::PutRule(rule.clone())];
        let changed = self.mec.change_catalog(&self.caller, put).await?;
        let mut ids = changed.iter().filter_map(|change| match change {
            k::CatalogChange::PutRule(rule) => Some(rule.id),
            _ => None,
        });
        Ok(ids.next().expect("a new rule has an id"))
    }
}
