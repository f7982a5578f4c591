//! Pools, overrides, add-ons, scopes, rules and levels: which limits there are and which one binds (design 1.3, steps
//! 4 and 5).

use mec_kernel::*;

use crate::table::rows;
use crate::world::{World, check_of, consume_of, grant_of, meter_of, provision_of, total};

fn window(kind: WindowKind) -> Option<WindowRule> {
    Some(WindowRule::of(kind))
}

/// The limit that binds, as text; `-` is unlimited.
fn limit(standing: &Standing) -> String {
    let allowed = standing.figures.as_ref().expect("entitled").allowed;
    allowed.map_or("-".to_owned(), |allowed| allowed.to_string())
}

#[test]
fn rows_of_one_scope_and_window_add_up_and_unlimited_wins() {
    let table = "
        | rows          | limit |
        | 10            | 10    |
        | 10 + 5        | 15    |
        | 10 + 0.5 + 0  | 10.5  |
        | 10 + -        | -     |
    ";
    for row in rows(table) {
        let mut world = World::new();
        let account = world.root();
        for amount in row.cell("rows").split(" + ") {
            let amount = Some(amount).filter(|amount| *amount != "-");
            world.grant(&Grant { window: window(WindowKind::Month), ..grant_of(account, "benchmark_runs", amount) });
        }
        assert_eq!(limit(&world.ask(account, "benchmark_runs", Some("1"))), row.cell("limit"), "{row}");
    }
}

#[test]
fn a_manual_grant_adds_to_the_plan_in_the_plans_window() {
    let (mut world, account) = World::with("starter");
    world.grant(&grant_of(account, "benchmark_runs", Some("20")));
    assert_eq!(limit(&world.ask(account, "benchmark_runs", None)), "120");
}

#[test]
fn another_window_is_a_further_cap() {
    let mut world = World::new();
    let account = world.root();
    world.grant(&Grant { window: window(WindowKind::Month), ..grant_of(account, "benchmark_runs", Some("100")) });
    world.grant(&Grant { window: window(WindowKind::Day), ..grant_of(account, "benchmark_runs", Some("10")) });
    assert_eq!(limit(&world.ask(account, "benchmark_runs", Some("10"))), "10");
    world.consume(account, "benchmark_runs", "10", "today");
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).decision, Decision::Block);
    world.at("2026-01-31T00:00:00Z");
    assert_eq!(world.ask(account, "benchmark_runs", Some("10")).decision, Decision::Allow);
    world.meter(account, "benchmark_runs", "85");
    let standing = world.ask(account, "benchmark_runs", Some("10"));
    assert_eq!((standing.decision, limit(&standing)), (Decision::Block, "10".to_owned()));
}

#[test]
fn an_active_override_replaces_all_pools_of_its_resource_and_scope_at_its_level() {
    let (mut world, account) = World::with("starter");
    world.grant(&Grant { window: window(WindowKind::Day), ..grant_of(account, "benchmark_runs", Some("10")) });
    let over = |limit| Grant { source: Source::Override, ..grant_of(account, "benchmark_runs", limit) };
    let first = world.grant(&Grant { window: window(WindowKind::Month), ..over(Some("60")) });
    let standing = world.ask(account, "benchmark_runs", Some("50"));
    assert_eq!((limit(&standing), standing.entitlement), ("60".to_owned(), Some(first)));
    // Of several the one with the highest priority counts, then the newest.
    let newer = world.grant(&over(Some("61")));
    assert_eq!(world.ask(account, "benchmark_runs", None).entitlement, Some(newer));
    let higher = world.grant(&Grant { priority: 1, ..over(None) });
    world.grant(&over(Some("0")));
    let standing = world.ask(account, "benchmark_runs", Some("1000"));
    assert_eq!((standing.entitlement, standing.reason), (Some(higher), Reason::Unlimited));
    // A suspended override replaces nothing.
    for row in world.rows(account).into_iter().filter(|row| row.source == Source::Override) {
        let status = Some(EntitlementStatus::Suspended);
        world.patch(row.id, &EntitlementPatch { status, ..EntitlementPatch::default() }).unwrap();
    }
    assert_eq!(limit(&world.ask(account, "benchmark_runs", None)), "10");
}

