//! Instants. The kernel reads no clock: every `now` is an argument.

use std::fmt;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in an hour.
pub const HOUR: i64 = 3_600 * SECOND;

/// An instant: microseconds since 1970-01-01T00:00:00Z. Prints and reads RFC 3339 with `Z`.
///
/// ```
/// use mec_kernel::Time;
/// let start: Time = "2026-01-30T12:00:00Z".parse().unwrap();
/// assert_eq!(start.plus_seconds(90).to_string(), "2026-01-30T12:01:30Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// Before everything: the start of a window that has none.
    pub const BEGINNING: Self = Self(i64::MIN);
    /// After everything: the end of a window that has none.
    pub const FOREVER: Self = Self(i64::MAX);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// `seconds` later (earlier when negative); the ends of time stay where they are.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_micros(seconds.saturating_mul(SECOND))
    }

    /// `micros` later (earlier when negative); the ends of time stay where they are.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        if self.is_bounded() {
            Self(self.0.saturating_add(micros))
        } else {
            self
        }
    }

    /// Microseconds from `earlier` to this instant.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether this is a real instant and not one of the ends of time.
    pub const fn is_bounded(self) -> bool {
        self.0 != i64::MIN && self.0 != i64::MAX
    }

    /// The full UTC hour at or before it: the key of a stored sum.
    #[must_use]
    pub const fn hour(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(HOUR)))
    }

    /// This instant, or the next full second: how expiries are kept.
    #[must_use]
    pub const fn full_second_up(self) -> Self {
        match self.0.rem_euclid(SECOND) {
            0 => self,
            rest => Self(self.0.saturating_add(SECOND.saturating_sub(rest))),
        }
    }

    /// The calendar date in UTC (`2026-12-01`), for reasons.
    pub fn date(self) -> String {
        jiff::tz::TimeZone::UTC
            .to_datetime(self.timestamp())
            .date()
            .to_string()
    }

    pub(crate) fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    pub(crate) fn from_timestamp(timestamp: jiff::Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

/// The text is not an RFC 3339 instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATime;

impl std::str::FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<jiff::Timestamp>()
            .map(Self::from_timestamp)
            .map_err(|_| NotATime)
    }
}
