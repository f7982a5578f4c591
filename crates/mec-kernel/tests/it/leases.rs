//! Leases: seats that free themselves (design 1.5).

use mec_kernel::*;

use crate::table::rows;
use crate::world::{World, acquire_of, check_of, grant_of, quantity, time};

/// Seats taken, as a check tells.
pub(crate) fn taken(world: &mut World, account: AccountId) -> String {
    world
        .ask(account, "concurrent_users", None)
        .figures
        .unwrap()
        .used
        .unwrap()
        .to_string()
}

pub(crate) fn take(world: &mut World, account: AccountId, ttl_seconds: i64) -> LeaseId {
    world
        .acquire(&acquire_of(account, None, ttl_seconds))
        .lease
        .expect("a free seat")
        .id
}

#[test]
fn seats_are_given_until_none_is_left_and_then_it_is_told_when_to_come_back() {
    let (mut world, account) = World::with("starter");
    for ttl_seconds in [600, 90, 300] {
        assert!(
            world
                .acquire(&acquire_of(account, None, ttl_seconds))
                .lease
                .is_some()
        );
    }
    let full = world.acquire(&acquire_of(account, None, 60));
    assert_eq!(
        (full.lease, full.decision, full.reason),
        (None, Decision::Block, Reason::LimitReached)
    );
    assert_eq!(full.retry_after_seconds, Some(90));
    let (figures, limits) = full
        .standing
        .map(|standing| (standing.figures.unwrap(), standing.trace.limits))
        .unwrap();
    assert_eq!((figures.used, limits.len()), (Some(Total(3_000_000)), 1));
    assert!(world.last.is_empty());
    world.now = world.now.plus_micros(89_500_000);
    assert_eq!(
        world
            .acquire(&acquire_of(account, None, 60))
            .retry_after_seconds,
        Some(1)
    );
    world.now = world.now.plus_micros(500_000);
    assert!(
        world
            .acquire(&acquire_of(account, None, 60))
            .lease
            .is_some()
    );
}

#[test]
fn seats_are_whole() {
    let (mut world, account) = World::with("starter");
    for part in ["0.5", "1.5", "0.000001"] {
        let asked = Acquire {
            quantity: quantity(part),
            ..acquire_of(account, None, 60)
        };
        assert_eq!(
            world
                .run(|view, making| acquire(view, making, &asked))
                .unwrap_err()
                .code(),
            "MEC_BAD_QUANTITY",
            "{part}"
        );
        let asked = check_of(account, "concurrent_users", Some(part));
        assert_eq!(
            world.check(&asked).unwrap_err().code(),
            "MEC_BAD_QUANTITY",
            "{part}"
        );
    }
    assert!(world.ask(account, "concurrent_users", Some("2")).allowed);
    assert!(world.ask(account, "benchmark_runs", Some("0.5")).allowed);
}

#[test]
fn who_is_not_entitled_is_denied_and_not_asked_to_come_back() {
    let mut world = World::new();
    let account = world.root();
    let denied = world.acquire(&acquire_of(account, None, 60));
    assert_eq!(
        (denied.decision, denied.reason, denied.retry_after_seconds),
        (Decision::Deny, Reason::NoEntitlement, None)
    );
}

#[test]
fn a_lease_counts_up_to_the_instant_it_expires() {
    let (mut world, account) = World::with("starter");
    take(&mut world, account, 60);
    world.now = world.now.plus_micros(59_999_999);
    assert_eq!(taken(&mut world, account), "1");
    world.now = world.now.plus_micros(1);
    assert_eq!(taken(&mut world, account), "0");
}

#[test]
fn an_expiry_is_rounded_up_to_a_full_second_and_told_so() {
    let (mut world, account) = World::with("starter");
    world.now = world.now.plus_micros(1);
    let lease = world.acquire(&acquire_of(account, None, 60)).lease.unwrap();
    assert_eq!(lease.expires_at, time("2026-01-30T12:01:01Z"));
    world.at("2026-01-30T12:01:00.999999Z");
    assert_eq!(taken(&mut world, account), "1");
    world.at("2026-01-30T12:01:01Z");
    assert_eq!(taken(&mut world, account), "0");
}

