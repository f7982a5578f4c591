//! Add-ons: they raise what a plan allows.

use crate::plans::addon_of;
use crate::plans::{cancel_of, runs, try_cancel};
use crate::world::{World, provision_of, quantity};
use mec_kernel::*;

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
