//! Trials: one for a tree, and never longer than its days.

use crate::plans::raise_version;
use crate::plans::{cancel_of, runs, try_cancel};
use crate::world::{World, provision_of, time};
use mec_kernel::*;

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
