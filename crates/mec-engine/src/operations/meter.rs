//! Records what happened: one event, or many at once.

use mec_kernel::{Halt, Making, Meter, Need, Recorded, Ruling, TreeId, View, meter};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::job::{Job, job_of};
use crate::mec::Mec;
use crate::tree_numbers::tree_of;

impl Command for Meter {
    type Answer = Recorded;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.account)
    }

    fn foreseen(&self) -> Foreseen {
        let needs = vec![Need::Account(self.account), Need::Key(self.key.clone())];
        Foreseen::with_details(needs, self.details.as_deref())
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Recorded>, Halt> {
        meter(view, making, self)
    }
}

impl Mec {
    /// Records what happened; never refuses for a limit.
    ///
    /// # Errors
    /// What was not recorded, and why.
    pub async fn meter(&self, command: Meter, caller: &Caller) -> Result<Recorded, MecError> {
        self.record(command, caller).await
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
            match job_of(event, caller) {
                Ok((job, answer)) => {
                    jobs.push(job);
                    answers.push(Ok(answer));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        self.lanes.send_many(jobs, room).await;
        let mut outcomes = Vec::with_capacity(answers.len());
        for answer in answers {
            outcomes.push(match answer {
                Err(error) => Err(error),
                Ok(answer) => answer.await.unwrap_or_else(|_| Err(MecError::lane_died())),
            });
        }
        outcomes
    }
}
