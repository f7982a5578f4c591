//! A lane: commands of many trees, decided one after the other, committed together.
//!
//! It takes whatever queued while the last batch was in flight, and nobody is answered before the commit is durable.
//! A command whose missing fact depends on the batch's own uncommitted writes waits for the next batch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mec_kernel::{Actor, Catalogue, Code, Facts, Halt, IdSource, Making, Need, Ruling, Time, Tree, TreeId, View, Write};
use mec_store::{Commit, CommitError, Store, Writer};
use tokio::sync::{mpsc, oneshot};

use crate::mec::{Cache, Clock, MecError};

/// Commands of one batch.
const BATCH_MAX: usize = 1_024;
/// How often a batch that was not done is run again.
const RUNS_MAX: usize = 3;

/// A command on its way: decided possibly several times, answered once.
pub(crate) trait Job: Send {
    /// Whose tree.
    fn tree(&self) -> TreeId;
    /// Decides and keeps the answer.
    fn decide(&mut self, view: &View<'_>, making: &mut Making<'_>) -> Result<Vec<Write>, Halt>;
    /// Answers: the kept answer, or why there is none.
    fn finish(self: Box<Self>, outcome: Result<(), MecError>);
}

/// A command as a function, with the caller who waits for it.
pub(crate) struct Command<A, F> {
    pub(crate) tree: TreeId,
    pub(crate) actor: Actor,
    pub(crate) decide: F,
    pub(crate) answer: Option<A>,
    pub(crate) caller: oneshot::Sender<Result<A, MecError>>,
}

impl<A, F> Job for Command<A, F>
where
    A: Send,
    F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send,
{
    fn tree(&self) -> TreeId {
        self.tree
    }

    fn decide(&mut self, view: &View<'_>, making: &mut Making<'_>) -> Result<Vec<Write>, Halt> {
        let ruling = (self.decide)(view, &mut Making { ids: making.ids, actor: &self.actor })?;
        self.answer = Some(ruling.answer);
        Ok(ruling.writes)
    }

    fn finish(self: Box<Self>, outcome: Result<(), MecError>) {
        let Self { answer, caller, .. } = *self;
        // A caller who has gone away needs no answer; what was recorded stays recorded.
        drop(caller.send(outcome.and_then(|()| answer.ok_or(MecError::Stopped))));
    }
}

/// The lane's loop; ends when every sender is gone and the queue is empty.
pub(crate) struct Lane {
    pub(crate) writer: Writer,
    /// Held so that the store stays this process's until the last batch is through.
    pub(crate) _store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) clock: Clock,
    pub(crate) queue: mpsc::Receiver<Box<dyn Job>>,
    pub(crate) seed: u64,
}

struct Batch {
    trees: BTreeMap<TreeId, Work>,
    commit: Commit,
    done: Vec<(Box<dyn Job>, Result<(), MecError>)>,
    later: VecDeque<Box<dyn Job>>,
}

struct Work {
    tree: Tree,
    facts: Facts,
    ids: IdSource,
    now: Time,
    has_writes: bool,
    waits: bool,
}

impl Lane {
    pub(crate) async fn run(mut self) {
        let mut waiting: VecDeque<Box<dyn Job>> = VecDeque::new();
        loop {
            if waiting.is_empty() {
                let mut taken = Vec::new();
                if self.queue.recv_many(&mut taken, BATCH_MAX).await == 0 {
                    return;
                }
                waiting.extend(taken);
            }
            while let Some(job) = (waiting.len() < BATCH_MAX).then(|| self.queue.try_recv().ok()).flatten() {
                waiting.push_back(job);
            }
            waiting = self.batch(waiting).await;
        }
    }

    /// Decides and commits; what has to wait comes back.
    async fn batch(&mut self, mut jobs: VecDeque<Box<dyn Job>>) -> VecDeque<Box<dyn Job>> {
        for run in 1.. {
            let catalogue = self.cache.catalogue();
            let mut batch = self.decide(std::mem::take(&mut jobs), &catalogue).await;
            let outcome = if batch.commit.is_empty() { Ok(()) } else { self.writer.commit(&batch.commit).await };
            match outcome {
                Ok(()) => {
                    for (id, work) in batch.trees {
                        self.cache.publish(id, work.tree);
                    }
                    for (job, outcome) in batch.done {
                        job.finish(outcome);
                    }
                    return batch.later;
                }
                Err(CommitError::NotDone(error)) if run < RUNS_MAX => {
                    tracing::warn!(%error, run, "a batch was not done and is run again");
                    jobs = batch.done.into_iter().map(|(job, _)| job).chain(batch.later).collect();
                }
                Err(error) => {
                    tracing::error!(%error, "a batch failed");
                    let error = MecError::of_commit(&error);
                    for id in batch.trees.keys() {
                        self.cache.forget(*id);
                    }
                    for (job, refused) in batch.done {
                        job.finish(refused.and(Err(error.clone())));
                    }
                    return std::mem::take(&mut batch.later);
                }
            }
        }
        jobs
    }

