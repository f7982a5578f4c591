//! What a product asks and does: one method each. The kernel decides; here it is brought to the
//! lane, or answered from published state, and its decision to the log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mec_kernel::{
    Account, AccountId, AccountStatus, Acquire, Attributes, Cancel, CatalogChange, Check, Code,
    Consume, Consumed, Correct, CreateAccount, Decision, DecisionId, Entitlement, EntitlementId,
    EntitlementPatch, Grant, Halt, IdSource, KeptRow, Lease, LeaseId, Leased, Making, Meter, Need,
    Provision, Recorded, Refusal, Renew, ReservationId, Reserve, Reserved, Ruling, Settle, Settled,
    Standing, Time, Trace, TreeId, View, acquire, cancel, check, consume, correct, create_account,
    grant, meter, patch_account, patch_entitlement, provision, release, release_reservation, renew,
    reserve, scope_of, settle,
};
use mec_store::{DecisionRow, Operation};
use tokio::sync::oneshot;

use crate::catalog_file::CatalogFile;
use crate::decision_log::{DecisionLog, Entry, slots};
use crate::error::MecError;
use crate::job::{Command, Committed, Foreseen, Intent, Job, Steps, TableWrite, Written};
use crate::mec::{Caller, Mec, died, tree_of};

/// A new account, with the defaults of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount(pub CreateAccount);

impl NewAccount {
    /// An organization of this name, active, without parent, external id, zone or anything else.
    pub fn named(display_name: &str) -> Self {
        Self(CreateAccount {
            parent: None,
            account_type: "organization".into(),
            external_id: None,
            display_name: display_name.into(),
            email: None,
            time_zone: None,
            metadata: None,
            status: AccountStatus::Active,
        })
    }
}

/// What applying a catalog file came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What changed, or would change.
    pub changes: Vec<CatalogChange>,
    /// What the file does not name and is still there, because something refers to it.
    pub kept: Vec<KeptRow>,
}

/// Where an account stands with one resource, or with one scope of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingOf {
    /// Which resource.
    pub resource: Code,
    /// Which scope of it; `None`: the whole.
    pub scope: Option<Code>,
    /// Where it stands.
    pub standing: Standing,
}

impl Mec {
    /// May this account do this? Answered from published state; never waits for what is being
    /// recorded.
    ///
    /// # Errors
    /// An unknown account, resource or unit; a quantity below zero.
    pub async fn check(&self, question: Check, caller: &Caller) -> Result<Standing, MecError> {
        let entry = Entry::of_check(
            &question,
            Operation::Check,
            caller.request_id.clone(),
            &self.catalog(),
        );
        let (account, log) = (question.account, self.log.clone());
        let ((standing, trace), at) = self
            .look(account, caller, move |view| {
                check_traced(view, &question, &log)
            })
            .await?;
        self.log_check(entry, &standing, trace, at);
        Ok(standing)
    }

    /// Where the account stands with each of `resources`, or with everything it or an account above
    /// it was granted, all at one instant; in the order given, or of their names. Each scope that
    /// was granted of a resource has its own standing, and so has the whole of it, if it was
    /// granted or no scope was.
    ///
    /// # Errors
    /// An unknown account or resource.
    pub async fn check_all(
        &self,
        account: AccountId,
        resources: Option<Vec<Code>>,
        attributes: Attributes,
        caller: &Caller,
    ) -> Result<Vec<StandingOf>, MecError> {
        let log = self.log.clone();
        // A name is answered once, however often it was asked for.
        let resources = resources.map(|mut resources| {
            let mut seen = BTreeSet::new();
            resources.retain(|resource| seen.insert(resource.clone()));
            resources
        });
        let (standings, at) = self
            .look(account, caller, move |view| {
                let granted = granted(view, account)?;
                let parts: Vec<(Code, Option<Code>)> = match &resources {
                    Some(resources) => resources
                        .iter()
                        .flat_map(|resource| parts_of(resource, &granted))
                        .collect(),
                    None => granted.into_iter().collect(),
                };
                let standing_of = |(resource, scope): (Code, Option<Code>)| {
                    let attributes = attributes.clone();
                    let question = Check {
                        attributes,
                        scope: scope.clone(),
                        ..Check::of(account, &resource, None)
                    };
                    let (standing, trace) = check_traced(view, &question, &log)?;
                    Ok((
                        StandingOf {
                            resource,
                            scope,
                            standing,
                        },
                        trace,
                    ))
                };
                parts
                    .into_iter()
                    .map(standing_of)
                    .collect::<Result<Vec<_>, Halt>>()
            })
            .await?;
        let catalog = self.catalog();
        let logged = standings.into_iter().map(|(standing_of, trace)| {
            let question = Check {
                scope: standing_of.scope.clone(),
                ..Check::of(account, &standing_of.resource, None)
            };
            let entry = Entry::of_check(
                &question,
                Operation::Check,
                caller.request_id.clone(),
                &catalog,
            );
            self.log_check(entry, &standing_of.standing, trace, at);
            standing_of
        });
        Ok(logged.collect())
    }

