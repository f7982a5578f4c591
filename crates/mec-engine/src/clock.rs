//! Where `now` comes from. The only clock of MEC; everything below takes the time as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mec_kernel::Time;

/// Where `now` comes from: a server's is the machine's clock, a test moves its own.
#[derive(Clone, Debug)]
pub struct Clock(pub Arc<dyn Now>);

/// An instant on request.
pub trait Now: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock;

impl Now for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that never runs backwards.
#[derive(Debug)]
struct Steady {
    clock: Clock,
    latest: AtomicI64,
}

impl Now for Steady {
    fn now(&self) -> Time {
        let now = self.clock.now();
        let before = self.latest.fetch_max(now.micros(), Ordering::Relaxed);
        now.max(Time::from_micros(before))
    }
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        Self(Arc::new(MachineClock))
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.0.now()
    }

    /// The same, standing still where it would run backwards: what an answer has called past stays past.
    pub(crate) fn steady(self) -> Self {
        Self(Arc::new(Steady { clock: self, latest: AtomicI64::new(i64::MIN) }))
    }
}
