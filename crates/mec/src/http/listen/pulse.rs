//! What a connection is waiting for, since when, and when the patience for it ends.
//!
//! Three clocks run beside each other: the client's next head, the body a handler waits for, and
//! the answer the client should take. They are numbers in atomics rather than timers, because a
//! timer would be set and removed several times for each request; the connection's one timer looks
//! at them now and then.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::super::limits::Limits;

/// [`Limits`]' time-outs in whole microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    head: u64,
    body: u64,
    body_whole: u64,
    body_rate_min: u64,
    idle: u64,
    write: u64,
    linger: u64,
}

impl Patience {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            head: micros(limits.head_timeout),
            body: micros(limits.body_timeout),
            body_whole: micros(limits.body_whole_timeout),
            body_rate_min: limits.body_rate_min.max(1),
            idle: micros(limits.idle_timeout),
            write: micros(limits.write_timeout),
            linger: micros(limits.linger_timeout),
        }
    }
}

impl Patience {
    /// How long a body may take of which so much has come: the patience for a stall, and the time
    /// its bytes take at the lowest rate, within the time for a whole one.
    fn of_body(&self, bytes: u64) -> u64 {
        let at_least_rate = bytes.saturating_mul(1_000_000) / self.body_rate_min;
        self.body.saturating_add(at_least_rate).min(self.body_whole)
    }
}

/// At most a year, so that adding to a moment never overflows; at least one, so that it moves.
fn micros(duration: Duration) -> u64 {
    const YEAR: u128 = 365 * 24 * 3600 * 1_000_000;
    u64::try_from(duration.as_micros().clamp(1, YEAR)).expect("a year of microseconds fits 64 bits")
}

/// Why a body broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyFault {
    #[error("the request body is larger than allowed")]
    TooLarge,
    #[error("the request body stopped coming, or came too slowly")]
    Stalled,
    #[error("the request bodies in flight take all the room there is")]
    NoRoom,
}

/// A clock that has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The head was not complete in time.
    Head,
    /// No request came.
    Idle,
    /// The client takes no byte of its answer.
    Write,
    /// The rest of a refused body has been read for long enough.
    Linger,
    /// A handler waits for a body that does not come. Ends the body, not the connection.
    Body,
}

/// What the server expects of the client, apart from body and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The rest of a head, since its first byte.
    Head = 0,
    /// Any request, since the last answer.
    Idle = 1,
    /// Nothing: it is our turn.
    Busy = 2,
    /// The end of a body nobody wants, since we closed our side.
    Lingering = 3,
}

const PHASE_BITS: u32 = 2;
const NOT_RUNNING: u64 = 0;

/// The state of one connection. Moments are microseconds since `opened`, never zero.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    /// Phase and moment in one number, so that they never contradict each other.
    phase: AtomicU64,
    body_awaited_since: AtomicU64,
    /// When a handler asked for the body first, and how much of it has come.
    body_began: AtomicU64,
    body_bytes: AtomicU64,
    write_blocked_since: AtomicU64,
    /// The [`BodyFault`] of the current request plus one; 0 for none.
    body_fault: AtomicU8,
    body_unread: AtomicBool,
    /// Wakes whoever waits for the body, which may be another task than the connection's.
    body_waker: Mutex<Option<Waker>>,
}

