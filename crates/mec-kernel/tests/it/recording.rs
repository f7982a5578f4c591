//! Recording use: keys, late and early events, corrections, returns, and what is refused (design
//! 1.4).

use mec_kernel::*;

use crate::table::rows;
use crate::world::{World, check_of, consume_of, grant_of, meter_of, quantity, time};

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

#[test]
fn of_many_who_race_for_the_last_unit_one_gets_it_at_every_level() {
    let (mut world, organization) = World::with("starter");
    let users: Vec<_> = (0..10).map(|_| world.child(organization)).collect();
    world.meter(organization, "benchmark_runs", "99");
    let won = users.iter().enumerate().filter(|(place, user)| {
        world
            .consume(**user, "benchmark_runs", "1", &format!("racer {place}"))
            .event
            .is_some()
    });
    assert_eq!(won.count(), 1);
    assert_eq!(used(&mut world, organization, "benchmark_runs"), "100");
}

#[test]
fn use_is_recorded_beyond_every_limit_and_for_whomever() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "1000");
    assert_eq!(used(&mut world, account, "benchmark_runs"), "1000");
    for status in [AccountStatus::Suspended, AccountStatus::Closed] {
        world.set_status(account, status);
        world.meter(account, "benchmark_runs", "1");
    }
    let stranger = world.root();
    world.meter(stranger, "gpu_hours", "1");
    assert_eq!(world.written.events.len(), 4);
}

#[test]
fn bad_events_are_refused_and_nothing_is_recorded() {
    let (mut world, account) = World::with("starter");
    let nobody = AccountId(account.0 + 1);
    let table = "
        | who    | resource         | unit   | quantity | consume                   | meter                     |
        | nobody | benchmark_runs   | -      | 1        | MEC_ACCOUNT_NOT_FOUND     | MEC_ACCOUNT_NOT_FOUND     |
        | acme   | nothing          | -      | 1        | MEC_RESOURCE_NOT_FOUND    | MEC_RESOURCE_NOT_FOUND    |
        | acme   | benchmark_runs   | parsec | 1        | MEC_UNIT_NOT_FOUND        | MEC_UNIT_NOT_FOUND        |
        | acme   | benchmark_runs   | minute | 1        | MEC_UNIT_NOT_ALLOWED      | MEC_UNIT_NOT_ALLOWED      |
        | acme   | benchmark_runs   | -      | 0        | MEC_QUANTITY_NOT_POSITIVE | MEC_QUANTITY_NOT_POSITIVE |
        | acme   | benchmark_runs   | -      | -1       | MEC_QUANTITY_NOT_POSITIVE | MEC_QUANTITY_NOT_POSITIVE |
        | acme   | server_instances | -      | 0        | MEC_QUANTITY_NOT_POSITIVE | MEC_QUANTITY_NOT_POSITIVE |
        | acme   | server_instances | -      | -1       | MEC_BELOW_ZERO            | MEC_BELOW_ZERO            |
        | acme   | concurrent_users | -      | 1        | MEC_WRONG_LIMIT_KIND      | MEC_WRONG_LIMIT_KIND      |
        | acme   | platform_access  | -      | 1        | MEC_WRONG_LIMIT_KIND      | MEC_WRONG_LIMIT_KIND      |
    ";
    for row in rows(table) {
        let who = if row.cell("who") == "nobody" {
            nobody
        } else {
            account
        };
        let unit = row.given("unit").map(Code::from);
        let mut consume = consume_of(who, row.cell("resource"), row.cell("quantity"), "k");
        consume.check.unit = unit.clone();
        assert_eq!(
            world.try_consume(&consume).unwrap_err().code(),
            row.cell("consume"),
            "{row}"
        );
        let meter = Meter {
            unit,
            ..meter_of(who, row.cell("resource"), row.cell("quantity"), "k")
        };
        assert_eq!(
            world.try_meter(&meter).unwrap_err().code(),
            row.cell("meter"),
            "{row}"
        );
    }
    let nothing = Consume {
        check: check_of(account, "benchmark_runs", None),
        key: "k".into(),
        details: None,
    };
    assert_eq!(
        world.try_consume(&nothing).unwrap_err().code(),
        "MEC_QUANTITY_NOT_POSITIVE"
    );
    assert!(world.written.events.is_empty());
}

