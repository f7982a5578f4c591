//! Overage of use that is recorded late or ahead: each in its own window.

use crate::overage::bill_every_window;
use crate::overage::{billed, billed_in_all, correction, late, used, window, with_limits};
use crate::world::{World, check_of, grant_of, meter_of, quantity, time};
use mec_kernel::*;

#[test]
fn an_event_too_old_for_a_rolling_window_accrues_no_overage_in_it() {
    let mut world = World::new();
    let account = world.root();
    bill_every_window(&mut world);
    let window = Some(WindowRule {
        seconds: Some(3_600),
        ..WindowRule::of(WindowKind::Rolling)
    });
    world.grant(&Grant {
        window,
        ..grant_of(account, "benchmark_runs", Some("10"))
    });
    let occurred_at = Some(world.now.plus_seconds(-2 * 3_600));
    world
        .try_meter(&Meter {
            occurred_at,
            ..meter_of(account, "benchmark_runs", "15", "old")
        })
        .unwrap();
    assert!(world.written.events[0].effects.is_empty());
    assert_eq!(used(&mut world, account, "benchmark_runs"), "0");
}

#[test]
fn late_use_accrues_in_its_own_window_at_todays_limit_and_price() {
    for is_cold in [false, true] {
        let (mut world, account) = World::with("starter");
        world.is_cold = is_cold;
        world.rule("benchmark_runs", |rule| rule.action = LimitAction::Overage);
        world.meter(account, "benchmark_runs", "98");
        world.at("2026-02-10T00:00:00Z");
        world.meter(account, "benchmark_runs", "1");
        let january = window(WindowKind::Month, "2026-01-30T00:00:00Z");
        let record = |world: &mut World, amount: &str, key: &str| {
            world
                .try_meter(&late(account, amount, "2026-01-31T23:59:59.999999Z", key))
                .unwrap()
                .event
        };
        let event = record(&mut world, "5", "over");
        assert_eq!(billed(&world, event), [(january, 3)], "cold: {is_cold}");
        assert_eq!(used(&mut world, account, "benchmark_runs"), "1");
        // The limit and the price are those of the recording: 104 of 102.
        let row = world.row(account, "benchmark_runs").id;
        world.set_limit(row, Some("102"));
        world.rule("benchmark_runs", |rule| {
            (rule.action, rule.overage_price, rule.priority) =
                (LimitAction::Overage, Some(quantity("0.5")), 1);
        });
        let event = record(&mut world, "1", "more");
        assert_eq!(billed(&world, event), [(january, 1)]);
        assert_eq!(
            world.written.event(event).unwrap().effects[0].price,
            Some(quantity("0.5"))
        );
        // What is corrected is taken back there first, and what is added accrues there: 105 of 102,
        // so all of 2.
        let fix = world
            .try_correct(&correction(event, "void", None))
            .unwrap()
            .event;
        assert_eq!(billed(&world, fix), [(january, -1)]);
        let up = world
            .try_correct(&correction(world.written.events[0].id, "up", Some("100")))
            .unwrap()
            .event;
        assert_eq!(billed(&world, up), [(january, 2)]);
        assert_eq!(used(&mut world, account, "benchmark_runs"), "1");
        assert_eq!(billed_in_all(&world, account), 5);
    }
}

#[test]
fn a_hold_that_is_settled_after_its_window_is_billed_in_it() {
    for is_cold in [false, true] {
        let (mut world, account) = World::with("starter");
        world.is_cold = is_cold;
        world.rule("benchmark_runs", |rule| rule.action = LimitAction::Overage);
        world.at("2026-01-31T23:50:00Z");
        world.meter(account, "benchmark_runs", "60");
        let check = check_of(account, "benchmark_runs", Some("30"));
        let mut hold = |key: &str| {
            let asked = Reserve {
                check: check.clone(),
                key: key.into(),
                ttl_seconds: 7_200,
            };
            world
                .run(|view, making| reserve(view, making, &asked))
                .unwrap()
                .reservation
                .unwrap()
                .id
        };
        let (first, other) = (hold("first"), hold("other"));
        world.at("2026-02-01T00:10:00Z");
        let mut settle_with = |reservation, amount: &str| {
            let asked = Settle {
                reservation,
                quantity: quantity(amount),
                attributes: Attributes::new(),
            };
            world
                .run(|view, making| settle(view, making, &asked))
                .unwrap()
                .event
                .unwrap()
        };
        // A hold is billed when it is settled, not before: 60 + 15 of 100, then 30 more.
        let events = [settle_with(first, "15"), settle_with(other, "30")];
        let january = window(WindowKind::Month, "2026-01-30T00:00:00Z");
        assert_eq!(
            events.map(|event| billed(&world, event)),
            [vec![], vec![(january, 5)]]
        );
        assert_eq!(used(&mut world, account, "benchmark_runs"), "0");
    }
}

