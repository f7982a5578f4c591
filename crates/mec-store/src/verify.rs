//! Recomputing from the ledger what follows from it, and comparing. Tree by tree, on one instant's
//! rows: memory is bounded by the largest tree's accounts and hours.

mod counters;
mod evidence;
mod records;
mod report;
mod verification;
mod walk;

use mec_kernel::{Catalog, Time, TreeId};

pub(crate) use self::evidence::{Counted, Each, EventRow, Evidence, KeyRow, Reading, WindowRow};
pub use self::report::{Finding, Progress, Report};

use self::counters::Counters;
use self::verification::Verification;
use self::walk::Walk;
use crate::StoreError;

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