#[test]
fn an_override_leaves_other_levels_and_scopes_alone() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    world.grant(&Grant { source: Source::Override, ..grant_of(user, "benchmark_runs", None) });
    assert_eq!(limit(&world.ask(user, "benchmark_runs", Some("101"))), "100");
    let scope = Some(Code::from("eu"));
    world.grant(&Grant { source: Source::Override, scope: scope.clone(), ..grant_of(organization, "benchmark_runs", None) });
    let question = Check { scope, ..check_of(user, "benchmark_runs", Some("101")) };
    assert_eq!(world.check(&question).unwrap().decision, Decision::Block);
}

#[test]
fn an_addon_joins_the_pool_of_its_level_and_takes_its_window() {
    let (mut world, account) = World::with("starter");
    world.provision(account, "more-runs");
    let standing = world.ask(account, "benchmark_runs", Some("150"));
    assert_eq!((standing.decision, limit(&standing)), (Decision::Allow, "150".to_owned()));
    let figures = standing.figures.unwrap();
    assert_eq!(figures.window.1.unwrap().to_string(), "2026-02-01T00:00:00Z");
}

#[test]
fn an_addon_never_tightens() {
    // What the account has beside an add-on of 50 runs a month, and the limits that are left.
    let table = "
        | beside the add-on              | limits   |
        | month 100                      | 150      |
        | day 10                         | 60       |
        | day 10, year 1000              | 10, 1050 |
        | month 100, day 10              | 150, 10  |
        | lifetime 500                   | 550      |
        | month -                        | -        |
        | rolling 10, day 20             | 10, 70   |
    ";
    for row in rows(table) {
        let mut world = World::new();
        let account = world.root();
        for cap in row.cell("beside the add-on").split(", ") {
            let (kind, amount) = cap.split_once(' ').unwrap();
            let kind = WindowKind::from_code(kind).unwrap();
            let seconds = (kind == WindowKind::Rolling).then_some(3_600);
            let window = Some(WindowRule { seconds, ..WindowRule::of(kind) });
            let amount = Some(amount).filter(|amount| *amount != "-");
            world.grant(&Grant { window, ..grant_of(account, "benchmark_runs", amount) });
        }
        world.provision(account, "more-runs");
        let question = Check { explain: true, ..check_of(account, "benchmark_runs", Some("1")) };
        let limits = world.check(&question).unwrap().limits;
        let mut limits: Vec<_> =
            limits.iter().map(|limit| limit.figures.allowed.map_or("-".to_owned(), |allowed| allowed.to_string())).collect();
        let mut expected: Vec<_> = row.cell("limits").split(", ").map(str::to_owned).collect();
        limits.sort();
        expected.sort();
        assert_eq!(limits, expected, "{row}");
    }
}

#[test]
fn an_addon_without_a_pool_to_join_is_refused_where_the_resource_is_limited() {
    let table = "
        | organization | user       | answer            |
        | -            | -          | given             |
        | starter      | -          | MEC_ADDON_NO_POOL |
        | enterprise   | -          | given             |
        | starter      | starter    | given             |
        | -            | starter    | given             |
    ";
    for row in rows(table) {
        let mut world = World::new();
        let organization = world.root();
        let user = world.child(organization);
        for (account, column) in [(organization, "organization"), (user, "user")] {
            if let Some(plan) = row.given(column) {
                world.provision(account, plan);
            }
        }
        let given = world.try_provision(&provision_of(user, "more-runs"));
        assert_eq!(given.map_or_else(|refused| refused.code(), |_| "given"), row.cell("answer"), "{row}");
        if row.cell("answer") == "given" {
            assert!(world.ask(user, "benchmark_runs", Some("1")).allowed, "{row}");
        }
    }
}

#[test]
fn an_addon_left_alone_adds_nothing_below_a_limit_and_caps_where_there_is_none() {
    let (mut world, organization) = World::with("enterprise");
    let user = world.child(organization);
    world.provision(user, "more-runs");
    assert_eq!(world.ask(user, "benchmark_runs", Some("1000")).reason, Reason::Unlimited);
    let mut world = World::new();
    let alone = world.root();
    world.provision(alone, "more-runs");
    assert_eq!(limit(&world.ask(alone, "benchmark_runs", Some("50"))), "50");
}