#[test]
fn use_ahead_accrues_in_the_window_that_is_to_come() {
    let (mut world, account) = World::with("starter");
    world.rule("benchmark_runs", |rule| rule.action = LimitAction::Overage);
    world.meter(account, "benchmark_runs", "100");
    world.at("2026-01-31T23:58:00Z");
    let february = window(WindowKind::Month, "2026-02-01T00:00:00Z");
    let event = world
        .try_meter(&late(account, "105", "2026-02-01T00:00:00Z", "ahead"))
        .unwrap()
        .event;
    assert_eq!(billed(&world, event), [(february, 5)]);
    world.at("2026-02-01T00:00:00Z");
    let event = world.meter(account, "benchmark_runs", "1");
    assert_eq!(billed(&world, event), [(february, 1)]);
}

#[test]
fn windows_that_are_over_are_counted_for_late_use_that_could_be_billed_and_for_no_other() {
    for (action, expected) in [
        (LimitAction::Block, 0),
        (LimitAction::Warn, 0),
        (LimitAction::Overage, 2),
    ] {
        let (mut world, account) = World::with("starter");
        world.rule("benchmark_runs", |rule| rule.action = action);
        world.at("2026-03-10T00:00:00Z");
        let over = |world: &World| {
            let windows = &world.tree.get(account).unwrap().windows;
            windows
                .keys()
                .filter(|key| &*key.resource == "benchmark_runs" && key.window.is_over(world.now))
                .count()
        };
        world
            .try_meter(&late(account, "1", "2026-02-28T00:00:00Z", "february"))
            .unwrap();
        world
            .try_meter(&late(account, "1", "2026-01-31T00:00:00Z", "january"))
            .unwrap();
        // Kept while late use comes in, in whatever order, and no longer.
        assert_eq!(over(&world), expected, "{action}");
        world.meter(account, "benchmark_runs", "1");
        assert_eq!(over(&world), 0, "{action}");
    }
}

#[test]
fn late_use_in_no_window_of_a_limit_accrues_nothing_in_it() {
    let rolling = WindowRule {
        seconds: Some(3_600),
        ..WindowRule::of(WindowKind::Rolling)
    };
    let anchored = WindowRule {
        anchor: Some(time("2026-01-30T11:00:00Z")),
        ..WindowRule::LIFETIME
    };
    let period = Some((time("2026-01-30T11:00:00Z"), time("2026-03-01T00:00:00Z")));
    let period = WindowRule {
        period,
        ..WindowRule::of(WindowKind::Period)
    };
    for (rule, at, expected) in [
        (rolling, "2026-01-30T10:00:00Z", 0),
        (rolling, "2026-01-30T11:30:00Z", 5),
        (anchored, "2026-01-30T10:59:59Z", 0),
        (anchored, "2026-01-30T11:00:00Z", 5),
        (period, "2026-01-30T10:59:59Z", 0),
        (period, "2026-01-30T11:00:00Z", 5),
        (WindowRule::LIFETIME, "2025-12-30T00:00:00Z", 5),
    ] {
        let (mut world, account) = with_limits(&[("10", rule)]);
        let (row, valid_from) = (
            world.row(account, "benchmark_runs").id,
            Some(time("2025-12-01T00:00:00Z")),
        );
        world
            .patch(
                row,
                &EntitlementPatch {
                    valid_from,
                    ..EntitlementPatch::default()
                },
            )
            .unwrap();
        world.try_meter(&late(account, "15", at, "late")).unwrap();
        assert_eq!(billed_in_all(&world, account), expected, "{rule:?} at {at}");
    }
}
