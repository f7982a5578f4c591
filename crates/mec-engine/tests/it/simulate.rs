//! Another catalog on a small ledger: every figure is worked out by hand, beside it.

mod ledger;

use std::collections::BTreeMap;

use mec_engine::simulate::Outcome;
use mec_kernel::*;

use ledger::{World, at, changed, counts, day, rule, starter, total};

#[test]
fn the_present_catalog_blocks_where_the_changed_one_would_bill() {
    let (mut world, acme) = World::with_acme();
    for number in 1..=12 {
        world.used(acme, day(1, number), "10");
    }
    world.used(acme, day(2, 1), "10");
    let file = starter(
        "{ resource = 'runs', quantity = '50', window = 'month' }, { resource = 'disks', quantity = '2' }",
    ) + &rule(
        "action = 'overage'\noverage_limit = '30'\noverage_unit_price = '0.5'\ncurrency = 'EUR'",
    );
    let Outcome {
        present, changed, ..
    } = world.outcome(&file);
    // 100 a month: warned from 80 on (9th, 10th), blocked after 100 (11th, 12th); February begins
    // anew.
    assert_eq!(counts(&present), [9, 2, 0, 0, 2, 0]);
    assert_eq!(
        (present.refused(), present.overage, present.cost.len()),
        (total("20"), total("0"), 0)
    );
    assert_eq!(present.told[&Decision::Warn].first_at, day(1, 9));
    assert_eq!(present.told[&Decision::Block].first_at, day(1, 11));
    // 50 a month: warned at 40 (5th), 30 more are billed (6th to 8th), blocked after 80 (9th to
    // 12th).
    assert_eq!(counts(&changed), [5, 1, 0, 3, 4, 0]);
    assert_eq!(
        (changed.refused(), changed.overage),
        (total("40"), total("30"))
    );
    assert_eq!(
        changed.cost,
        BTreeMap::from([("EUR".to_owned(), total("15"))])
    );
    assert_eq!(changed.first_notable_at(), Some(day(1, 5)));
}

#[test]
fn the_same_catalog_says_the_same() {
    let (mut world, acme) = World::with_acme();
    for number in 1..=12 {
        world.used(acme, day(1, number), "10");
    }
    let Outcome {
        present, changed, ..
    } = world.outcome("");
    assert_eq!(present, changed);
}

#[test]
fn what_happened_before_since_counts_and_is_not_told() {
    let (mut world, acme) = World::with_acme();
    for number in 1..=12 {
        world.used(acme, day(1, number), "10");
    }
    let outcomes = world.replay(world.simulation("").since(day(1, 10)));
    // The 10th was warned, the 11th and 12th were blocked.
    assert_eq!(counts(&outcomes[0].present), [0, 1, 0, 0, 2, 0]);
}

#[test]
fn use_below_counts_above_and_only_the_account_asked_for_is_told() {
    let (mut world, acme) = World::with_acme();
    let team = world.account(Some(acme));
    world.used(acme, day(1, 1), "60");
    world.used(team, day(1, 2), "40");
    world.used(team, day(1, 3), "1");
    let outcomes = world.replay(world.simulation(""));
    assert_eq!(
        outcomes
            .iter()
            .map(|outcome| outcome.account)
            .collect::<Vec<_>>(),
        [acme, team]
    );
    // The team has no row of its own: what it uses is within 100 at 60, and not at 100.
    assert_eq!(counts(&outcomes[1].present), [1, 0, 0, 0, 1, 0]);
    let only = world.replay(world.simulation("").only(team));
    assert_eq!(only, outcomes[1..]);
}

#[test]
fn an_event_told_late_is_judged_in_the_window_it_happened_in() {
    let (mut world, acme) = World::with_acme();
    world.used(acme, day(1, 1), "95");
    world.used(acme, day(2, 1), "50");
    // January is told in February: 95 and 10 are more than 100 there; then February goes on at 50.
    world.event(acme, "runs", day(1, 31), day(2, 2), "10", "run");
    world.used(acme, day(2, 3), "50");
    assert_eq!(counts(&world.outcome("").present), [3, 0, 0, 0, 1, 0]);
}

#[test]
fn a_window_that_a_plan_cuts_otherwise_is_counted_from_the_use_there_was() {
    let (mut world, acme) = World::with_acme();
    for hour in ["08", "10", "12", "14"] {
        world.used(acme, at(&format!("2026-01-05T{hour}:00:00Z")), "10");
    }
    world.used(acme, day(1, 6), "10");
    // 25 a day: the third and the fourth of the 5th are too many; the 6th begins anew.
    let file = starter(
        "{ resource = 'runs', quantity = '25', window = 'day' }, { resource = 'disks', quantity = '2' }",
    );
    let Outcome {
        present, changed, ..
    } = world.outcome(&file);
    assert_eq!(counts(&present), [5, 0, 0, 0, 0, 0]);
    assert_eq!(counts(&changed), [3, 0, 0, 0, 2, 0]);
}

