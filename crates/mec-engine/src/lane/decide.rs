//! One command is decided: what it needs is looked up until the kernel has an answer.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use mec_kernel::{Catalog, Halt, Need, View, Write, with_windows_beside};

use super::batch::{Trouble, Work};
use super::state::Lane;
use crate::error::MecError;
use crate::job::Job;

impl Lane {
    /// `None`: it needs a fact that this batch's own writes may have changed.
    pub(super) async fn decide_one(
        &mut self,
        job: &mut dyn Job,
        work: &mut Work,
        seen: Instant,
        catalog: &Catalog,
    ) -> Result<Option<Vec<Write>>, Trouble> {
        loop {
            let view = View {
                tree: &work.tree,
                facts: &work.facts,
                catalog,
                now: work.now,
            };
            if seen.elapsed() > self.batch_time_max {
                return Err(Trouble::Own(MecError::Overran));
            }
            let need = match caught(|| job.decide(&view, &mut work.ids))? {
                Ok(writes) => return Ok(Some(writes)),
                Err(Halt::Refuse(refusal)) => return Err(refusal.into()),
                Err(Halt::Need(need)) => need,
            };
            let settled = matches!(
                need,
                Need::Key(_) | Need::Event(_) | Need::Lease(_) | Need::Session(_)
            );
            if work.has_writes && !settled {
                return Ok(None);
            }
            let needs = with_windows_beside(&view, need);
            for fact in self
                .writer
                .look_up(work.tree.head.tree, &needs, catalog, work.now)
                .await?
            {
                fact.learn(&mut work.tree, &mut work.facts, work.now);
            }
        }
    }
}

/// A decision that panics has changed nothing: states change only when its writes are applied. The
/// error is its caller's, the lane goes on.
pub(super) fn caught<T>(decide: impl FnOnce() -> T) -> Result<T, MecError> {
    std::panic::catch_unwind(AssertUnwindSafe(decide)).map_err(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        MecError::Rejected(format!(
            "the decision panicked: {}",
            said.unwrap_or("without a word")
        ))
    })
}
