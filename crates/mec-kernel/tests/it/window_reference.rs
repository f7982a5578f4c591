//! Windows cut by another library: what the kernel is compared with.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use mec_kernel::*;

pub(crate) const MINUTE: i64 = 60 * SECOND;

pub(crate) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).expect("within the years of the tests")
}

pub(crate) fn local(zone: Tz, micros: i64) -> NaiveDateTime {
    zone.from_utc_datetime(&instant(micros).naive_utc())
        .naive_local()
}

pub(crate) fn offset_minutes(zone: Tz, micros: i64) -> i32 {
    zone.offset_from_utc_datetime(&instant(micros).naive_utc())
        .fix()
        .local_minus_utc()
        / 60
}

/// The first date of the window of `kind` that `date` is in.
pub(crate) fn first_date(kind: WindowKind, date: NaiveDate) -> NaiveDate {
    match kind {
        WindowKind::Day => date,
        WindowKind::Week => date - Days::new(date.weekday().num_days_from_monday().into()),
        WindowKind::Month => date.with_day(1).unwrap(),
        WindowKind::Quarter => date
            .with_day(1)
            .unwrap()
            .with_month(date.month0() / 3 * 3 + 1)
            .unwrap(),
        _ => NaiveDate::from_ymd_opt(date.year(), 1, 1).unwrap(),
    }
}

/// The first date of the window after the one that begins on `first`.
pub(crate) fn next_date(kind: WindowKind, first: NaiveDate) -> NaiveDate {
    let beyond = match kind {
        WindowKind::Day => 1,
        WindowKind::Week => 7,
        WindowKind::Month => 31,
        WindowKind::Quarter => 92,
        _ => 366,
    };
    first_date(kind, first + Days::new(beyond))
}

/// When `date` begins: the first minute anywhere whose local date is that or later.
pub(crate) fn beginning(zone: Tz, date: NaiveDate) -> i64 {
    let midnight = date
        .and_hms_opt(0, 0, 0)
        .unwrap()
        .and_utc()
        .timestamp_micros();
    let minutes = (-15 * 60..=40 * 60).map(|minute| midnight + minute * MINUTE);
    minutes
        .into_iter()
        .find(|micros| local(zone, *micros).date() >= date)
        .expect("it begins within two days")
}

pub(crate) fn calendar_window(kind: WindowKind, zone: Tz, at: i64) -> (i64, i64) {
    // A little before, because a clock that was turned back tells an earlier date than the
    // window's.
    let mut first = first_date(kind, local(zone, at).date() - Days::new(2));
    loop {
        let next = next_date(kind, first);
        let (start, end) = (beginning(zone, first), beginning(zone, next));
        if start <= at && at < end {
            return (start, end);
        }
        first = next;
    }
}

/// The minutes around `at` in which the clock shows the same hour without having been turned.
pub(crate) fn hour_window(zone: Tz, at: i64) -> (i64, i64) {
    let shown = |micros: i64| {
        let local = local(zone, micros);
        (offset_minutes(zone, micros), local.date(), local.hour())
    };
    let minute = at.div_euclid(MINUTE) * MINUTE;
    let mut start = minute;
    while shown(start - MINUTE) == shown(minute) {
        start -= MINUTE;
    }
    let mut end = minute + MINUTE;
    while shown(end) == shown(minute) {
        end += MINUTE;
    }
    (start, end)
}

/// The instant `months` after the anchor: same day of the month, or the last where the month is
/// shorter.
pub(crate) fn months_after(anchor: i64, months: i32) -> i64 {
    let anchor = instant(anchor).naive_utc();
    let month = anchor.year() * 12 + i32::try_from(anchor.month0()).unwrap() + months;
    let (year, month) = (
        month.div_euclid(12),
        u32::try_from(month.rem_euclid(12)).unwrap() + 1,
    );
    let days = (28..=31)
        .rev()
        .find_map(|day| NaiveDate::from_ymd_opt(year, month, day))
        .unwrap();
    let date = days.with_day(anchor.day().min(days.day())).unwrap();
    date.and_time(anchor.time()).and_utc().timestamp_micros()
}

pub(crate) fn billing_window(anchor: i64, step: i32, at: i64) -> (i64, i64) {
    let mut count = -60 * 12 / step;
    while months_after(anchor, (count + 1) * step) <= at {
        count += 1;
    }
    (
        months_after(anchor, count * step),
        months_after(anchor, (count + 1) * step),
    )
}

/// The next turn of the zone's clock, to the day's precision first and then to the minute.
pub(crate) fn next_turn(zone: Tz, from: i64) -> Option<i64> {
    let days = (0..400).map(|day| from + day * 24 * HOUR);
    let day = days
        .into_iter()
        .find(|day| offset_minutes(zone, *day) != offset_minutes(zone, day + 24 * HOUR))?;
    let minutes = (0..24 * 60).map(|minute| day + minute * MINUTE);
    minutes
        .into_iter()
        .find(|micros| offset_minutes(zone, *micros) != offset_minutes(zone, day))
}