#[test]
fn a_row_that_began_within_a_month_finds_what_was_used_before_it() {
    let mut world = World::new();
    let acme = world.account(None);
    world.used(acme, day(1, 1), "95");
    world.provision(day(1, 10), &Provision::new(acme, "starter"));
    world.used(acme, day(1, 11), "10");
    // First nothing was granted; then 95 were used already.
    assert_eq!(counts(&world.outcome("").present), [0, 0, 0, 0, 1, 1]);
}

#[test]
fn rows_that_ended_were_in_force_until_then() {
    let (mut world, acme) = World::with_acme();
    world.used(acme, day(1, 1), "90");
    world.provision(day(1, 10), &Provision::new(acme, "seats"));
    world.used(acme, day(1, 11), "1");
    // On starter it was within 100; on one seat the month has 10.
    assert_eq!(counts(&world.outcome("").present), [1, 0, 0, 0, 1, 0]);
    // The file changes starter only: what was used on it before is judged by 80, what came later as
    // before.
    let file = starter(
        "{ resource = 'runs', quantity = '80', window = 'month' }, { resource = 'disks', quantity = '2' }",
    );
    assert_eq!(counts(&world.outcome(&file).changed), [0, 0, 0, 0, 2, 0]);
}

#[test]
fn what_a_plan_no_longer_grants_is_denied_and_what_it_grants_anew_is_not() {
    let (mut world, acme) = World::with_acme();
    world.used(acme, day(1, 1), "1");
    let file = starter("{ resource = 'disks', quantity = '2' }");
    assert_eq!(counts(&world.outcome(&file).changed), [0, 0, 0, 0, 0, 1]);
    let mut world = World::new();
    world.catalog = changed(&world.catalog, &file);
    let acme = world.account(None);
    world.provision(at("2025-12-01T00:00:00Z"), &Provision::new(acme, "starter"));
    world.used(acme, day(1, 1), "1");
    let file = starter(
        "{ resource = 'runs', quantity = '1', window = 'month' }, { resource = 'disks', quantity = '2' }",
    );
    let Outcome {
        present, changed, ..
    } = world.outcome(&file);
    assert_eq!(
        (counts(&present), counts(&changed)),
        ([0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0])
    );
}

#[test]
fn quantities_bought_multiply_what_the_changed_plan_grants() {
    let mut world = World::new();
    let acme = world.account(None);
    let three = Provision {
        quantity: Some(Quantity::whole(3)),
        ..Provision::new(acme, "seats")
    };
    world.provision(at("2025-12-01T00:00:00Z"), &three);
    let item = Provision {
        quantity: Some(Quantity::whole(2)),
        reference: "item".into(),
        ..Provision::new(acme, "more")
    };
    world.provision(at("2025-12-02T00:00:00Z"), &item);
    for number in 1..=4 {
        world.used(acme, day(1, number), "20");
    }
    // Three seats of 10 and two of the add-on's 10 are 50; with 20 a seat and 5 an add-on they are
    // 70.
    let file = "[plans.seats]\nname = 'By seat'\n\
                grants = [{ resource = 'runs', quantity = '20', window = 'month', per_quantity = true }]\n\
                [plans.more]\nname = 'More'\nis_addon = true\ngrants = [{ resource = 'runs', quantity = '5', window = 'month' }]\n";
    let Outcome {
        present, changed, ..
    } = world.outcome(file);
    assert_eq!(counts(&present), [2, 0, 0, 0, 2, 0]);
    assert_eq!(counts(&changed), [3, 0, 0, 0, 1, 0]);
}

#[test]
fn a_correction_is_recorded_and_nobody_is_asked() {
    let (mut world, acme) = World::with_acme();
    world.used(acme, day(1, 1), "100");
    world.used(acme, day(1, 1).plus_seconds(1), "-60");
    world.events.last_mut().unwrap().is_correction = true;
    world.used(acme, day(1, 2), "60");
    world.used(acme, day(1, 3), "1");
    assert_eq!(counts(&world.outcome("").present), [2, 0, 0, 0, 1, 0]);
}

#[test]
fn inventory_that_is_given_back_makes_room() {
    let (mut world, acme) = World::with_acme();
    for (number, quantity) in [(1, "1"), (2, "1"), (3, "1"), (4, "-2"), (5, "1")] {
        world.event(
            acme,
            "disks",
            day(1, number),
            day(1, number),
            quantity,
            "run",
        );
    }
    // Two fit; the third does not but happened; 3 − 2 and one more are 2.
    let outcomes = world.replay(world.simulation(""));
    assert_eq!(counts(&outcomes[0].present), [3, 0, 0, 0, 1, 0]);
}

