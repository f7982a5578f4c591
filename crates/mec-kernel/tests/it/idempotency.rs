//! Idempotency keys: the same key and content is the same event, for ever.

use crate::world::{World, consume_of, meter_of, quantity, time, total};
use mec_kernel::*;

#[test]
fn the_same_key_and_content_is_the_same_event() {
    let (mut world, account) = World::with("starter");
    let meter = meter_of(account, "benchmark_runs", "5", "k");
    let first = world.try_meter(&meter).unwrap();
    world.pass(86_400 * 100);
    let again = world.try_meter(&meter).unwrap();
    assert_eq!(
        again,
        Recorded {
            event: first.event,
            replayed: true
        }
    );
    assert_eq!(world.written.events.len(), 1);
    assert!(world.last.is_empty());
}

#[test]
fn defaults_are_filled_in_before_contents_are_compared() {
    let (mut world, account) = World::with("starter");
    let meter = meter_of(account, "gpu_hours", "5", "k");
    world.try_meter(&meter).unwrap();
    assert!(
        world
            .try_meter(&Meter {
                unit: Some("hour".into()),
                ..meter.clone()
            })
            .unwrap()
            .replayed
    );
    assert!(
        world
            .try_meter(&Meter {
                quantity: quantity("5.0000"),
                ..meter
            })
            .unwrap()
            .replayed
    );
}

#[test]
fn the_same_key_with_other_content_is_a_conflict_that_names_what_differs() {
    let (mut world, account) = World::with("starter");
    let child = world.child(account);
    let first = Meter {
        scope: Some("eu".into()),
        occurred_at: Some(time("2026-01-30T11:00:00Z")),
        details: Some("{\"job\": 1}".into()),
        ..meter_of(account, "gpu_hours", "5", "k")
    };
    world.try_meter(&first).unwrap();
    let table = [
        (
            "account_id",
            Meter {
                account: child,
                ..first.clone()
            },
        ),
        (
            "resource_type",
            Meter {
                resource: "benchmark_runs".into(),
                ..first.clone()
            },
        ),
        (
            "resource_scope",
            Meter {
                scope: None,
                ..first.clone()
            },
        ),
        (
            "quantity",
            Meter {
                quantity: quantity("5.000001"),
                ..first.clone()
            },
        ),
        (
            "unit_code",
            Meter {
                unit: Some("minute".into()),
                ..first.clone()
            },
        ),
        (
            "occurred_at",
            Meter {
                occurred_at: Some(time("2026-01-30T11:00:00.000001Z")),
                ..first.clone()
            },
        ),
        (
            "occurred_at",
            Meter {
                occurred_at: None,
                ..first.clone()
            },
        ),
        (
            "corrects_event_id",
            Meter {
                is_correction: true,
                ..first.clone()
            },
        ),
        (
            "details",
            Meter {
                details: None,
                ..first.clone()
            },
        ),
        (
            "details",
            Meter {
                details: Some("{\"job\": 2}".into()),
                ..first.clone()
            },
        ),
    ];
    for (argument, other) in table {
        let conflict = Refusal::IdempotencyConflict {
            key: "k".to_owned(),
            argument,
        };
        assert_eq!(world.try_meter(&other), Err(conflict), "{argument}");
    }
    assert_eq!(world.written.events.len(), 1);
}

#[test]
fn an_instant_that_was_omitted_stays_omitted() {
    let (mut world, account) = World::with("starter");
    let meter = meter_of(account, "gpu_hours", "5", "k");
    world.try_meter(&meter).unwrap();
    let said = Meter {
        occurred_at: Some(world.now),
        ..meter
    };
    let conflict = Refusal::IdempotencyConflict {
        key: "k".to_owned(),
        argument: "occurred_at",
    };
    assert_eq!(world.try_meter(&said), Err(conflict));
}

