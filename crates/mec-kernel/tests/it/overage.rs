//! Overage: what use beyond a limit is billed, in which window, and how it is taken back (design
//! 1.3).

use mec_kernel::*;

use crate::table::rows;
use crate::world::{World, check_of, grant_of, meter_of, quantity, time};

pub(crate) fn used(world: &mut World, account: AccountId, resource: &str) -> String {
    world
        .ask(account, resource, None)
        .figures
        .unwrap()
        .used
        .unwrap()
        .to_string()
}

pub(crate) fn correction(event: EventId, key: &str, new_total: Option<&str>) -> Correct {
    let details = format!("{{\"total\": {new_total:?}}}");
    Correct {
        key: key.into(),
        event,
        quantity: new_total.map(quantity),
        details: details.into(),
    }
}

/// Runs that happened at `at`.
pub(crate) fn late(account: AccountId, amount: &str, at: &str, key: &str) -> Meter {
    Meter {
        occurred_at: Some(time(at)),
        ..meter_of(account, "benchmark_runs", amount, key)
    }
}

/// What an event billed, or took back: the window and how much in it.
pub(crate) fn billed(world: &World, event: EventId) -> Vec<(Window, i128)> {
    let effects = &world.written.event(event).unwrap().effects;
    effects
        .iter()
        .map(|effect| (effect.key.window, effect.overage.0 / i128::from(SCALE)))
        .collect()
}

/// What of an account is billed in all.
pub(crate) fn billed_in_all(world: &World, account: AccountId) -> i128 {
    let effects = world.written.events.iter().flat_map(|event| &event.effects);
    effects
        .filter(|effect| effect.account == account)
        .map(|effect| effect.overage.0 / i128::from(SCALE))
        .sum()
}

pub(crate) fn window(kind: WindowKind, at: &str) -> Window {
    window_at(WindowRule::of(kind), &Zone::UTC, time(at), time(at))
}

/// A world whose account has these limits, each in its window, and is billed beyond them.
pub(crate) fn with_limits(limits: &[(&str, WindowRule)]) -> (World, AccountId) {
    let mut world = World::new();
    let account = world.root();
    bill_every_window(&mut world);
    for (limit, window) in limits {
        world.grant(&Grant {
            window: Some(*window),
            ..grant_of(account, "benchmark_runs", Some(limit))
        });
    }
    (world, account)
}

#[test]
fn overage_accrues_when_use_is_recorded_and_is_taken_back_first() {
    let (mut world, account) = World::with("starter");
    let child = world.child(account);
    world.rule("benchmark_runs", |rule| {
        (rule.action, rule.overage_price) = (LimitAction::Overage, Some(quantity("0.1")));
    });
    let accrued = |world: &World| -> i128 {
        let effects = world.written.events.iter().flat_map(|event| &event.effects);
        effects
            .map(|effect| effect.overage.0 / i128::from(SCALE))
            .sum()
    };
    world.meter(child, "benchmark_runs", "98");
    assert_eq!(accrued(&world), 0);
    let event = world
        .consume(child, "benchmark_runs", "7", "goes over")
        .event
        .unwrap();
    assert_eq!(accrued(&world), 5);
    let effect = &world.written.event(event).unwrap().effects[0];
    assert_eq!(
        (effect.account, effect.price),
        (account, Some(quantity("0.1")))
    );
    world.meter(account, "benchmark_runs", "2");
    assert_eq!(accrued(&world), 7);
    // A higher limit does not take back what has accrued.
    let row = world.row(account, "benchmark_runs").id;
    world.set_limit(row, Some("106"));
    world.meter(account, "benchmark_runs", "1");
    assert_eq!(accrued(&world), 8);
    // 7 becomes 1: six are taken back. Later the rest, and never more than had accrued.
    world
        .try_correct(&correction(event, "less", Some("1")))
        .unwrap();
    assert_eq!(accrued(&world), 2);
    world
        .try_correct(&correction(event, "more", Some("2")))
        .unwrap();
    assert_eq!(accrued(&world), 2, "101 of 106 are used: nothing is over");
    let minus = Meter {
        is_correction: true,
        ..meter_of(child, "benchmark_runs", "-50", "much less")
    };
    world.try_meter(&minus).unwrap();
    assert_eq!(accrued(&world), 0);
}

