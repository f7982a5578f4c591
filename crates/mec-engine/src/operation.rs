//! What a product asks and does: one method each. The kernel decides; here it is brought to the lane, or answered from
//! published state, and its decision to the log.

use std::collections::BTreeSet;

use mec_kernel::{
    Account, AccountId, AccountStatus, Acquire, Attributes, Cancel, CatalogueChange, Check, Code, Consume, Consumed, Correct,
    CreateAccount, Entitlement, EntitlementId, EntitlementPatch, Grant, IdSource, LeaseId, Leased, Making, Meter, Need,
    Provision, Recorded, Refusal, Renew, ReservationId, Reserve, Reserved, Ruling, Settle, Settled, Standing, Time, TreeId, View,
    acquire, cancel, check, consume, correct, create_account, grant, meter, patch_account, patch_entitlement, provision, release,
    release_reservation, renew, reserve, settle,
};
use mec_store::{DecisionRow, Operation};
use tokio::sync::oneshot;

use crate::decision_log::Entry;
use crate::error::MecError;
use crate::job::{Command, Committed, Job, Message, Steps, TableWrite, Written};
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

/// Where an account stands with one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingOf {
    /// Which resource.
    pub resource: Code,
    /// Where it stands.
    pub standing: Standing,
}

impl Mec {
    /// May this account do this? Answered from published state; never waits for what is being recorded.
    ///
    /// # Errors
    /// An unknown account, resource or unit; a quantity below zero.
    pub async fn check(&self, question: Check, caller: &Caller) -> Result<Standing, MecError> {
        let entry = Entry::of_check(&question, Operation::Check, caller.request_id.clone());
        let account = question.account;
        let (standing, at) = self.look(account, caller, move |view| check(view, &question)).await?;
        self.log_check(entry, &standing, at);
        Ok(standing)
    }