#[test]
fn an_event_may_be_five_minutes_ahead_and_ninety_days_late() {
    // Now is 2026-01-30T12:00:00Z.
    let table = "
        | occurred at                 | answer                 |
        | 2026-01-30T12:05:00Z        | recorded               |
        | 2026-01-30T12:05:00.000001Z | MEC_OCCURRED_IN_FUTURE |
        | 2025-11-01T12:00:00Z        | recorded               |
        | 2025-11-01T11:59:59.999999Z | MEC_OCCURRED_TOO_LATE  |
    ";
    for row in rows(table) {
        let (mut world, account) = World::with("starter");
        let occurred_at = Some(time(row.cell("occurred at")));
        let answer = world.try_meter(&Meter {
            occurred_at,
            ..meter_of(account, "benchmark_runs", "1", "k")
        });
        assert_eq!(
            answer.map_or_else(|refused| refused.code(), |_| "recorded"),
            row.cell("answer"),
            "{row}"
        );
    }
}

#[test]
fn a_late_event_changes_its_own_window_only() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "10");
    world.at("2026-02-01T00:00:00Z");
    world.meter(account, "benchmark_runs", "1");
    let late = Meter {
        occurred_at: Some(time("2026-01-31T23:59:59.999999Z")),
        ..meter_of(account, "benchmark_runs", "5", "late")
    };
    world.try_meter(&late).unwrap();
    assert_eq!(used(&mut world, account, "benchmark_runs"), "1");
    // Even what goes over there leaves no note here.
    let far_over = Meter {
        quantity: quantity("500"),
        key: "far over".into(),
        ..late
    };
    world.try_meter(&far_over).unwrap();
    assert!(
        matches!(world.last[..], [Write::Event { .. }]),
        "{:?}",
        world.last
    );
}

#[test]
fn a_closed_window_is_not_kept_in_memory() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "10");
    world.at("2026-02-01T00:00:00Z");
    world.meter(account, "benchmark_runs", "1");
    let windows = &world.tree.get(account).unwrap().windows;
    assert!(
        windows.keys().all(|key| !key.window.is_over(world.now)),
        "{windows:?}"
    );
}

#[test]
fn an_event_ahead_counts_when_its_window_comes() {
    let (mut world, account) = World::with("starter");
    world.at("2026-01-31T23:58:00Z");
    let ahead = Meter {
        occurred_at: Some(time("2026-02-01T00:00:00Z")),
        ..meter_of(account, "benchmark_runs", "5", "ahead")
    };
    world.try_meter(&ahead).unwrap();
    assert_eq!(used(&mut world, account, "benchmark_runs"), "0");
    world.at("2026-02-01T00:00:00Z");
    assert_eq!(used(&mut world, account, "benchmark_runs"), "5");
}

#[test]
fn sixty_minutes_are_one_hour() {
    let (mut world, account) = World::with("starter");
    for minute in 0..60 {
        let key = format!("minute {minute}");
        world
            .try_meter(&Meter {
                unit: Some("minute".into()),
                ..meter_of(account, "gpu_hours", "1", &key)
            })
            .unwrap();
    }
    assert_eq!(used(&mut world, account, "gpu_hours"), "1");
    for second in 0..36 {
        let key = format!("second {second}");
        world
            .try_meter(&Meter {
                unit: Some("second".into()),
                ..meter_of(account, "gpu_hours", "0.1", &key)
            })
            .unwrap();
    }
    assert_eq!(used(&mut world, account, "gpu_hours"), "1.001");
}