#[test]
fn a_unit_that_is_no_longer_allowed_is_rejected_and_counts() {
    let (mut world, acme) = World::with_acme();
    world.event(acme, "runs", day(1, 1), day(1, 1), "8", "dozen");
    world.used(acme, day(1, 2), "5");
    let file = "[resources.runs]\nname = 'Runs'\nlimit_kind = 'cumulative'\nunit = 'run'\n";
    let Outcome {
        present, changed, ..
    } = world.outcome(file);
    // 96 are used either way, so 5 more are too many.
    assert_eq!(
        (counts(&present), present.rejected),
        ([1, 0, 0, 0, 1, 0], 0)
    );
    assert_eq!(
        (counts(&changed), changed.rejected),
        ([0, 0, 0, 0, 1, 0], 1)
    );
}

#[test]
fn grace_runs_from_the_use_that_went_over() {
    let (mut world, acme) = World::with_acme();
    world.used(acme, day(1, 1), "100");
    for number in [2, 3, 4, 5] {
        world.used(acme, day(1, number), "1");
    }
    // Over since the 2nd, for two days: the 4th is too late.
    let file = rule("action = 'grace'\ngrace_period_seconds = 172800");
    let Outcome {
        present, changed, ..
    } = world.outcome(&file);
    assert_eq!(counts(&present), [1, 0, 0, 0, 4, 0]);
    assert_eq!(counts(&changed), [1, 0, 2, 0, 2, 0]);
}

#[test]
fn trees_are_told_one_after_the_other() {
    let (mut world, acme) = World::with_acme();
    world.used(acme, day(1, 1), "1");
    let mut simulation = world.simulation("");
    let mut other = world.events[0].clone();
    other.account = AccountId(IdSource::new(TreeId(8), day(1, 1), 0).draw());
    let mut load = |id| Ok::<_, String>(world.tree.get(id).map(|node| Node::clone(node)));
    simulation.replay(&world.events[0], &mut load).unwrap();
    assert_eq!(simulation.take_finished(), []);
    // An account that is not there is passed over.
    simulation.replay(&other, &mut load).unwrap();
    assert_eq!(simulation.take_finished().len(), 1);
    assert_eq!(simulation.finish(), []);
}

/// What was really decided, one after the other, is what the replay under the same catalog says:
/// windows of every cut, two levels, an add-on, a plan change in the middle.
#[test]
fn a_replay_under_the_same_catalog_repeats_every_decision_there_was() {
    let mut state: u64 = 20_260_124;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..40 {
        let mut world = World::new();
        let windows = [
            "window = 'hour'",
            "window = 'day'",
            "window = 'week'",
            "window = 'month'",
            "window = 'billing_month'",
            "window = 'lifetime'",
            "window = 'rolling', window_seconds = 86400",
        ];
        let first = usize::try_from(random(7)).unwrap();
        let second = (first + 1 + usize::try_from(random(6)).unwrap()) % 7;
        let grants = format!(
            "{{ resource = 'runs', quantity = '200', {} }}, {{ resource = 'runs', quantity = '90', {} }}, \
             {{ resource = 'disks', quantity = '2' }}",
            windows[first], windows[second]
        );
        let action = match round % 3 {
            0 => "action = 'grace'\ngrace_quantity = '20'\ngrace_period_seconds = 36000",
            1 => {
                "action = 'overage'\noverage_limit = '40'\noverage_unit_price = '1'\ncurrency = 'EUR'"
            }
            _ => "action = 'block'",
        };
        world.catalog = changed(&world.catalog, &(starter(&grants) + &rule(action)));
        let mut now = at("2026-01-30T12:00:00Z");
        let acme = world.account(None);
        let team = world.account(Some(acme));
        world.provision(now, &Provision::new(acme, "starter"));
        world.provision(now, &Provision::new(team, "seats"));
        world.provision(
            now,
            &Provision {
                reference: "item".into(),
                ..Provision::new(acme, "more")
            },
        );
        let mut asked = BTreeMap::<(AccountId, Decision), u64>::new();
        for number in 0..150 {
            now = now.plus_seconds(i64::try_from(random(30_000)).unwrap() + 1);
            if number == 75 {
                world.provision(
                    now,
                    &Provision::new(acme, if round % 2 == 0 { "seats" } else { "starter" }),
                );
            }
            let account = if random(2) == 0 { acme } else { team };
            let quantity = Quantity::whole(i32::try_from(random(8)).unwrap() + 1);
            let command = Consume {
                check: Check::of(account, "runs", Some(quantity)),
                key: format!("{number}").into(),
                details: None,
            };
            let consumed = world.run(now, |view, making| consume(view, making, &command));
            if consumed.event.is_some() {
                *asked
                    .entry((account, consumed.standing.decision))
                    .or_default() += 1;
            }
        }
        let mut told = BTreeMap::new();
        for outcome in world.replay(world.simulation("")) {
            assert_eq!(outcome.present, outcome.changed);
            for (decision, many) in &outcome.present.told {
                told.insert((outcome.account, *decision), many.events);
            }
        }
        assert_eq!(told, asked, "round {round}");
    }
}
