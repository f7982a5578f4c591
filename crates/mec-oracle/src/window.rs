//! Windows, cut with chrono's calendar: which stretch of time an instant lies in.

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

use crate::command::{SECOND, Time, Window};

/// Before everything.
pub const BEGINNING: Time = i64::MIN;
/// After everything.
pub const FOREVER: Time = i64::MAX;

/// What a counter covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// `[start, end)`.
    Span(Time, Time),
    /// The last so many seconds, in sixtieths.
    Rolling(i64),
}

impl Cut {
    /// All of time.
    pub const ALWAYS: Self = Self::Span(BEGINNING, FOREVER);

    /// Whether what happened at `at` counts at `now`.
    pub fn counts(self, at: Time, now: Time) -> bool {
        match self {
            Self::Span(start, end) => start <= at && at < end,
            Self::Rolling(seconds) => {
                // A step counts until all of it is older than the window.
                let step = step(seconds);
                (at.div_euclid(step) + 1) * step > now - seconds * SECOND
            }
        }
    }

    /// How long it is: of two, the longer one.
    pub fn length(self) -> i128 {
        match self {
            Self::Span(start, end) => i128::from(end) - i128::from(start),
            Self::Rolling(seconds) => i128::from(seconds) * 1_000_000,
        }
    }
}

/// Microseconds of a sixtieth of a rolling window, rounded up.
pub fn step(seconds: i64) -> i64 {
    (seconds * SECOND + 59) / 60
}

fn instant(micros: Time) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).expect("sequences stay within chrono's years")
}

/// The wall clock in `zone`.
pub fn wall_clock(zone: Tz, at: Time) -> NaiveDateTime {
    zone.from_utc_datetime(&instant(at).naive_utc())
        .naive_local()
}

/// Seconds of the day and ISO weekday in `zone`.
pub fn day_clock(zone: Tz, at: Time) -> (i64, i8) {
    let wall = wall_clock(zone, at);
    let weekday = i8::try_from(wall.weekday().number_from_monday()).expect("1 to 7");
    (i64::from(wall.num_seconds_from_midnight()), weekday)
}

/// The window of `rule` that holds `at`; `anchor` where the rule names none.
pub fn cut(rule: Window, zone: Tz, anchor: Time, at: Time) -> Cut {
    let between = |first: NaiveDate, next: NaiveDate| {
        Cut::Span(first_instant(zone, first), first_instant(zone, next))
    };
    let date = wall_clock(zone, at).date();
    let months = |months: u32| {
        let first = NaiveDate::from_ymd_opt(date.year(), date.month0() / months * months + 1, 1)
            .expect("a first of a month");
        between(first, first + Months::new(months))
    };
    match rule {
        Window::Hour => hour(zone, at),
        Window::Day => between(date, date + Days::new(1)),
        Window::Week => {
            let monday = date - Days::new(date.weekday().num_days_from_monday().into());
            between(monday, monday + Days::new(7))
        }
        Window::Month => months(1),
        Window::Quarter => months(3),
        Window::Year => months(12),
        Window::BillingMonth(own) => billing(own.unwrap_or(anchor), 1, at),
        Window::BillingYear(own) => billing(own.unwrap_or(anchor), 12, at),
        Window::Period(start, _) => Cut::Span(start, FOREVER),
        Window::Rolling(seconds) => Cut::Rolling(seconds),
        Window::Lifetime(own) => Cut::Span(own.unwrap_or(BEGINNING), FOREVER),
    }
}

/// The first instant at which it is `date` in `zone`.
fn first_instant(zone: Tz, date: NaiveDate) -> Time {
    let midnight = date.and_hms_opt(0, 0, 0).expect("midnight");
    if let Some(at) = zone.from_local_datetime(&midnight).earliest() {
        return at.timestamp_micros();
    }
    let mut at = midnight.and_utc().timestamp_micros() - 26 * 3_600 * SECOND;
    while wall_clock(zone, at).date() < date {
        at += 60 * SECOND;
    }
    at
}

/// The stretch around `at` in which the clock shows the same hour and is not turned.
fn hour(zone: Tz, at: Time) -> Cut {
    let shown = |at: Time| {
        let local = zone.from_utc_datetime(&instant(at).naive_utc());
        (local.date_naive(), local.hour(), local.offset().fix())
    };
    let minute = 60 * SECOND;
    let mut start = at - at.rem_euclid(minute);
    while shown(start - minute) == shown(at) {
        start -= minute;
    }
    let mut end = at - at.rem_euclid(minute) + minute;
    while shown(end) == shown(at) {
        end += minute;
    }
    Cut::Span(start, end)
}

/// The stretch of `step` months, counted from `anchor`, that holds `at`; a day a month has not is
/// its last.
fn billing(anchor: Time, step: i32, at: Time) -> Cut {
    let (from, to) = (instant(anchor), instant(at));
    let months =
        (to.year() - from.year()) * 12 + to.month0().cast_signed() - from.month0().cast_signed();
    let after = |turns: i32| {
        let months = turns * step;
        let by = Months::new(months.unsigned_abs());
        let moved = if months < 0 {
            from.checked_sub_months(by)
        } else {
            from.checked_add_months(by)
        };
        moved.expect("within chrono's years").timestamp_micros()
    };
    let mut turn = months.div_euclid(step);
    while after(turn) > at {
        turn -= 1;
    }
    while after(turn + 1) <= at {
        turn += 1;
    }
    Cut::Span(after(turn), after(turn + 1))
}
