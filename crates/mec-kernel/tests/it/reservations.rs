//! Reservations: held now, settled with the true amount, given back, or expired (design 1.4).

use mec_kernel::*;

use crate::world::{World, check_of, meter_of, quantity, time, total};

fn reserve_of(account: AccountId, resource: &str, amount: &str, key: &str) -> Reserve {
    Reserve {
        check: check_of(account, resource, Some(amount)),
        key: key.into(),
        ttl_seconds: 600,
    }
}

fn try_reserve(world: &mut World, asked: &Reserve) -> Result<Reserved, Refusal> {
    world.run(|view, making| reserve(view, making, asked))
}

fn hold(world: &mut World, account: AccountId, amount: &str, key: &str) -> ReservationId {
    let reserved = try_reserve(world, &reserve_of(account, "benchmark_runs", amount, key)).unwrap();
    reserved.reservation.expect("room for the hold").id
}

fn try_settle(
    world: &mut World,
    reservation: ReservationId,
    amount: &str,
) -> Result<Settled, Refusal> {
    let asked = Settle {
        reservation,
        quantity: quantity(amount),
        attributes: Attributes::new(),
    };
    world.run(|view, making| settle(view, making, &asked))
}

fn release(world: &mut World, reservation: ReservationId) -> bool {
    world
        .run(|view, _| release_reservation(view, reservation))
        .unwrap()
}

/// Used, reserved and remaining, as a check tells.
fn figures(world: &mut World, account: AccountId) -> (String, String, String) {
    let figures = world.ask(account, "benchmark_runs", None).figures.unwrap();
    let text = |total: Option<Total>| total.unwrap().to_string();
    (
        text(figures.used),
        text(figures.reserved),
        text(figures.remaining),
    )
}

fn told(used: &str, reserved: &str, remaining: &str) -> (String, String, String) {
    (used.to_owned(), reserved.to_owned(), remaining.to_owned())
}

#[test]
fn a_hold_counts_as_used_until_it_expires() {
    let (mut world, account) = World::with("starter");
    world.consume(account, "benchmark_runs", "30", "k");
    let reserved = try_reserve(
        &mut world,
        &reserve_of(account, "benchmark_runs", "50", "h"),
    )
    .unwrap();
    let after = reserved.standing.figures.unwrap();
    assert_eq!(
        (after.used, after.reserved, after.remaining),
        (total("30"), total("50"), total("20"))
    );
    assert_eq!(after.percent, Some(Percent(8_000)));
    assert_eq!(
        reserved.reservation.unwrap().expires_at,
        time("2026-01-30T12:10:00Z")
    );
    assert_eq!(figures(&mut world, account), told("30", "50", "20"));
    assert_eq!(
        world
            .consume(account, "benchmark_runs", "21", "too much")
            .event,
        None
    );
    world.at("2026-01-30T12:09:59.999999Z");
    assert_eq!(figures(&mut world, account), told("30", "50", "20"));
    world.at("2026-01-30T12:10:00Z");
    assert_eq!(figures(&mut world, account), told("30", "0", "70"));
}

#[test]
fn a_hold_that_does_not_fit_holds_nothing_and_leaves_its_key_free() {
    let (mut world, account) = World::with("starter");
    let refused = try_reserve(
        &mut world,
        &reserve_of(account, "benchmark_runs", "101", "h"),
    )
    .unwrap();
    assert_eq!(
        (
            refused.standing.decision,
            refused.reservation,
            refused.replayed
        ),
        (Decision::Block, None, false)
    );
    hold(&mut world, account, "100", "h");
}