#[test]
fn inventory_is_given_back_down_to_nothing() {
    let (mut world, account) = World::with("starter");
    let table = "
        | how     | amount | answer         | owned |
        | consume | 8      | recorded       | 8     |
        | consume | 3      | block          | 8     |
        | consume | -3     | recorded       | 5     |
        | meter   | -2     | recorded       | 3     |
        | consume | -4     | MEC_BELOW_ZERO | 3     |
        | meter   | -4     | MEC_BELOW_ZERO | 3     |
        | meter   | 20     | recorded       | 23    |
        | consume | -1     | recorded       | 22    |
        | consume | 1      | block          | 22    |
        | meter   | -22    | recorded       | 0     |
        | consume | 10     | recorded       | 10    |
    ";
    for (place, row) in rows(table).into_iter().enumerate() {
        let key = format!("row {place}");
        let answer = if row.cell("how") == "meter" {
            let metered = world.try_meter(&meter_of(
                account,
                "server_instances",
                row.cell("amount"),
                &key,
            ));
            metered.map_or_else(|refused| refused.code(), |_| "recorded")
        } else {
            let consumed = world.try_consume(&consume_of(
                account,
                "server_instances",
                row.cell("amount"),
                &key,
            ));
            let told = |consumed: Consumed| {
                consumed
                    .event
                    .map_or(consumed.standing.decision.code(), |_| "recorded")
            };
            consumed.map_or_else(|refused| refused.code(), told)
        };
        assert_eq!(answer, row.cell("answer"), "{row}");
        assert_eq!(
            used(&mut world, account, "server_instances"),
            row.cell("owned"),
            "{row}"
        );
    }
}

#[test]
fn what_is_taken_from_one_scope_is_taken_from_all() {
    let mut world = World::new();
    let account = world.root();
    world.grant(&grant_of(account, "server_instances", Some("10")));
    let scoped = Meter {
        scope: Some("us".into()),
        ..meter_of(account, "server_instances", "3", "us")
    };
    let event = world.try_meter(&scoped).unwrap().event;
    world
        .try_meter(&meter_of(account, "server_instances", "-2", "back"))
        .unwrap();
    // One is left of all scopes together, three of this one.
    let refused = world
        .try_correct(&correction(event, "void", None))
        .unwrap_err();
    assert_eq!(refused.code(), "MEC_BELOW_ZERO");
    world
        .try_correct(&correction(event, "two less", Some("2")))
        .unwrap();
    assert_eq!(used(&mut world, account, "server_instances"), "0");
}

#[test]
fn inventory_is_owned_whatever_the_month() {
    let (mut world, account) = World::with("starter");
    world.consume(account, "server_instances", "8", "k");
    world.pass(400 * 86_400);
    assert_eq!(used(&mut world, account, "server_instances"), "8");
}

#[test]
fn what_was_used_long_ago_leaves_a_rolling_window_step_by_step() {
    // An hour in steps of a minute; 10 are used at 12:00:30.
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
    world.at("2026-01-30T12:00:30Z");
    world.consume(account, "benchmark_runs", "10", "k");
    let table = "
        | now                         | used |
        | 2026-01-30T13:00:30Z        | 10   |
        | 2026-01-30T13:00:59.999999Z | 10   |
        | 2026-01-30T13:01:00Z        | 0    |
    ";
    for row in rows(table) {
        world.at(row.cell("now"));
        assert_eq!(
            used(&mut world, account, "benchmark_runs"),
            row.cell("used"),
            "{row}"
        );
    }
}

#[test]
fn the_sums_of_hours_add_up_to_the_ledger() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    world.rule("benchmark_runs", |rule| rule.action = LimitAction::Overage);
    world.meter(organization, "benchmark_runs", "60");
    world.meter(user, "benchmark_runs", "50");
    let path = [user, organization];
    let mut sums = std::collections::BTreeMap::<AccountId, HourSum>::new();
    for event in &world.written.events {
        let path = if event.account == user {
            &path[..]
        } else {
            &path[1..]
        };
        for (account, sum) in HourSum::of(event, path) {
            let old = sums.get(&account).copied().unwrap_or_default();
            sums.insert(account, old.plus(sum));
        }
    }
    let runs = |amount: i128| Amount(amount * i128::from(SCALE));
    let organizations = HourSum {
        own: runs(60),
        subtree: runs(110),
        overage: runs(10),
        overage_cost: Amount(0),
        events: 1,
    };
    let users = HourSum {
        own: runs(50),
        subtree: runs(50),
        events: 1,
        ..HourSum::default()
    };
    assert_eq!((sums[&organization], sums[&user]), (organizations, users));
}

