//! Windows: the stretches of time a cumulative limit is counted in. Half-open, `[start, end)`.
//!
//! Calendar windows are cut in a time zone, billing windows in UTC from an anchor; both partition
//! all of time, so every instant lies in exactly one window of a rule (design 1.2).

use std::fmt;

use jiff::{Span, civil, tz};

use crate::code::closed_list;
use crate::time::{HOUR, SECOND, Time};

closed_list! {
    /// How a window is cut.
    WindowKind {
        Hour = "hour": "A clock hour in the account's time zone",
        Day = "day": "A calendar day in the account's time zone (23, 24 or 25 hours)",
        Week = "week": "An ISO week, from Monday, in the account's time zone",
        Month = "month": "A calendar month in the account's time zone",
        Quarter = "quarter": "A calendar quarter in the account's time zone",
        Year = "year": "A calendar year in the account's time zone",
        BillingMonth = "billing_month": "A month counted from an anchor, in UTC; day 31 clamps without drifting",
        BillingYear = "billing_year": "A year counted from an anchor, in UTC",
        Period = "period": "An explicit period, as a billing provider states it",
        Rolling = "rolling": "The last window_seconds, counted in sixtieths",
        Lifetime = "lifetime": "Everything since the anchor, or since the beginning",
    }
}

/// A time zone, made from TZif bytes so that every node cuts the same windows.
#[derive(Clone, Debug)]
pub struct Zone(tz::TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(tz::TimeZone::UTC);

    /// The zone `name` described by RFC 8536 (TZif) bytes; `None` where they are not valid.
    pub fn from_tzif(name: &str, tzif: &[u8]) -> Option<Self> {
        tz::TimeZone::tzif(name, tzif).ok().map(Self)
    }
}

/// What cuts a window: its kind and what the kind needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRule {
    /// How the window is cut.
    pub kind: WindowKind,
    /// Where billing windows are counted from, or where a lifetime begins.
    pub anchor: Option<Time>,
    /// Length of a rolling window in seconds, at least 60.
    pub seconds: Option<i64>,
    /// Start and end of a `period`.
    pub period: Option<(Time, Time)>,
}

impl WindowRule {
    /// Everything since the beginning: the window of a limit that names none.
    pub const LIFETIME: Self = Self {
        kind: WindowKind::Lifetime,
        anchor: None,
        seconds: None,
        period: None,
    };

    /// A rule that needs nothing but its kind.
    pub const fn of(kind: WindowKind) -> Self {
        Self {
            kind,
            anchor: None,
            seconds: None,
            period: None,
        }
    }
}

/// What a counter covers: the key of a window's total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// From `start` up to, not including, `end`.
    Fixed {
        /// First instant.
        start: Time,
        /// First instant after it.
        end: Time,
    },
    /// The last `seconds`, wherever now is.
    Rolling {
        /// Length in seconds.
        seconds: i64,
    },
}

impl Window {
    /// All of time.
    pub const LIFETIME: Self = Self::Fixed {
        start: Time::BEGINNING,
        end: Time::FOREVER,
    };

    /// Whether an event at `at` counts in it. A rolling window takes every event; its steps tell
    /// which still count.
    pub fn holds(self, at: Time) -> bool {
        match self {
            Self::Fixed { start, end } => start <= at && at < end,
            Self::Rolling { .. } => true,
        }
    }

    /// Whether an event at `at` still counts in it at `now`: a rolling window forgets what is older
    /// than it.
    pub fn counts(self, at: Time, now: Time) -> bool {
        match self {
            Self::Fixed { .. } => self.holds(at),
            Self::Rolling { seconds } => step_of(at, seconds) >= oldest_step(now, seconds),
        }
    }

    /// First instant after it; `None`: it slides.
    pub(crate) const fn end(self) -> Option<Time> {
        match self {
            Self::Fixed { end, .. } => Some(end),
            Self::Rolling { .. } => None,
        }
    }

    /// Whether nothing that happens from `now` on can count in it.
    pub fn is_over(self, now: Time) -> bool {
        matches!(self, Self::Fixed { end, .. } if end <= now)
    }

    /// How long it is, in microseconds.
    pub(crate) fn length_micros(self) -> i64 {
        match self {
            Self::Fixed { start, end } => end.micros().saturating_sub(start.micros()),
            Self::Rolling { seconds } => seconds.saturating_mul(SECOND),
        }
    }

    /// Start and end as answers show them; an end of time is `None`.
    pub fn shown(self, now: Time) -> (Option<Time>, Option<Time>) {
        match self {
            Self::Fixed { start, end } => (
                Some(start).filter(|t| t.is_bounded()),
                Some(end).filter(|t| t.is_bounded()),
            ),
            Self::Rolling { seconds } => {
                let step = step_micros(seconds);
                (
                    Some(step_start(oldest_step(now, seconds), step)),
                    Some(step_start(step_of(now, seconds).saturating_add(1), step)),
                )
            }
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { start, end } => write!(f, "[{start}, {end})"),
            Self::Rolling { seconds } => write!(f, "the last {seconds} s"),
        }
    }
}

