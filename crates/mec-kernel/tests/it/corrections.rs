//! Corrections: a new total for an event, by one more event.

use crate::recording::{correction, used};
use crate::world::{World, grant_of, meter_of, quantity};
use mec_kernel::*;

#[test]
fn a_correction_sets_a_new_total_and_a_void_sets_none() {
    let (mut world, account) = World::with("starter");
    let event = world.meter(account, "benchmark_runs", "50");
    for (key, new_total, expected) in [
        ("up", Some("70"), "70"),
        ("down", Some("30"), "30"),
        ("void", None, "0"),
    ] {
        world.pass(1);
        let recorded = world
            .try_correct(&correction(event, key, new_total))
            .unwrap();
        let written = world.written.event(recorded.event).unwrap();
        assert_eq!(
            (written.is_correction, written.corrects),
            (true, Some(event))
        );
        assert_eq!(
            written.occurred_at,
            world.written.event(event).unwrap().occurred_at
        );
        assert_eq!(
            used(&mut world, account, "benchmark_runs"),
            expected,
            "{key}"
        );
    }
}

#[test]
fn a_correction_repeated_is_the_same_and_with_another_total_a_conflict() {
    let (mut world, account) = World::with("starter");
    let (event, other) = (
        world.meter(account, "benchmark_runs", "50"),
        world.meter(account, "benchmark_runs", "5"),
    );
    let first = world
        .try_correct(&correction(event, "k", Some("30")))
        .unwrap();
    assert_eq!(
        world
            .try_correct(&correction(event, "k", Some("30")))
            .unwrap(),
        Recorded {
            replayed: true,
            ..first
        }
    );
    let conflict = |argument| {
        Err(Refusal::IdempotencyConflict {
            key: "k".to_owned(),
            argument,
        })
    };
    assert_eq!(
        world.try_correct(&correction(event, "k", Some("31"))),
        conflict("details")
    );
    assert_eq!(
        world.try_correct(&correction(other, "k", Some("30"))),
        conflict("event_id")
    );
}

#[test]
fn a_correction_that_changes_nothing_or_makes_no_sense_is_refused() {
    let (mut world, account) = World::with("starter");
    let event = world.meter(account, "benchmark_runs", "50");
    let fix = world
        .try_correct(&correction(event, "fix", Some("40")))
        .unwrap()
        .event;
    let unknown = EventId(event.0 + 1);
    let table = [
        ("MEC_EVENT_NOT_FOUND", correction(unknown, "k", Some("1"))),
        ("MEC_BAD_VALUE", correction(event, "k", Some("40"))),
        (
            "MEC_QUANTITY_NOT_POSITIVE",
            correction(event, "k", Some("-1")),
        ),
        ("MEC_BAD_CORRECTION", correction(fix, "k", Some("1"))),
        ("MEC_BAD_IDEMPOTENCY_KEY", correction(event, "", Some("1"))),
    ];
    for (code, bad) in table {
        assert_eq!(world.try_correct(&bad).unwrap_err().code(), code);
    }
}

#[test]
fn a_metered_correction_must_agree_with_its_original() {
    let (mut world, account) = World::with("starter");
    let child = world.child(account);
    let event = world.meter(account, "gpu_hours", "5");
    let fix = Meter {
        is_correction: true,
        corrects: Some(event),
        ..meter_of(account, "gpu_hours", "-1", "fix")
    };
    let table = [
        (
            "account_id",
            Meter {
                account: child,
                ..fix.clone()
            },
        ),
        (
            "resource_type",
            Meter {
                resource: "benchmark_runs".into(),
                ..fix.clone()
            },
        ),
        (
            "resource_scope",
            Meter {
                scope: Some("eu".into()),
                ..fix.clone()
            },
        ),
        (
            "unit_code",
            Meter {
                unit: Some("minute".into()),
                ..fix.clone()
            },
        ),
        (
            "occurred_at",
            Meter {
                occurred_at: Some(world.now.plus_seconds(-1)),
                ..fix.clone()
            },
        ),
        (
            "is_correction",
            Meter {
                is_correction: false,
                quantity: quantity("1"),
                ..fix.clone()
            },
        ),
    ];
    for (argument, bad) in table {
        assert_eq!(
            world.try_meter(&bad),
            Err(Refusal::BadCorrection { argument })
        );
    }
    world.try_meter(&fix).unwrap();
    assert_eq!(used(&mut world, account, "gpu_hours"), "4");
    // Other events may not pay for it.
    world.meter(account, "gpu_hours", "10");
    let too_much = Meter {
        quantity: quantity("-4.000001"),
        key: "too much".into(),
        ..fix
    };
    assert_eq!(
        world.try_meter(&too_much).unwrap_err().code(),
        "MEC_BELOW_ZERO"
    );
}

#[test]
fn a_correction_of_a_closed_window_leaves_the_present_one_alone() {
    let (mut world, account) = World::with("starter");
    let event = world.meter(account, "benchmark_runs", "50");
    world.at("2026-02-10T00:00:00Z");
    world.meter(account, "benchmark_runs", "7");
    world
        .try_correct(&correction(event, "fix", Some("20")))
        .unwrap();
    assert_eq!(used(&mut world, account, "benchmark_runs"), "7");
}

#[test]
fn a_total_never_goes_below_zero_in_the_window_of_the_correction() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "50");
    world.at("2026-02-10T00:00:00Z");
    world.meter(account, "benchmark_runs", "7");
    let minus = |amount: &str, key: &str| Meter {
        is_correction: true,
        ..meter_of(account, "benchmark_runs", amount, key)
    };
    assert_eq!(
        world
            .try_meter(&minus("-7.000001", "k"))
            .unwrap_err()
            .code(),
        "MEC_BELOW_ZERO"
    );
    world.try_meter(&minus("-7", "k")).unwrap();
    assert_eq!(used(&mut world, account, "benchmark_runs"), "0");
}

#[test]
fn a_childs_total_never_goes_below_zero_in_a_window_that_only_its_parent_has() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    world.meter(user, "benchmark_runs", "50");
    world.at("2026-02-10T00:00:00Z");
    world.meter(organization, "benchmark_runs", "20");
    let minus = Meter {
        is_correction: true,
        ..meter_of(user, "benchmark_runs", "-1", "k")
    };
    assert_eq!(
        world.try_meter(&minus).unwrap_err().code(),
        "MEC_BELOW_ZERO"
    );
}

#[test]
fn a_rolling_total_never_goes_below_zero() {
    let mut world = World::new();
    let account = world.root();
    let window = Some(WindowRule {
        seconds: Some(3_600),
        ..WindowRule::of(WindowKind::Rolling)
    });
    world.grant(&Grant {
        window,
        ..grant_of(account, "benchmark_runs", Some("10"))
    });
    world.meter(account, "benchmark_runs", "5");
    world.pass(2 * 3_600);
    let minus = Meter {
        is_correction: true,
        ..meter_of(account, "benchmark_runs", "-5", "k")
    };
    assert_eq!(
        world.try_meter(&minus).unwrap_err().code(),
        "MEC_BELOW_ZERO"
    );
}
