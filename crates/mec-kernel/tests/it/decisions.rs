//! Decisions that take more than a row of `docs/decisions` to tell: rows that are changed, plans,
//! explanations, windows counted anew (design 1.3). What a row can tell is in the tables, see
//! [`crate::decision_tables`].

use mec_kernel::*;

use crate::world::{
    World, acquire_of, check_of, consume_of, grant_of, meter_of, quantity, time, total,
};

fn window(kind: WindowKind) -> Option<WindowRule> {
    Some(WindowRule::of(kind))
}

#[test]
fn a_unit_that_is_not_allowed_is_refused_with_those_that_are() {
    let (mut world, account) = World::with("starter");
    let question = Check {
        unit: Some("count".into()),
        ..check_of(account, "gpu_hours", Some("1"))
    };
    let Err(Refusal::UnitNotAllowed { allowed, .. }) = world.check(&question) else {
        panic!("refused")
    };
    assert_eq!(allowed, ["hour", "minute", "second"]);
}

#[test]
fn a_suspended_row_is_active_again_when_it_is_resumed() {
    let (mut world, account) = World::with("starter");
    let row = world.row(account, "benchmark_runs").id;
    for (status, decision) in [
        (EntitlementStatus::Suspended, Decision::Deny),
        (EntitlementStatus::Active, Decision::Allow),
    ] {
        world
            .patch(
                row,
                &EntitlementPatch {
                    status: Some(status),
                    ..EntitlementPatch::default()
                },
            )
            .unwrap();
        assert_eq!(
            world.ask(account, "benchmark_runs", Some("1")).decision,
            decision
        );
    }
}

#[test]
fn a_trial_gives_access_for_fourteen_days() {
    let (mut world, account) = World::with("trial-14d");
    assert_eq!(
        world
            .ask(account, "platform_access", None)
            .reason
            .to_string(),
        "Access valid until 2026-02-13"
    );
    world.pass(14 * 86_400);
    assert_eq!(
        world.ask(account, "platform_access", None).reason,
        Reason::AccessExpired
    );
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("1")).reason,
        Reason::EntitlementExpired
    );
}

#[test]
fn an_expired_row_is_never_revived_by_a_patch() {
    let mut world = World::new();
    let account = world.root();
    let valid_until = Some(world.now.plus_seconds(60));
    let lapsed = world.grant(&Grant {
        valid_until,
        ..grant_of(account, "server_configs", Some("1"))
    });
    let ended = world.grant(&grant_of(account, "server_configs", Some("1")));
    let expire = EntitlementPatch {
        status: Some(EntitlementStatus::Expired),
        ..EntitlementPatch::default()
    };
    assert_eq!(
        world.patch(ended, &expire).unwrap().valid_until,
        Some(world.now)
    );
    world.pass(60);
    let table = [
        EntitlementPatch {
            valid_until: Some(None),
            ..EntitlementPatch::default()
        },
        EntitlementPatch {
            status: Some(EntitlementStatus::Active),
            valid_until: Some(None),
            ..EntitlementPatch::default()
        },
    ];
    for patch in table {
        assert_eq!(
            world.patch(lapsed, &patch),
            Err(Refusal::EntitlementExpired)
        );
    }
    let resume = EntitlementPatch {
        status: Some(EntitlementStatus::Active),
        ..EntitlementPatch::default()
    };
    assert_eq!(
        world.patch(ended, &resume),
        Err(Refusal::EntitlementExpired)
    );
    // Saying so once more is no mistake.
    world.patch(lapsed, &expire).unwrap();
    world.patch(ended, &expire).unwrap();
    assert_eq!(
        world.ask(account, "server_configs", Some("1")).decision,
        Decision::Deny
    );
}