    fn log_check(&self, entry: Entry, standing: &Standing, trace: Trace, at: Time) {
        if self.log.wants(standing.decision) {
            let id = self.log.draw(entry.account, at);
            self.log.push(entry.row(standing, trace, id, at));
        }
    }

    /// Checks and records in one step: what is let through is recorded, nothing else is.
    ///
    /// # Errors
    /// As [`Mec::check`]; a key that stands for something else.
    pub async fn consume(
        &self,
        mut command: Consume,
        caller: &Caller,
    ) -> Result<Consumed, MecError> {
        let entry = Entry::of_check(
            &command.check,
            Operation::Consume,
            caller.request_id.clone(),
            &self.catalog(),
        );
        let is_asked = command.check.explain;
        command.check.explain |= self.log.traces_any();
        let decisions = self.log.clone();
        let needs = vec![
            Need::Account(command.check.account),
            Need::Key(command.key.clone()),
        ];
        let foreseen = Foreseen::with_details(needs, command.details.as_deref());
        let tree = tree_of(command.check.account)?;
        let log = move |consumed: &Consumed, ids: &mut IdSource, now| match consumed.replayed {
            Some(_) => None,
            None => Some(row(entry.clone(), &consumed.standing, &decisions, ids, now)),
        };
        let mut consumed = self
            .send(
                tree,
                caller,
                foreseen,
                move |view, making| consume(view, making, &command),
                log,
            )
            .await?;
        if !is_asked {
            consumed.standing.trace = Trace::default();
        }
        Ok(consumed)
    }

    /// Records what happened; never refuses for a limit.
    ///
    /// # Errors
    /// What was not recorded, and why.
    pub async fn meter(&self, command: Meter, caller: &Caller) -> Result<Recorded, MecError> {
        let needs = vec![
            Need::Account(command.account),
            Need::Key(command.key.clone()),
        ];
        let foreseen = Foreseen::with_details(needs, command.details.as_deref());
        let tree = tree_of(command.account)?;
        self.send(
            tree,
            caller,
            foreseen,
            move |view, making| meter(view, making, &command),
            |_, _, _| None,
        )
        .await
    }