#[test]
fn logging_in_again_extends_the_same_lease_and_takes_no_second_seat() {
    let (mut world, account) = World::with("starter");
    let first = world
        .acquire(&acquire_of(account, Some("ann"), 60))
        .lease
        .unwrap();
    world.pass(30);
    let again = world
        .acquire(&acquire_of(account, Some("ann"), 60))
        .lease
        .unwrap();
    assert_eq!(
        (again.id, again.fencing_token),
        (first.id, first.fencing_token)
    );
    assert_eq!(again.expires_at, time("2026-01-30T12:01:30Z"));
    assert_eq!(taken(&mut world, account), "1");
    // It never gets shorter.
    let shorter = world
        .acquire(&acquire_of(account, Some("ann"), 1))
        .lease
        .unwrap();
    assert_eq!(shorter.expires_at, again.expires_at);
    // Even when all seats are taken.
    take(&mut world, account, 600);
    take(&mut world, account, 600);
    assert_eq!(
        world
            .acquire(&acquire_of(account, Some("ann"), 60))
            .lease
            .unwrap()
            .id,
        first.id
    );
}

#[test]
fn a_session_is_known_by_account_resource_scope_and_token() {
    let (mut world, account) = World::with("pro");
    let child = world.child(account);
    let ann = acquire_of(account, Some("ann"), 60);
    let others = [
        Acquire {
            token: Some("bob".into()),
            ..ann.clone()
        },
        Acquire {
            account: child,
            ..ann.clone()
        },
        Acquire {
            scope: Some("eu".into()),
            ..ann.clone()
        },
        Acquire {
            token: None,
            ..ann.clone()
        },
        Acquire {
            token: None,
            ..ann.clone()
        },
    ];
    world.acquire(&ann);
    for other in others {
        world.acquire(&other);
    }
    assert_eq!(taken(&mut world, account), "6");
}

#[test]
fn a_session_that_expired_or_was_released_logs_in_anew() {
    let (mut world, account) = World::with("starter");
    let first = world
        .acquire(&acquire_of(account, Some("ann"), 60))
        .lease
        .unwrap();
    world.pass(60);
    let second = world
        .acquire(&acquire_of(account, Some("ann"), 60))
        .lease
        .unwrap();
    assert!(second.id != first.id && second.fencing_token > first.fencing_token);
    assert!(world.release(second.id));
    let third = world
        .acquire(&acquire_of(account, Some("ann"), 60))
        .lease
        .unwrap();
    assert!(third.id != second.id && third.fencing_token > second.fencing_token);
    assert_eq!(taken(&mut world, account), "1");
}

#[test]
fn a_login_for_more_seats_needs_them_free() {
    let (mut world, account) = World::with("starter");
    world.acquire(&acquire_of(account, Some("ann"), 600));
    take(&mut world, account, 60);
    let seats = |amount: &str| Acquire {
        quantity: quantity(amount),
        ..acquire_of(account, Some("ann"), 600)
    };
    assert!(world.acquire(&seats("2")).lease.is_some());
    assert_eq!(taken(&mut world, account), "3");
    assert!(
        world.acquire(&seats("3")).lease.is_none(),
        "the other seat is taken although it expires sooner"
    );
    assert_eq!(taken(&mut world, account), "3");
    assert!(world.acquire(&seats("1")).lease.is_some());
    assert_eq!(taken(&mut world, account), "2");
}

#[test]
fn a_lease_is_released_once() {
    let (mut world, account) = World::with("starter");
    let lease = take(&mut world, account, 60);
    let expired = take(&mut world, account, 1);
    world.pass(1);
    assert!(world.release(lease));
    assert_eq!(taken(&mut world, account), "0");
    for gone in [lease, expired, LeaseId(lease.0 + 1)] {
        assert!(!world.release(gone));
        assert!(world.last.is_empty());
    }
}

#[test]
fn a_released_lease_frees_its_seat_at_every_level() {
    let (mut world, organization) = World::with("starter");
    let team = world.child(organization);
    let user = world.child(team);
    let leases = [organization, team, user].map(|account| take(&mut world, account, 60));
    assert!(world.acquire(&acquire_of(team, None, 60)).lease.is_none());
    assert_eq!(taken(&mut world, organization), "3");
    world.release(leases[2]);
    assert!(world.acquire(&acquire_of(team, None, 60)).lease.is_some());
}

#[test]
fn fencing_tokens_only_grow_within_a_tree() {
    let (mut world, organization) = World::with("pro");
    let user = world.child(organization);
    let mut last = 0;
    for place in 0..8 {
        let account = if place % 2 == 0 { organization } else { user };
        world.is_cold = place % 3 == 0;
        let lease = world.acquire(&acquire_of(account, None, 60)).lease.unwrap();
        assert!(lease.fencing_token > last);
        last = lease.fencing_token;
        world.release(lease.id);
    }
}