#[test]
fn a_bad_row_is_refused_naming_the_column() {
    let (mut world, account) = World::with("starter");
    let now = world.now;
    let cumulative = grant_of(account, "benchmark_runs", Some("1"));
    let of = |kind| Some(WindowRule::of(kind));
    let table = [
        (
            "limit_kind_code",
            Grant {
                limit_kind: Some(LimitKind::Inventory),
                ..cumulative.clone()
            },
        ),
        (
            "source",
            Grant {
                source: Source::Plan,
                ..cumulative.clone()
            },
        ),
        (
            "source",
            Grant {
                source: Source::Addon,
                ..cumulative.clone()
            },
        ),
        (
            "quantity_allowed",
            Grant {
                quantity: Some(quantity("-1")),
                ..cumulative.clone()
            },
        ),
        (
            "valid_until",
            Grant {
                valid_until: Some(now.plus_seconds(-1)),
                ..cumulative.clone()
            },
        ),
        (
            "window_seconds",
            Grant {
                window: of(WindowKind::Rolling),
                ..cumulative.clone()
            },
        ),
        (
            "period_start",
            Grant {
                window: of(WindowKind::Period),
                ..cumulative.clone()
            },
        ),
    ];
    for (expected, bad) in table {
        let refused = world
            .run(|view, making| grant(view, making, &bad))
            .unwrap_err();
        let Refusal::BadValue { column, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(column, expected);
    }
}

#[test]
fn a_lowered_limit_of_a_child_starts_grace_in_the_time_zone_it_inherits() {
    let mut world = World::new();
    let parent = world.root();
    world.set_zone(parent, "America/New_York");
    let child = world.child(parent);
    world.provision(child, "starter");
    world.rule("benchmark_runs", |rule| {
        (rule.action, rule.grace_seconds) = (LimitAction::Grace, Some(3_600))
    });
    // It is February in UTC and still January in New York.
    world.at("2026-02-01T02:00:00Z");
    world.meter(child, "benchmark_runs", "90");
    let row = world.row(child, "benchmark_runs").id;
    world.set_limit(row, Some("80"));
    world.pass(3_600);
    assert_eq!(
        world.ask(child, "benchmark_runs", Some("1")).reason,
        Reason::GraceExhausted
    );
}

#[test]
fn usage_in_minutes_is_exact_in_hours() {
    let (mut world, account) = World::with("starter");
    for minute in 0..60 {
        let mut consume = consume_of(account, "gpu_hours", "1", &format!("minute {minute}"));
        consume.check.unit = Some("minute".into());
        world.try_consume(&consume).unwrap();
    }
    let figures = world.ask(account, "gpu_hours", None).figures.unwrap();
    assert_eq!((figures.used, figures.remaining), (total("1"), total("24")));
}

#[test]
fn what_remains_can_be_had_in_full_although_it_is_no_round_number() {
    let (mut world, account) = World::with("starter");
    let mut consume = consume_of(account, "gpu_hours", "1", "a second");
    consume.check.unit = Some("second".into());
    world.try_consume(&consume).unwrap();
    let remaining = world
        .ask(account, "gpu_hours", None)
        .figures
        .unwrap()
        .remaining
        .unwrap()
        .to_string();
    assert_eq!(remaining, "24.999722");
    assert!(
        world
            .consume(account, "gpu_hours", &remaining, "the rest")
            .event
            .is_some()
    );
}

#[test]
fn a_removed_rule_enforces_nothing() {
    let (mut world, account) = World::with("starter");
    let rule = world.rule("benchmark_runs", |rule| {
        (rule.account, rule.action) = (Some(account), LimitAction::Warn)
    });
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("101")).decision,
        Decision::Warn
    );
    world
        .run(|view, _| remove_rule(view, account, rule))
        .unwrap();
    assert_eq!(
        world.ask(account, "benchmark_runs", Some("101")).decision,
        Decision::Block
    );
}

#[test]
fn explain_lists_every_limit_that_was_considered() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    let row = world.grant(&Grant {
        window: window(WindowKind::Day),
        ..grant_of(user, "benchmark_runs", Some("5"))
    });
    world
        .try_meter(&meter_of(user, "benchmark_runs", "4", "four"))
        .unwrap();
    let standing = world
        .check(&Check {
            explain: true,
            ..check_of(user, "benchmark_runs", Some("2"))
        })
        .unwrap();
    let told: Vec<_> = standing
        .trace
        .limits
        .iter()
        .map(|limit| {
            (
                limit.level,
                limit.account,
                limit.decision,
                limit.figures.used,
                limit.figures.allowed,
            )
        })
        .collect();
    let expected = [
        (0, user, Decision::Block, total("4"), total("5")),
        (1, organization, Decision::Allow, total("4"), total("100")),
    ];
    assert_eq!(told, expected);
    assert_eq!(standing.trace.limits[0].entitlements, [row]);
    assert!(
        world
            .ask(user, "benchmark_runs", Some("2"))
            .trace
            .limits
            .is_empty()
    );
}

#[test]
fn usage_survives_a_plan_change() {
    let (mut world, account) = World::with("starter");
    world.consume(account, "benchmark_runs", "90", "on starter");
    world.provision(account, "pro");
    let figures = world
        .ask(account, "benchmark_runs", Some("1"))
        .figures
        .unwrap();
    assert_eq!((figures.used, figures.allowed), (total("90"), total("500")));
}

