//! Plans and add-ons: given, repeated, replaced, scheduled, tried once and taken away (design 1.6).

use std::sync::Arc;

use mec_kernel::*;

use crate::table::rows;
use crate::world::{World, acquire_of, provision_of, quantity, time, total};

fn cancel_of(account: AccountId, plan: &str) -> Cancel {
    Cancel {
        account,
        plan: plan.into(),
        reference: None,
        at: None,
    }
}

fn try_cancel(world: &mut World, asked: &Cancel) -> Result<i64, Refusal> {
    world.run(|view, making| cancel(view, making, asked))
}

fn addon_of(account: AccountId, reference: &str, amount: &str) -> Provision {
    Provision {
        reference: reference.into(),
        quantity: Some(quantity(amount)),
        ..provision_of(account, "more-runs")
    }
}

/// The limit of benchmark_runs now; `-` where nothing is entitled.
fn runs(world: &mut World, account: AccountId) -> String {
    let figures = world.ask(account, "benchmark_runs", None).figures;
    figures
        .and_then(|figures| figures.allowed)
        .map_or("-".to_owned(), |allowed| allowed.to_string())
}

#[test]
fn a_plan_gives_its_templates_in_their_order() {
    let mut world = World::new();
    let account = world.root();
    assert_eq!(world.provision(account, "starter"), 5);
    let rows = world.rows(account);
    let given: Vec<_> = rows
        .iter()
        .map(|row| (row.resource.as_str(), row.quantity.unwrap().to_string()))
        .collect();
    let expected = [
        ("benchmark_runs", "100"),
        ("concurrent_users", "3"),
        ("gpu_hours", "25"),
        ("server_configs", "2"),
        ("server_instances", "10"),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(resource, amount)| (resource, amount.to_owned()))
        .collect();
    assert_eq!(given, expected);
    for row in rows {
        assert_eq!(
            (row.source, row.plan.as_deref(), row.plan_version),
            (Source::Plan, Some("starter"), Some(1))
        );
        assert_eq!(
            (row.valid_from, row.valid_until, row.status),
            (world.now, None, EntitlementStatus::Active)
        );
    }
}

#[test]
fn each_plan_answers_the_number_of_its_rows() {
    for (plan, rows) in [
        ("trial-14d", 6),
        ("starter", 5),
        ("pro", 5),
        ("enterprise", 5),
        ("team-seats", 2),
    ] {
        let mut world = World::new();
        let account = world.root();
        assert_eq!(world.provision(account, plan), rows, "{plan}");
        assert_eq!(
            world.written.audits.len(),
            usize::try_from(rows).unwrap(),
            "{plan}"
        );
    }
}

#[test]
fn repeating_changes_nothing_and_answers_the_same() {
    let (mut world, account) = World::with("starter");
    world.pass(86_400);
    assert_eq!(world.provision(account, "starter"), 5);
    assert!(world.last.is_empty());
}

#[test]
fn repeating_lifts_a_pending_end() {
    let (mut world, account) = World::with("starter");
    let at = Some(time("2026-02-10T00:00:00Z"));
    assert_eq!(
        try_cancel(
            &mut world,
            &Cancel {
                at,
                ..cancel_of(account, "starter")
            }
        ),
        Ok(5)
    );
    assert_eq!(world.provision(account, "starter"), 5);
    assert!(
        world
            .rows(account)
            .iter()
            .all(|row| row.valid_until.is_none())
    );
    world.at("2026-02-10T00:00:00Z");
    assert_eq!(runs(&mut world, account), "100");
}

#[test]
fn another_plan_replaces_the_rows_and_keeps_usage_and_anchor() {
    let (mut world, account) = World::with("starter");
    let anchor = world.now;
    world.consume(account, "benchmark_runs", "60", "k");
    world.pass(86_400 / 2);
    assert_eq!(world.provision(account, "pro"), 5);
    assert_eq!(world.rows(account).len(), 5);
    let ended = world
        .written
        .entitlements
        .values()
        .filter(|row| row.plan.as_deref() == Some("starter"));
    assert!(
        ended
            .into_iter()
            .all(|row| row.status == EntitlementStatus::Expired
                && row.valid_until == Some(world.now))
    );
    let figures = world.ask(account, "benchmark_runs", None).figures.unwrap();
    assert_eq!((figures.used, figures.allowed), (total("60"), total("500")));
    let current: Vec<_> = world
        .written
        .plans
        .iter()
        .filter(|plan| plan.is_current(world.now))
        .collect();
    assert_eq!(
        (current.len(), current[0].plan.as_str(), current[0].anchor),
        (1, "pro", anchor)
    );
}

