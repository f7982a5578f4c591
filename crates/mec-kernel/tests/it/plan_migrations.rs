//! Plans whose accounts move to the newest version.

use crate::plan_changes::{FIRST, current, limit, runs, scheduled, seats};
use crate::world::{World, provision_of};
use mec_kernel::*;

#[test]
fn a_migration_keeps_quantity_and_reference_where_none_are_stated() {
    let mut world = World::new();
    let account = world.root();
    world
        .try_provision(&Provision {
            reference: "sub_1".into(),
            ..seats(account, "7")
        })
        .unwrap();
    let mut newer = Plan::clone(&world.catalog.plans["team-seats"]);
    newer.version += 1;
    world
        .catalog
        .plans
        .insert(newer.id.clone(), std::sync::Arc::new(newer));
    world.pass(60);
    world
        .try_provision(&Provision {
            migrate: true,
            ..provision_of(account, "team-seats")
        })
        .unwrap();
    assert_eq!(limit(&world, account, "concurrent_users"), "7");
    assert_eq!(
        current(&world),
        [("team-seats".to_owned(), "sub_1".to_owned())]
    );
}

#[test]
fn a_migration_leaves_the_plan_that_is_scheduled() {
    let (mut world, account) = World::with("pro");
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    let mut newer = Plan::clone(&world.catalog.plans["pro"]);
    newer.version += 1;
    world
        .catalog
        .plans
        .insert(newer.id.clone(), std::sync::Arc::new(newer));
    world.pass(60);
    world
        .try_provision(&Provision {
            migrate: true,
            ..provision_of(account, "pro")
        })
        .unwrap();
    assert_eq!(world.rows(account).len(), 10);
    world.at(FIRST);
    assert_eq!(runs(&mut world, account), "100");
    assert_eq!(world.rows(account).len(), 5);
}
