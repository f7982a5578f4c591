//! Plans that are canceled: now, later, and what comes back.

use crate::plans::{addon_of, cancel_of, runs, try_cancel};
use crate::world::{World, provision_of, time, total};
use mec_kernel::*;

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