impl Pulse {
    /// A connection just accepted, which owes a head.
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            phase: AtomicU64::new(1 << PHASE_BITS | Phase::Head as u64),
            body_awaited_since: AtomicU64::new(NOT_RUNNING),
            body_began: AtomicU64::new(NOT_RUNNING),
            body_bytes: AtomicU64::new(0),
            write_blocked_since: AtomicU64::new(NOT_RUNNING),
            body_fault: AtomicU8::new(0),
            body_unread: AtomicBool::new(false),
            body_waker: Mutex::new(None),
        }
    }

    pub(super) fn bytes_came(&self) {
        if self.phase().0 == Phase::Idle {
            self.enter(Phase::Head, self.now());
        }
    }

    pub(super) fn request_began(&self) {
        self.body_fault.store(0, Relaxed);
        self.body_unread.store(false, Relaxed);
        self.enter(Phase::Busy, 0);
    }

    pub(super) fn answer_ended(&self) {
        self.enter(Phase::Idle, self.now());
    }

    pub(super) fn linger_began(&self) {
        self.enter(Phase::Lingering, self.now());
    }

    pub(super) fn is_busy(&self) -> bool {
        self.phase().0 == Phase::Busy
    }

    pub(super) fn write_blocked(&self) {
        if self.write_blocked_since.load(Relaxed) == NOT_RUNNING {
            self.write_blocked_since.store(self.now(), Relaxed);
        }
    }

    pub(super) fn bytes_went(&self) {
        if self.write_blocked_since.load(Relaxed) != NOT_RUNNING {
            self.write_blocked_since.store(NOT_RUNNING, Relaxed);
            // A long answer is idle time only from its last byte on.
            if self.phase().0 == Phase::Idle {
                self.enter(Phase::Idle, self.now());
            }
        }
    }

    pub(super) fn body_awaited(&self, waker: &Waker) {
        if self.body_awaited_since.load(Relaxed) == NOT_RUNNING {
            let now = self.now();
            self.body_awaited_since.store(now, Relaxed);
            if self.body_began.load(Relaxed) == NOT_RUNNING {
                self.body_began.store(now, Relaxed);
            }
        }
        let mut waiting = self
            .body_waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &mut *waiting {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    pub(super) fn body_came(&self) {
        self.body_awaited_since.store(NOT_RUNNING, Relaxed);
    }

    /// So much more of it has come.
    pub(super) fn body_grew(&self, bytes: u64) {
        self.body_bytes.fetch_add(bytes, Relaxed);
    }

    /// Nobody waits for it any more.
    pub(super) fn body_left(&self) {
        self.body_awaited_since.store(NOT_RUNNING, Relaxed);
        self.body_began.store(NOT_RUNNING, Relaxed);
    }

    /// Its request has ended: how much of it had come.
    pub(super) fn body_ended(&self) -> u64 {
        self.body_left();
        self.body_bytes.swap(0, Relaxed)
    }

    /// Since when nothing has been asked here; `None`: a request or its answer is under way.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let (phase, since) = self.phase();
        let is_quiet = matches!(phase, Phase::Head | Phase::Idle)
            && self.write_blocked_since.load(Relaxed) == NOT_RUNNING;
        is_quiet.then(|| self.instant(since))
    }

    pub(super) fn fail_body(&self, fault: BodyFault) {
        self.body_fault.store(fault as u8 + 1, Relaxed);
        self.body_left();
        let waiting = self
            .body_waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    pub(super) fn body_fault(&self) -> Option<BodyFault> {
        [BodyFault::TooLarge, BodyFault::Stalled, BodyFault::NoRoom]
            .into_iter()
            .find(|fault| *fault as u8 + 1 == self.body_fault.load(Relaxed))
    }

    /// Notes that the current request's body was given up before its end.
    pub(super) fn leave_body_unread(&self) {
        self.body_unread.store(true, Relaxed);
    }

    pub(super) fn body_is_unread(&self) -> bool {
        self.body_unread.load(Relaxed)
    }

    /// When the first of the running clocks runs out; `None` when none runs.
    pub(super) fn deadline(&self, patience: &Patience) -> Option<Instant> {
        self.clocks(patience)
            .into_iter()
            .flatten()
            .map(|(moment, _)| moment)
            .min()
            .map(|moment| self.instant(moment))
    }

    /// A clock that has run out by now, if any.
    pub(super) fn overdue(&self, patience: &Patience) -> Option<Overdue> {
        let now = self.now();
        self.clocks(patience)
            .into_iter()
            .flatten()
            .find(|(moment, _)| *moment <= now)
            .map(|(_, overdue)| overdue)
    }

    /// When to look again while no clock runs: a handler's task may start the body's clock
    /// unnoticed.
    pub(super) fn next_look(&self, patience: &Patience) -> Instant {
        self.instant(self.now() + patience.body)
    }

    fn clocks(&self, patience: &Patience) -> [Option<(u64, Overdue)>; 4] {
        let running = |since: u64, allowed: u64, overdue: Overdue| {
            (since != NOT_RUNNING).then(|| (since + allowed, overdue))
        };
        let (phase, since) = self.phase();
        [
            match phase {
                Phase::Head => running(since, patience.head, Overdue::Head),
                Phase::Idle => running(since, patience.idle, Overdue::Idle),
                Phase::Lingering => running(since, patience.linger, Overdue::Linger),
                Phase::Busy => None,
            },
            running(
                self.body_awaited_since.load(Relaxed),
                patience.body,
                Overdue::Body,
            ),
            running(
                self.body_began.load(Relaxed),
                patience.of_body(self.body_bytes.load(Relaxed)),
                Overdue::Body,
            ),
            running(
                self.write_blocked_since.load(Relaxed),
                patience.write,
                Overdue::Write,
            ),
        ]
    }

    fn phase(&self) -> (Phase, u64) {
        let packed = self.phase.load(Relaxed);
        let phase = match packed & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Head,
            1 => Phase::Idle,
            2 => Phase::Busy,
            _ => Phase::Lingering,
        };
        (phase, packed >> PHASE_BITS)
    }

    fn enter(&self, phase: Phase, moment: u64) {
        self.phase
            .store(moment << PHASE_BITS | phase as u64, Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros())
            .unwrap_or(u64::MAX >> (PHASE_BITS + 1))
            .max(1)
    }

    fn instant(&self, moment: u64) -> Instant {
        self.opened + Duration::from_micros(moment)
    }
}