    /// Records many events, keeping their order within a tree; each has its own outcome, in their
    /// order. Waits while the queue has no room for them.
    pub async fn meter_batch(
        &self,
        events: Vec<Meter>,
        caller: &Caller,
    ) -> Vec<Result<Recorded, MecError>> {
        if let Err(error) = caller.check_write() {
            return events.iter().map(|_| Err(error.clone())).collect();
        }
        let room = |event: &Meter| {
            1 + event
                .details
                .as_ref()
                .map_or(0, |details| details.len() / 1_024)
        };
        let room = match self.room(events.iter().map(room).sum()).await {
            Ok(room) => room,
            Err(error) => return events.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(events.len());
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            let tree = match tree_of(event.account) {
                Ok(tree) => tree,
                Err(error) => {
                    answers.push(Err(error));
                    continue;
                }
            };
            let (sender, answer) = oneshot::channel();
            answers.push(Ok(answer));
            jobs.push(Box::new(Command {
                tree,
                actor: caller.actor.clone(),
                foreseen: Foreseen::with_details(
                    vec![Need::Account(event.account), Need::Key(event.key.clone())],
                    event.details.as_deref(),
                ),
                decide: move |view: &View<'_>, making: &mut Making<'_>| meter(view, making, &event),
                log: |_: &Recorded, _: &mut IdSource, _| None,
                answer: None,
                caller: sender,
            }));
        }
        self.send_many(jobs, room).await;
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            outcomes.push(match answer {
                Err(error) => Err(error),
                Ok(answer) => answer.await.unwrap_or_else(|_| Err(died())),
            });
        }
        outcomes
    }

    /// Sets a new total for an event, or voids it.
    ///
    /// # Errors
    /// An unknown event; a total that would go below zero.
    pub async fn correct(&self, command: Correct, caller: &Caller) -> Result<Recorded, MecError> {
        let not_found = || {
            Refusal::EventNotFound {
                event: command.event.to_string(),
            }
            .into()
        };
        let tree = known_tree(command.event.tree(), not_found)?;
        let foreseen = vec![Need::Key(command.key.clone())];
        self.send(
            tree,
            caller,
            foreseen,
            move |view, making| correct(view, making, &command),
            |_, _, _| None,
        )
        .await
    }

    /// Checks, and holds what is let through.
    ///
    /// # Errors
    /// As [`Mec::consume`].
    pub async fn reserve(
        &self,
        mut command: Reserve,
        caller: &Caller,
    ) -> Result<Reserved, MecError> {
        let entry = Entry::of_check(
            &command.check,
            Operation::Reserve,
            caller.request_id.clone(),
            &self.catalog(),
        );
        let is_asked = command.check.explain;
        command.check.explain |= self.log.traces_any();
        let decisions = self.log.clone();
        let foreseen = vec![
            Need::Account(command.check.account),
            Need::Hold(command.key.clone()),
        ];
        let tree = tree_of(command.check.account)?;
        let log = move |reserved: &Reserved, ids: &mut IdSource, now| {
            (!reserved.replayed)
                .then(|| row(entry.clone(), &reserved.standing, &decisions, ids, now))
        };
        let mut reserved = self
            .send(
                tree,
                caller,
                foreseen,
                move |view, making| reserve(view, making, &command),
                log,
            )
            .await?;
        if !is_asked {
            reserved.standing.trace = Trace::default();
        }
        Ok(reserved)
    }

    /// Records what was truly used of a hold.
    ///
    /// # Errors
    /// An unknown reservation; one that was settled with another amount, or released.
    pub async fn settle(&self, command: Settle, caller: &Caller) -> Result<Settled, MecError> {
        let id = command.reservation;
        let not_found = || {
            Refusal::ReservationNotFound {
                reservation: id.to_string(),
            }
            .into()
        };
        let tree = known_tree(id.tree(), not_found)?;
        let foreseen = vec![Need::Reservation(id)];
        self.send(
            tree,
            caller,
            foreseen,
            move |view, making| settle(view, making, &command),
            |_, _, _| None,
        )
        .await
    }

    /// Gives a hold back: `true` once.
    ///
    /// # Errors
    /// Only where the store fails.
    pub async fn release_reservation(
        &self,
        id: ReservationId,
        caller: &Caller,
    ) -> Result<bool, MecError> {
        let Ok(tree) = known_tree(id.tree(), || MecError::Stopped) else {
            return Ok(false);
        };
        let foreseen = vec![Need::Reservation(id)];
        self.send(
            tree,
            caller,
            foreseen,
            move |view, _| release_reservation(view, id),
            |_, _, _| None,
        )
        .await
    }

    /// Takes a slot.
    ///
    /// # Errors
    /// As [`Mec::check`]; a time to live out of range.
    pub async fn acquire(&self, command: Acquire, caller: &Caller) -> Result<Leased, MecError> {
        let entry = Entry {
            account: command.account,
            resource: command.resource.clone(),
            scope: scope_of(command.scope.as_ref()).cloned(),
            operation: Operation::AcquireLease,
            requested: Some(slots(command.quantity)),
            request_id: caller.request_id.clone(),
        };
        let (tree, decisions) = (tree_of(command.account)?, self.log.clone());
        let log = move |leased: &Leased, ids: &mut IdSource, now| {
            Some(lease_row(entry.clone(), leased, &decisions, ids, now))
        };
        let foreseen = vec![Need::Account(command.account)];
        self.send(
            tree,
            caller,
            foreseen,
            move |view, making| acquire(view, making, &command),
            log,
        )
        .await
    }

    /// Keeps a slot.
    ///
    /// # Errors
    /// A time to live out of range.
    pub async fn renew(&self, command: Renew, caller: &Caller) -> Result<Leased, MecError> {
        let id = command.lease;
        let (request_id, decisions) = (caller.request_id.clone(), self.log.clone());
        // A lease nobody has ever had has no account to log a decision for.
        let log = move |(leased, held): &(Leased, Option<Arc<Lease>>), ids: &mut IdSource, now| {
            let entry = Entry::of_lease(held.as_ref()?, Operation::RenewLease, request_id.clone());
            Some(lease_row(entry, leased, &decisions, ids, now))
        };
        let decide = move |view: &View<'_>, _: &mut Making<'_>| {
            let held = view.facts.lease(id)?.cloned();
            let Ruling { answer, writes } = renew(view, &command)?;
            Ok(Ruling {
                answer: (answer, held),
                writes,
            })
        };
        // An id no tree can have is looked for like any other, and is no lease.
        Ok(self
            .send(id.tree(), caller, vec![Need::Lease(id)], decide, log)
            .await?
            .0)
    }

    /// Gives a slot back: `true` once.
    ///
    /// # Errors
    /// Only where the store fails.
    pub async fn release_lease(&self, id: LeaseId, caller: &Caller) -> Result<bool, MecError> {
        let Ok(tree) = known_tree(id.tree(), || MecError::Stopped) else {
            return Ok(false);
        };
        self.send(
            tree,
            caller,
            vec![Need::Lease(id)],
            move |view, _| release(view, id),
            |_, _, _| None,
        )
        .await
    }

    /// Gives an account a plan or an add-on; the answer is the number of its entitlements.
    ///
    /// # Errors
    /// An unknown account or plan; a trial the tree has had.
    pub async fn provision(&self, command: Provision, caller: &Caller) -> Result<i64, MecError> {
        self.run(command.account, caller, move |view, making| {
            provision(view, making, &command)
        })
        .await
    }

    /// Takes a plan or an add-on away; the answer is the number of entitlements that end.
    ///
    /// # Errors
    /// An unknown account or plan.
    pub async fn cancel(&self, command: Cancel, caller: &Caller) -> Result<i64, MecError> {
        self.run(command.account, caller, move |view, making| {
            cancel(view, making, &command)
        })
        .await
    }

    /// Makes an account; without a parent it is the root of a new tree.
    ///
    /// # Errors
    /// An unknown parent or type; an external id that is taken.
    pub async fn create_account(
        &self,
        new: NewAccount,
        caller: &Caller,
    ) -> Result<Account, MecError> {
        if let Some(parent) = new.0.parent {
            let command = new.0;
            let not_found = || {
                Refusal::ParentNotFound {
                    account: parent.to_string(),
                }
                .into()
            };
            let tree = known_tree(parent.tree(), not_found)?;
            let decide = move |view: &View<'_>, making: &mut Making<'_>| {
                create_account(view, making.ids, &command)
            };
            return self
                .send(
                    tree,
                    caller,
                    vec![Need::Account(parent)],
                    decide,
                    |_, _, _| None,
                )
                .await;
        }
        loop {
            let (tree, command) = (draw_tree()?, new.0.clone());
            let decide = move |view: &View<'_>, making: &mut Making<'_>| {
                if view.tree.head.version > 0 || view.tree.nodes().next().is_some() {
                    return Ok(Ruling::unchanged(None));
                }
                let ruling = create_account(view, making.ids, &command)?;
                Ok(Ruling {
                    answer: Some(ruling.answer),
                    writes: ruling.writes,
                })
            };
            if let Some(account) = self
                .send(tree, caller, vec![], decide, |_, _, _| None)
                .await?
            {
                return Ok(account);
            }
        }
    }

    /// Changes an account.
    ///
    /// # Errors
    /// An unknown account; a closed one that shall be opened; an external id that is taken.
    pub async fn patch_account(
        &self,
        id: AccountId,
        patch: mec_kernel::AccountPatch,
        caller: &Caller,
    ) -> Result<Account, MecError> {
        self.run(id, caller, move |view, _| patch_account(view, id, &patch))
            .await
    }

    /// Grants by hand.
    ///
    /// # Errors
    /// An unknown account or resource; a value a row cannot hold.
    pub async fn grant(
        &self,
        command: Grant,
        caller: &Caller,
    ) -> Result<Arc<Entitlement>, MecError> {
        self.run(command.account, caller, move |view, making| {
            grant(view, making, &command)
        })
        .await
    }

    /// Changes an entitlement.
    ///
    /// # Errors
    /// An unknown one; an expired one that shall live again.
    pub async fn patch_entitlement(
        &self,
        account: AccountId,
        id: EntitlementId,
        patch: EntitlementPatch,
        caller: &Caller,
    ) -> Result<Arc<Entitlement>, MecError> {
        self.run(account, caller, move |view, making| {
            patch_entitlement(view, making, account, id, &patch)
        })
        .await
    }

    /// Changes the catalog, all of it or nothing; answers what really changed. `changes` is given
    /// the catalog as it is, and nothing else changes it in between.
    ///
    /// # Errors
    /// A row that would not be right; a removal of something used.
    pub async fn change_catalog<F>(
        &self,
        caller: &Caller,
        mut changes: F,
    ) -> Result<Vec<CatalogChange>, MecError>
    where
        F: FnMut(&mec_kernel::Catalog) -> Vec<CatalogChange> + Send + 'static,
    {
        let plan = move |catalog: &mec_kernel::Catalog, _: &mut Committed<'_>| {
            Ok(Steps::of_catalog(changes(catalog)))
        };
        Ok(self.write_table(caller, plan).await?.catalog)
    }

    /// Makes the catalog as a file says, all of it or nothing, or shows what that would come to.
    /// With `prune` also removes what the file does not name, as far as nothing refers to it.
    ///
    /// # Errors
    /// As [`Mec::change_catalog`], of what the file says.
    pub async fn apply_catalog_file(
        &self,
        caller: &Caller,
        file: CatalogFile,
        prune: bool,
        intent: Intent,
    ) -> Result<Applied, MecError> {
        let plan = move |catalog: &mec_kernel::Catalog, _: &mut Committed<'_>| {
            let removals = if prune { file.left(catalog) } else { vec![] };
            Ok(Steps {
                removals,
                intent,
                ..Steps::of_catalog(file.changes(catalog, false))
            })
        };
        let Written {
            catalog: changes,
            kept,
            ..
        } = self.write_table(caller, plan).await?;
        Ok(Applied { changes, kept })
    }

    pub(crate) async fn write_table(
        &self,
        caller: &Caller,
        plan: impl FnMut(&mec_kernel::Catalog, &mut Committed<'_>) -> Result<Steps, MecError>
        + Send
        + 'static,
    ) -> Result<Written, MecError> {
        caller.check_write()?;
        let (sender, answer) = oneshot::channel();
        let write = TableWrite {
            actor: caller.actor.clone(),
            plan: Box::new(plan),
            caller: sender,
        };
        self.send_table_write(write)?;
        answer.await.map_err(|_| died())?
    }

    /// The account another system calls `external_id`, as the store knows it at this moment.
    ///
    /// # Errors
    /// There is none.
    pub async fn account_of(&self, external_id: &str) -> Result<AccountId, MecError> {
        self.account_seen_within(external_id, Duration::ZERO).await
    }

    /// The same for a question that changes nothing: as it was known no longer ago than `caller` is
    /// content with.
    ///
    /// # Errors
    /// As [`Mec::account_of`].
    pub async fn account_asked_about(
        &self,
        external_id: &str,
        caller: &Caller,
    ) -> Result<AccountId, MecError> {
        self.account_seen_within(external_id, self.staleness_of(caller))
            .await
    }

    async fn account_seen_within(
        &self,
        external_id: &str,
        staleness: Duration,
    ) -> Result<AccountId, MecError> {
        if let Some(id) = self.account_published(external_id, staleness).await? {
            return Ok(id);
        }
        let name = external_id.to_owned();
        let found = self
            .ask_store(move |store| store.account_linked("", &name))
            .await?;
        let id = found.ok_or_else(|| Refusal::AccountNotFound {
            account: external_id.to_owned(),
        })?;
        self.cache.remember_link(external_id.into(), id);
        Ok(id)
    }
}