#[test]
fn the_same_key_is_the_same_hold_and_other_content_a_conflict() {
    let (mut world, account) = World::with("starter");
    let child = world.child(account);
    let asked = reserve_of(account, "gpu_hours", "5", "h");
    let first = try_reserve(&mut world, &asked).unwrap().reservation;
    let again = try_reserve(&mut world, &asked).unwrap();
    assert_eq!((again.reservation, again.replayed), (first, true));
    assert_eq!(again.standing.figures.unwrap().reserved, total("5"));
    let other = |check: Check| Reserve {
        check,
        ..asked.clone()
    };
    let table = [
        (
            "account_id",
            other(Check {
                account: child,
                ..asked.check.clone()
            }),
        ),
        (
            "resource_type",
            other(Check {
                resource: "benchmark_runs".into(),
                ..asked.check.clone()
            }),
        ),
        (
            "resource_scope",
            other(Check {
                scope: Some("eu".into()),
                ..asked.check.clone()
            }),
        ),
        (
            "quantity",
            other(Check {
                quantity: Some(quantity("6")),
                ..asked.check.clone()
            }),
        ),
        (
            "unit_code",
            other(Check {
                unit: Some("minute".into()),
                ..asked.check.clone()
            }),
        ),
    ];
    for (argument, other) in table {
        let conflict = Refusal::IdempotencyConflict {
            key: "h".to_owned(),
            argument,
        };
        assert_eq!(try_reserve(&mut world, &other), Err(conflict));
    }
}

#[test]
fn settling_records_the_true_amount_less_or_more() {
    for (amount, after) in [
        ("20", told("20", "0", "80")),
        ("50", told("50", "0", "50")),
        ("120", told("120", "0", "0")),
    ] {
        let (mut world, account) = World::with("starter");
        let held = hold(&mut world, account, "50", "h");
        world.pass(60);
        let settled = try_settle(&mut world, held, amount).unwrap();
        assert!(settled.event.is_some() && !settled.replayed);
        assert_eq!(figures(&mut world, account), after, "{amount}");
    }
}

#[test]
fn settling_again_with_the_same_amount_is_the_same_event() {
    let (mut world, account) = World::with("starter");
    let held = hold(&mut world, account, "50", "h");
    let settled = try_settle(&mut world, held, "20").unwrap();
    assert_eq!(
        try_settle(&mut world, held, "20").unwrap(),
        Settled {
            replayed: true,
            ..settled
        }
    );
    for other in ["21", "0"] {
        assert_eq!(
            try_settle(&mut world, held, other).unwrap_err().code(),
            "MEC_RESERVATION_CLOSED"
        );
    }
    assert!(!release(&mut world, held));
    assert_eq!(world.written.events.len(), 1);
}

#[test]
fn settling_with_nothing_releases() {
    let (mut world, account) = World::with("starter");
    let held = hold(&mut world, account, "50", "h");
    assert_eq!(
        try_settle(&mut world, held, "0").unwrap(),
        Settled {
            event: None,
            replayed: false
        }
    );
    assert_eq!(figures(&mut world, account), told("0", "0", "100"));
    assert_eq!(
        try_settle(&mut world, held, "5").unwrap_err().code(),
        "MEC_RESERVATION_CLOSED"
    );
}

#[test]
fn a_released_hold_is_free_again_and_cannot_be_settled() {
    let (mut world, account) = World::with("starter");
    let held = hold(&mut world, account, "50", "h");
    assert!(release(&mut world, held));
    assert_eq!(figures(&mut world, account), told("0", "0", "100"));
    assert!(!release(&mut world, held));
    assert!(!release(&mut world, ReservationId(held.0 + 1)));
    assert_eq!(
        try_settle(&mut world, held, "5").unwrap_err().code(),
        "MEC_RESERVATION_CLOSED"
    );
}

#[test]
fn what_was_used_is_recorded_also_after_the_hold_expired() {
    let (mut world, account) = World::with("starter");
    let held = hold(&mut world, account, "50", "h");
    world.pass(3_600);
    assert!(!release(&mut world, held));
    assert!(try_settle(&mut world, held, "20").unwrap().event.is_some());
    assert_eq!(figures(&mut world, account), told("20", "0", "80"));
}