#[test]
fn manual_rows_and_addons_outlive_a_plan_change() {
    let (mut world, account) = World::with("starter");
    world
        .try_provision(&addon_of(account, "si_1", "1"))
        .unwrap();
    world.grant(&crate::world::grant_of(
        account,
        "benchmark_runs",
        Some("7"),
    ));
    assert_eq!(runs(&mut world, account), "157");
    world.provision(account, "pro");
    assert_eq!(runs(&mut world, account), "557");
}

#[test]
fn rows_expired_by_hand_make_room_for_a_new_provision() {
    // The guide's scenario D, upwards and back to the same plan.
    for next in ["pro", "starter"] {
        for seconds in [0, 60] {
            let (mut world, account) = World::with("starter");
            world.consume(account, "benchmark_runs", "60", "k");
            world.pass(seconds);
            for row in world.rows(account) {
                let status = Some(EntitlementStatus::Expired);
                world
                    .patch(
                        row.id,
                        &EntitlementPatch {
                            status,
                            ..EntitlementPatch::default()
                        },
                    )
                    .unwrap();
            }
            assert_eq!(
                world.ask(account, "benchmark_runs", Some("1")).reason,
                Reason::EntitlementExpired
            );
            assert_eq!(world.provision(account, next), 5);
            assert_eq!(world.rows(account).len(), 5);
            assert_eq!(
                world
                    .ask(account, "benchmark_runs", None)
                    .figures
                    .unwrap()
                    .used,
                total("60")
            );
            let current = world
                .written
                .plans
                .iter()
                .filter(|plan| plan.is_current(world.now) && !plan.is_addon);
            assert_eq!(
                current.map(|plan| plan.plan.as_str()).collect::<Vec<_>>(),
                [next]
            );
        }
    }
}

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
fn a_plan_until_a_day_ends_then() {
    let mut world = World::new();
    let account = world.root();
    let until = Some(time("2026-02-10T00:00:00Z"));
    world
        .try_provision(&Provision {
            until,
            ..provision_of(account, "starter")
        })
        .unwrap();
    world.at("2026-02-10T00:00:00Z");
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).reason,
        Reason::EntitlementExpired
    );
    let until = Some(world.now);
    let refused = world
        .try_provision(&Provision {
            until,
            ..provision_of(account, "starter")
        })
        .unwrap_err();
    assert_eq!(refused.code(), "MEC_BAD_VALUE");
}

#[test]
fn a_tree_has_one_trial() {
    let (mut world, organization) = World::with("trial-14d");
    let user = world.child(organization);
    let used = Err(Refusal::TrialUsed {
        plan: "trial-14d".to_owned(),
    });
    assert_eq!(
        world.provision(organization, "trial-14d"),
        6,
        "repeated while it runs"
    );
    assert_eq!(world.try_provision(&provision_of(user, "trial-14d")), used);
    world.pass(14 * 86_400);
    assert_eq!(
        world.try_provision(&provision_of(organization, "trial-14d")),
        used
    );
    assert_eq!(world.provision(organization, "starter"), 5);
    assert_eq!(
        world.try_provision(&provision_of(organization, "trial-14d")),
        used
    );
}

#[test]
fn a_trial_ends_by_itself_and_is_never_made_longer() {
    let (mut world, account) = World::with("trial-14d");
    let end = Some(time("2026-02-13T12:00:00Z"));
    let is_unchanged = |world: &World| world.rows(account).iter().all(|row| row.valid_until == end);
    assert!(is_unchanged(&world));
    world.pass(86_400);
    world.provision(account, "trial-14d");
    assert!(is_unchanged(&world), "by repeating it");
    let at = Some(time("2026-03-30T00:00:00Z"));
    try_cancel(
        &mut world,
        &Cancel {
            at,
            ..cancel_of(account, "trial-14d")
        },
    )
    .unwrap();
    assert!(is_unchanged(&world), "by cancelling it later than it ends");
    raise_version(&mut world, "trial-14d");
    world
        .try_provision(&Provision {
            migrate: true,
            ..provision_of(account, "trial-14d")
        })
        .unwrap();
    assert!(is_unchanged(&world), "by moving to its newest version");
    let until = Some(time("2026-02-01T00:00:00Z"));
    let mut shorter = World::new();
    let account = shorter.root();
    shorter
        .try_provision(&Provision {
            until,
            ..provision_of(account, "trial-14d")
        })
        .unwrap();
    assert!(
        shorter
            .rows(account)
            .iter()
            .all(|row| row.valid_until == until),
        "by an end that comes sooner"
    );
}

