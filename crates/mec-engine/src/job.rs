//! A command on its way through a lane, with the caller who waits for it.

use mec_kernel::{Actor, Halt, IdSource, Making, Time, TreeId, View, Write};
use mec_store::DecisionRow;
use tokio::sync::oneshot;

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;

/// A command on its way: decided possibly several times, answered once.
pub(crate) trait Job: Send {
    /// Whose tree.
    fn tree(&self) -> TreeId;
    /// What is known of it before it is decided.
    fn foreseen(&self) -> &Foreseen;
    /// Decides and keeps the answer.
    fn decide(&mut self, view: &View<'_>, ids: &mut IdSource) -> Result<Vec<Write>, Halt>;
    /// What the decision log keeps of the answer.
    fn log(&self, ids: &mut IdSource, now: Time) -> Option<DecisionRow>;
    /// Answers: the kept answer, or why there is none.
    fn finish(self: Box<Self>, outcome: Result<(), MecError>);
}

/// A command that was sent.
struct Sent<C: Command> {
    command: C,
    tree: TreeId,
    actor: Actor,
    foreseen: Foreseen,
    answer: Option<C::Answer>,
    caller: oneshot::Sender<Result<C::Answer, MecError>>,
}

/// Where the answer of a command comes.
pub(crate) type Answering<A> = oneshot::Receiver<Result<A, MecError>>;

/// A job and where its answer comes.
type Queued<A> = (Box<dyn Job>, Answering<A>);

/// A command to be put into a queue, and where its answer comes.
///
/// # Errors
/// It is about no tree that can be.
pub(crate) fn job_of<C: Command>(
    command: C,
    caller: &Caller,
) -> Result<Queued<C::Answer>, MecError> {
    let (sender, answer) = oneshot::channel();
    let sent = Sent {
        tree: command.tree()?,
        actor: caller.actor.clone(),
        foreseen: command.foreseen(),
        command,
        answer: None,
        caller: sender,
    };
    Ok((Box::new(sent), answer))
}

impl<C: Command> Job for Sent<C> {
    fn tree(&self) -> TreeId {
        self.tree
    }

    fn foreseen(&self) -> &Foreseen {
        &self.foreseen
    }

    fn decide(&mut self, view: &View<'_>, ids: &mut IdSource) -> Result<Vec<Write>, Halt> {
        let actor = &self.actor;
        let ruling = self.command.decide(view, &mut Making { ids, actor })?;
        self.answer = Some(ruling.answer);
        Ok(ruling.writes)
    }

    fn log(&self, ids: &mut IdSource, now: Time) -> Option<DecisionRow> {
        self.command.log(self.answer.as_ref()?, ids, now)
    }

    fn finish(self: Box<Self>, outcome: Result<(), MecError>) {
        let Self { answer, caller, .. } = *self;
        // A caller who has gone away needs no answer; what was recorded stays recorded.
        drop(caller.send(outcome.and_then(|()| answer.ok_or(MecError::Stopped))));
    }
}
