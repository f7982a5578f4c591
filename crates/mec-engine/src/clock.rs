//! Where `now` comes from. The only clock of MEC; everything below takes the time as an argument.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mec_kernel::{Head, Time};
use mec_store::Moment;

/// Where `now` comes from. A server's is the machine's clock; where several processes share a
/// database, what decides is the database's own clock, so that machines may disagree about the
/// time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Arc<dyn Now>,
    /// Whether it counts even where a database has its own.
    rules: bool,
}

/// An instant on request.
pub trait Now: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock;

impl Now for MachineClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        Self::of(Arc::new(MachineClock))
    }

    /// A clock in the machine's place.
    pub fn of(source: Arc<dyn Now>) -> Self {
        Self {
            source,
            rules: false,
        }
    }

    /// A clock that counts on every store, also where the database has another: a test's, which it
    /// moves itself.
    pub fn ruling(source: Arc<dyn Now>) -> Self {
        Self {
            source,
            rules: true,
        }
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.source.now()
    }
}

/// The time an installation goes by: its clock's, or its database's as it was last heard, moved on
/// since.
#[derive(Debug)]
pub(crate) struct Hands {
    clock: Clock,
    /// What the database's clock said last, and when; `None`: there is none that counts.
    heard: Option<Mutex<(Time, Instant)>>,
    latest: AtomicI64,
}

impl Hands {
    /// From what was read when the store was opened.
    pub(crate) fn of(clock: Clock, opened: Moment) -> Self {
        let heard = opened
            .now
            .filter(|_| !clock.rules)
            .map(|time| Mutex::new((time, Instant::now())));
        Self {
            clock,
            heard,
            latest: AtomicI64::new(i64::MIN),
        }
    }

    /// The present instant. It stands still where it would run backwards: what an answer has called
    /// past stays past.
    pub(crate) fn now(&self) -> Time {
        let now = match &self.heard {
            Some(heard) => {
                let (time, at) = *heard.lock().unwrap_or_else(PoisonError::into_inner);
                time.plus_micros(i64::try_from(at.elapsed().as_micros()).unwrap_or(i64::MAX))
            }
            None => self.clock.now(),
        };
        let before = self.latest.fetch_max(now.micros(), Ordering::Relaxed);
        now.max(Time::from_micros(before))
    }

    /// The instant to decide by, given what was just read from the store.
    pub(crate) fn at(&self, moment: Moment) -> Time {
        match (&self.heard, moment.now) {
            (Some(heard), Some(time)) => {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = (time, Instant::now());
                time
            }
            _ => self.now(),
        }
    }
}

/// The instant of a tree that stands at `head`, at `now`: it never runs backwards within the tree,
/// and a batch is later than the one before.
pub(crate) fn later_than(now: Time, head: &Head) -> Time {
    now.max(head.last_at.plus_micros(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Still(Time);

    impl Now for Still {
        fn now(&self) -> Time {
            self.0
        }
    }

    #[test]
    fn where_the_database_has_a_clock_the_machines_does_not_count() {
        let (early, late) = (Time::from_micros(1_000_000), Time::from_micros(700_000_000));
        let moment = Moment {
            now: Some(early),
            ..Moment::default()
        };
        let hands = Hands::of(Clock::of(Arc::new(Still(late))), moment);
        assert_eq!(hands.at(moment), early);
        assert!(hands.now() >= early && hands.now() < late);
        assert_eq!(
            Hands::of(Clock::ruling(Arc::new(Still(late))), moment).at(moment),
            late
        );
        assert_eq!(
            Hands::of(Clock::of(Arc::new(Still(late))), Moment::default()).at(Moment::default()),
            late
        );
    }
}