#[test]
fn a_unit_that_is_no_longer_allowed_can_be_replayed_and_corrected() {
    let (mut world, account) = World::with("starter");
    let minutes = Meter {
        unit: Some("minute".into()),
        ..meter_of(account, "gpu_hours", "90", "k")
    };
    let event = world.try_meter(&minutes).unwrap().event;
    let mut asked = consume_of(account, "gpu_hours", "30", "c");
    asked.check.unit = Some("minute".into());
    world.try_consume(&asked).unwrap().event.unwrap();
    let hold = Reserve {
        check: asked.check.clone(),
        key: "h".into(),
        ttl_seconds: 60,
    };
    let held = world
        .run(|view, making| reserve(view, making, &hold))
        .unwrap()
        .reservation
        .unwrap();
    let resource = world.catalog.resources["gpu_hours"].clone();
    let without = Resource {
        allowed_units: vec![],
        ..Resource::clone(&resource)
    };
    world
        .catalog
        .resources
        .insert(resource.code.clone(), std::sync::Arc::new(without));

    assert_eq!(
        world.try_meter(&minutes),
        Ok(Recorded {
            event,
            replayed: true
        })
    );
    assert!(world.try_consume(&asked).unwrap().replayed.is_some());
    assert_eq!(
        world
            .run(|view, making| reserve(view, making, &hold))
            .unwrap()
            .reservation,
        Some(held)
    );
    world
        .try_correct(&correction(event, "fix", Some("60")))
        .unwrap();
    let more = Meter {
        corrects: Some(event),
        is_correction: true,
        key: "up".into(),
        quantity: quantity("30"),
        ..minutes.clone()
    };
    world.try_meter(&more).unwrap();
    assert_eq!(used(&mut world, account, "gpu_hours"), "2");
    let new = Meter {
        key: "new".into(),
        ..minutes
    };
    assert_eq!(
        world.try_meter(&new).unwrap_err().code(),
        "MEC_UNIT_NOT_ALLOWED"
    );
}

#[test]
fn attributes_of_any_length_are_compared_exactly() {
    let number = |text: &str| Attribute::Number(text.parse().unwrap());
    let table = "
        | stated                | than                  | above | same  |
        | 1769774400123         | 1769774400122         | true  | false |
        | 18446744073709551615  | 18446744073709551614  | true  | false |
        | 0.00000000000000002   | 0.00000000000000001   | true  | false |
        | 1e400                 | 9e399                 | true  | false |
        | -1e400                | -9e399                | false | false |
        | 1.50                  | 15e-1                 | false | true  |
        | -2                    | -1                    | false | false |
        | 0                     | -0.0                  | false | true  |
        | 1                     | 1.000000000000000001  | false | false |
    ";
    for row in rows(table) {
        let (mut world, account) = World::with("starter");
        let entitlement = world.row(account, "benchmark_runs").id;
        let than: Decimal = row.cell("than").parse().unwrap();
        for (comparison, expected) in [
            (Comparison::Above(than.clone()), row.cell("above")),
            (
                Comparison::In(vec![Attribute::Number(than.clone())]),
                row.cell("same"),
            ),
        ] {
            world.set_conditions(
                entitlement,
                &[ConditionTest::Attribute {
                    name: "size".into(),
                    comparison,
                }],
            );
            let attributes = Attributes::from([("size".to_owned(), number(row.cell("stated")))]);
            let asked = Check {
                attributes,
                ..check_of(account, "benchmark_runs", Some("1"))
            };
            let is_met = world.check(&asked).unwrap().decision.allowed();
            assert_eq!(is_met.to_string(), expected, "{row}");
        }
    }
}