#[test]
fn a_scheduled_trial_can_be_brought_forward() {
    let mut world = World::new();
    let account = world.root();
    let start = Some(time("2026-02-10T00:00:00Z"));
    world
        .try_provision(&Provision {
            start,
            ..provision_of(account, "trial-14d")
        })
        .unwrap();
    assert_eq!(
        world.try_provision(&provision_of(account, "trial-14d")),
        Ok(6)
    );
    assert_eq!(runs(&mut world, account), "50");
    world.pass(14 * 86_400);
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).reason,
        Reason::EntitlementExpired
    );
}

#[test]
fn an_addon_sets_its_quantity_and_never_adds() {
    let (mut world, account) = World::with("starter");
    for (amount, limit) in [("1", "150"), ("1", "150"), ("3", "250"), ("2", "200")] {
        assert_eq!(
            world.try_provision(&addon_of(account, "si_1", amount)),
            Ok(1)
        );
        assert_eq!(runs(&mut world, account), limit, "{amount}");
    }
    world
        .try_provision(&addon_of(account, "si_1", "2"))
        .unwrap();
    assert!(
        world.last.is_empty(),
        "the same quantity again changes nothing"
    );
    // Another item of the subscription is another add-on.
    world
        .try_provision(&addon_of(account, "si_2", "1"))
        .unwrap();
    assert_eq!(runs(&mut world, account), "250");
    assert_eq!(world.rows(account).len(), 7);
}

#[test]
fn an_addon_whose_row_was_expired_by_hand_is_given_anew_and_once() {
    let (mut world, account) = World::with("starter");
    world
        .try_provision(&addon_of(account, "si_1", "1"))
        .unwrap();
    let row = world
        .rows(account)
        .into_iter()
        .find(|row| row.source == Source::Addon)
        .unwrap();
    world.pass(60);
    let status = Some(EntitlementStatus::Expired);
    world
        .patch(
            row.id,
            &EntitlementPatch {
                status,
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    world
        .try_provision(&addon_of(account, "si_1", "1"))
        .unwrap();
    assert_eq!(runs(&mut world, account), "150");
    assert_eq!(
        world
            .written
            .plans
            .iter()
            .filter(|plan| plan.is_addon && plan.is_current(world.now))
            .count(),
        1
    );
}

#[test]
fn seats_multiply_the_templates_that_say_so() {
    let mut world = World::new();
    let account = world.root();
    world
        .try_provision(&Provision {
            quantity: Some(quantity("12")),
            ..provision_of(account, "team-seats")
        })
        .unwrap();
    let limit = |resource: &str| world.row(account, resource).quantity.unwrap().to_string();
    assert_eq!(
        (limit("concurrent_users"), limit("server_configs")),
        ("12".to_owned(), "5".to_owned())
    );
}

#[test]
fn cancelling_ends_the_rows_now_or_later() {
    let (mut world, account) = World::with("starter");
    assert_eq!(
        try_cancel(&mut world, &cancel_of(account, "starter")),
        Ok(5)
    );
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).reason,
        Reason::EntitlementExpired
    );
    assert_eq!(
        try_cancel(&mut world, &cancel_of(account, "starter")),
        Ok(0),
        "again"
    );
    let (mut world, account) = World::with("starter");
    let later = Cancel {
        at: Some(time("2026-02-10T00:00:00Z")),
        ..cancel_of(account, "starter")
    };
    assert_eq!(try_cancel(&mut world, &later), Ok(5));
    world.at("2026-02-09T23:59:59.999999Z");
    assert!(world.ask(account, "benchmark_runs", Some("1")).allowed);
    world.at("2026-02-10T00:00:00Z");
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).reason,
        Reason::EntitlementExpired
    );
    assert!(
        world
            .written
            .plans
            .iter()
            .all(|plan| plan.is_over(world.now))
    );
}

