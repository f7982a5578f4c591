//! What clients were told, to be compared with what is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a client knows of an event it wanted to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is recorded, under this id.
    Recorded(String),
    /// It is not, and never will be.
    Refused,
    /// It was refused, after a request that was not answered and may still be on its way.
    Open,
}

/// An event as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) account: usize,
    pub(crate) resource: &'static str,
    pub(crate) quantity: u64,
    pub(crate) unit: &'static str,
    pub(crate) outcome: Outcome,
}

/// Everything all clients were told.
#[derive(Default)]
pub(crate) struct Told {
    /// By idempotency key.
    pub(crate) events: Mutex<BTreeMap<String, Event>>,
    /// Leases that are held, and whose.
    pub(crate) leases: Mutex<BTreeMap<String, usize>>,
    /// Session tokens of requests that were not answered and may still be on their way.
    pub(crate) open_sessions: Mutex<BTreeSet<String>>,
    /// External ids of accounts that were made.
    pub(crate) names: Mutex<BTreeSet<String>>,
    pub(crate) figures: Figures,
}

/// How much there was of everything.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) requests: AtomicU64,
    /// Requests that were sent again.
    pub(crate) repeated: AtomicU64,
    /// Requests without a whole answer.
    pub(crate) unanswered: AtomicU64,
    pub(crate) checks: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Leases that were refused, of the refusals.
    pub(crate) full: AtomicU64,
    /// Errors that were answered, by their code.
    errors: Mutex<BTreeMap<String, u64>>,
    /// What the test did to the nodes and the server.
    done: Mutex<BTreeMap<&'static str, u64>>,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Figures {
    pub(crate) fn error(&self, code: &str) {
        *self
            .errors
            .lock()
            .unwrap()
            .entry(code.to_owned())
            .or_default() += 1;
    }

    /// How often there was which.
    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().unwrap().clone()
    }

    /// How often the test did that.
    pub(crate) fn times(&self, what: &str) -> u64 {
        self.done.lock().unwrap().get(what).copied().unwrap_or(0)
    }

    pub(crate) fn did(&self, what: &'static str) {
        *self.done.lock().unwrap().entry(what).or_default() += 1;
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let all = |map: String| map.replace(['{', '}', '"'], "");
        let events = self.events.lock().unwrap();
        let recorded = events
            .values()
            .filter(|event| matches!(event.outcome, Outcome::Recorded(_)))
            .count();
        write!(
            f,
            "{} requests ({} sent again, {} unanswered), {recorded} events, {} refusals, {} checks, {} accounts; {}; {}",
            number(&figures.requests),
            number(&figures.repeated),
            number(&figures.unanswered),
            number(&figures.refused),
            number(&figures.checks),
            self.names.lock().unwrap().len(),
            all(format!("{:?}", figures.errors.lock().unwrap())),
            all(format!("{:?}", figures.done.lock().unwrap())),
        )
    }
}