#[test]
fn hold_and_settlement_count_in_the_window_of_the_hold() {
    let (mut world, account) = World::with("starter");
    world.at("2026-01-31T23:55:00Z");
    let held = hold(&mut world, account, "50", "h");
    world.at("2026-02-01T00:01:00Z");
    assert_eq!(figures(&mut world, account), told("0", "0", "100"));
    let event = try_settle(&mut world, held, "20").unwrap().event.unwrap();
    assert_eq!(
        world.written.event(event).unwrap().occurred_at,
        time("2026-01-31T23:55:00Z")
    );
    assert_eq!(figures(&mut world, account), told("0", "0", "100"));
}

#[test]
fn a_hold_counts_at_every_level() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    let held = hold(&mut world, user, "60", "h");
    assert_eq!(figures(&mut world, organization), told("0", "60", "40"));
    let refused = try_reserve(
        &mut world,
        &reserve_of(organization, "benchmark_runs", "41", "other"),
    )
    .unwrap();
    assert_eq!(refused.reservation, None);
    try_settle(&mut world, held, "10").unwrap();
    assert_eq!(figures(&mut world, organization), told("10", "0", "90"));
}

#[test]
fn a_settlement_accrues_overage_beyond_the_limit_only() {
    let (mut world, account) = World::with("starter");
    world.rule("benchmark_runs", |rule| rule.action = LimitAction::Overage);
    world.meter(account, "benchmark_runs", "40");
    let held = hold(&mut world, account, "60", "h");
    let event = try_settle(&mut world, held, "65").unwrap().event.unwrap();
    let effects = &world.written.event(event).unwrap().effects;
    assert_eq!(
        effects
            .iter()
            .map(|effect| effect.overage)
            .collect::<Vec<_>>(),
        [Amount(5_000_000)]
    );
}

#[test]
fn a_hold_in_minutes_is_settled_in_minutes() {
    let (mut world, account) = World::with("starter");
    let mut asked = reserve_of(account, "gpu_hours", "90", "h");
    asked.check.unit = Some("minute".into());
    let held = try_reserve(&mut world, &asked)
        .unwrap()
        .reservation
        .unwrap()
        .id;
    try_settle(&mut world, held, "30").unwrap();
    assert_eq!(
        world.ask(account, "gpu_hours", None).figures.unwrap().used,
        total("0.5")
    );
}

#[test]
fn inventory_can_be_held_too() {
    let (mut world, account) = World::with("starter");
    let asked = reserve_of(account, "server_instances", "10", "h");
    let held = try_reserve(&mut world, &asked)
        .unwrap()
        .reservation
        .unwrap()
        .id;
    assert_eq!(
        world.consume(account, "server_instances", "1", "k").event,
        None
    );
    try_settle(&mut world, held, "9").unwrap();
    assert!(
        world
            .consume(account, "server_instances", "1", "k")
            .event
            .is_some()
    );
}

#[test]
fn bad_holds_are_refused() {
    let (mut world, account) = World::with("starter");
    let of = |resource: &str, amount: &str| reserve_of(account, resource, amount, "h");
    let table = [
        (
            "MEC_ACCOUNT_NOT_FOUND",
            reserve_of(AccountId(account.0 + 1), "benchmark_runs", "1", "h"),
        ),
        ("MEC_RESOURCE_NOT_FOUND", of("nothing", "1")),
        ("MEC_WRONG_LIMIT_KIND", of("concurrent_users", "1")),
        ("MEC_WRONG_LIMIT_KIND", of("platform_access", "1")),
        ("MEC_QUANTITY_NOT_POSITIVE", of("benchmark_runs", "0")),
        ("MEC_QUANTITY_NOT_POSITIVE", of("server_instances", "-1")),
        (
            "MEC_BAD_TTL",
            Reserve {
                ttl_seconds: 0,
                ..of("benchmark_runs", "1")
            },
        ),
        (
            "MEC_BAD_TTL",
            Reserve {
                ttl_seconds: 86_401,
                ..of("benchmark_runs", "1")
            },
        ),
        (
            "MEC_BAD_IDEMPOTENCY_KEY",
            Reserve {
                key: "".into(),
                ..of("benchmark_runs", "1")
            },
        ),
    ];
    for (code, bad) in table {
        assert_eq!(try_reserve(&mut world, &bad).unwrap_err().code(), code);
    }
    let held = hold(&mut world, account, "1", "h");
    assert_eq!(
        try_settle(&mut world, held, "-1").unwrap_err().code(),
        "MEC_QUANTITY_NOT_POSITIVE"
    );
    let unknown = ReservationId(held.0 + 1);
    assert_eq!(
        try_settle(&mut world, unknown, "1").unwrap_err().code(),
        "MEC_RESERVATION_NOT_FOUND"
    );
}