#[test]
fn a_window_nobody_counted_yet_is_counted_from_the_ledger() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "90");
    // A new kind of window, a first entitlement of a parent's child, and a new zone.
    world.grant(&Grant {
        window: window(WindowKind::Week),
        ..grant_of(account, "benchmark_runs", Some("95"))
    });
    assert_eq!(
        world
            .ask(account, "benchmark_runs", Some("6"))
            .figures
            .unwrap()
            .allowed,
        total("95")
    );
    world.set_zone(account, "Asia/Kolkata");
    let figures = world
        .ask(account, "benchmark_runs", Some("6"))
        .figures
        .unwrap();
    assert_eq!(figures.used, total("90"));
    assert_eq!(
        figures.window.0.unwrap().to_string(),
        "2026-01-25T18:30:00Z"
    );
}

#[test]
fn a_period_stays_open_until_the_next_is_known() {
    let mut world = World::new();
    let account = world.root();
    let period = |from: &str, until: &str| {
        let period = Some((time(from), time(until)));
        Some(WindowRule {
            period,
            ..WindowRule::of(WindowKind::Period)
        })
    };
    let window = period("2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z");
    let row = world.grant(&Grant {
        window,
        ..grant_of(account, "benchmark_runs", Some("100"))
    });
    world.consume(account, "benchmark_runs", "90", "in the period");
    world.at("2026-02-20T00:00:00Z");
    let figures = world
        .ask(account, "benchmark_runs", Some("11"))
        .figures
        .unwrap();
    assert_eq!(figures.used, total("90"), "nothing is renewed by itself");
    assert_eq!(
        figures.window.1.unwrap().to_string(),
        "2026-02-15T00:00:00Z"
    );
    let window = period("2026-02-15T00:00:00Z", "2026-03-15T00:00:00Z");
    world
        .patch(
            row,
            &EntitlementPatch {
                window,
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    assert_eq!(
        world
            .ask(account, "benchmark_runs", Some("11"))
            .figures
            .unwrap()
            .used,
        total("0")
    );
}

#[test]
fn an_empty_scope_is_no_scope_in_every_command() {
    let (mut world, account) = World::with("starter");
    let empty = || Some(Code::from(""));
    // The grant adds to the plan's rows, and takes their window.
    let grant = Grant {
        scope: empty(),
        ..grant_of(account, "benchmark_runs", Some("20"))
    };
    let granted = world.grant(&grant);
    let row = world.written.entitlements[&granted].clone();
    assert_eq!(
        (row.scope.clone(), row.window),
        (None, WindowRule::of(WindowKind::Month))
    );
    let check = Check {
        scope: empty(),
        ..check_of(account, "benchmark_runs", Some("1"))
    };
    let figures = world.check(&check).unwrap().figures.unwrap();
    assert_eq!(figures.allowed, total("120"));

    // Under one key they are the same, with an empty scope and without one.
    let consume = |scope| Consume {
        check: Check {
            scope,
            ..check.clone()
        },
        ..consume_of(account, "benchmark_runs", "1", "c")
    };
    let event = world.try_consume(&consume(empty())).unwrap().event.unwrap();
    assert_eq!(world.written.event(event).unwrap().scope, None);
    assert!(
        world
            .try_consume(&consume(None))
            .unwrap()
            .replayed
            .is_some()
    );
    let meter = |scope| Meter {
        scope,
        ..meter_of(account, "benchmark_runs", "2", "m")
    };
    let event = world.try_meter(&meter(empty())).unwrap().event;
    assert_eq!(world.written.event(event).unwrap().scope, None);
    assert!(world.try_meter(&meter(None)).unwrap().replayed);
    let correction = Meter {
        is_correction: true,
        corrects: Some(event),
        quantity: quantity("-1"),
        ..meter(empty())
    };
    world
        .try_meter(&Meter {
            key: "less".into(),
            ..correction
        })
        .unwrap();
    let hold = |scope| Reserve {
        check: Check {
            scope,
            ..check.clone()
        },
        key: "r".into(),
        ttl_seconds: 60,
    };
    let held = world
        .run(|view, making| reserve(view, making, &hold(empty())))
        .unwrap();
    assert_eq!(held.reservation.unwrap().scope, None);
    assert!(
        world
            .run(|view, making| reserve(view, making, &hold(None)))
            .unwrap()
            .replayed
    );
    let figures = world.ask(account, "benchmark_runs", None).figures.unwrap();
    assert_eq!((figures.used, figures.reserved), (total("2"), total("1")));

    // A session is the same session.
    let lease = world
        .acquire(&Acquire {
            scope: empty(),
            ..acquire_of(account, Some("ann"), 60)
        })
        .lease
        .unwrap();
    assert_eq!(lease.scope, None);
    assert_eq!(
        world
            .acquire(&acquire_of(account, Some("ann"), 60))
            .lease
            .unwrap()
            .id,
        lease.id
    );
}