/// Everything that was granted to the account or one above it: resources, and scopes of them.
fn granted(view: &View<'_>, account: AccountId) -> Result<BTreeSet<(Code, Option<Code>)>, Halt> {
    let path = view.path(account)?;
    let rows = path.iter().flat_map(|node| &node.entitlements);
    Ok(rows
        .map(|row| (row.resource.clone(), row.scope.clone()))
        .collect())
}

/// What was granted of one resource; the whole of it where nothing was.
fn parts_of(
    resource: &Code,
    granted: &BTreeSet<(Code, Option<Code>)>,
) -> Vec<(Code, Option<Code>)> {
    let parts: Vec<_> = granted
        .iter()
        .filter(|(of, _)| of == resource)
        .cloned()
        .collect();
    if parts.is_empty() {
        vec![(resource.clone(), None)]
    } else {
        parts
    }
}

/// The answer to `question`, and what it rests on where the log keeps that with such a decision.
/// Where it does not with most, it is only made for those with which it does.
fn check_traced(
    view: &View<'_>,
    question: &Check,
    log: &DecisionLog,
) -> Result<(Standing, Trace), Halt> {
    let explained = || {
        check(
            view,
            &Check {
                explain: true,
                ..question.clone()
            },
        )
    };
    if question.explain || log.traces(Decision::Allow) {
        let standing = explained()?;
        let trace = if log.traces(standing.decision) {
            standing.trace.clone()
        } else {
            Trace::default()
        };
        return Ok((
            Standing {
                trace: if question.explain {
                    standing.trace
                } else {
                    Trace::default()
                },
                ..standing
            },
            trace,
        ));
    }
    let standing = check(view, question)?;
    let trace = if log.traces(standing.decision) {
        explained()?.trace
    } else {
        Trace::default()
    };
    Ok((standing, trace))
}

