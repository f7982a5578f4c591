//! Plans that start later: followed, brought forward, dropped.

use crate::plans::runs;
use crate::table::rows;
use crate::world::{World, provision_of, time};
use mec_kernel::*;

#[test]
fn a_start_ahead_leaves_the_old_plan_in_force_until_then() {
    let (mut world, account) = World::with("starter");
    let start = Some(time("2026-02-10T00:00:00Z"));
    let pro = Provision {
        start,
        ..provision_of(account, "pro")
    };
    assert_eq!(world.try_provision(&pro), Ok(5));
    assert_eq!(world.try_provision(&pro), Ok(5), "repeated");
    assert!(world.last.is_empty());
    world.at("2026-02-09T23:59:59.999999Z");
    assert_eq!(runs(&mut world, account), "100");
    world.at("2026-02-10T00:00:00Z");
    assert_eq!(runs(&mut world, account), "500");
    assert_eq!(world.rows(account).len(), 5);
}

#[test]
fn a_scheduled_plan_can_be_brought_forward_followed_and_dropped() {
    // Starter now and pro from February 10th; then one more call on February 1st. The limit on
    // which day?
    let table = "
        | then                     | 02-01 | 02-05 | 02-12 | 02-20 |
        | -                        | 100   | 100   | 500   | 500   |
        | pro now                  | 500   | 500   | 500   | 500   |
        | pro from 02-05           | 100   | 500   | 500   | 500   |
        | pro from 02-20           | 100   | 100   | 500   | 500   |
        | starter now              | 100   | 100   | 100   | 100   |
        | starter from 02-20       | 100   | 100   | 500   | 100   |
        | enterprise from 02-05    | 100   | -     | -     | -     |
        | enterprise from 02-20    | 100   | 100   | 500   | -     |
        | enterprise now           | -     | -     | -     | -     |
    ";
    let day = |day: &str| format!("2026-{day}T00:00:00Z");
    for row in rows(table) {
        let (mut world, account) = World::with("starter");
        let start = Some(time(&day("02-10")));
        world
            .try_provision(&Provision {
                start,
                ..provision_of(account, "pro")
            })
            .unwrap();
        world.at(&day("02-01"));
        if let Some(then) = row.given("then") {
            let (plan, when) = then.split_once(' ').unwrap();
            let start = when.strip_prefix("from ").map(|when| time(&day(when)));
            assert_eq!(
                world.try_provision(&Provision {
                    start,
                    ..provision_of(account, plan)
                }),
                Ok(5),
                "{row}"
            );
        }
        for when in ["02-01", "02-05", "02-12", "02-20"] {
            world.at(&day(when));
            assert_eq!(runs(&mut world, account), row.cell(when), "{when} in {row}");
            assert!(
                world.ask(account, "benchmark_runs", Some("1")).allowed,
                "{when} in {row}"
            );
            assert_eq!(
                world
                    .written
                    .plans
                    .iter()
                    .filter(|plan| plan.is_current(world.now))
                    .count(),
                1,
                "{when} in {row}"
            );
        }
    }
}

#[test]
fn staying_drops_everything_that_was_scheduled() {
    let (mut world, account) = World::with("starter");
    for (plan, day) in [
        ("pro", "2026-02-10T00:00:00Z"),
        ("starter", "2026-02-20T00:00:00Z"),
        ("pro", "2026-02-25T00:00:00Z"),
    ] {
        world
            .try_provision(&Provision {
                start: Some(time(day)),
                ..provision_of(account, plan)
            })
            .unwrap();
    }
    assert_eq!(world.provision(account, "starter"), 5);
    let begun = world
        .written
        .entitlements
        .values()
        .filter(|row| row.valid_from == world.now)
        .map(|row| row.id);
    let begun: Vec<_> = begun.collect();
    let ended = world.last.iter().filter(
        |write| matches!(write, Write::Entitlement { row, audit, .. } if begun.contains(&row.id) && audit.action == "expire"),
    );
    assert_eq!(ended.count(), 0, "what stays was not taken away in between");
    assert_eq!(world.rows(account).len(), 5);
    for day in [
        "2026-02-10T00:00:00Z",
        "2026-02-20T00:00:00Z",
        "2026-02-25T00:00:00Z",
    ] {
        world.at(day);
        assert_eq!(runs(&mut world, account), "100", "{day}");
    }
}

#[test]
fn a_plan_that_replaces_a_scheduled_one_keeps_its_anchor() {
    let mut world = World::new();
    let account = world.root();
    let (first, second) = (time("2026-02-10T00:00:00Z"), time("2026-02-20T00:00:00Z"));
    world
        .try_provision(&Provision {
            start: Some(first),
            ..provision_of(account, "starter")
        })
        .unwrap();
    world
        .try_provision(&Provision {
            start: Some(second),
            ..provision_of(account, "pro")
        })
        .unwrap();
    let anchors: Vec<_> = world
        .written
        .plans
        .iter()
        .map(|plan| (plan.plan.as_str(), plan.anchor))
        .collect();
    assert_eq!(anchors, [("starter", first), ("pro", first)]);
}

#[test]
fn rows_that_stay_are_not_ended_with_what_was_scheduled() {
    let (mut world, account) = World::with("starter");
    let (end, ahead) = (time("2026-02-10T00:00:00Z"), time("2026-02-20T00:00:00Z"));
    world
        .try_provision(&Provision {
            until: Some(end),
            ..provision_of(account, "starter")
        })
        .unwrap();
    world
        .try_provision(&Provision {
            start: Some(ahead),
            ..provision_of(account, "starter")
        })
        .unwrap();
    // One row outlives its plan by hand, into the time of the next.
    let row = world
        .rows(account)
        .into_iter()
        .find(|row| row.valid_until == Some(end))
        .unwrap()
        .id;
    world
        .patch(
            row,
            &EntitlementPatch {
                valid_until: Some(None),
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    world.pass(60);
    assert_eq!(world.provision(account, "starter"), 5);
    let told = world.last.iter().filter_map(|write| match write {
        Write::Entitlement {
            row: written,
            audit,
            ..
        } if written.id == row => Some(audit.action),
        _ => None,
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        Vec::<&str>::new(),
        "it has no end already"
    );
    assert_eq!(world.rows(account).len(), 5);
}
