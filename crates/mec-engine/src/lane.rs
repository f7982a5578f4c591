//! A lane: commands of many trees, decided one after the other, committed together.
//!
//! It takes whatever queued while the last batch was in flight, and nobody is answered before the
//! commit is durable. A command whose missing fact depends on the batch's own uncommitted writes
//! waits for the next batch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mec_kernel::{
    Catalog, Facts, Halt, Head, IdSource, Need, Time, Tree, TreeId, View, Write,
    with_windows_beside,
};
use mec_store::{CommitError, DecisionRow, Hold, Store, StoreError, Writer};
use tokio::sync::{mpsc, oneshot};

use crate::away::Away;
use crate::batch::{Batch, Trouble, Work};
use crate::cache::Cache;
use crate::clock::Hands;
use crate::decision_log::DecisionLog;
use crate::error::MecError;
use crate::invariants::broken;
use crate::job::{Job, Message, Prune, TableWrite};
use crate::log_writing::Due;
use crate::writes::Writes;

/// Messages of one batch.
const MESSAGES_MAX: usize = 1_024;
/// Commands of one batch: one message may carry many.
const COMMANDS_MAX: usize = 20_000;
/// What they bring along, in bytes. One that is larger alone has a batch of its own.
const BYTES_MAX: usize = 8 << 20;
/// How often a batch that was not done is run again.
pub(crate) const RUNS_MAX: usize = 3;

/// What a lane is for. One does everything where its process alone has the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Everything.
    All,
    /// Commands, of trees that are free.
    Record,
    /// Commands of trees that somebody else has, one tree at a time; table writes.
    Wait,
    /// Questions that published state cannot answer.
    Look,
    /// The decision log.
    Log,
}

impl Duty {
    const fn hold(self) -> Hold {
        match self {
            Self::All | Self::Record | Self::Log => Hold::Free,
            Self::Wait => Hold::Waited,
            Self::Look => Hold::Snapshot,
        }
    }

    pub(crate) const fn keeps_log(self) -> bool {
        matches!(self, Self::All | Self::Log)
    }
}

/// What the lane works with; [`Lane::run`] ends when it is closed, every sender is gone, or the
/// store fails in a way that leaves open what is durable.
pub(crate) struct Lane {
    pub(crate) duty: Duty,
    pub(crate) writer: Writer,
    /// Held so that the store stays this process's until the last batch is through.
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) log: Arc<DecisionLog>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) writes: Arc<Writes>,
    pub(crate) queue: mpsc::Receiver<Message>,
    /// Where commands wait whose trees are not free; also keeps those lanes, and the log's, from
    /// ending before this one.
    pub(crate) away: Option<Arc<Away>>,
    pub(crate) _log_lane: Option<mpsc::Sender<Message>>,
    /// The longest that deciding one batch may take: everybody else waits meanwhile.
    pub(crate) batch_time_max: Duration,
    pub(crate) seed: u64,
    pub(crate) state: State,
}

/// Where the lane stands between two batches.
#[derive(Default)]
pub(crate) struct State {
    waiting: VecDeque<Entry>,
    /// How many commands the next batches take, the next one last: the store refused one of them,
    /// and only the culprit gets the error.
    parts: Vec<usize>,
    /// Trees the last batch asked for that somebody else had.
    missed: BTreeSet<TreeId>,
    /// What of the decision log is to be done when.
    pub(crate) due: Due,
    /// Why the lane ends before it is told to.
    pub(crate) failure: Option<String>,
}

enum Entry {
    Job(Box<dyn Job>),
    Table(Box<TableWrite>),
    Prune(Prune),
    Probe(oneshot::Sender<Result<(), MecError>>),
}

