//! How much was used in which stretch of time.

use std::collections::BTreeMap;

use mec_kernel::{
    AccountId, Amount, Code, HOUR, HourSum, Time, Window, WindowKey, oldest_step, step_micros,
    step_start,
};

/// What is to be summed.
#[derive(Clone, Copy, Debug)]
pub struct UsageQuery<'a> {
    /// Whose use.
    pub account: AccountId,
    /// Of which resource.
    pub resource: &'a Code,
    /// Of which part of it; `None` is every part.
    pub scope: Option<&'a Code>,
    /// Half-open stretches `[start, end)`, each answered by one [`UsageBucket`]. They need not
    /// touch or be in order.
    pub buckets: &'a [(Time, Time)],
    /// The account alone, without its descendants.
    pub own_only: bool,
}

/// The use in `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageBucket {
    /// First instant.
    pub start: Time,
    /// First instant after it.
    pub end: Time,
    /// What was used, in base units of the resource's dimension.
    pub amount: Amount,
    /// Overage accrued in the account's own pools, in base units, net of what corrections took
    /// back.
    pub overage: Amount,
    /// What that overage costs at the prices of its moments, exactly: see
    /// [`Effect::cost`](mec_kernel::Effect::cost).
    pub overage_cost: Amount,
    /// How many events were summed.
    pub events: i64,
}

/// What is read of the ledger: use of a resource, all of it or one scope, in `[from, to)`.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a> {
    pub(crate) account: AccountId,
    pub(crate) resource: &'a Code,
    pub(crate) scope: Option<&'a Code>,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

/// One event's share.
pub(crate) struct Use {
    pub(crate) at: Time,
    pub(crate) amount: Amount,
    /// By the account itself, not by one below it.
    pub(crate) is_own: bool,
}

/// The first and the last hour's edge between which whole hours lie; what is before and after them
/// is cut. The first is after the last where no whole hour lies in `[from, to)`.
pub(crate) fn whole_hours(from: Time, to: Time) -> (Time, Time) {
    let first = if from == from.hour() || !from.is_bounded() {
        from
    } else {
        from.hour().plus_micros(HOUR)
    };
    let last = if to.is_bounded() { to.hour() } else { to };
    (first, last)
}

/// What a window is counted from.
pub(crate) struct WindowParts<'a> {
    /// Whole hours, of which the sums are stored.
    pub(crate) hours: Stretch<'a>,
    /// What is cut by the window's edges, and all of a rolling one: read from the ledger.
    pub(crate) edges: [Stretch<'a>; 2],
    /// Where its overage was accrued.
    pub(crate) whole: Stretch<'a>,
}

impl<'a> WindowParts<'a> {
    pub(crate) fn of(account: AccountId, key: &'a WindowKey, now: Time) -> Self {
        let stretch = |from, to| Stretch {
            account,
            resource: &key.resource,
            scope: key.scope.as_ref(),
            from,
            to,
        };
        match key.window {
            Window::Rolling { seconds } => {
                let from = step_start(oldest_step(now, seconds), step_micros(seconds));
                let none = stretch(Time::FOREVER, Time::FOREVER);
                Self {
                    hours: none,
                    edges: [stretch(from, Time::FOREVER), none],
                    whole: stretch(Time::BEGINNING, Time::FOREVER),
                }
            }
            Window::Fixed { start, end } => {
                let (first_hour, last_hour) = whole_hours(start, end);
                let (hours, edges) = if first_hour <= last_hour {
                    let edges = [stretch(start, first_hour), stretch(last_hour, end)];
                    (stretch(first_hour, last_hour), edges)
                } else {
                    let none = stretch(end, end);
                    (none, [stretch(start, end), none])
                };
                Self {
                    hours,
                    edges,
                    whole: stretch(start, end),
                }
            }
        }
    }
}

/// From the earliest instant of any bucket to the latest; `None` where there is no bucket.
pub(crate) fn span_of(query: &UsageQuery<'_>) -> Option<(Time, Time)> {
    query
        .buckets
        .iter()
        .copied()
        .reduce(|(first, last), (start, end)| (first.min(start), last.max(end)))
}

/// The whole hours that any bucket of the query holds, from the first to the last.
pub(crate) fn whole_hours_of(query: &UsageQuery<'_>) -> Option<(Time, Time)> {
    let whole = query
        .buckets
        .iter()
        .map(|&(start, end)| whole_hours(start, end))
        .filter(|(first, last)| first < last);
    whole.reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
}

/// The bucket `[start, end)` as far as whole hours go, and what of it is left to be read from the
/// ledger.
pub(crate) fn whole(
    hours: &BTreeMap<Time, HourSum>,
    query: &UsageQuery<'_>,
    start: Time,
    end: Time,
) -> (UsageBucket, Vec<(Time, Time)>) {
    let mut bucket = UsageBucket {
        start,
        end,
        amount: Amount::ZERO,
        overage: Amount::ZERO,
        overage_cost: Amount::ZERO,
        events: 0,
    };
    let (first, last) = whole_hours(start, end);
    if first >= last {
        return (bucket, vec![(start, end)]);
    }
    for sum in hours.range(first..last).map(|(_, sum)| sum) {
        bucket.amount = bucket
            .amount
            .plus(if query.own_only { sum.own } else { sum.subtree });
        bucket.overage = bucket.overage.plus(sum.overage);
        bucket.overage_cost = bucket.overage_cost.plus(sum.overage_cost);
        bucket.events = bucket.events.saturating_add(sum.events);
    }
    (bucket, vec![(start, first), (last, end)])
}