#[test]
fn a_correction_takes_overage_back_in_a_window_that_is_closed_by_then() {
    for is_cold in [false, true] {
        let (mut world, account) = World::with("starter");
        world.is_cold = is_cold;
        world.rule("benchmark_runs", |rule| rule.action = LimitAction::Overage);
        let event = world.meter(account, "benchmark_runs", "105");
        world.at("2026-02-10T00:00:00Z");
        world.meter(account, "benchmark_runs", "1");
        let fix = world
            .try_correct(&correction(event, "fix", Some("102")))
            .unwrap()
            .event;
        let effects = &world.written.event(fix).unwrap().effects;
        assert_eq!(effects.len(), 1, "cold: {is_cold}");
        assert_eq!(effects[0].overage, Amount(-3_000_000));
    }
}

#[test]
fn a_correction_takes_overage_back_from_a_counter_that_no_row_names_any_more() {
    let (mut world, account) = World::with("starter");
    world.rule("benchmark_runs", |rule| rule.action = LimitAction::Overage);
    let event = world.meter(account, "benchmark_runs", "105");
    let row = world.row(account, "benchmark_runs").id;
    let window = Some(WindowRule::of(WindowKind::Day));
    world
        .patch(
            row,
            &EntitlementPatch {
                window,
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    let fix = world
        .try_correct(&correction(event, "fix", Some("102")))
        .unwrap()
        .event;
    let taken_back: Vec<_> = world
        .written
        .event(fix)
        .unwrap()
        .effects
        .iter()
        .map(|effect| effect.overage)
        .collect();
    assert_eq!(taken_back, [Amount(-3_000_000)]);
}

#[test]
fn a_unit_beyond_several_limits_of_one_account_is_billed_once() {
    let (hour, month) = (
        WindowRule::of(WindowKind::Hour),
        WindowRule::of(WindowKind::Month),
    );
    let at = "2026-01-30T12:00:00Z";
    let windows = [window(WindowKind::Hour, at), window(WindowKind::Month, at)];
    let table = "
        | an hour | a month | used | more | billed for the hour | for the month |
        | 10      | 100     | 0    | 14   | 4                   | 0             |
        | 100     | 10      | 0    | 14   | 0                   | 4             |
        | 10      | 10      | 0    | 14   | 4                   | 0             |
        | 12      | 10      | 0    | 14   | 2                   | 2             |
        | 10      | 12      | 0    | 14   | 4                   | 0             |
        | 12      | 10      | 20   | 5    | 5                   | 0             |
    ";
    for row in rows(table) {
        let (mut world, account) =
            with_limits(&[(row.cell("a month"), month), (row.cell("an hour"), hour)]);
        if row.cell("used") != "0" {
            world.meter(account, "benchmark_runs", row.cell("used"));
        }
        let event = world.meter(account, "benchmark_runs", row.cell("more"));
        let parts = billed(&world, event);
        let of = |window: Window| {
            parts
                .iter()
                .find(|(other, _)| *other == window)
                .map_or(0, |(_, part)| *part)
                .to_string()
        };
        assert_eq!(
            windows.map(of),
            [row.cell("billed for the hour"), row.cell("for the month")],
            "{row}"
        );
        let sum = HourSum::of(world.written.event(event).unwrap(), &[account])
            .next()
            .unwrap()
            .1;
        assert_eq!(
            sum.overage.0,
            parts
                .iter()
                .map(|(_, part)| part * i128::from(SCALE))
                .sum::<i128>(),
            "{row}"
        );
    }
}

#[test]
fn every_account_is_billed_beyond_its_own_limit() {
    let (mut world, organization) = with_limits(&[("10", WindowRule::of(WindowKind::Month))]);
    let team = world.child(organization);
    world.grant(&grant_of(team, "benchmark_runs", Some("4")));
    world.meter(team, "benchmark_runs", "12");
    assert_eq!(
        (
            billed_in_all(&world, team),
            billed_in_all(&world, organization)
        ),
        (8, 2)
    );
}

#[test]
fn a_unit_is_taken_back_once_and_first_where_it_was_billed() {
    let (hour, month) = (
        WindowRule::of(WindowKind::Hour),
        WindowRule::of(WindowKind::Month),
    );
    let (mut world, account) = with_limits(&[("12", hour), ("10", month)]);
    let event = world.meter(account, "benchmark_runs", "14");
    assert_eq!(billed_in_all(&world, account), 4);
    // 11 of 10 a month are over by one.
    world
        .try_correct(&correction(event, "less", Some("11")))
        .unwrap();
    assert_eq!(billed_in_all(&world, account), 1);
    // In another hour, beyond the month's limit alone: what it was billed for comes back before
    // anything else.
    world.at("2026-01-30T13:00:00Z");
    let second = world.meter(account, "benchmark_runs", "14");
    assert_eq!(billed_in_all(&world, account), 15);
    world
        .try_correct(&correction(second, "second", None))
        .unwrap();
    assert_eq!(billed_in_all(&world, account), 1);
    world.try_correct(&correction(event, "void", None)).unwrap();
    assert_eq!(billed_in_all(&world, account), 0);
}

#[test]
fn nothing_stays_billed_once_all_use_is_taken_back() {
    let (hour, month) = (
        WindowRule::of(WindowKind::Hour),
        WindowRule::of(WindowKind::Month),
    );
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (mut world, account) = with_limits(&[("10", hour), ("20", month)]);
        let mut events = vec![];
        for (at, amount) in [("12:00", "20"), ("13:00", "10"), ("14:00", "11")] {
            world.at(&format!("2026-01-30T{at}:00Z"));
            events.push(world.meter(account, "benchmark_runs", amount));
        }
        assert_eq!(billed_in_all(&world, account), 31);
        for place in order {
            world
                .try_correct(&correction(events[place], &format!("void {place}"), None))
                .unwrap();
        }
        assert_eq!(billed_in_all(&world, account), 0, "{order:?}");
    }
}

#[test]
fn a_month_and_a_billing_month_that_coincide_bill_a_unit_once_and_share_a_note() {
    let billing = WindowRule {
        anchor: Some(time("2026-01-01T00:00:00Z")),
        ..WindowRule::of(WindowKind::BillingMonth)
    };
    let limits = [("20", WindowRule::of(WindowKind::Month)), ("10", billing)];
    let (mut world, account) = with_limits(&limits);
    let event = world.meter(account, "benchmark_runs", "25");
    assert_eq!(
        billed(&world, event),
        [(window(WindowKind::Month, "2026-01-30T12:00:00Z"), 15)]
    );

    // Grace runs from the first of both limits that use goes over, and until it is below both.
    let (mut world, account) = with_limits(&limits);
    world.rule("benchmark_runs", |rule| {
        (rule.action, rule.grace_seconds, rule.priority) = (LimitAction::Grace, Some(60), 1);
    });
    let event = world.meter(account, "benchmark_runs", "15");
    world.pass(30);
    world.meter(account, "benchmark_runs", "1");
    let asked = |world: &mut World| {
        world
            .ask(account, "benchmark_runs", Some("1"))
            .reason
            .code()
    };
    assert_eq!(asked(&mut world), "in_grace");
    world.pass(30);
    assert_eq!(asked(&mut world), "grace_exhausted");
    world
        .try_correct(&correction(event, "less", Some("9")))
        .unwrap();
    assert_eq!(asked(&mut world), "in_grace", "10 of 10");
}

#[test]
fn use_accrues_in_a_pool_under_a_condition_that_its_attributes_meet() {
    let gold = Attributes::from([("tier".to_owned(), Attribute::Text("gold".to_owned()))]);
    for (attributes, expected) in [(gold.clone(), 5), (Attributes::new(), 0)] {
        let (mut world, account) = with_limits(&[("10", WindowRule::of(WindowKind::Month))]);
        let row = world.row(account, "benchmark_runs").id;
        let comparison = Comparison::In(vec![Attribute::Text("gold".to_owned())]);
        world.set_conditions(
            row,
            &[ConditionTest::Attribute {
                name: "tier".into(),
                comparison,
            }],
        );
        let check = Check {
            attributes: gold.clone(),
            ..check_of(account, "benchmark_runs", Some("4"))
        };
        let hold = Reserve {
            check,
            key: "hold".into(),
            ttl_seconds: 60,
        };
        let held = world
            .run(|view, making| reserve(view, making, &hold))
            .unwrap()
            .reservation
            .unwrap();

        let said = Meter {
            attributes: attributes.clone(),
            ..meter_of(account, "benchmark_runs", "6", "k")
        };
        let event = world.try_meter(&said).unwrap().event;
        assert_eq!(billed_in_all(&world, account), 0);
        // They are no part of what the key stands for.
        assert!(
            world
                .try_meter(&Meter {
                    attributes: Attributes::new(),
                    ..said.clone()
                })
                .unwrap()
                .replayed
        );
        assert!(billed(&world, event).is_empty());
        let settled = Settle {
            reservation: held.id,
            quantity: quantity("9"),
            attributes,
        };
        world
            .run(|view, making| settle(view, making, &settled))
            .unwrap();
        assert_eq!(billed_in_all(&world, account), expected);
    }
}

/// Overage for limits in every kind of window: a rule reaches rolling windows only by name.
pub(crate) fn bill_every_window(world: &mut World) {
    for window in [None, Some(WindowKind::Rolling)] {
        world.rule("benchmark_runs", |rule| {
            (rule.action, rule.window) = (LimitAction::Overage, window)
        });
    }
}

#[test]
fn overage_costs_the_price_of_its_moment_and_is_taken_back_at_the_price_it_was_billed_at() {
    let (mut world, account) = World::with("starter");
    let price = |world: &mut World, price: &str| {
        let priority = i32::try_from(world.catalog.rules.len()).unwrap();
        world.rule("benchmark_runs", |rule| {
            (rule.action, rule.overage_price, rule.priority) =
                (LimitAction::Overage, Some(quantity(price)), priority);
        });
    };
    let of = |world: &World, event| {
        world
            .written
            .event(event)
            .unwrap()
            .overage
            .map(|of| (of.quantity.to_string(), of.cost.to_string()))
    };
    let told = |quantity: &str, cost: &str| Some((quantity.to_owned(), cost.to_owned()));
    price(&mut world, "0.5");
    let within = world.meter(account, "benchmark_runs", "90");
    assert_eq!(of(&world, within), None);
    let first = world.meter(account, "benchmark_runs", "14");
    assert_eq!(of(&world, first), told("4", "2"));
    price(&mut world, "3");
    let second = world.meter(account, "benchmark_runs", "2");
    assert_eq!(of(&world, second), told("2", "6"));
    // 14 becomes 9: of the five taken back four were billed at 0.5, and one more is taken back at
    // today's price.
    let fix = world
        .try_correct(&correction(first, "fix", Some("9")))
        .unwrap()
        .event;
    assert_eq!(of(&world, fix), told("-5", "-5"));
    assert_eq!(billed_in_all(&world, account), 1);
    let sums = world
        .written
        .events
        .iter()
        .flat_map(|event| HourSum::of(event, &[account]).collect::<Vec<_>>());
    let sum = sums.fold(HourSum::default(), |sum, (_, more)| sum.plus(more));
    assert_eq!(price_of(sum.overage_cost, Factor::ONE), Total(3_000_000));
}
