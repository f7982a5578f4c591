//! Everything that was ever told, as lists.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use chrono_tz::Tz;

use crate::audit::{Audit, RowInWords};
use crate::command::{Id, Time};
use crate::coverage::{Coverage, Rule};
use crate::history::{Counter, Event, Hold, Lease};
use crate::row::{Account, Holding, Row, RuleRow};
use crate::shop::Shop;
use crate::window::FOREVER;

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
    pub(crate) serial: u32,
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

    /// How often each rule decided so far.
    pub fn coverage(&self) -> Coverage {
        self.coverage.borrow().clone()
    }

    /// Whether a rule is kept: not where what would come out without it is asked.
    pub(crate) fn holds(&self, rule: Rule) -> bool {
        self.without.get() != Some(rule)
    }

    pub(crate) fn count(&self, rule: Rule, is_met: bool) {
        if is_met {
            *self.coverage.borrow_mut().entry(rule).or_default() += 1;
        }
    }
}
