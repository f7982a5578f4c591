//! The ways to a lane for what records.

use mec_kernel::{AccountId, Halt, Making, Need, Ruling, TreeId, View};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::job::job_of;
use crate::mec::{MANY_MAX, Mec};
use crate::message::Message;
use crate::tree_numbers::tree_of;

impl Mec {
    /// Runs a command of `account`'s tree; the answer comes once what it changed is durable.
    /// `decide` may be called several times.
    ///
    /// # Errors
    /// [`MecError`] says whether anything was recorded.
    pub async fn run<A, F>(
        &self,
        account: AccountId,
        caller: &Caller,
        decide: F,
    ) -> Result<A, MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
    {
        self.record(Decide { account, decide }, caller).await
    }

    /// Sends a command to the lane of its tree, and waits for the answer.
    pub(crate) async fn record<C: Command>(
        &self,
        command: C,
        caller: &Caller,
    ) -> Result<C::Answer, MecError> {
        let (job, answer) = job_of(command, caller)?;
        caller.check_write()?;
        put(self.lanes.recording(job.tree()), Message::One(job))?;
        answer.await.map_err(|_| MecError::lane_died())?
    }

    /// Room in the queue for so many commands sent at once, waited for where it is full.
    pub(crate) async fn room(&self, commands: usize) -> Result<OwnedSemaphorePermit, MecError> {
        let commands = u32::try_from(commands.min(MANY_MAX)).unwrap_or(u32::MAX);
        self.room
            .clone()
            .acquire_many_owned(commands)
            .await
            .map_err(|_| MecError::Stopped)
    }
}

/// A command as a function, of those who embed this.
struct Decide<F> {
    account: AccountId,
    decide: F,
}

impl<A, F> Command for Decide<F>
where
    A: Send + 'static,
    F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
{
    type Answer = A;

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.account)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.account)].into()
    }

    fn decide(&mut self, view: &View<'_>, making: &mut Making<'_>) -> Result<Ruling<A>, Halt> {
        (self.decide)(view, making)
    }
}

/// Puts a message into a lane's queue, where it has room.
pub(crate) fn put(lane: &mpsc::Sender<Message>, message: Message) -> Result<(), MecError> {
    lane.try_send(message).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => MecError::Busy,
        mpsc::error::TrySendError::Closed(_) => MecError::Stopped,
    })
}