#[test]
fn a_key_is_shared_by_a_tree_and_by_consume_and_meter() {
    let (mut world, account) = World::with("starter");
    let child = world.child(account);
    let consumed = world.consume(child, "benchmark_runs", "5", "k");
    let metered = world
        .try_meter(&meter_of(child, "benchmark_runs", "5", "k"))
        .unwrap();
    assert_eq!(
        (Some(metered.event), metered.replayed),
        (consumed.event, true)
    );
    assert_eq!(
        world
            .try_meter(&meter_of(account, "benchmark_runs", "5", "k"))
            .unwrap_err()
            .code(),
        "MEC_IDEMPOTENCY_CONFLICT"
    );
    let metered = world
        .try_meter(&meter_of(child, "benchmark_runs", "5", "other way round"))
        .unwrap();
    let consumed = world.consume(child, "benchmark_runs", "5", "other way round");
    assert_eq!(
        (consumed.event, consumed.replayed),
        (Some(metered.event), Some(None))
    );
}

#[test]
fn a_key_has_1_to_255_characters() {
    let (mut world, account) = World::with("starter");
    let longest = "é".repeat(255);
    for (key, is_good) in [
        ("", false),
        ("k", true),
        (&longest, true),
        (&format!("{longest}é"), false),
    ] {
        let metered = world.try_meter(&meter_of(account, "benchmark_runs", "1", key));
        assert_eq!(metered.is_ok(), is_good);
        let consumed = world.try_consume(&consume_of(account, "benchmark_runs", "1", key));
        assert_eq!(consumed.is_ok(), is_good);
    }
}

#[test]
fn a_refused_consume_leaves_its_key_free() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "100");
    let refused = world.consume(account, "benchmark_runs", "1", "k");
    assert_eq!(
        (refused.standing.decision, refused.event, refused.replayed),
        (Decision::Block, None, None)
    );
    // Decided anew once there is room, even with other content.
    world.provision(account, "pro");
    let granted = world.consume(account, "benchmark_runs", "2", "k");
    assert!(granted.event.is_some());
    assert_eq!(granted.replayed, None);
}

#[test]
fn an_effect_replays_for_ever_with_its_decision_and_todays_quantities() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "85");
    let first = world.consume(account, "benchmark_runs", "10", "k");
    let row = world.row(account, "benchmark_runs").id;
    assert_eq!(first.standing.reason.to_string(), "Usage at 85.0% of limit");
    world.meter(account, "benchmark_runs", "5");
    let told = RecordedRuling {
        decision: Decision::Warn,
        reason: "Usage at 85.0% of limit".into(),
        reason_code: "near_limit".into(),
        entitlement: Some(row),
    };
    let again = world.consume(account, "benchmark_runs", "10", "k");
    assert_eq!(
        (again.event, again.replayed),
        (first.event, Some(Some(told.clone())))
    );
    assert_eq!(again.standing.figures.unwrap().used, total("100"));
    // Nothing is left, the account is suspended: what was recorded stays recorded.
    world.set_status(account, AccountStatus::Suspended);
    let again = world.consume(account, "benchmark_runs", "10", "k");
    assert_eq!(
        (again.event, again.replayed, again.standing.figures),
        (first.event, Some(Some(told)), None)
    );
}

#[test]
fn details_are_compared_as_json_values() {
    let (mut world, account) = World::with("starter");
    let meter = |details: &str| Meter {
        details: Some(details.into()),
        ..meter_of(account, "gpu_hours", "5", "k")
    };
    world
        .try_meter(&meter("{\"job\": 1.50, \"tags\": [\"a\", \"b\"]}"))
        .unwrap();
    for same in [
        "{\"tags\":[\"a\",\"b\"],\"job\":1.5}",
        "{\"job\":15e-1,\"tags\":[\"\\u0061\",\"b\"]}",
    ] {
        assert!(world.try_meter(&meter(same)).unwrap().replayed, "{same}");
    }
    for other in [
        "{\"tags\":[\"b\",\"a\"],\"job\":1.5}",
        "{\"job\":\"1.5\",\"tags\":[\"a\",\"b\"]}",
        "{\"job\":1.5}",
    ] {
        let conflict = Refusal::IdempotencyConflict {
            key: "k".to_owned(),
            argument: "details",
        };
        assert_eq!(world.try_meter(&meter(other)), Err(conflict), "{other}");
    }
}
