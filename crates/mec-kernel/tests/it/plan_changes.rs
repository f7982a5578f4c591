//! Plans that are had already: what another reference, another quantity and a cancelled successor
//! do, which window an add-on keeps, and that a closed account gets nothing new.

use mec_kernel::*;

use crate::world::{World, grant_of, new_account, provision_of, quantity, time};

pub(crate) const FIRST: &str = "2026-02-10T00:00:00Z";
pub(crate) const SECOND: &str = "2026-02-20T00:00:00Z";

pub(crate) fn try_cancel(
    world: &mut World,
    account: AccountId,
    plan: &str,
    reference: Option<&str>,
) -> Result<i64, Refusal> {
    let asked = Cancel {
        account,
        plan: plan.into(),
        reference: reference.map(Code::from),
        at: None,
    };
    world.run(|view, making| cancel(view, making, &asked))
}

pub(crate) fn scheduled(account: AccountId, plan: &str, day: &str) -> Provision {
    Provision {
        start: Some(time(day)),
        ..provision_of(account, plan)
    }
}

pub(crate) fn named(account: AccountId, plan: &str, reference: &str) -> Provision {
    Provision {
        reference: reference.into(),
        ..provision_of(account, plan)
    }
}

pub(crate) fn seats(account: AccountId, amount: &str) -> Provision {
    Provision {
        quantity: Some(quantity(amount)),
        ..provision_of(account, "team-seats")
    }
}

/// The limit of benchmark_runs now; `-` where nothing is entitled.
pub(crate) fn runs(world: &mut World, account: AccountId) -> String {
    let figures = world.ask(account, "benchmark_runs", None).figures;
    figures
        .and_then(|figures| figures.allowed)
        .map_or("-".to_owned(), |allowed| allowed.to_string())
}

pub(crate) fn limit(world: &World, account: AccountId, resource: &str) -> String {
    world.row(account, resource).quantity.unwrap().to_string()
}

/// What the last command did to entitlements.
pub(crate) fn actions(world: &World) -> Vec<&'static str> {
    let told = world.last.iter().filter_map(|write| match write {
        Write::Entitlement { audit, .. } => Some(audit.action),
        _ => None,
    });
    told.collect()
}

pub(crate) fn current(world: &World) -> Vec<(String, String)> {
    let held = world
        .written
        .plans
        .iter()
        .filter(|plan| plan.is_current(world.now) && !plan.is_addon);
    held.map(|plan| (plan.plan.to_string(), plan.reference.to_string()))
        .collect()
}

#[test]
fn cancelling_a_scheduled_plan_keeps_the_plan_it_would_have_replaced() {
    let (mut world, account) = World::with("pro");
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    world.pass(60);
    assert_eq!(try_cancel(&mut world, account, "starter", None), Ok(5));
    assert_eq!(
        actions(&world).len(),
        10,
        "five that never begin, five that go on"
    );
    world.at(FIRST);
    assert_eq!(runs(&mut world, account), "500");
    assert!(
        world
            .rows(account)
            .iter()
            .all(|row| row.valid_until.is_none())
    );
    assert_eq!(current(&world), [("pro".to_owned(), String::new())]);
}

#[test]
fn a_lifted_end_goes_back_to_the_one_the_plan_had() {
    let until = Some(time(SECOND));
    let mut world = World::new();
    let account = world.root();
    world
        .try_provision(&Provision {
            until,
            ..provision_of(account, "pro")
        })
        .unwrap();
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    try_cancel(&mut world, account, "starter", None).unwrap();
    assert!(
        world
            .rows(account)
            .iter()
            .all(|row| row.valid_until == until),
        "its own end"
    );
    let (mut world, account) = World::with("trial-14d");
    let end = Some(time("2026-02-13T12:00:00Z"));
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    try_cancel(&mut world, account, "starter", None).unwrap();
    assert!(
        world.rows(account).iter().all(|row| row.valid_until == end),
        "the trial's"
    );
    let (mut world, account) = World::with("pro");
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    let later = Cancel {
        account,
        plan: "pro".into(),
        reference: None,
        at: Some(time(SECOND)),
    };
    world
        .run(|view, making| cancel(view, making, &later))
        .unwrap();
    assert!(
        actions(&world).is_empty(),
        "it ends before that as things stand"
    );
    try_cancel(&mut world, account, "starter", None).unwrap();
    assert!(
        world
            .rows(account)
            .iter()
            .all(|row| row.valid_until == until),
        "the one it was cancelled at meanwhile"
    );
}

#[test]
fn cancelling_the_next_of_two_scheduled_plans_leaves_the_one_after() {
    let (mut world, account) = World::with("pro");
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    world
        .try_provision(&scheduled(account, "enterprise", SECOND))
        .unwrap();
    try_cancel(&mut world, account, "starter", None).unwrap();
    world.at("2026-02-19T00:00:00Z");
    assert_eq!(runs(&mut world, account), "500");
    world.at(SECOND);
    assert_eq!(current(&world), [("enterprise".to_owned(), String::new())]);
    assert_eq!(world.rows(account).len(), 5);
}