    /// Where the account stands with each of `resources`, or with everything it or an account above it was granted,
    /// all at one instant; in the order given, or of their names.
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
        let (standings, at) = self
            .look(account, caller, move |view| {
                let resources = match &resources {
                    Some(resources) => resources.clone(),
                    None => granted(view, account)?,
                };
                let standing_of = |resource: Code| {
                    let question = Check { attributes: attributes.clone(), ..Check::of(account, &resource, None) };
                    Ok(StandingOf { standing: check(view, &question)?, resource })
                };
                resources.into_iter().map(standing_of).collect::<Result<Vec<_>, mec_kernel::Halt>>()
            })
            .await?;
        for StandingOf { resource, standing } in &standings {
            let question = Check::of(account, resource, None);
            self.log_check(Entry::of_check(&question, Operation::Check, caller.request_id.clone()), standing, at);
        }
        Ok(standings)
    }

    fn log_check(&self, entry: Entry, standing: &Standing, at: Time) {
        if self.log.wants(standing.decision) {
            let id = self.log.draw(entry.account, at);
            self.log.push(entry.row(standing, id, at));
        }
    }

    /// Checks and records in one step: what is let through is recorded, nothing else is.
    ///
    /// # Errors
    /// As [`Mec::check`]; a key that stands for something else.
    pub async fn consume(&self, command: Consume, caller: &Caller) -> Result<Consumed, MecError> {
        let entry = Entry::of_check(&command.check, Operation::Consume, caller.request_id.clone());
        let foresees = vec![Need::Account(command.check.account), Need::Key(command.key.clone())];
        let tree = tree_of(command.check.account)?;
        let log = move |consumed: &Consumed, ids: &mut IdSource, now| match consumed.replayed {
            Some(_) => None,
            None => Some(row(entry.clone(), &consumed.standing, ids, now)),
        };
        self.send(tree, caller, foresees, move |view, making| consume(view, making, &command), log).await
    }

    /// Records what happened; never refuses for a limit.
    ///
    /// # Errors
    /// What was not recorded, and why.
    pub async fn meter(&self, command: Meter, caller: &Caller) -> Result<Recorded, MecError> {
        let foresees = vec![Need::Account(command.account), Need::Key(command.key.clone())];
        let tree = tree_of(command.account)?;
        self.send(tree, caller, foresees, move |view, making| meter(view, making, &command), |_, _, _| None).await
    }

    /// Records many events, keeping their order within a tree; each has its own outcome, in their order.
    pub async fn meter_batch(&self, events: Vec<Meter>, caller: &Caller) -> Vec<Result<Recorded, MecError>> {
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
                foresees: vec![Need::Account(event.account), Need::Key(event.key.clone())],
                decide: move |view: &View<'_>, making: &mut Making<'_>| meter(view, making, &event),
                log: |_: &Recorded, _: &mut IdSource, _| None,
                answer: None,
                caller: sender,
            }));
        }
        let sent = self.send_many(jobs).await;
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            outcomes.push(match (answer, &sent) {
                (Err(error), _) => Err(error),
                (Ok(_), Err(error)) => Err(error.clone()),
                (Ok(answer), Ok(())) => answer.await.unwrap_or_else(|_| Err(died())),
            });
        }
        outcomes
    }

    /// Sets a new total for an event, or voids it.
    ///
    /// # Errors
    /// An unknown event; a total that would go below zero.
    pub async fn correct(&self, command: Correct, caller: &Caller) -> Result<Recorded, MecError> {
        let not_found = || Refusal::EventNotFound { event: command.event.to_string() }.into();
        let tree = known_tree(command.event.tree(), not_found)?;
        let foresees = vec![Need::Key(command.key.clone())];
        self.send(tree, caller, foresees, move |view, making| correct(view, making, &command), |_, _, _| None).await
    }

    /// Checks, and holds what is let through.
    ///
    /// # Errors
    /// As [`Mec::consume`].
    pub async fn reserve(&self, command: Reserve, caller: &Caller) -> Result<Reserved, MecError> {
        let entry = Entry::of_check(&command.check, Operation::Reserve, caller.request_id.clone());
        let foresees = vec![Need::Account(command.check.account), Need::Hold(command.key.clone())];
        let tree = tree_of(command.check.account)?;
        let log = move |reserved: &Reserved, ids: &mut IdSource, now| {
            (!reserved.replayed).then(|| row(entry.clone(), &reserved.standing, ids, now))
        };
        self.send(tree, caller, foresees, move |view, making| reserve(view, making, &command), log).await
    }

    /// Records what was truly used of a hold.
    ///
    /// # Errors
    /// An unknown reservation; one that was settled with another amount, or released.
    pub async fn settle(&self, command: Settle, caller: &Caller) -> Result<Settled, MecError> {
        let id = command.reservation;
        let not_found = || Refusal::ReservationNotFound { reservation: id.to_string() }.into();
        let tree = known_tree(id.tree(), not_found)?;
        let foresees = vec![Need::Reservation(id)];
        self.send(tree, caller, foresees, move |view, making| settle(view, making, command), |_, _, _| None).await
    }

    /// Gives a hold back: `true` once.
    ///
    /// # Errors
    /// Only where the store fails.
    pub async fn release_reservation(&self, id: ReservationId, caller: &Caller) -> Result<bool, MecError> {
        let Ok(tree) = known_tree(id.tree(), || MecError::Stopped) else { return Ok(false) };
        let foresees = vec![Need::Reservation(id)];
        self.send(tree, caller, foresees, move |view, _| release_reservation(view, id), |_, _, _| None).await
    }

    /// Takes a slot.
    ///
    /// # Errors
    /// As [`Mec::check`]; a time to live out of range.
    pub async fn acquire(&self, command: Acquire, caller: &Caller) -> Result<Leased, MecError> {
        let entry = Entry {
            account: command.account,
            resource: command.resource.clone(),
            scope: command.scope.clone(),
            operation: Operation::AcquireLease,
            requested: Some(command.quantity),
            request_id: caller.request_id.clone(),
        };
        let tree = tree_of(command.account)?;
        let log = move |leased: &Leased, ids: &mut IdSource, now| Some(lease_row(entry.clone(), leased, ids, now));
        let foresees = vec![Need::Account(command.account)];
        self.send(tree, caller, foresees, move |view, making| acquire(view, making, &command), log).await
    }

    /// Keeps a slot.
    ///
    /// # Errors
    /// A time to live out of range.
    pub async fn renew(&self, command: Renew, caller: &Caller) -> Result<Leased, MecError> {
        let id = command.lease;
        let request_id = caller.request_id.clone();
        let log = move |leased: &Leased, ids: &mut IdSource, now| {
            let lease = leased.lease.as_ref()?;
            let entry = Entry {
                account: lease.account,
                resource: lease.resource.clone(),
                scope: lease.scope.clone(),
                operation: Operation::RenewLease,
                requested: Some(lease.quantity),
                request_id: request_id.clone(),
            };
            Some(lease_row(entry, leased, ids, now))
        };
        self.send(id.tree(), caller, vec![Need::Lease(id)], move |view, _| renew(view, command), log).await
    }

    /// Gives a slot back: `true` once.
    ///
    /// # Errors
    /// Only where the store fails.
    pub async fn release_lease(&self, id: LeaseId, caller: &Caller) -> Result<bool, MecError> {
        self.send(id.tree(), caller, vec![Need::Lease(id)], move |view, _| release(view, id), |_, _, _| None).await
    }

    /// Gives an account a plan or an add-on; the answer is the number of its entitlements.
    ///
    /// # Errors
    /// An unknown account or plan; a trial the tree has had.
    pub async fn provision(&self, command: Provision, caller: &Caller) -> Result<i64, MecError> {
        self.run(command.account, caller, move |view, making| provision(view, making, &command)).await
    }

    /// Takes a plan or an add-on away; the answer is the number of entitlements that end.
    ///
    /// # Errors
    /// An unknown account or plan.
    pub async fn cancel(&self, command: Cancel, caller: &Caller) -> Result<i64, MecError> {
        self.run(command.account, caller, move |view, making| cancel(view, making, &command)).await
    }

    /// Makes an account; without a parent it is the root of a new tree.
    ///
    /// # Errors
    /// An unknown parent or type; an external id that is taken.
    pub async fn create_account(&self, new: NewAccount, caller: &Caller) -> Result<Account, MecError> {
        if let Some(parent) = new.0.parent {
            let command = new.0;
            let not_found = || Refusal::ParentNotFound { account: parent.to_string() }.into();
            let tree = known_tree(parent.tree(), not_found)?;
            let decide = move |view: &View<'_>, making: &mut Making<'_>| create_account(view, making.ids, &command);
            return self.send(tree, caller, vec![Need::Account(parent)], decide, |_, _, _| None).await;
        }
        loop {
            let (tree, command) = (draw_tree()?, new.0.clone());
            let decide = move |view: &View<'_>, making: &mut Making<'_>| {
                if view.tree.head.version > 0 || view.tree.nodes().next().is_some() {
                    return Ok(Ruling::unchanged(None));
                }
                let ruling = create_account(view, making.ids, &command)?;
                Ok(Ruling { answer: Some(ruling.answer), writes: ruling.writes })
            };
            if let Some(account) = self.send(tree, caller, vec![], decide, |_, _, _| None).await? {
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
        self.run(id, caller, move |view, _| patch_account(view, id, &patch)).await
    }

    /// Grants by hand.
    ///
    /// # Errors
    /// An unknown account or resource; a value a row cannot hold.
    pub async fn grant(&self, command: Grant, caller: &Caller) -> Result<std::sync::Arc<Entitlement>, MecError> {
        self.run(command.account, caller, move |view, making| grant(view, making, &command)).await
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
    ) -> Result<std::sync::Arc<Entitlement>, MecError> {
        self.run(account, caller, move |view, making| patch_entitlement(view, making, account, id, &patch)).await
    }

    /// Changes the catalogue, all of it or nothing; answers what really changed. `changes` is given the catalogue as
    /// it is, and nothing else changes it in between.
    ///
    /// # Errors
    /// A row that would not be right; a removal of something used.
    pub async fn change_catalogue<F>(&self, caller: &Caller, mut changes: F) -> Result<Vec<CatalogueChange>, MecError>
    where
        F: FnMut(&mec_kernel::Catalogue) -> Vec<CatalogueChange> + Send + 'static,
    {
        let plan = move |catalogue: &mec_kernel::Catalogue, _: &Committed<'_>| Ok(Steps::of_catalogue(changes(catalogue)));
        Ok(self.write_table(caller, plan).await?.catalogue)
    }

    pub(crate) async fn write_table(
        &self,
        caller: &Caller,
        plan: impl FnMut(&mec_kernel::Catalogue, &Committed<'_>) -> Result<Steps, MecError> + Send + 'static,
    ) -> Result<Written, MecError> {
        let (sender, answer) = oneshot::channel();
        let write = TableWrite { actor: caller.actor.clone(), plan: Box::new(plan), caller: sender };
        self.send_message(Message::Table(Box::new(write))).await?;
        answer.await.map_err(|_| died())?
    }

    /// The account another system calls `external_id`.
    ///
    /// # Errors
    /// There is none.
    pub async fn account_of(&self, external_id: &str) -> Result<AccountId, MecError> {
        if let Some(id) = self.cache.link(external_id) {
            return Ok(id);
        }
        let name = external_id.to_owned();
        let found = self.read_store(move |store| store.account_linked("", &name)).await?;
        let id = found.ok_or_else(|| Refusal::AccountNotFound { account: external_id.to_owned() })?;
        self.cache.remember_link(external_id.into(), id);
        Ok(id)
    }
}

/// Everything that was granted to the account or one above it.
fn granted(view: &View<'_>, account: AccountId) -> Result<Vec<Code>, mec_kernel::Halt> {
    let path = view.path(account)?;
    let rows = path.iter().flat_map(|node| &node.entitlements);
    let codes: BTreeSet<Code> = rows.map(|row| row.resource.clone()).collect();
    Ok(codes.into_iter().collect())
}

fn row(entry: Entry, standing: &Standing, ids: &mut IdSource, now: Time) -> DecisionRow {
    entry.row(standing, mec_kernel::DecisionId(ids.draw()), now)
}

fn lease_row(entry: Entry, leased: &Leased, ids: &mut IdSource, now: Time) -> DecisionRow {
    entry.lease_row(leased, mec_kernel::DecisionId(ids.draw()), now)
}

/// An id that no root's number is in stands for nothing.
fn known_tree(tree: TreeId, otherwise: impl FnOnce() -> MecError) -> Result<TreeId, MecError> {
    if tree == TreeId::CATALOGUE || tree.0 > TreeId::MAX { Err(otherwise()) } else { Ok(tree) }
}

/// A free number is likely; whether it is, the lane sees.
pub(crate) fn draw_tree() -> Result<TreeId, MecError> {
    loop {
        let drawn = getrandom::u32().map_err(|error| MecError::NotDone(format!("the system has no randomness: {error}")))?;
        let tree = TreeId(drawn & TreeId::MAX);
        if tree != TreeId::CATALOGUE {
            return Ok(tree);
        }
    }
}
