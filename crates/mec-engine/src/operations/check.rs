//! May this account do this?

use mec_kernel::{Check, Decision, Halt, Standing, Time, Trace, View, check};
use mec_store::Operation;

use super::logging::kept;
use crate::caller::Caller;
use crate::decision_log::{DecisionLog, Entry};
use crate::error::MecError;
use crate::mec::Mec;

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

    pub(super) fn log_check(&self, entry: Entry, standing: &Standing, trace: Trace, at: Time) {
        if self.log.wants(standing.decision) {
            let id = self.log.draw(entry.account, at);
            self.log.push(entry.row(standing, trace, id, at));
        }
    }
}

/// The answer to `question`, and what it rests on where the log keeps that with such a decision.
/// Where it does not with most, it is only made for those with which it does.
pub(super) fn check_traced(
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
        let trace = kept(log, standing.decision, Some(&standing));
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