impl Lane {
    /// Runs until there is nothing left to do; says why where that was not asked for.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        while self.fill().await {
            match self.state.waiting.pop_front() {
                Some(Entry::Table(write)) => self.table_write(*write).await,
                Some(Entry::Prune(prune)) => self.prune_for(prune).await,
                Some(Entry::Probe(caller)) => self.probe_for(caller).await,
                Some(Entry::Job(job)) => {
                    let jobs = self.next_jobs(job);
                    self.batch(jobs).await;
                }
                None => {}
            }
            if self.duty.keeps_log() {
                self.tend_log().await;
            }
            if let Some(failure) = self.state.failure.take() {
                self.refuse_the_rest().await;
                self.log.count_lost(self.log.end());
                return Err(failure);
            }
        }
        if self.duty.keeps_log() {
            self.end_log().await;
        }
        if let Some(failure) = self.state.failure.take() {
            return Err(failure);
        }
        if let Err(error) = self.writer.close().await {
            tracing::warn!(%error, "everything is durable, but not in one file");
        }
        Ok(())
    }

    /// Takes what has queued, and waits where there is nothing, as long as the log can wait;
    /// `false`: the lane may end.
    async fn fill(&mut self) -> bool {
        if self.state.waiting.is_empty() {
            let message = tokio::select! {
                biased;
                message = self.queue.recv() => message,
                () = self.state.due.wait(&self.log), if self.duty.keeps_log() => return true,
            };
            match message {
                Some(message) => self.take(message),
                None => return false,
            }
        }
        while self.state.waiting.len() < MESSAGES_MAX {
            match self.queue.try_recv() {
                Ok(message) => self.take(message),
                Err(_) => break,
            }
        }
        true
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::One(job) => self.state.waiting.push_back(Entry::Job(job)),
            Message::Many(jobs, _room) => {
                self.state.waiting.extend(jobs.into_iter().map(Entry::Job))
            }
            Message::Table(write) => self.state.waiting.push_back(Entry::Table(write)),
            Message::Prune(prune) => self.state.waiting.push_back(Entry::Prune(prune)),
            Message::Probe(caller) => self.state.waiting.push_back(Entry::Probe(caller)),
            // Whoever comes later is told so, and what has come is still answered.
            Message::Close => self.queue.close(),
        }
    }

    /// The commands up to the next table write, as many as fit a batch; where trees are waited for,
    /// those of one tree, where they are spread, those of one shard.
    fn next_jobs(&mut self, first: Box<dyn Job>) -> VecDeque<Box<dyn Job>> {
        let tree = first.tree();
        let most = self.state.parts.pop().unwrap_or(COMMANDS_MAX);
        let mut bytes = first.foreseen().bytes;
        let mut jobs = VecDeque::from([first]);
        let shard = self.store.shard_of(tree);
        if self.duty == Duty::Wait || shard.is_some() {
            let goes_along = |other: TreeId| {
                other == tree || self.duty != Duty::Wait && self.store.shard_of(other) == shard
            };
            let mut is_full = false;
            for entry in std::mem::take(&mut self.state.waiting) {
                match entry {
                    Entry::Job(job) if !is_full && goes_along(job.tree()) => {
                        is_full = jobs.len() >= most
                            || bytes.saturating_add(job.foreseen().bytes) > BYTES_MAX;
                        if is_full {
                            self.state.waiting.push_back(Entry::Job(job));
                        } else {
                            bytes += job.foreseen().bytes;
                            jobs.push_back(job);
                        }
                    }
                    other => self.state.waiting.push_back(other),
                }
            }
        }
        while self.duty != Duty::Wait
            && shard.is_none()
            && jobs.len() < most
            && let Some(Entry::Job(job)) = self.state.waiting.pop_front_if(|entry| match entry {
                Entry::Job(job) => bytes.saturating_add(job.foreseen().bytes) <= BYTES_MAX,
                Entry::Table(_) | Entry::Prune(_) | Entry::Probe(_) => false,
            })
        {
            bytes += job.foreseen().bytes;
            jobs.push_back(job);
        }
        if self.duty == Duty::Record
            && let Some(away) = &self.away
        {
            // Asked once a tree: were the last of its commands answered meanwhile, those here would
            // part and overtake.
            let mut is_away = BTreeMap::new();
            let (waited, free): (VecDeque<_>, VecDeque<_>) = jobs.into_iter().partition(|job| {
                *is_away
                    .entry(job.tree())
                    .or_insert_with(|| away.has(job.tree()))
            });
            waited.into_iter().for_each(|job| away.send(job));
            jobs = free;
        }
        jobs
    }

    async fn refuse_the_rest(&mut self) {
        self.queue.close();
        while let Some(message) = self.queue.recv().await {
            self.take(message);
        }
        for entry in std::mem::take(&mut self.state.waiting) {
            let message = match entry {
                Entry::Job(job) => Message::One(job),
                Entry::Table(write) => Message::Table(write),
                Entry::Prune(prune) => Message::Prune(prune),
                Entry::Probe(caller) => Message::Probe(caller),
            };
            message.refuse(&MecError::Stopped);
        }
    }

    /// Decides and commits; what has to wait goes back to the front of the queue.
    async fn batch(&mut self, mut jobs: VecDeque<Box<dyn Job>>) {
        for run in 1.. {
            let mut batch = match self.begin(&jobs).await {
                Ok(batch) => batch,
                Err(error) if error.is_passing() && run < RUNS_MAX => {
                    tracing::warn!(%error, run, "a batch was not begun and is tried again");
                    continue;
                }
                Err(error) => {
                    self.writer.abort().await;
                    let error = MecError::from(error);
                    jobs.into_iter()
                        .for_each(|job| job.finish(Err(error.clone())));
                    return;
                }
            };
            self.decide(std::mem::take(&mut jobs), &mut batch).await;
            match self.commit(&mut batch).await {
                Ok(()) => {
                    self.publish(batch.trees, batch.seen);
                    for row in batch.decisions {
                        self.log.push(row);
                    }
                    for (job, outcome) in batch.done {
                        job.finish(outcome);
                    }
                    self.wait(batch.later);
                    return;
                }
                Err(CommitError::NotDone(error)) if run < RUNS_MAX => {
                    tracing::warn!(%error, run, "a batch was not done and is run again");
                    jobs = batch.into_jobs().collect();
                }
                Err(CommitError::Refused(error)) if batch.done.len() > 1 => {
                    tracing::warn!(%error, "a row of a batch was refused; its commands are run in two halves");
                    let half = batch.done.len() / 2;
                    self.state.parts.extend([batch.done.len() - half, half]);
                    self.wait(batch.into_jobs().collect());
                    return;
                }
                Err(error) => {
                    self.failed(&error, batch.trees.keys());
                    // Also a refusal may rest on a write of this batch that was not done.
                    let error = MecError::of_commit(&error);
                    batch
                        .done
                        .into_iter()
                        .for_each(|(job, _)| job.finish(Err(error.clone())));
                    self.wait(batch.later);
                    return;
                }
            }
        }
    }

    fn wait(&mut self, jobs: Vec<Box<dyn Job>>) {
        for job in jobs.into_iter().rev() {
            self.state.waiting.push_front(Entry::Job(job));
        }
    }

    /// What was touched leaves the cache. Where the outcome is unknown and this process alone has
    /// the store, the lane ends: whoever opens it again reads what is durable. A database tells
    /// itself, to the next who locks the trees.
    pub(crate) fn failed<'a>(
        &mut self,
        error: &CommitError,
        trees: impl Iterator<Item = &'a TreeId>,
    ) {
        tracing::error!(%error, "a batch failed");
        trees.for_each(|id| self.cache.forget(*id));
        if matches!(error, CommitError::Unknown(_)) && !self.store.is_shared() {
            self.state.failure = Some(error.to_string());
        }
    }

    pub(crate) fn publish(&self, trees: BTreeMap<TreeId, Work>, seen: Instant) {
        for (id, work) in trees {
            if work.tree.nodes().next().is_some() {
                self.cache.publish(id, work.tree, seen);
            }
        }
    }

    pub(crate) async fn commit(&mut self, batch: &mut Batch) -> Result<(), CommitError> {
        if let Some(lost) = batch.lost.take() {
            self.writer.abort().await;
            return Err(CommitError::NotDone(lost));
        }
        // Since its trees were locked others may have been told that something of them is over.
        // What comes to an end while COMMIT itself is under way is not seen.
        if let Some(ended) = batch.outlived(self.clock.now()) {
            self.writer.abort().await;
            let why = format!(
                "it was decided before {ended}, when something it rests on ended, and that has passed"
            );
            return Err(CommitError::NotDone(StoreError::Stopped(why)));
        }
        self.seal(batch);
        if let Some(problem) = broken(batch) {
            self.writer.abort().await;
            return Err(CommitError::Refused(StoreError::Stopped(problem)));
        }
        if batch.commit.is_empty() {
            return self.writer.release().await;
        }
        let outcome = self.writer.commit(&batch.commit).await;
        self.writes.tell(&outcome);
        outcome
    }

    async fn probe_for(&mut self, caller: oneshot::Sender<Result<(), MecError>>) {
        let outcome = self.writer.probe().await;
        self.writes.tell(&outcome);
        // Whoever asked may have gone away.
        drop(caller.send(outcome.map_err(|error| MecError::of_commit(&error))));
    }

    /// The heads the next batches continue from, and the counters as they are now.
    fn seal(&mut self, batch: &mut Batch) {
        for work in batch.trees.values_mut().filter(|work| work.has_writes) {
            work.tree.head.version = work.tree.head.version.saturating_add(1);
            work.tree.head.last_at = work.ids.now();
            work.tree.head.stamp = i64::from_be_bytes(self.random().to_be_bytes());
            batch.commit.heads.push(work.tree.head);
        }
        batch.take_windows();
        batch.commit.now = batch
            .trees
            .values()
            .map(|work| work.now)
            .max()
            .or(Some(batch.now));
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.seed
    }

    async fn decide(&mut self, mut jobs: VecDeque<Box<dyn Job>>, batch: &mut Batch) {
        let catalog = self.cache.catalog();
        while let Some(mut job) = jobs.pop_front() {
            let Some(work) = batch.trees.get_mut(&job.tree()) else {
                self.miss(job, batch);
                continue;
            };
            if work.waits {
                batch.later.push(job);
                continue;
            }
            match self
                .decide_one(job.as_mut(), work, batch.seen, &catalog)
                .await
            {
                Ok(Some(writes)) => {
                    let row = job
                        .log(&mut work.ids, work.now)
                        .filter(|row| self.log.wants(row.decision));
                    if writes.is_empty() {
                        // Nothing moves the tree's clock on, so the next batch may draw the same id
                        // again.
                        let id = |row: &DecisionRow| self.log.draw(row.account, work.now);
                        batch.decisions.extend(row.map(|row| DecisionRow {
                            id: id(&row),
                            ..row
                        }));
                    } else {
                        batch.commit.decisions.extend(row);
                        batch.apply(job.tree(), writes);
                    }
                    batch.done.push((job, Ok(())));
                }
                Ok(None) => {
                    work.waits = true;
                    batch.later.push(job);
                }
                Err(Trouble::Own(error)) => batch.done.push((job, Err(error))),
                Err(Trouble::Failed(error)) if self.store.is_shared() => {
                    // A transaction answers nothing more after that: what else is in it is run
                    // again without this one.
                    job.finish(Err(error.into()));
                    batch.lost = Some(StoreError::Stopped(
                        "the store did not answer another command".to_owned(),
                    ));
                    batch.later.extend(jobs);
                    return;
                }
                Err(Trouble::Failed(error)) => batch.done.push((job, Err(error.into()))),
                Err(Trouble::Lost(error)) => {
                    batch.lost = Some(error);
                    batch.later.push(job);
                    batch.later.extend(jobs);
                    return;
                }
            }
        }
    }

    /// Somebody else has the tree: the command is tried once more, then it waits where it delays no
    /// other.
    fn miss(&self, job: Box<dyn Job>, batch: &mut Batch) {
        match &self.away {
            Some(away) if batch.missed_again.contains(&job.tree()) => away.send(job),
            _ => batch.later.push(job),
        }
    }

    /// Takes the trees and reads what each one's batch continues from; a cached tree counts only
    /// while it is the newest. The catalog is read again where another process has changed it.
    pub(crate) async fn lock(
        &mut self,
        trees: BTreeSet<TreeId>,
        hold: Hold,
    ) -> Result<Batch, StoreError> {
        let ids: Vec<TreeId> = trees.into_iter().collect();
        let seen = Instant::now();
        let heads = self.writer.heads(&ids, hold).await?;
        let moment = self.writer.moment();
        let now = self.clock.at(moment);
        if moment
            .catalog_version
            .is_some_and(|version| version > self.cache.catalog().version)
        {
            self.cache.set_catalog(self.store.catalog()?);
        }
        let mut trees = BTreeMap::new();
        for (head, exists) in heads {
            let cached = self.cache.tree(head.tree).filter(|tree| tree.head == head);
            let now = later_than(now, &head);
            // The top bit of 15 is clear: ids of checks, which no lane makes, have it set.
            let seed = u16::try_from(self.random() >> 50).unwrap_or_default();
            let work = Work {
                began: head,
                tree: cached.map_or_else(|| Tree::new(head), |tree| Tree::clone(&tree)),
                facts: Facts::default(),
                ids: IdSource::new(head.tree, now, seed),
                now,
                is_new: !exists,
                has_writes: false,
                waits: false,
            };
            trees.insert(head.tree, work);
        }
        Ok(Batch::of(trees, now, seen))
    }

    /// Locks, and looks up at once what the batch's commands will certainly ask for.
    async fn begin(&mut self, jobs: &VecDeque<Box<dyn Job>>) -> Result<Batch, StoreError> {
        let mut batch = self
            .lock(
                jobs.iter().map(|job| job.tree()).collect(),
                self.duty.hold(),
            )
            .await?;
        let missed = jobs
            .iter()
            .map(|job| job.tree())
            .filter(|tree| !batch.trees.contains_key(tree))
            .collect();
        batch.missed_again = self.state.missed.intersection(&missed).copied().collect();
        self.state.missed = missed;
        let mut needs = BTreeSet::new();
        for job in jobs {
            let Some(work) = batch.trees.get(&job.tree()) else {
                continue;
            };
            // Accounts are all that a tree brings along from the batches before.
            let is_open =
                |need: &&Need| !matches!(need, Need::Account(id) if work.tree.get(*id).is_some());
            needs.extend(
                job.foreseen()
                    .needs
                    .iter()
                    .filter(is_open)
                    .map(|need| (job.tree(), need.clone())),
            );
        }
        let needs: Vec<(TreeId, Need)> = needs.into_iter().collect();
        // The earliest, so that nothing is left out that counts at a tree's own instant.
        let Some(now) = batch.trees.values().map(|work| work.now).min() else {
            return Ok(batch);
        };
        for (tree, fact) in self
            .writer
            .look_up_many(&needs, &self.cache.catalog(), now)
            .await?
        {
            if let Some(work) = batch.trees.get_mut(&tree) {
                fact.learn(&mut work.tree, &mut work.facts, work.now);
            }
        }
        Ok(batch)
    }

    /// `None`: it needs a fact that this batch's own writes may have changed.
    async fn decide_one(
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

/// The instant of a tree that stands at `head`, at `now`: it never runs backwards within the tree,
/// and a batch is later than the one before.
pub(crate) fn later_than(now: Time, head: &Head) -> Time {
    now.max(head.last_at.plus_micros(1))
}

/// A decision that panics has changed nothing: states change only when its writes are applied. The
/// error is its caller's, the lane goes on.
pub(crate) fn caught<T>(decide: impl FnOnce() -> T) -> Result<T, MecError> {
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