#[test]
fn a_scoped_pool_counts_its_scope_and_an_unscoped_one_everything() {
    let mut world = World::new();
    let account = world.root();
    let eu = Some(Code::from("eu"));
    world.grant(&Grant { window: window(WindowKind::Month), ..grant_of(account, "benchmark_runs", Some("100")) });
    let scoped =
        Grant { scope: eu.clone(), window: window(WindowKind::Month), ..grant_of(account, "benchmark_runs", Some("10")) };
    world.grant(&scoped);
    let mut use_eu = consume_of(account, "benchmark_runs", "8", "eight in eu");
    use_eu.check.scope = eu.clone();
    world.try_consume(&use_eu).unwrap();
    world.consume(account, "benchmark_runs", "50", "fifty anywhere");
    let table = "
        | scope | asked | decision | limit | used |
        | -     | 42    | allow    | 100   | 58   |
        | -     | 43    | block    | 100   | 58   |
        | us    | 42    | allow    | 100   | 58   |
        | eu    | 2     | warn     | 10    | 8    |
        | eu    | 3     | block    | 10    | 8    |
    ";
    for row in rows(table) {
        let scope = row.given("scope").map(Code::from);
        let standing = world.check(&Check { scope, ..check_of(account, "benchmark_runs", row.given("asked")) }).unwrap();
        assert_eq!((standing.decision.code(), &*limit(&standing)), (row.cell("decision"), row.cell("limit")), "{row}");
        assert_eq!(standing.figures.unwrap().used, total(row.cell("used")), "{row}");
    }
}

#[test]
fn usage_is_the_accounts_own_and_everything_below_it() {
    let (mut world, organization) = World::with("starter");
    let team = world.child(organization);
    let (ann, bob) = (world.child(team), world.child(team));
    for (account, amount) in [(organization, "1"), (team, "2"), (ann, "4"), (bob, "8")] {
        world.meter(account, "benchmark_runs", amount);
    }
    for account in [organization, team, ann, bob] {
        let figures = world.ask(account, "benchmark_runs", None).figures.unwrap();
        assert_eq!(figures.used, total("15"), "the organization's pool binds for all");
    }
    world.grant(&Grant { window: window(WindowKind::Month), ..grant_of(team, "benchmark_runs", Some("14")) });
    let standing = world.ask(ann, "benchmark_runs", Some("1"));
    assert_eq!((standing.decision, standing.account), (Decision::Block, Some(team)));
    assert_eq!(standing.figures.unwrap().used, total("14"));
    assert!(world.ask(organization, "benchmark_runs", Some("1")).allowed);
}

/// Both levels have a limit of 100 a month, enforced by a rule of their own. The organization used so much itself and so
/// much was used below, which counts for both. Who binds?
const WORST: &str = "
    | organization         | used | user                 | used below | asked | decision | binds        |
    | block                | 50   | block                | 20         | 10    | allow    | organization |
    | block                | 0    | block                | 50         | 10    | allow    | user         |
    | block                | 85   | block                | 0          | 10    | warn     | organization |
    | block                | 95   | block                | 0          | 10    | block    | organization |
    | block                | 0    | block                | 95         | 10    | block    | user         |
    | overage              | 95   | block                | 0          | 10    | overage  | organization |
    | overage              | 95   | grace grace=50       | 95         | 10    | overage  | organization |
    | grace grace=150      | 95   | warn                 | 95         | 10    | grace    | organization |
    | warn                 | 95   | grace grace=50       | 95         | 10    | grace    | user         |
    | block                | 95   | overage              | 95         | 10    | block    | organization |
";

#[test]
fn the_worst_decision_of_all_levels_wins() {
    for row in rows(WORST) {
        let mut world = World::new();
        let organization = world.root();
        let user = world.child(organization);
        for (account, column) in [(organization, "organization"), (user, "user")] {
            let words: Vec<_> = row.cell(column).split(" grace=").collect();
            world.rule("benchmark_runs", |rule| {
                rule.account = Some(account);
                rule.action = LimitAction::from_code(words[0]).unwrap();
                rule.grace_quantity = words.get(1).map(|amount| crate::world::quantity(amount));
            });
            world.grant(&Grant { window: window(WindowKind::Month), ..grant_of(account, "benchmark_runs", Some("100")) });
        }
        for (account, column) in [(organization, "used"), (user, "used below")] {
            if row.cell(column) != "0" {
                world.meter(account, "benchmark_runs", row.cell(column));
            }
        }
        let standing = world.ask(user, "benchmark_runs", row.given("asked"));
        let binds = if standing.account == Some(user) { "user" } else { "organization" };
        assert_eq!((standing.decision.code(), binds), (row.cell("decision"), row.cell("binds")), "{row}");
    }
}