#[test]
fn a_key_that_reads_like_a_settlements_is_another_one() {
    let (mut world, account) = World::with("starter");
    let held = hold(&mut world, account, "50", "h");
    // A caller may call an event anything, also what a settlement will be called.
    world
        .try_meter(&meter_of(
            account,
            "benchmark_runs",
            "1",
            &format!("reservation:{held}"),
        ))
        .unwrap();
    let settled = try_settle(&mut world, held, "20").unwrap();
    assert_eq!(world.written.events.len(), 2);
    assert_eq!(
        world
            .written
            .event(settled.event.unwrap())
            .unwrap()
            .reservation,
        Some(held)
    );
    // And afterwards: what a caller finds under that key is the caller's own.
    let other = hold(&mut world, account, "5", "other");
    let event = try_settle(&mut world, other, "5").unwrap().event.unwrap();
    let own = world
        .try_meter(&meter_of(
            account,
            "benchmark_runs",
            "5",
            &format!("reservation:{other}"),
        ))
        .unwrap();
    assert!(!own.replayed && own.event != event);
}

#[test]
fn a_repeated_reserve_says_whether_it_holds_now_and_what_was_decided_then() {
    for (end, is_held) in [
        ("nothing", true),
        ("release", false),
        ("settle", false),
        ("expiry", false),
    ] {
        let (mut world, account) = World::with("starter");
        world.meter(account, "benchmark_runs", "85");
        let asked = reserve_of(account, "benchmark_runs", "10", "h");
        let first = try_reserve(&mut world, &asked).unwrap();
        assert_eq!(
            (first.standing.decision, first.is_held, first.replayed),
            (Decision::Warn, true, false)
        );
        let made = first.reservation.unwrap();
        match end {
            "release" => assert!(release(&mut world, made.id)),
            "settle" => drop(try_settle(&mut world, made.id, "10").unwrap()),
            "expiry" => world.pass(600),
            _ => {}
        }
        // By now the answer to the same question is another one.
        let row = world.row(account, "benchmark_runs").id;
        world.set_limit(row, Some("1000"));
        let again = try_reserve(&mut world, &asked).unwrap();
        assert_eq!((again.is_held, again.replayed), (is_held, true), "{end}");
        let told = again.reservation.unwrap();
        assert_eq!(told.id, made.id);
        let ruling = &told.ruling;
        assert_eq!(
            (ruling.decision, &*ruling.reason_code, &*ruling.reason),
            (Decision::Warn, "near_limit", "Usage at 85.0% of limit")
        );
        assert_eq!(ruling.entitlement, Some(row));
    }
}

#[test]
fn settling_with_nothing_twice_is_safe() {
    let (mut world, account) = World::with("starter");
    let held = hold(&mut world, account, "50", "h");
    assert_eq!(
        try_settle(&mut world, held, "0"),
        Ok(Settled {
            event: None,
            replayed: false
        })
    );
    assert_eq!(
        try_settle(&mut world, held, "0"),
        Ok(Settled {
            event: None,
            replayed: true
        })
    );
    assert!(world.last.is_empty());
    assert_eq!(
        try_settle(&mut world, held, "1").unwrap_err().code(),
        "MEC_RESERVATION_CLOSED"
    );
}
