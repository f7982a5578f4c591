//! Seats over time.

use mec_kernel::{HOUR, Quantity, Stay, Time, occupancy};

#[test]
fn seats_are_counted_bucket_by_bucket_until_now() {
    let at = |hours: i64| Time::from_micros(hours * HOUR);
    let stay = |quantity, from, until| Stay {
        quantity: Quantity::whole(quantity),
        from: at(from),
        until: at(until),
    };
    // The fourth was given back as soon as it was taken.
    let stays = [
        stay(2, 1, 5),
        stay(3, 2, 3),
        stay(4, 3, 4),
        stay(1, 4, 4),
        stay(5, 6, 20),
    ];
    let found = |buckets: &[(i64, i64)], now| {
        let buckets: Vec<_> = buckets
            .iter()
            .map(|(start, end)| (at(*start), at(*end)))
            .collect();
        let found = occupancy(&stays, &buckets, at(now));
        found
            .iter()
            .map(|of| (of.peak.0 / 1_000_000, of.lease_hours.0 / 1_000_000))
            .collect::<Vec<_>>()
    };
    // What ends where something else begins is not beside it.
    assert_eq!(found(&[(0, 10)], 7), [(6, 8 + 3 + 4 + 5)]);
    let hours = [(0, 1), (1, 3), (3, 5), (5, 6), (6, 7), (7, 9), (9, 30)];
    assert_eq!(
        found(&hours, 8),
        [
            (0, 0),
            (5, 4 + 3),
            (6, 4 + 4),
            (0, 0),
            (5, 5),
            (5, 5),
            (0, 0)
        ]
    );
    // A bucket that begins now holds what is held now, for no time yet.
    assert_eq!(found(&[(8, 9)], 8), [(5, 0)]);
    assert_eq!(found(&[], 8), []);
    // Hours are rounded, half away from zero.
    let third = Stay {
        until: Time::from_micros(HOUR + HOUR / 3 * 2),
        ..stay(1, 1, 2)
    };
    assert_eq!(
        occupancy(&[third], &[(at(0), at(5))], at(5))[0]
            .lease_hours
            .to_string(),
        "0.666667"
    );
}