#[test]
fn among_equal_decisions_the_least_remaining_then_the_nearest_then_the_oldest_binds() {
    // Limits of one inventory resource, nothing used: which row does the answer name?
    let table = "
        | organization | user     | binds          |
        | 10           | 20       | organization 1 |
        | 20           | 10       | user 1         |
        | 10           | 10       | user 1         |
        | -            | 10       | user 1         |
        | 10           | -        | organization 1 |
        | -            | -        | user 1         |
        | -            | 5+5      | user 1         |
    ";
    for row in rows(table) {
        let mut world = World::new();
        let organization = world.root();
        let user = world.child(organization);
        let mut named = Vec::new();
        for (account, column) in [(user, "user"), (organization, "organization")] {
            for (place, amount) in (1..).zip(row.cell(column).split('+')) {
                let id = world.grant(&grant_of(account, "server_configs", Some(amount).filter(|amount| *amount != "-")));
                named.push((id, format!("{column} {place}")));
            }
        }
        let standing = world.ask(user, "server_configs", Some("1"));
        let binds = named.iter().find(|(id, _)| Some(*id) == standing.entitlement).expect("a row binds");
        assert_eq!(binds.1, row.cell("binds"), "{row}");
    }
}

#[test]
fn allowed_asks_every_level_for_one_more() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    world.grant(&Grant { window: window(WindowKind::Month), ..grant_of(user, "benchmark_runs", Some("200")) });
    world.meter(organization, "benchmark_runs", "100");
    let standing = world.ask(user, "benchmark_runs", None);
    assert_eq!((standing.decision, standing.allowed), (Decision::Warn, false));
    // Also where another level's decision is worse and would let more through.
    world.rule("benchmark_runs", |rule| (rule.account, rule.action) = (Some(user), LimitAction::Overage));
    world.grant(&Grant { window: window(WindowKind::Day), ..grant_of(user, "benchmark_runs", Some("0")) });
    let standing = world.ask(user, "benchmark_runs", None);
    assert_eq!((standing.decision, standing.allowed, standing.account), (Decision::Overage, false, Some(user)));
}

#[test]
fn the_most_specific_rule_enforces() {
    // Rules in the order they are made; the number of the one that enforces the account's pool.
    let table = "
        | rules                                        | enforced by |
        | -                                            | -           |
        | resource                                     | 1           |
        | resource, plan                               | 2           |
        | plan, resource                               | 1           |
        | account, plan, resource                      | 1           |
        | plan, account                                | 2           |
        | resource, resource                           | 2           |
        | resource!, resource                          | 1           |
        | resource, resource!                          | 2           |
        | resource!, plan                              | 2           |
        | plan, other plan                             | 1           |
        | other plan                                   | -           |
        | other account                                | -           |
        | inactive account, resource                   | 2           |
        | account, account!, account                   | 2           |
    ";
    for row in rows(table) {
        let (mut world, organization) = World::with("starter");
        let other = world.child(organization);
        let mut made = Vec::new();
        for text in row.given("rules").into_iter().flat_map(|rules| rules.split(", ")) {
            world.pass(1);
            made.push(world.rule("benchmark_runs", |rule| {
                rule.action = LimitAction::Warn;
                rule.priority = if text.ends_with('!') { 1 } else { 0 };
                rule.is_active = !text.starts_with("inactive");
                match text.trim_end_matches('!').trim_start_matches("inactive ") {
                    "resource" => {}
                    "plan" => rule.plan = Some("starter".into()),
                    "other plan" => rule.plan = Some("pro".into()),
                    "account" => rule.account = Some(organization),
                    "other account" => rule.account = Some(other),
                    name => panic!("no rule {name}"),
                }
            }));
        }
        let enforced_by = world.ask(organization, "benchmark_runs", Some("1")).rule;
        let place = enforced_by.map(|id| made.iter().position(|rule| *rule == id).unwrap() + 1);
        assert_eq!(place.map_or("-".to_owned(), |place| place.to_string()), row.cell("enforced by"), "{row}");
    }
}