    async fn decide(&mut self, jobs: VecDeque<Box<dyn Job>>, catalogue: &Catalogue) -> Batch {
        let mut batch = Batch { trees: BTreeMap::new(), commit: Commit::default(), done: vec![], later: VecDeque::new() };
        if let Err(error) = self.lock(&jobs, &mut batch).await {
            batch.trees.clear();
            batch.done = jobs.into_iter().map(|job| (job, Err(error.clone()))).collect();
            return batch;
        }
        let mut moved = BTreeSet::new();
        for mut job in jobs {
            let Some(work) = batch.trees.get_mut(&job.tree()) else { continue };
            if work.waits {
                batch.later.push_back(job);
                continue;
            }
            match self.decide_one(job.as_mut(), work, catalogue).await {
                Ok(Some(writes)) => {
                    for write in &writes {
                        work.tree.apply(write, work.now);
                        work.facts.apply(write);
                        moved.extend(work.tree.moved_by(write).into_iter().map(|(account, key, _)| (account, key.clone())));
                    }
                    work.has_writes |= !writes.is_empty();
                    batch.commit.writes.extend(writes);
                    batch.done.push((job, Ok(())));
                }
                Ok(None) => {
                    work.waits = true;
                    batch.later.push_back(job);
                }
                Err(error) => batch.done.push((job, Err(error))),
            }
        }
        for work in batch.trees.values_mut().filter(|work| work.has_writes) {
            work.tree.head.version = work.tree.head.version.saturating_add(1);
            work.tree.head.last_at = work.ids.now();
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            work.tree.head.stamp = i64::from_be_bytes(self.seed.to_be_bytes());
            batch.commit.heads.push(work.tree.head);
        }
        for (account, key) in moved {
            let node = batch.trees.get(&account.tree()).and_then(|work| work.tree.get(account));
            if let Some(total) = node.and_then(|node| node.windows.get(&key)) {
                batch.commit.windows.push((account, key, total.clone()));
            }
        }
        batch.commit.now = batch.trees.values().map(|work| work.now).max();
        batch
    }

    /// Reads what each tree's batch continues from; a cached tree counts only while it is the newest.
    async fn lock(&mut self, jobs: &VecDeque<Box<dyn Job>>, batch: &mut Batch) -> Result<(), MecError> {
        let ids: Vec<TreeId> = jobs.iter().map(|job| job.tree()).collect::<BTreeSet<_>>().into_iter().collect();
        let heads = self.writer.heads(&ids).await.map_err(|error| MecError::NotDone(error.to_string()))?;
        for (head, _) in heads {
            let cached = self.cache.tree(head.tree).filter(|tree| tree.head == head);
            let now = self.clock.now().max(head.last_at.plus_micros(1));
            let seed = u16::try_from((self.seed >> 48) & 0x7fff).unwrap_or_default();
            let work = Work {
                tree: cached.map_or_else(|| Tree::new(head), |tree| Tree::clone(&tree)),
                facts: Facts::default(),
                ids: IdSource::new(head.tree, now, seed),
                now,
                has_writes: false,
                waits: false,
            };
            batch.trees.insert(head.tree, work);
        }
        Ok(())
    }

    /// `None`: it needs a fact that this batch's own writes may have changed.
    async fn decide_one(
        &mut self,
        job: &mut dyn Job,
        work: &mut Work,
        catalogue: &Catalogue,
    ) -> Result<Option<Vec<Write>>, MecError> {
        let nobody = Actor { name: Code::from(""), source: Code::from("") };
        loop {
            let view = View { tree: &work.tree, facts: &work.facts, catalogue, now: work.now };
            let need = match job.decide(&view, &mut Making { ids: &mut work.ids, actor: &nobody }) {
                Ok(writes) => return Ok(Some(writes)),
                Err(Halt::Refuse(refusal)) => return Err(MecError::Refused(refusal)),
                Err(Halt::Need(need)) => need,
            };
            let settled = matches!(need, Need::Key(_) | Need::Event(_) | Need::Lease(_) | Need::Session(_));
            if work.has_writes && !settled {
                return Ok(None);
            }
            let facts = self.writer.look_up(work.tree.head.tree, &[need], catalogue, work.now).await;
            for fact in facts.map_err(|error| MecError::NotDone(error.to_string()))? {
                fact.learn(&mut work.tree, &mut work.facts, work.now);
            }
        }
    }
}
