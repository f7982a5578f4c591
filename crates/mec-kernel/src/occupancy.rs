//! How many slots leases held over time: for charts and invoices. Decides nothing.

use crate::quantity::{Quantity, Total, divide_half_away};
use crate::time::{HOUR, Time};

/// The slots of one lease, from when it was taken until it was given back or expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// How many, as last agreed: a lease does not keep what it held before that.
    pub quantity: Quantity,
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub until: Time,
}

/// What leases held in a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// The most slots that were held at one instant.
    pub peak: Total,
    /// Slots times hours.
    pub lease_hours: Total,
}

/// What `stays` held in each of `buckets` until `now`. The buckets `[start, end)` rise and do not
/// overlap.
pub fn occupancy(stays: &[Stay], buckets: &[(Time, Time)], now: Time) -> Vec<Occupancy> {
    let mut changes: Vec<(Time, i128)> = Vec::new();
    for stay in stays.iter().filter(|stay| stay.from < stay.until) {
        let quantity = i128::from(stay.quantity.millionths());
        changes.extend([
            (stay.from, quantity),
            (stay.until, quantity.saturating_neg()),
        ]);
    }
    // What ends at an instant is gone before something else begins there.
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut held = 0_i128;
    let bucket = |&(start, end): &(Time, Time)| {
        while let Some((_, change)) = changes.next_if(|(when, _)| *when <= start) {
            held = held.saturating_add(change);
        }
        let (mut at, mut slot_micros) = (start, 0_i128);
        let mut peak = if start <= now { held } else { 0 };
        while let Some((when, change)) = changes.next_if(|(when, _)| *when < end) {
            slot_micros = slot_micros.saturating_add(held.saturating_mul(passed(at, when, now)));
            (at, held) = (when, held.saturating_add(change));
            if when <= now || change > 0 {
                peak = peak.max(held);
            }
        }
        slot_micros = slot_micros.saturating_add(held.saturating_mul(passed(at, end, now)));
        Occupancy {
            peak: Total(peak),
            lease_hours: Total(divide_half_away(slot_micros, i128::from(HOUR))),
        }
    };
    buckets.iter().map(bucket).collect()
}

/// The microseconds between two instants that have passed by `now`.
fn passed(from: Time, to: Time, now: Time) -> i128 {
    i128::from(to.min(now).since(from)).max(0)
}