#[test]
fn cancelling_a_plan_that_has_begun_brings_nothing_back() {
    let (mut world, account) = World::with("pro");
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    world.at(FIRST);
    try_cancel(&mut world, account, "starter", None).unwrap();
    assert_eq!(runs(&mut world, account), "-");
}

#[test]
fn a_row_that_ends_earlier_by_hand_stays_as_it_is_when_an_end_is_lifted() {
    let (mut world, account) = World::with("pro");
    world
        .try_provision(&scheduled(account, "starter", FIRST))
        .unwrap();
    let row = world
        .rows(account)
        .into_iter()
        .find(|row| row.plan.as_deref() == Some("pro"))
        .unwrap()
        .id;
    let sooner = Some(time("2026-02-05T00:00:00Z"));
    world
        .patch(
            row,
            &EntitlementPatch {
                valid_until: Some(sooner),
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    try_cancel(&mut world, account, "starter", None).unwrap();
    assert_eq!(world.written.entitlements[&row].valid_until, sooner);
}

#[test]
fn a_repeat_takes_the_new_reference_over() {
    let mut world = World::new();
    let account = world.root();
    world
        .try_provision(&named(account, "pro", "sub_1"))
        .unwrap();
    world.pass(60);
    assert_eq!(world.try_provision(&named(account, "pro", "sub_2")), Ok(5));
    assert_eq!(actions(&world), ["update"; 5]);
    assert!(
        world
            .rows(account)
            .iter()
            .all(|row| row.source_ref.as_deref() == Some("sub_2"))
    );
    assert_eq!(current(&world), [("pro".to_owned(), "sub_2".to_owned())]);
    // The usual end of a resubscription: the old one's deletion comes last.
    assert_eq!(try_cancel(&mut world, account, "pro", Some("sub_1")), Ok(0));
    assert!(world.last.is_empty());
    assert_eq!(runs(&mut world, account), "500");
    assert_eq!(
        world.try_provision(&provision_of(account, "pro")),
        Ok(5),
        "one that names none keeps it"
    );
    assert!(world.last.is_empty());
    // And back again.
    assert_eq!(world.try_provision(&named(account, "pro", "sub_1")), Ok(5));
    assert_eq!(try_cancel(&mut world, account, "pro", Some("sub_2")), Ok(0));
    assert_eq!(try_cancel(&mut world, account, "pro", Some("sub_1")), Ok(5));
    assert_eq!(runs(&mut world, account), "-");
}

#[test]
fn a_trial_under_a_new_reference_is_still_the_one_trial() {
    let mut world = World::new();
    let account = world.root();
    world
        .try_provision(&named(account, "trial-14d", "sub_1"))
        .unwrap();
    world.pass(86_400);
    world
        .try_provision(&named(account, "trial-14d", "sub_2"))
        .unwrap();
    let end = Some(time("2026-02-13T12:00:00Z"));
    assert!(world.rows(account).iter().all(|row| row.valid_until == end));
    let user = world.child(account);
    assert_eq!(
        world
            .try_provision(&provision_of(user, "trial-14d"))
            .unwrap_err()
            .code(),
        "MEC_TRIAL_USED"
    );
}

#[test]
fn another_quantity_of_a_plan_sets_its_rows_to_it() {
    let mut world = World::new();
    let account = world.root();
    world.try_provision(&seats(account, "7")).unwrap();
    for (amount, changed) in [("9", 1), ("9", 0), ("2", 1)] {
        assert_eq!(world.try_provision(&seats(account, amount)), Ok(2));
        assert_eq!(
            (
                limit(&world, account, "concurrent_users"),
                actions(&world).len()
            ),
            (amount.to_owned(), changed)
        );
        assert_eq!(limit(&world, account, "server_configs"), "5");
        assert!(
            world
                .written
                .plans
                .iter()
                .all(|plan| plan.quantity == quantity(amount))
        );
    }
    assert_eq!(
        world.try_provision(&provision_of(account, "team-seats")),
        Ok(2)
    );
    assert!(world.last.is_empty(), "one that states none keeps it");
}

#[test]
fn an_addon_keeps_the_window_of_the_limit_it_joined() {
    let more = |account| Provision {
        reference: "si_1".into(),
        ..provision_of(account, "more-seat-hours")
    };
    let mut world = World::new();
    let account = world.root();
    let mut plan = Plan::clone(&world.catalog.plans["more-runs"]);
    plan.id = "more-seat-hours".into();
    plan.templates[0].window = None;
    world
        .catalog
        .plans
        .insert(plan.id.clone(), std::sync::Arc::new(plan));
    world.provision(account, "starter");
    world.try_provision(&more(account)).unwrap();
    let addon = |world: &World| {
        world
            .rows(account)
            .into_iter()
            .find(|row| row.source == Source::Addon)
            .unwrap()
    };
    assert_eq!(addon(&world).window, WindowRule::of(WindowKind::Month));
    world.consume(account, "benchmark_runs", "40", "k");
    try_cancel(&mut world, account, "starter", None).unwrap();
    assert_eq!(runs(&mut world, account), "50");
    // In the next month it is as new.
    world.at("2026-03-02T00:00:00Z");
    assert_eq!(
        world
            .ask(account, "benchmark_runs", None)
            .figures
            .unwrap()
            .used,
        crate::world::total("0")
    );
    // Of several limits it joins the one with the longest window; its own where there is one.
    for (windows, template, expected) in [
        (
            vec![WindowKind::Day, WindowKind::Year, WindowKind::Month],
            None,
            WindowKind::Year,
        ),
        (
            vec![WindowKind::Day, WindowKind::Year, WindowKind::Month],
            Some(WindowKind::Day),
            WindowKind::Day,
        ),
        (vec![], Some(WindowKind::Day), WindowKind::Day),
        (vec![], None, WindowKind::Lifetime),
    ] {
        let mut world = World::new();
        let account = world.root();
        let mut plan = Plan::clone(&world.catalog.plans["more-runs"]);
        plan.id = "more-seat-hours".into();
        plan.templates[0].window = template;
        world
            .catalog
            .plans
            .insert(plan.id.clone(), std::sync::Arc::new(plan));
        for window in &windows {
            world.grant(&Grant {
                window: Some(WindowRule::of(*window)),
                ..grant_of(account, "benchmark_runs", Some("9"))
            });
        }
        world.try_provision(&more(account)).unwrap();
        let addon = world
            .rows(account)
            .into_iter()
            .find(|row| row.source == Source::Addon)
            .unwrap();
        assert_eq!(addon.window.kind, expected, "{windows:?} {template:?}");
    }
}

#[test]
fn a_closed_account_takes_nothing_new() {
    let (mut world, account) = World::with("starter");
    let team = world.child(account);
    let row = world.row(account, "benchmark_runs").id;
    let until = Some(Some(time(FIRST)));
    world.set_status(account, AccountStatus::Closed);
    let closed =
        |refused: Result<(), Refusal>| assert_eq!(refused.unwrap_err(), Refusal::AccountClosed);
    for of in [account, team] {
        for plan in ["starter", "pro", "trial-14d", "more-runs"] {
            closed(world.try_provision(&provision_of(of, plan)).map(|_| ()));
        }
        let child = new_account(Some(of));
        closed(
            world
                .run(|view, making| create_account(view, making.ids, &child))
                .map(|_| ()),
        );
        let hand = grant_of(of, "benchmark_runs", Some("9"));
        closed(
            world
                .run(|view, making| grant(view, making, &hand))
                .map(|_| ()),
        );
        let rule = world.new_rule("benchmark_runs", |rule| rule.account = Some(of));
        closed(world.run(|view, _| put_rule(view, &rule)));
    }
    let condition = Condition {
        id: ConditionId(1),
        test: ConditionTest::Weekday(vec![1]),
    };
    let with = EntitlementPatch {
        conditions: Some(vec![condition]),
        ..EntitlementPatch::default()
    };
    closed(world.patch(row, &with).map(|_| ()));
    // What it has can still be ended.
    world
        .patch(
            row,
            &EntitlementPatch {
                valid_until: until,
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    let status = Some(EntitlementStatus::Expired);
    world
        .patch(
            row,
            &EntitlementPatch {
                status,
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    assert_eq!(try_cancel(&mut world, account, "starter", None), Ok(4));
    world.meter(account, "benchmark_runs", "1");
}

#[test]
fn what_changes_nothing_is_not_audited() {
    let (mut world, account) = World::with("starter");
    world.pass(60);
    let row = world.row(account, "benchmark_runs");
    let same = EntitlementPatch {
        quantity: Some(row.quantity),
        window: Some(row.window),
        status: Some(row.status),
        valid_from: Some(row.valid_from),
        valid_until: Some(row.valid_until),
        ..EntitlementPatch::default()
    };
    let answered = world.patch(row.id, &same).unwrap();
    assert!(world.last.is_empty(), "a patch to what it is");
    assert_eq!(answered.updated_at, row.updated_at);
    let at = |day| Cancel {
        account,
        plan: "starter".into(),
        reference: None,
        at: Some(time(day)),
    };
    assert_eq!(
        world.run(|view, making| cancel(view, making, &at(FIRST))),
        Ok(5)
    );
    assert_eq!(actions(&world).len(), 5);
    for day in [FIRST, SECOND] {
        assert_eq!(
            world.run(|view, making| cancel(view, making, &at(day))),
            Ok(5)
        );
        assert!(
            actions(&world).is_empty(),
            "cancelled at {day}, after its end"
        );
    }
}