#[test]
fn a_rule_enforces_the_pools_of_its_own_account_only() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    world.rule("benchmark_runs", |rule| (rule.account, rule.action) = (Some(user), LimitAction::Overage));
    assert_eq!(world.ask(user, "benchmark_runs", Some("101")).decision, Decision::Block);
    // A rule for a plan follows the plan of the pool's owner.
    world.rule("benchmark_runs", |rule| (rule.plan, rule.action) = (Some("starter".into()), LimitAction::Overage));
    assert_eq!(world.ask(user, "benchmark_runs", Some("101")).decision, Decision::Overage);
}

#[test]
fn a_removed_rule_enforces_nothing() {
    let (mut world, account) = World::with("starter");
    let rule = world.rule("benchmark_runs", |rule| (rule.account, rule.action) = (Some(account), LimitAction::Warn));
    assert_eq!(world.ask(account, "benchmark_runs", Some("101")).decision, Decision::Warn);
    world.run(|view, _| remove_rule(view, account, rule)).unwrap();
    assert_eq!(world.ask(account, "benchmark_runs", Some("101")).decision, Decision::Block);
}

#[test]
fn explain_lists_every_limit_that_was_considered() {
    let (mut world, organization) = World::with("starter");
    let user = world.child(organization);
    let row = world.grant(&Grant { window: window(WindowKind::Day), ..grant_of(user, "benchmark_runs", Some("5")) });
    world.try_meter(&meter_of(user, "benchmark_runs", "4", "four")).unwrap();
    let standing = world.check(&Check { explain: true, ..check_of(user, "benchmark_runs", Some("2")) }).unwrap();
    let told: Vec<_> = standing
        .limits
        .iter()
        .map(|limit| (limit.level, limit.account, limit.decision, limit.figures.used, limit.figures.allowed))
        .collect();
    let expected =
        [(0, user, Decision::Block, total("4"), total("5")), (1, organization, Decision::Allow, total("4"), total("100"))];
    assert_eq!(told, expected);
    assert_eq!(standing.limits[0].entitlements, [row]);
    assert!(world.ask(user, "benchmark_runs", Some("2")).limits.is_empty());
}

#[test]
fn usage_survives_a_plan_change() {
    let (mut world, account) = World::with("starter");
    world.consume(account, "benchmark_runs", "90", "on starter");
    world.provision(account, "pro");
    let figures = world.ask(account, "benchmark_runs", Some("1")).figures.unwrap();
    assert_eq!((figures.used, figures.allowed), (total("90"), total("500")));
}

#[test]
fn a_window_nobody_counted_yet_is_counted_from_the_ledger() {
    let (mut world, account) = World::with("starter");
    world.meter(account, "benchmark_runs", "90");
    // A new kind of window, a first entitlement of a parent's child, and a new zone.
    world.grant(&Grant { window: window(WindowKind::Week), ..grant_of(account, "benchmark_runs", Some("95")) });
    assert_eq!(world.ask(account, "benchmark_runs", Some("6")).figures.unwrap().allowed, total("95"));
    world.set_zone(account, "Asia/Kolkata");
    let figures = world.ask(account, "benchmark_runs", Some("6")).figures.unwrap();
    assert_eq!(figures.used, total("90"));
    assert_eq!(figures.window.0.unwrap().to_string(), "2026-01-25T18:30:00Z");
}

#[test]
fn a_period_stays_open_until_the_next_is_known() {
    let mut world = World::new();
    let account = world.root();
    let period = |from: &str, until: &str| {
        let period = Some((crate::world::time(from), crate::world::time(until)));
        Some(WindowRule { period, ..WindowRule::of(WindowKind::Period) })
    };
    let window = period("2026-01-15T00:00:00Z", "2026-02-15T00:00:00Z");
    let row = world.grant(&Grant { window, ..grant_of(account, "benchmark_runs", Some("100")) });
    world.consume(account, "benchmark_runs", "90", "in the period");
    world.at("2026-02-20T00:00:00Z");
    let figures = world.ask(account, "benchmark_runs", Some("11")).figures.unwrap();
    assert_eq!(figures.used, total("90"), "nothing is renewed by itself");
    assert_eq!(figures.window.1.unwrap().to_string(), "2026-02-15T00:00:00Z");
    let window = period("2026-02-15T00:00:00Z", "2026-03-15T00:00:00Z");
    world.patch(row, &EntitlementPatch { window, ..EntitlementPatch::default() }).unwrap();
    assert_eq!(world.ask(account, "benchmark_runs", Some("11")).figures.unwrap().used, total("0"));
}