fn row(
    entry: Entry,
    standing: &Standing,
    log: &DecisionLog,
    ids: &mut IdSource,
    now: Time,
) -> DecisionRow {
    let trace = if log.traces(standing.decision) {
        standing.trace.clone()
    } else {
        Trace::default()
    };
    entry.row(standing, trace, DecisionId(ids.draw()), now)
}

fn lease_row(
    entry: Entry,
    leased: &Leased,
    log: &DecisionLog,
    ids: &mut IdSource,
    now: Time,
) -> DecisionRow {
    let standing = leased
        .standing
        .as_ref()
        .filter(|_| log.traces(leased.decision));
    let trace = standing.map_or_else(Trace::default, |standing| standing.trace.clone());
    entry.lease_row(leased, trace, DecisionId(ids.draw()), now)
}

/// An id that no root's number is in stands for nothing.
fn known_tree(tree: TreeId, otherwise: impl FnOnce() -> MecError) -> Result<TreeId, MecError> {
    if tree == TreeId::CATALOG || tree.0 > TreeId::MAX {
        Err(otherwise())
    } else {
        Ok(tree)
    }
}

/// A free number is likely; whether it is, the lane sees.
pub(crate) fn draw_tree() -> Result<TreeId, MecError> {
    loop {
        let drawn = getrandom::u32()
            .map_err(|error| MecError::NotDone(format!("the system has no randomness: {error}")))?;
        let tree = TreeId(drawn & TreeId::MAX);
        if tree != TreeId::CATALOG {
            return Ok(tree);
        }
    }
}
