//! What waits for a lane: taken from its queue, and put together to batches.

use std::collections::{BTreeMap, VecDeque};

use mec_kernel::TreeId;

use super::state::{Duty, Entry, Lane};
use crate::error::MecError;
use crate::job::Job;
use crate::message::Message;

/// Messages of one batch.
const MESSAGES_MAX: usize = 1_024;
/// Commands of one batch: one message may carry many.
const COMMANDS_MAX: usize = 20_000;
/// What they bring along, in bytes. One that is larger alone has a batch of its own.
const BYTES_MAX: usize = 8 << 20;
impl Lane {
    /// Takes what has queued, and waits where there is nothing, as long as the log can wait;
    /// `false`: the lane may end.
    pub(super) async fn fill(&mut self) -> bool {
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
    pub(super) fn next_jobs(&mut self, first: Box<dyn Job>) -> VecDeque<Box<dyn Job>> {
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

    pub(super) async fn refuse_the_rest(&mut self) {
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

    /// Lets commands wait for the next batch, before all others.
    pub(super) fn wait(&mut self, jobs: Vec<Box<dyn Job>>) {
        for job in jobs.into_iter().rev() {
            self.state.waiting.push_front(Entry::Job(job));
        }
    }
}