#[test]
fn cancelling_with_a_reference_ends_only_its_rows() {
    let (mut world, account) = World::with("starter");
    for reference in ["si_1", "si_2"] {
        world
            .try_provision(&addon_of(account, reference, "1"))
            .unwrap();
    }
    let one = Cancel {
        reference: Some("si_1".into()),
        ..cancel_of(account, "more-runs")
    };
    assert_eq!(try_cancel(&mut world, &one), Ok(1));
    assert_eq!(runs(&mut world, account), "150");
    let unknown = Cancel {
        reference: Some("si_9".into()),
        ..cancel_of(account, "more-runs")
    };
    assert_eq!(try_cancel(&mut world, &unknown), Ok(0));
    assert_eq!(
        try_cancel(&mut world, &cancel_of(account, "more-runs")),
        Ok(1)
    );
    assert_eq!(runs(&mut world, account), "100");
}

#[test]
fn a_cancelled_plan_comes_back_when_it_is_provisioned_again() {
    let (mut world, account) = World::with("starter");
    world.consume(account, "benchmark_runs", "60", "k");
    world.pass(60);
    try_cancel(&mut world, &cancel_of(account, "starter")).unwrap();
    world.pass(60);
    assert_eq!(world.provision(account, "starter"), 5);
    assert_eq!(
        world
            .ask(account, "benchmark_runs", None)
            .figures
            .unwrap()
            .used,
        total("60")
    );
}

/// A new version of a plan, with twice the runs.
fn raise_version(world: &mut World, plan: &str) {
    let mut newer = Plan::clone(&world.catalog.plans[plan]);
    newer.version += 1;
    newer.templates[0].quantity = newer.templates[0]
        .quantity
        .and_then(|each| each.times(Quantity::whole(2)));
    world
        .catalog
        .plans
        .insert(newer.id.clone(), Arc::new(newer));
}

#[test]
fn rows_keep_their_version_until_they_are_migrated() {
    let (mut world, account) = World::with("starter");
    world.consume(account, "benchmark_runs", "60", "k");
    world.pass(60);
    raise_version(&mut world, "starter");
    assert_eq!(world.provision(account, "starter"), 5);
    assert_eq!(runs(&mut world, account), "100");
    let migrate = Provision {
        migrate: true,
        ..provision_of(account, "starter")
    };
    assert_eq!(world.try_provision(&migrate), Ok(5));
    assert_eq!(runs(&mut world, account), "200");
    assert_eq!(
        world
            .ask(account, "benchmark_runs", None)
            .figures
            .unwrap()
            .used,
        total("60")
    );
    assert!(
        world
            .rows(account)
            .iter()
            .all(|row| row.plan_version == Some(2))
    );
    assert_eq!(world.try_provision(&migrate), Ok(5));
    assert!(world.last.is_empty(), "it is the newest");
}

#[test]
fn bad_provisions_are_refused_and_change_nothing() {
    let (mut world, account) = World::with("starter");
    let nobody = AccountId(account.0 + 1);
    let of = |plan: &str| provision_of(account, plan);
    let table = [
        ("MEC_ACCOUNT_NOT_FOUND", provision_of(nobody, "pro")),
        ("MEC_PLAN_NOT_FOUND", of("nothing")),
        ("MEC_PLAN_INACTIVE", of("retired")),
        (
            "MEC_QUANTITY_NOT_POSITIVE",
            Provision {
                quantity: Some(quantity("0")),
                ..of("pro")
            },
        ),
        (
            "MEC_QUANTITY_NOT_POSITIVE",
            Provision {
                quantity: Some(quantity("-1")),
                ..of("pro")
            },
        ),
        (
            "MEC_BAD_VALUE",
            Provision {
                until: Some(world.now),
                ..of("pro")
            },
        ),
        (
            "MEC_BAD_QUANTITY",
            Provision {
                quantity: Some(quantity("999999999999")),
                ..of("more-runs")
            },
        ),
    ];
    for (code, bad) in table {
        assert_eq!(
            world.try_provision(&bad).unwrap_err().code(),
            code,
            "{}",
            bad.plan
        );
    }
    assert_eq!(
        try_cancel(&mut world, &cancel_of(account, "nothing"))
            .unwrap_err()
            .code(),
        "MEC_PLAN_NOT_FOUND"
    );
    assert_eq!(runs(&mut world, account), "100");
}

