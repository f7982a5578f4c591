//! Questions: answered from published state, and through a lane where that does not know enough.

use std::sync::Arc;
use std::time::Duration;

use mec_kernel::{AccountId, Facts, Halt, Making, Need, Ruling, Time, Tree, TreeId, View};

use crate::caller::Caller;
use crate::clock::later_than;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::job::job_of;
use crate::mec::Mec;
use crate::message::Message;
use crate::sending::put;
use crate::tree_numbers::tree_of;

impl Mec {
    /// Answers a question about `account` from published state; where something of it has not been
    /// read yet, or another process has written since, through a lane. The instant is the one it
    /// was decided at.
    pub(crate) async fn look<A, F>(
        &self,
        account: AccountId,
        caller: &Caller,
        mut answer: F,
    ) -> Result<(A, Time), MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>) -> Result<A, Halt> + Send + 'static,
    {
        let tree = tree_of(account)?;
        if self.lanes.is_closed() {
            return Err(MecError::Stopped);
        }
        if let Some((tree, now)) = self.published(tree, self.staleness_of(caller)).await? {
            let (catalog, now) = (self.cache.catalog(), later_than(now, &tree.head));
            match answer(&View {
                tree: &tree,
                facts: &Facts::default(),
                catalog: &catalog,
                now,
            }) {
                Ok(answer) => return Ok((answer, now)),
                Err(Halt::Refuse(refusal)) => return Err(refusal.into()),
                Err(Halt::Need(_)) => {}
            }
        }
        let lane = if self.newest.is_some() {
            self.lanes.looking()
        } else {
            self.lanes.recording(tree)
        };
        let question = Question { account, answer };
        let (job, answer) = job_of(question, caller)?;
        put(lane, Message::One(job))?;
        answer.await.map_err(|_| MecError::lane_died())?
    }

    /// The tree as it is published, where that is new enough, and the instant that decides.
    async fn published(
        &self,
        tree: TreeId,
        staleness: Duration,
    ) -> Result<Option<(Arc<Tree>, Time)>, MecError> {
        let Some(newest) = &self.newest else {
            return Ok(self.cache.tree(tree).map(|tree| (tree, self.clock.now())));
        };
        if !staleness.is_zero()
            && let Some(tree) = self.cache.tree_seen_within(tree, staleness)
        {
            return Ok(Some((tree, self.clock.now())));
        }
        let seen = newest.ask(tree).await?;
        let now = self.clock.at(seen.versions.moment);
        let is_newest =
            |held: &Arc<Tree>| seen.of(tree) == Some((held.head.version, held.head.stamp));
        let held = self.cache.tree(tree).filter(is_newest);
        // A catalog newer than the one that was seen is the newest too: it was read from the store.
        let catalog = self.cache.catalog().version;
        if held.is_none()
            || seen
                .versions
                .moment
                .catalog_version
                .is_some_and(|version| version > catalog)
        {
            return Ok(None);
        }
        Ok(held.map(|tree| {
            self.cache.confirm(&tree.head, seen.at);
            (tree, now)
        }))
    }

    /// How old an answer to `caller` may be.
    pub(crate) fn staleness_of(&self, caller: &Caller) -> Duration {
        caller.staleness_max.unwrap_or(self.staleness_max)
    }

    /// The account published state knows by another system's name, where that is new enough.
    pub(crate) async fn account_published(
        &self,
        external_id: &str,
        staleness: Duration,
    ) -> Result<Option<AccountId>, MecError> {
        let Some(id) = self.cache.link(external_id) else {
            return Ok(None);
        };
        if self.newest.is_some() && self.published(id.tree(), staleness).await?.is_none() {
            return Ok(None);
        }
        Ok(self.cache.link(external_id).filter(|found| *found == id))
    }
}

/// A question that a lane answers.
struct Question<F> {
    account: AccountId,
    answer: F,
}

impl<A, F> Command for Question<F>
where
    A: Send + 'static,
    F: FnMut(&View<'_>) -> Result<A, Halt> + Send + 'static,
{
    /// And the instant it was decided at.
    type Answer = (A, Time);

    fn tree(&self) -> Result<TreeId, MecError> {
        tree_of(self.account)
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.account)].into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        _: &mut Making<'_>,
    ) -> Result<Ruling<Self::Answer>, Halt> {
        let answer = (self.answer)(view)?;
        Ok(Ruling::unchanged((answer, view.now)))
    }
}
