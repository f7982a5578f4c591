//! Ninety days of use as people make it: busy on weekdays and in business hours, quiet at night, a
//! little more every month. The same account and the same instant always give the same events, to
//! the microsecond and the key.

use std::iter;

use mec_engine::window_boundaries;
use mec_kernel::{
    AccountId, Attributes, HOUR, Meter, Quantity, Time, WindowKind, WindowRule, Zone,
};

use super::cast::{Habit, Player};

/// How far back it goes. A day less than MEC accepts, so that a fill that was cut off can be
/// completed.
pub(super) const DAYS: i64 = 89;

const SEED: u64 = 0x6d65_6320_6465_6d6f;
const DAY: i64 = 24 * HOUR;
const MINUTE: i64 = HOUR / 60;
/// What a month has of the next one's use.
const GROWTH_PERCENT: u64 = 88;

/// How much happens in each hour of a weekday (UTC), in percent of the busiest.
const HOURS: [u64; 24] = [
    4, 3, 2, 2, 3, 6, 14, 34, 68, 92, 100, 90, 62, 78, 96, 94, 82, 60, 36, 24, 18, 14, 10, 6,
];
/// How much happens on each day of the week, Monday first, in percent of the busiest.
const WEEKDAYS: [u64; 7] = [88, 100, 97, 93, 76, 18, 13];
const MODELS: [&str; 4] = ["small", "medium", "large", "vision"];

/// Everything `player`'s `account` used until `told_at`, in the order it happened.
pub(super) fn events(player: &Player, account: AccountId, told_at: Time) -> Vec<Meter> {
    let mut dice = Dice::of(player.external_id);
    let since = player.plan.map_or(DAYS, |(_, days)| days.min(DAYS));
    let from = days_before(told_at, since);
    let to = player.habit.map_or(told_at, |habit| {
        days_before(told_at, habit.stopped_days_ago)
    });
    let mut events = Events {
        player,
        account,
        events: vec![],
    };
    if let Some(habit) = &player.habit {
        for at in run_times(habit, from, to, told_at, &mut dice) {
            events.run(habit, at, to, &mut dice);
        }
    }
    for (resource, owned) in [
        ("server_configs", player.owns.0),
        ("server_instances", player.owns.1),
    ] {
        events.own(
            resource,
            owned,
            &instants(owned_events(owned), from, to, &mut dice),
        );
    }
    // Equal instants keep their order: what is given back comes after it was taken.
    events.events.sort_by_key(|event| event.occurred_at);
    events.events
}

struct Events<'a> {
    player: &'a Player,
    account: AccountId,
    events: Vec<Meter>,
}

impl Events<'_> {
    fn run(&mut self, habit: &Habit, at: Time, to: Time, dice: &mut Dice) {
        let runs = dice.between(1, habit.runs_max);
        let minutes = dice.between(habit.gpu_minutes.0, habit.gpu_minutes.1);
        let model = dice.one_of(&MODELS).copied().unwrap_or_default();
        let region = dice.one_of(habit.regions).copied();
        let details = format!(r#"{{"model": "{model}"}}"#);
        self.push(
            "benchmark_runs",
            Quantity::whole(whole(runs)),
            at,
            |event| event.details = Some(details.into()),
        );
        let done_at = at.plus_micros(i64::from(minutes) * MINUTE).min(to);
        self.push(
            "gpu_hours",
            Quantity::whole(whole(minutes)),
            done_at,
            |event| {
                event.unit = Some("minute".into());
                event.scope = region.map(Into::into);
            },
        );
    }

    /// One more than is owned in the end, and one given back: the count has a history.
    fn own(&mut self, resource: &'static str, owned: u32, instants: &[Time]) {
        let quantities = iter::repeat_n(1, whole(owned).unsigned_abs() as usize + 1).chain([-1]);
        for (quantity, at) in quantities.zip(instants) {
            self.push(resource, Quantity::whole(quantity), *at, |_| {});
        }
    }

    fn push(
        &mut self,
        resource: &'static str,
        quantity: Quantity,
        at: Time,
        complete: impl FnOnce(&mut Meter),
    ) {
        let mut event = Meter {
            key: format!(
                "{}/{resource}/{}",
                self.player.external_id,
                self.events.len()
            )
            .into(),
            account: self.account,
            resource: resource.into(),
            scope: None,
            quantity,
            unit: None,
            occurred_at: Some(at),
            details: None,
            is_correction: false,
            corrects: None,
            attributes: Attributes::new(),
        };
        complete(&mut event);
        self.events.push(event);
    }
}

/// What is owned takes so many events: none where nothing is owned.
const fn owned_events(owned: u32) -> u64 {
    if owned == 0 { 0 } else { owned as u64 + 2 }
}

