//! Another catalog on the use there was: every event of a ledger is asked for again, in the
//! ledger's order and at the instant it happened, under the present catalog and under a changed
//! one, and recorded under both whatever they say, because it did happen. What comes out is who
//! would have been told what, how often, how much, and when first.
//!
//! The kernel decides, as it does everywhere. Nothing here reads a store or a clock, and nothing is
//! written.
//!
//! What the ledger does not tell is not simulated: leases and reservations, attributes of requests
//! (conditions on them count as met), and when an account or a row was suspended (all count as
//! active; a row that is expired was active until then).

mod history;
mod side;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel::{
    AccountId, Catalog, CatalogChange, Code, IdSource, InUse, LedgerEvent, Node, Refusal, Time,
    TreeId, change_catalog,
};

pub use self::tally::{Tally, Told};

use self::history::{as_it_was, regranted};
use self::side::Side;

/// One account and one resource: what both catalogs say to the same requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whose requests.
    pub account: AccountId,
    /// For what.
    pub resource: Code,
    /// What the present catalog says, with the rows and rules that are in force.
    pub present: Tally,
    /// What the changed catalog says, with its rules and its plans' rows.
    pub changed: Tally,
}

impl Outcome {
    /// Whether either catalog says anything but a plain `allow`.
    pub fn is_notable(&self) -> bool {
        self.present.is_notable() || self.changed.is_notable()
    }
}

/// The present catalog after these changes, as applying them at `now` would make it.
///
/// # Errors
/// What applying them would refuse.
pub fn changed_catalog(
    present: &Catalog,
    changes: &[CatalogChange],
    in_use: &InUse,
    now: Time,
) -> Result<Catalog, Refusal> {
    let mut ids = IdSource::new(TreeId::CATALOG, now, 0);
    Ok(change_catalog(present, changes, in_use, now, &mut ids)?.catalog)
}

/// A replay under two catalogs. Memory grows with the accounts of one tree that used something, not
/// with the ledger.
#[derive(Debug)]
pub struct Simulation {
    present: Side,
    changed: Side,
    since: Option<Time>,
    only: Option<AccountId>,
    tree: Option<TreeId>,
    outcomes: BTreeMap<(AccountId, Code), Outcome>,
    finished: Vec<Outcome>,
}

impl Simulation {
    /// A replay of everything, for everybody. `changed` should come from `present`, as
    /// [`change_catalog`](mec_kernel::change_catalog) makes it: a plan whose version differs is
    /// granted anew.
    pub fn new(present: Arc<Catalog>, changed: Arc<Catalog>) -> Self {
        let late_seconds_max = present
            .settings
            .late_seconds_max
            .max(changed.settings.late_seconds_max);
        Self {
            present: Side::new(present, late_seconds_max),
            changed: Side::new(changed, late_seconds_max),
            since: None,
            only: None,
            tree: None,
            outcomes: BTreeMap::new(),
            finished: vec![],
        }
    }

    /// Only tells of what happened at `since` or later; what happened before counts in windows all
    /// the same.
    #[must_use]
    pub fn since(self, since: Time) -> Self {
        Self {
            since: Some(since),
            ..self
        }
    }

    /// Only tells of the requests of `account` itself; what others of its tree used counts in its
    /// limits all the same.
    #[must_use]
    pub fn only(self, account: AccountId) -> Self {
        Self {
            only: Some(account),
            ..self
        }
    }

    /// The next event: tree after tree, each from its first event on and in its order. `load`
    /// answers an account with its entitlements, plans and rules, which is asked for once, or
    /// `None` where there is none; then its events are passed over.
    ///
    /// # Errors
    /// What `load` answered.
    pub fn replay<E>(
        &mut self,
        event: &LedgerEvent,
        load: &mut impl FnMut(AccountId) -> Result<Option<Node>, E>,
    ) -> Result<(), E> {
        let tree = event.account.tree();
        if self.tree != Some(tree) {
            self.end_tree();
            self.tree = Some(tree);
            self.present.begin(tree);
            self.changed.begin(tree);
        }
        let mut next = Some(event.account).filter(|account| !self.present.knows(*account));
        while let Some(account) = next {
            let Some(node) = load(account)? else {
                return Ok(());
            };
            let node = as_it_was(node);
            next = node
                .account
                .parent
                .filter(|parent| !self.present.knows(*parent));
            self.changed.insert(regranted(
                node.clone(),
                self.present.catalog(),
                self.changed.catalog(),
            ));
            self.present.insert(node);
        }
        // What is given back or corrected is recorded; nobody asked whether it may be.
        let is_request = !event.is_correction && !event.quantity.is_negative();
        let is_told = self.since.is_none_or(|since| event.occurred_at >= since)
            && self.only.is_none_or(|only| event.account == only);
        if is_request && is_told {
            let key = (event.account, event.resource.clone());
            let outcome = self.outcomes.entry(key).or_insert_with(|| Outcome {
                account: event.account,
                resource: event.resource.clone(),
                present: Tally::default(),
                changed: Tally::default(),
            });
            self.present.ask(event, &mut outcome.present);
            self.changed.ask(event, &mut outcome.changed);
        }
        self.present.record(event);
        self.changed.record(event);
        Ok(())
    }

    /// What came of the trees that are through, once each; in the order of accounts and resources
    /// within a tree.
    pub fn take_finished(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.finished)
    }

    /// The ledger is at its end: what came of the last tree, and what was not taken before.
    pub fn finish(mut self) -> Vec<Outcome> {
        self.end_tree();
        self.finished
    }

    fn end_tree(&mut self) {
        self.finished
            .extend(std::mem::take(&mut self.outcomes).into_values());
    }
}
