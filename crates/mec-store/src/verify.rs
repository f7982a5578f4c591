//! Recomputing from the ledger what follows from it, and comparing. Tree by tree, on one instant's
//! rows: memory is bounded by the largest tree's accounts and hours.

mod counters;
mod evidence;
mod records;
mod walk;

use mec_kernel::{Catalog, Time, TreeId};

pub(crate) use self::counters::HourKey;
pub(crate) use self::evidence::{Counted, Each, EventRow, Evidence, KeyRow, Reading, WindowRow};

use self::counters::Counters;
use self::walk::Walk;
use crate::StoreError;

/// What `verify` went through and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Trees recomputed.
    pub trees: u64,
    /// Ledger rows read.
    pub events: u64,
    /// Stored sums and open windows compared.
    pub counters: u64,
    /// Open windows among them.
    pub windows: u64,
    /// What does not agree; at most [`Report::FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub findings_more: u64,
}

impl Report {
    /// Findings that are kept; further ones are only counted.
    pub const FINDINGS_MAX: usize = 1_000;

    /// Whether everything agrees.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    pub(crate) fn find(&mut self, table: &'static str, key: String, problem: String) {
        if self.findings.len() < Self::FINDINGS_MAX {
            self.findings.push(Finding {
                table,
                key,
                problem,
            });
        } else {
            self.findings_more += 1;
        }
    }
}

/// A row that does not say what the ledger says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub table: &'static str,
    /// Which row, for people.
    pub key: String,
    /// What was expected and what was found.
    pub problem: String,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Trees done.
    pub trees: u64,
    /// Trees there are.
    pub trees_total: u64,
    /// Ledger rows read.
    pub events: u64,
    /// Ledger rows there should be, as the trees' heads say.
    pub events_total: u64,
}

/// What a verification carries along.
struct Verification<'a, E> {
    evidence: &'a E,
    catalog: &'a Catalog,
    report: Report,
    /// Keys that lead to their event: as many as there are rows in `ledger_keys`, or some lead
    /// nowhere.
    keys: u64,
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

/// Verifies everything there is evidence of; windows are those open at `now`.
pub(crate) fn verify(
    evidence: &impl Evidence,
    catalog: &Catalog,
    now: Time,
    tell: &mut dyn FnMut(Progress),
) -> Result<Report, StoreError> {
    let (trees_total, events_total) = (
        evidence.count(Counted::Trees)?,
        evidence.count(Counted::Events)?,
    );
    let progress = Progress {
        trees_total,
        events_total,
        ..Progress::default()
    };
    let mut verification = Verification {
        evidence,
        catalog,
        report: Report::default(),
        keys: 0,
        progress,
        tell,
    };
    let mut last = TreeId::CATALOG;
    while let Some(tree) = evidence.next_tree(last)? {
        verification.tree(tree, now)?;
        last = tree;
    }
    verification.keys_that_lead_nowhere()?;
    verification.details_of_no_event()?;
    verification.reservations()?;
    verification.leases()?;
    verification.entitlements()?;
    verification.told();
    Ok(verification.report)
}

impl<E: Evidence> Verification<'_, E> {
    fn tree(&mut self, tree: TreeId, now: Time) -> Result<(), StoreError> {
        let head = match self.evidence.head(tree)? {
            Ok(head) => head,
            Err(problem) => {
                self.find("account_trees", format!("tree {tree}"), problem);
                None
            }
        };
        // Counters were last moved at the head's instant: a clock that went back since must not
        // reopen their windows.
        let now = head.map_or(now, |head| head.last_at.max(now));
        let mut counters = Counters::of(self, tree, now)?;
        Walk::new(tree, head).through(self, &mut counters)?;
        counters.compare(self, tree)?;
        self.report.trees += 1;
        self.progress.trees += 1;
        self.told();
        Ok(())
    }
}

impl<E> Verification<'_, E> {
    fn find(&mut self, table: &'static str, key: String, problem: String) {
        self.report.find(table, key, problem);
    }

    fn told(&mut self) {
        (self.tell)(self.progress);
    }
}

/// `expected … found …`, the words of every finding that compares.
fn differs(what: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> String {
    format!("{what}: expected {expected}, found {found}")
}