/// When benchmarks were started in `[from, to)`.
fn run_times(habit: &Habit, from: Time, to: Time, told_at: Time, dice: &mut Dice) -> Vec<Time> {
    // From the present month backwards, so that each has a little less than the one after it.
    let mut months = vec![];
    let mut per_month = u64::from(habit.per_month);
    let mut end = month_of(told_at).1;
    while end > from {
        let (start, _) = month_of(end.plus_micros(-1));
        let (first, last) = (start.max(from), end.min(to));
        let runs = match habit.this_month {
            Some(runs) if months.is_empty() && start <= to => u64::from(runs),
            _ => share(per_month, last.since(first), end.since(start)),
        };
        months.push((runs, first, last.max(first)));
        (end, per_month) = (start, per_month * GROWTH_PERCENT / 100);
    }
    months
        .iter()
        .rev()
        .flat_map(|(runs, first, last)| instants(*runs, *first, *last, dice))
        .collect()
}

/// `part` of `whole` of `quantity`, cut; nothing where `part` is not above zero.
fn share(quantity: u64, part: i64, whole: i64) -> u64 {
    let part = u128::from(part.max(0).unsigned_abs());
    u64::try_from(u128::from(quantity) * part / u128::from(whole.unsigned_abs().max(1)))
        .unwrap_or(u64::MAX)
}

/// `count` instants in `[from, to)`, ascending, denser where more is going on. In an empty range
/// all are `from`.
fn instants(count: u64, from: Time, to: Time, dice: &mut Dice) -> Vec<Time> {
    let hours = hours(from, to, dice);
    let total: u128 = hours.iter().map(Hour::weight).sum();
    let mut found = Vec::new();
    let (mut place, mut before) = (0, 0);
    for nth in 0..u128::from(count) {
        // Somewhere in the nth of `count` equal parts of everything that is going on.
        let target = (nth * total + dice.below(total)) / u128::from(count);
        while let Some(hour) = hours
            .get(place)
            .filter(|hour| before + hour.weight() <= target)
        {
            before += hour.weight();
            place += 1;
        }
        let at = hours.get(place).map(|hour| hour.at(target - before));
        found.push(at.unwrap_or(from));
    }
    found
}

/// An hour, or what a range has of it, and how busy it is.
struct Hour {
    start: Time,
    micros: i64,
    busy: u64,
}

impl Hour {
    fn weight(&self) -> u128 {
        u128::from(self.busy) * u128::from(self.micros.unsigned_abs())
    }

    fn at(&self, weight: u128) -> Time {
        let micros = i64::try_from(weight / u128::from(self.busy)).unwrap_or_default();
        self.start.plus_micros(micros.min(self.micros - 1).max(0))
    }
}

fn hours(from: Time, to: Time, dice: &mut Dice) -> Vec<Hour> {
    let mut hours = vec![];
    let (mut start, mut day, mut mood) = (from, None, 100);
    while start < to {
        let today = start.micros().div_euclid(DAY);
        if day != Some(today) {
            // No two days are alike.
            (day, mood) = (Some(today), u64::from(dice.between(70, 130)));
        }
        let end = start.hour().plus_micros(HOUR).min(to);
        let hour = usize::try_from(start.micros().rem_euclid(DAY) / HOUR).unwrap_or_default();
        // The epoch was a Thursday.
        let weekday = usize::try_from((today + 3).rem_euclid(7)).unwrap_or_default();
        let busy = HOURS.get(hour).unwrap_or(&1) * WEEKDAYS.get(weekday).unwrap_or(&1) * mood;
        hours.push(Hour {
            start,
            micros: end.since(start),
            busy,
        });
        start = end;
    }
    hours
}

pub(super) const fn days_before(at: Time, days: i64) -> Time {
    at.plus_micros(-days * DAY)
}

fn month_of(at: Time) -> (Time, Time) {
    let month = WindowRule::of(WindowKind::Month);
    let (start, end) = window_boundaries(month, &Zone::UTC, at);
    (start.unwrap_or(at), end.unwrap_or(at))
}

fn whole(figure: u32) -> i32 {
    i32::try_from(figure).unwrap_or(i32::MAX)
}

/// Chance that is the same every time (SplitMix64).
struct Dice(u64);

impl Dice {
    /// Everybody has their own.
    fn of(name: &str) -> Self {
        Self(name.bytes().fold(SEED, |seed, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`; 0 where that is 0.
    fn below(&mut self, end: u128) -> u128 {
        u128::from(self.roll()).checked_rem(end).unwrap_or_default()
    }

    fn between(&mut self, from: u32, to: u32) -> u32 {
        let span = u128::from(to.saturating_sub(from)) + 1;
        from + u32::try_from(self.below(span)).unwrap_or_default()
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(usize::try_from(self.below(list.len() as u128)).unwrap_or_default())
    }
}
