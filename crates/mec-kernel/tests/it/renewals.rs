//! Leases that are renewed, and what their holders are told if not.

use crate::leases::{take, taken};
use crate::table::rows;
use crate::world::{World, time};
use mec_kernel::*;

#[test]
fn renewing_extends_and_never_shortens_or_revives() {
    let (mut world, account) = World::with("starter");
    let lease = take(&mut world, account, 60);
    world.pass(30);
    assert_eq!(
        world.renew(lease, 60).lease.unwrap().expires_at,
        time("2026-01-30T12:01:30Z")
    );
    assert_eq!(
        world.renew(lease, 1).lease.unwrap().expires_at,
        time("2026-01-30T12:01:30Z")
    );
    world.pass(60);
    let (decision, reason) = (Decision::Deny, Reason::LeaseOver);
    let over = Leased {
        lease: None,
        kept: None,
        decision,
        reason,
        retry_after_seconds: None,
        standing: None,
    };
    assert_eq!(world.renew(lease, 60), over);
    assert_eq!(world.renew(LeaseId(lease.0 + 1), 60), over);
    let released = take(&mut world, account, 60);
    world.release(released);
    assert_eq!(world.renew(released, 60), over);
}

#[test]
fn a_full_house_renews_every_seat() {
    let (mut world, account) = World::with("starter");
    let leases = [0; 3].map(|_| take(&mut world, account, 60));
    for lease in leases {
        assert!(world.renew(lease, 120).lease.is_some());
    }
    assert_eq!(taken(&mut world, account), "3");
}

#[test]
fn who_lost_the_entitlement_keeps_the_seat_only_until_it_expires() {
    let (mut world, account) = World::with("starter");
    let lease = take(&mut world, account, 60);
    world.set_status(account, AccountStatus::Suspended);
    let denied = world.renew(lease, 60);
    assert_eq!(
        (denied.lease, denied.reason),
        (None, Reason::AccountSuspended)
    );
    world.set_status(account, AccountStatus::Active);
    assert!(world.renew(lease, 60).lease.is_some());
}

#[test]
fn after_a_downgrade_exactly_the_surplus_runs_out() {
    // Ten seats become three. Holders renew for a minute, in one of these ways; three are left and
    // all keep theirs.
    let table = "
        | taken apart by | renewed every |
        | 0              | 59            |
        | 0              | 20            |
        | 1              | 20            |
        | 2              | 59            |
        | 5              | 10            |
    ";
    for row in rows(table) {
        let (mut world, account) = World::with("pro");
        let (apart, every): (i64, i64) = (
            row.cell("taken apart by").parse().unwrap(),
            row.cell("renewed every").parse().unwrap(),
        );
        let begin = world.now;
        let leases: Vec<_> = (0..10_i64)
            .map(|place| {
                world.now = begin.plus_seconds(place * apart);
                (take(&mut world, account, 60), place * apart % every)
            })
            .collect();
        world.provision(account, "starter");
        for second in (world.now.since(begin) / SECOND)..300 {
            world.now = begin.plus_seconds(second);
            for (lease, phase) in &leases {
                if second % every == *phase {
                    world.renew(*lease, 60);
                }
            }
            let left: usize = taken(&mut world, account).parse().unwrap();
            assert!(
                left >= 3,
                "{row}: only {left} seats are left after {second} s"
            );
        }
        assert_eq!(taken(&mut world, account), "3", "{row}");
    }
}

#[test]
fn a_renewal_that_is_refused_tells_until_when_the_lease_counts() {
    let (mut world, account) = World::with("starter");
    let lease = take(&mut world, account, 600);
    let row = world.row(account, "concurrent_users").id;
    world.set_limit(row, Some("0"));
    let refused = world.renew(lease, 3_600);
    assert_eq!(refused.lease, None);
    assert_eq!(
        refused.kept.unwrap().expires_at,
        time("2026-01-30T12:10:00Z")
    );
    world.pass(600);
    assert_eq!(world.renew(lease, 3_600).kept, None);
}