/// Steps a rolling window is counted in.
pub const ROLLING_STEPS: i64 = 60;
/// The shortest rolling window, in seconds.
pub const ROLLING_SECONDS_MIN: i64 = 60;

/// Length of one step of a rolling window, in microseconds: a sixtieth, rounded up.
pub fn step_micros(seconds: i64) -> i64 {
    let micros = seconds.max(1).saturating_mul(SECOND);
    micros.saturating_add(ROLLING_STEPS - 1) / ROLLING_STEPS
}

/// The step an instant falls in, counted from the epoch.
pub fn step_of(at: Time, seconds: i64) -> i64 {
    at.micros().div_euclid(step_micros(seconds))
}

/// The oldest step that still counts at `now`: an expiring step counts in full until it is wholly
/// out.
pub fn oldest_step(now: Time, seconds: i64) -> i64 {
    step_of(now.plus_seconds(seconds.saturating_neg()), seconds)
}

/// Where a step begins.
pub fn step_start(step: i64, step_micros: i64) -> Time {
    Time::from_micros(step.saturating_mul(step_micros))
}

/// First instant at which a step of a rolling window is wholly out of it.
pub(crate) fn step_end(step: i64, seconds: i64) -> Time {
    step_start(step.saturating_add(1), step_micros(seconds)).plus_seconds(seconds)
}

/// The window of `rule` that holds `at`. `zone` is the owner's; `anchor` is used where the rule
/// names none.
///
/// ```
/// use mec_kernel::{Time, Window, WindowKind, WindowRule, Zone, window_at};
/// let at: Time = "2026-02-14T09:30:00Z".parse().unwrap();
/// let month = window_at(WindowRule::of(WindowKind::Month), &Zone::UTC, at, at);
/// assert_eq!(month.to_string(), "[2026-02-01T00:00:00Z, 2026-03-01T00:00:00Z)");
/// ```
pub fn window_at(rule: WindowRule, zone: &Zone, anchor: Time, at: Time) -> Window {
    let anchor = rule.anchor.unwrap_or(anchor);
    let (start, end) = match rule.kind {
        WindowKind::Hour => hour(&zone.0, at),
        WindowKind::Day
        | WindowKind::Week
        | WindowKind::Month
        | WindowKind::Quarter
        | WindowKind::Year => calendar(rule.kind, &zone.0, at),
        WindowKind::BillingMonth => billing(anchor, 1, at),
        WindowKind::BillingYear => billing(anchor, 12, at),
        // Its end is what is shown; it stays open until the next period is known, so it counts on
        // without an end.
        WindowKind::Period => (
            rule.period.map_or(anchor, |(start, _)| start),
            Time::FOREVER,
        ),
        WindowKind::Rolling => {
            return Window::Rolling {
                seconds: rule
                    .seconds
                    .unwrap_or(ROLLING_SECONDS_MIN)
                    .max(ROLLING_SECONDS_MIN),
            };
        }
        WindowKind::Lifetime => (rule.anchor.unwrap_or(Time::BEGINNING), Time::FOREVER),
    };
    Window::Fixed { start, end }
}

/// A clock hour. Where the clock is turned by a part of an hour, the hour is cut at the turn.
fn hour(zone: &tz::TimeZone, at: Time) -> (Time, Time) {
    let timestamp = at.timestamp();
    let offset = i64::from(zone.to_offset(timestamp).seconds()).saturating_mul(SECOND);
    let local = at.micros().saturating_add(offset);
    let start = Time::from_micros(at.micros().saturating_sub(local.rem_euclid(HOUR)));
    let end = start.plus_micros(HOUR);
    let turned = zone
        .preceding(just_after(timestamp).unwrap_or(timestamp))
        .next();
    let turns = zone.following(timestamp).next();
    (
        turned.map_or(start, |turn| {
            start.max(Time::from_timestamp(turn.timestamp()))
        }),
        turns.map_or(end, |turn| end.min(Time::from_timestamp(turn.timestamp()))),
    )
}

/// A day, week, month, quarter or year. The zone decides where each begins; where a clock turned
/// back over midnight would give an instant two answers, the window that began last has it.
fn calendar(kind: WindowKind, zone: &tz::TimeZone, at: Time) -> (Time, Time) {
    let mut index = index_of(kind, zone.to_datetime(at.timestamp()).date());
    let mut start = calendar_start(kind, zone, index);
    while at < start && start != Time::BEGINNING {
        index = index.saturating_sub(1);
        start = calendar_start(kind, zone, index);
    }
    loop {
        let end = calendar_start(kind, zone, index.saturating_add(1));
        if at < end || end == Time::FOREVER {
            return (start, end);
        }
        index = index.saturating_add(1);
        start = end;
    }
}