#[test]
fn a_time_to_live_is_a_second_to_a_day() {
    let (mut world, account) = World::with("starter");
    let held = take(&mut world, account, 60);
    for (ttl_seconds, is_good) in [
        (-1, false),
        (0, false),
        (1, true),
        (86_400, true),
        (86_401, false),
        (i64::MAX, false),
    ] {
        let acquired = world.run(|view, making| {
            acquire(view, making, &acquire_of(account, Some("ann"), ttl_seconds))
        });
        assert_eq!(acquired.is_ok(), is_good, "{ttl_seconds}");
        let asked = Renew {
            lease: held,
            ttl_seconds,
            attributes: Attributes::new(),
        };
        let renewed = world.run(|view, _| renew(view, &asked));
        assert_eq!(renewed.is_ok(), is_good, "{ttl_seconds}");
    }
}

#[test]
fn only_concurrency_resources_have_leases() {
    let (mut world, account) = World::with("starter");
    let table = "
        | resource         | seats | code                      |
        | benchmark_runs   | 1     | MEC_WRONG_LIMIT_KIND      |
        | server_instances | 1     | MEC_WRONG_LIMIT_KIND      |
        | nothing          | 1     | MEC_RESOURCE_NOT_FOUND    |
        | concurrent_users | 0     | MEC_QUANTITY_NOT_POSITIVE |
        | concurrent_users | -1    | MEC_QUANTITY_NOT_POSITIVE |
    ";
    for row in rows(table) {
        let (resource, seats) = (row.cell("resource").into(), quantity(row.cell("seats")));
        let bad = Acquire {
            resource,
            quantity: seats,
            ..acquire_of(account, None, 60)
        };
        let refused = world
            .run(|view, making| acquire(view, making, &bad))
            .unwrap_err();
        assert_eq!(refused.code(), row.cell("code"), "{row}");
    }
}

#[test]
fn a_scoped_lease_counts_in_its_scope_and_in_all() {
    let (mut world, account) = World::with("starter");
    world.grant(&Grant {
        scope: Some("eu".into()),
        ..grant_of(account, "concurrent_users", Some("1"))
    });
    let eu = Acquire {
        scope: Some("eu".into()),
        ..acquire_of(account, None, 60)
    };
    let lease = world.acquire(&eu).lease.unwrap();
    assert_eq!(world.acquire(&eu).decision, Decision::Block);
    assert_eq!(taken(&mut world, account), "1");
    assert!(
        world
            .acquire(&acquire_of(account, None, 60))
            .lease
            .is_some()
    );
    world.release(lease.id);
    assert!(world.acquire(&eu).lease.is_some());
}

#[test]
fn grace_for_seats_runs_anew_once_they_were_back_within_the_limit() {
    // Back by a release, or by an expiry that nobody wrote down.
    for is_released in [true, false] {
        for is_cold in [true, false] {
            let (mut world, account) = World::with("starter");
            world.is_cold = is_cold;
            world.rule("concurrent_users", |rule| {
                (rule.action, rule.grace_seconds) = (LimitAction::Grace, Some(600));
            });
            for _ in 0..3 {
                take(&mut world, account, 86_400);
            }
            let fourth = world.acquire(&acquire_of(account, None, 300));
            assert_eq!(fourth.decision, Decision::Grace);
            world.pass(200);
            if is_released {
                assert!(world.release(fourth.lease.unwrap().id));
                assert!(world.written.over_since.values().all(Option::is_none));
            }
            world.pass(100);
            assert_eq!(taken(&mut world, account), "3");
            world.pass(1_000);
            let fifth = world.acquire(&acquire_of(account, None, 3_600));
            assert_eq!(
                fifth.decision,
                Decision::Grace,
                "released: {is_released}, cold: {is_cold}"
            );
            world.pass(599);
            assert_eq!(
                world.ask(account, "concurrent_users", Some("1")).decision,
                Decision::Grace
            );
            world.pass(1);
            let sixth = world.acquire(&acquire_of(account, None, 3_600));
            assert_eq!(
                sixth.reason,
                Reason::GraceExhausted,
                "released: {is_released}, cold: {is_cold}"
            );
        }
    }
}
