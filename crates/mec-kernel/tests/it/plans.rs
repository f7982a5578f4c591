//! Plans and add-ons: given, repeated, replaced, scheduled, tried once and taken away (design 1.6).

use std::sync::Arc;

use mec_kernel::*;

use crate::world::{World, acquire_of, provision_of, quantity, time, total};

pub(crate) fn cancel_of(account: AccountId, plan: &str) -> Cancel {
    Cancel {
        account,
        plan: plan.into(),
        reference: None,
        at: None,
    }
}

pub(crate) fn try_cancel(world: &mut World, asked: &Cancel) -> Result<i64, Refusal> {
    world.run(|view, making| cancel(view, making, asked))
}

pub(crate) fn addon_of(account: AccountId, reference: &str, amount: &str) -> Provision {
    Provision {
        reference: reference.into(),
        quantity: Some(quantity(amount)),
        ..provision_of(account, "more-runs")
    }
}

/// The limit of benchmark_runs now; `-` where nothing is entitled.
pub(crate) fn runs(world: &mut World, account: AccountId) -> String {
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

/// A new version of a plan, with twice the runs.
pub(crate) fn raise_version(world: &mut World, plan: &str) {
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