const EPOCH: civil::Date = civil::Date::constant(1970, 1, 1);

fn index_of(kind: WindowKind, date: civil::Date) -> i64 {
    let (year, month) = (i64::from(date.year()), i64::from(date.month()));
    match kind {
        WindowKind::Day => days_since_epoch(date),
        // 1970-01-01 was a Thursday: three days after a Monday.
        WindowKind::Week => days_since_epoch(date).saturating_add(3).div_euclid(7),
        WindowKind::Quarter => year
            .saturating_mul(4)
            .saturating_add(month.saturating_sub(1).div_euclid(3)),
        WindowKind::Year => year,
        _ => year
            .saturating_mul(12)
            .saturating_add(month.saturating_sub(1)),
    }
}

fn days_since_epoch(date: civil::Date) -> i64 {
    EPOCH
        .until(date)
        .map_or(0, |span| i64::from(span.get_days()))
}

fn calendar_start(kind: WindowKind, zone: &tz::TimeZone, index: i64) -> Time {
    let date = match kind {
        WindowKind::Day => EPOCH
            .checked_add(Span::new().try_days(index).unwrap_or_default())
            .ok(),
        WindowKind::Week => EPOCH
            .checked_add(
                Span::new()
                    .try_days(index.saturating_mul(7).saturating_sub(3))
                    .unwrap_or_default(),
            )
            .ok(),
        WindowKind::Quarter => first_of(
            index.div_euclid(4),
            index.rem_euclid(4).saturating_mul(3).saturating_add(1),
        ),
        WindowKind::Year => first_of(index, 1),
        _ => first_of(index.div_euclid(12), index.rem_euclid(12).saturating_add(1)),
    };
    let Some(date) = date else {
        return if index < 0 {
            Time::BEGINNING
        } else {
            Time::FOREVER
        };
    };
    let midnight = zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0));
    let is_skipped = matches!(midnight.offset(), tz::AmbiguousOffset::Gap { .. });
    let Ok(first) = midnight.compatible() else {
        return Time::FOREVER;
    };
    // Where the clock jumped over midnight, the day begins at the jump.
    let jump = just_after(first)
        .and_then(|after| zone.preceding(after).next())
        .filter(|_| is_skipped);
    Time::from_timestamp(jump.map_or(first, |jump| jump.timestamp()))
}

fn just_after(timestamp: jiff::Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(timestamp.as_microsecond().saturating_add(1)).ok()
}

fn first_of(year: i64, month: i64) -> Option<civil::Date> {
    civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()
}

/// The window of `months` from `anchor` that holds `at`: each start is counted from the anchor, so
/// a clamped day (Jan 31 → Feb 28) does not drift (→ Mar 31).
fn billing(anchor: Time, months: i64, at: Time) -> (Time, Time) {
    let origin = tz::TimeZone::UTC.to_datetime(anchor.timestamp());
    let here = tz::TimeZone::UTC.to_datetime(at.timestamp());
    let apart = index_of(WindowKind::Month, here.date())
        .saturating_sub(index_of(WindowKind::Month, origin.date()));
    let mut count = apart.div_euclid(months);
    let mut start = billing_start(origin, count.saturating_mul(months));
    while at < start && start != Time::BEGINNING {
        count = count.saturating_sub(1);
        start = billing_start(origin, count.saturating_mul(months));
    }
    loop {
        let end = billing_start(origin, count.saturating_add(1).saturating_mul(months));
        if at < end || end == Time::FOREVER {
            return (start, end);
        }
        count = count.saturating_add(1);
        start = end;
    }
}

fn billing_start(origin: civil::DateTime, months: i64) -> Time {
    let start = Span::new()
        .try_months(months)
        .and_then(|span| origin.checked_add(span));
    match start.and_then(|start| tz::TimeZone::UTC.to_timestamp(start)) {
        Ok(start) => Time::from_timestamp(start),
        Err(_) if months < 0 => Time::BEGINNING,
        Err(_) => Time::FOREVER,
    }
}

impl Zone {
    /// Seconds since local midnight by the wall clock, 0 … 86,399.
    pub fn second_of_day(&self, at: Time) -> i64 {
        let time = self.0.to_datetime(at.timestamp()).time();
        i64::from(time.hour())
            .saturating_mul(60)
            .saturating_add(i64::from(time.minute()))
            .saturating_mul(60)
            .saturating_add(i64::from(time.second()))
    }

    /// The local weekday, 1 = Monday … 7 = Sunday.
    pub fn weekday(&self, at: Time) -> i8 {
        self.0
            .to_datetime(at.timestamp())
            .date()
            .weekday()
            .to_monday_one_offset()
    }
}