#[test]
fn every_change_of_a_row_is_audited() {
    let (mut world, account) = World::with("starter");
    let row = world.row(account, "benchmark_runs").id;
    world.set_limit(row, Some("120"));
    for status in [EntitlementStatus::Suspended, EntitlementStatus::Active] {
        world
            .patch(
                row,
                &EntitlementPatch {
                    status: Some(status),
                    ..EntitlementPatch::default()
                },
            )
            .unwrap();
    }
    world.provision(account, "pro");
    let audits = world.written.audits.iter().filter(|(of, _)| *of == row);
    let told: Vec<_> = audits
        .map(|(_, audit)| (audit.action, &*audit.by, &*audit.reason))
        .collect();
    let expected = [
        ("create", "tester", "provision_plan starter"),
        ("update", "tester", "table write"),
        ("suspend", "tester", "table write"),
        ("resume", "tester", "table write"),
        ("expire", "tester", "provision_plan pro"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_downgrade_leaves_live_leases_and_refuses_new_ones() {
    let (mut world, account) = World::with("pro");
    for _ in 0..10 {
        world.acquire(&acquire_of(account, None, 600));
    }
    world.provision(account, "starter");
    let standing = world.ask(account, "concurrent_users", None);
    assert_eq!(
        (standing.decision, standing.figures.unwrap().used),
        (Decision::Block, total("10"))
    );
    assert!(
        world
            .acquire(&acquire_of(account, None, 600))
            .lease
            .is_none()
    );
}

#[test]
fn nothing_makes_a_trial_longer_than_its_days() {
    let end = Some(time("2026-02-13T12:00:00Z"));
    let until = Some(time("2026-03-30T00:00:00Z"));
    for migrate in [false, true] {
        let (mut world, account) = World::with("trial-14d");
        world.pass(86_400);
        raise_version(&mut world, "trial-14d");
        world
            .try_provision(&Provision {
                until,
                migrate,
                ..provision_of(account, "trial-14d")
            })
            .unwrap();
        assert!(
            world.rows(account).iter().all(|row| row.valid_until == end),
            "migrated: {migrate}"
        );
    }
}

#[test]
fn a_trial_that_was_taken_back_before_it_began_was_not_given() {
    let (mut world, account) = World::with("starter");
    let start = Some(time("2026-02-10T00:00:00Z"));
    world
        .try_provision(&Provision {
            start,
            ..provision_of(account, "trial-14d")
        })
        .unwrap();
    world.pass(60);
    world.provision(account, "starter");
    world.at("2026-02-20T00:00:00Z");
    let user = world.child(account);
    assert_eq!(world.provision(user, "trial-14d"), 6);
}

#[test]
fn a_trial_given_and_ended_in_one_batch_is_looked_up_once() {
    let (mut world, account) = World::with("trial-14d");
    let mut facts = Facts {
        trials: Some(world.written.plans.clone()),
        ..Facts::default()
    };
    try_cancel(&mut world, &cancel_of(account, "trial-14d")).unwrap();
    for write in &world.last {
        facts.apply(write);
    }
    assert_eq!(facts.trials, Some(world.written.plans.clone()));
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
fn an_addon_in_force_is_repeated_although_its_pool_is_gone() {
    let (mut world, account) = World::with("starter");
    let team = world.child(account);
    world.provision(team, "starter");
    world.try_provision(&addon_of(team, "si_1", "2")).unwrap();
    try_cancel(&mut world, &cancel_of(team, "starter")).unwrap();
    for amount in ["2", "3"] {
        assert_eq!(
            world.try_provision(&addon_of(team, "si_1", amount)),
            Ok(1),
            "{amount}"
        );
    }
    let refused = world
        .try_provision(&addon_of(team, "si_2", "1"))
        .unwrap_err();
    assert_eq!(refused.code(), "MEC_ADDON_NO_POOL");
}

#[test]
fn what_was_taken_back_before_it_began_is_not_ended_twice() {
    let mut world = World::new();
    let account = world.root();
    let ahead = Some(time("2026-02-10T00:00:00Z"));
    world
        .try_provision(&Provision {
            start: ahead,
            ..provision_of(account, "starter")
        })
        .unwrap();
    world.pass(60);
    world.provision(account, "starter");
    world.pass(60);
    let until = Some(time("2026-03-10T00:00:00Z"));
    world
        .try_provision(&Provision {
            until,
            ..provision_of(account, "starter")
        })
        .unwrap();
    let actions = world.last.iter().filter_map(|write| match write {
        Write::Entitlement { audit, .. } => Some(audit.action),
        _ => None,
    });
    let actions: Vec<_> = actions.collect();
    assert_eq!(actions, ["update"; 5]);
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
