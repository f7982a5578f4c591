//! Rows of entitlements at the edges of their time and scope: what their absence is told as, and
//! what can still be changed of them.

use mec_kernel::*;

use crate::world::{World, check_of, grant_of, time};

#[test]
fn a_row_of_another_scope_says_nothing_of_when_it_begins_or_ended() {
    let begins = Some(time("2026-03-01T00:00:00Z"));
    for (valid_from, is_ended) in [(begins, false), (None, true), (None, false)] {
        let mut world = World::new();
        let account = world.root();
        let valid_until = if is_ended {
            Some(world.now.plus_seconds(60))
        } else {
            None
        };
        world.grant(&Grant {
            scope: Some("eu".into()),
            valid_from,
            valid_until,
            ..grant_of(account, "gpu_hours", Some("5"))
        });
        world.pass(3_600);
        let of_scope = |scope: Option<&str>| Check {
            scope: scope.map(Code::from),
            ..check_of(account, "gpu_hours", Some("1"))
        };
        for other in [None, Some("us")] {
            assert_eq!(
                world.check(&of_scope(other)).unwrap().reason,
                Reason::NoEntitlementForScope,
                "{valid_from:?} {is_ended}"
            );
        }
        let own = match (valid_from, is_ended) {
            (Some(at), _) => Reason::EntitlementStarts(at),
            (None, true) => Reason::EntitlementExpired,
            (None, false) => Reason::Within,
        };
        assert_eq!(world.check(&of_scope(Some("eu"))).unwrap().reason, own);
    }
}

#[test]
fn a_row_past_its_end_is_over_before_anybody_tidies_it() {
    let mut world = World::new();
    let account = world.root();
    let valid_until = Some(world.now.plus_seconds(60));
    let row = world.grant(&Grant {
        valid_until,
        ..grant_of(account, "gpu_hours", Some("5"))
    });
    world.pass(60);
    for status in [EntitlementStatus::Active, EntitlementStatus::Suspended] {
        let patch = EntitlementPatch {
            status: Some(status),
            ..EntitlementPatch::default()
        };
        assert_eq!(
            world.patch(row, &patch).unwrap_err(),
            Refusal::EntitlementExpired
        );
    }
    world.set_limit(row, Some("6"));
    assert_eq!(
        world.ask(account, "gpu_hours", None).reason,
        Reason::EntitlementExpired
    );
}

#[test]
fn a_new_limit_has_a_grace_period_of_its_own() {
    let mut world = World::new();
    let account = world.root();
    world.rule("benchmark_runs", |rule| {
        (rule.action, rule.grace_seconds) = (LimitAction::Grace, Some(3_600))
    });
    let valid_until = Some(world.now.plus_seconds(60));
    world.grant(&Grant {
        valid_until,
        ..grant_of(account, "benchmark_runs", Some("1"))
    });
    world.meter(account, "benchmark_runs", "2");
    world.pass(86_400);
    // The old limit is over for a day; use is above the new one from its first instant on.
    world.grant(&grant_of(account, "benchmark_runs", Some("1")));
    world.pass(3_599);
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).decision,
        Decision::Grace
    );
    world.pass(1);
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).reason,
        Reason::GraceExhausted
    );
}

#[test]
fn a_note_is_cleared_by_the_first_write_that_finds_use_within_the_limit() {
    let mut world = World::new();
    let account = world.root();
    world.rule("benchmark_runs", |rule| {
        (rule.action, rule.grace_seconds) = (LimitAction::Grace, Some(3_600))
    });
    world.grant(&grant_of(account, "benchmark_runs", Some("1")));
    world.meter(account, "benchmark_runs", "2");
    // For a day the limit is higher; it comes and goes by itself.
    let (valid_from, valid_until) = (
        Some(world.now.plus_seconds(60)),
        Some(world.now.plus_seconds(86_400)),
    );
    let more = Grant {
        valid_from,
        valid_until,
        ..grant_of(account, "benchmark_runs", Some("5"))
    };
    let row = world.grant(&more);
    world.pass(3_600);
    world.set_limit(row, Some("6"));
    // Grace runs from the instant at which it goes, not from the use a day before.
    world.pass(86_399);
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).decision,
        Decision::Grace
    );
    world.pass(1);
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).reason,
        Reason::GraceExhausted
    );
}
