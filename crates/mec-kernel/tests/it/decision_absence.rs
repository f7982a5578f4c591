//! Errors, closed accounts, rows that do not apply, and access that is only a matter of time (design 1.3, steps 1–3).

use mec_kernel::*;

use crate::table::rows;
use crate::world::{World, check_of, grant_of, quantity, time};

#[test]
fn what_is_unknown_is_an_error_and_the_account_comes_first() {
    let (mut world, account) = World::with("starter");
    let nobody = AccountId(account.0 + 1);
    let table = "
        | account | resource       | unit    | asked | code                      |
        | nobody  | benchmark_runs | -       | 1     | MEC_ACCOUNT_NOT_FOUND     |
        | nobody  | nothing        | parsec  | -1    | MEC_ACCOUNT_NOT_FOUND     |
        | acme    | nothing        | parsec  | -1    | MEC_RESOURCE_NOT_FOUND    |
        | acme    | benchmark_runs | parsec  | -1    | MEC_UNIT_NOT_FOUND        |
        | acme    | benchmark_runs | minute  | -1    | MEC_UNIT_NOT_ALLOWED      |
        | acme    | gpu_hours      | count   | 1     | MEC_UNIT_NOT_ALLOWED      |
        | acme    | gpu_hours      | second  | -1    | MEC_QUANTITY_NOT_POSITIVE |
        | acme    | concurrent_users | -     | -1    | MEC_QUANTITY_NOT_POSITIVE |
        | acme    | platform_access  | -     | -1    | MEC_QUANTITY_NOT_POSITIVE |
    ";
    for row in rows(table) {
        let account = if row.cell("account") == "nobody" { nobody } else { account };
        let mut question = check_of(account, row.cell("resource"), row.given("asked"));
        question.unit = row.given("unit").map(Code::from);
        assert_eq!(world.check(&question).unwrap_err().code(), row.cell("code"), "{row}");
    }
}

#[test]
fn a_unit_that_is_not_allowed_is_refused_with_those_that_are() {
    let (mut world, account) = World::with("starter");
    let question = Check { unit: Some("count".into()), ..check_of(account, "gpu_hours", Some("1")) };
    let Err(Refusal::UnitNotAllowed { allowed, .. }) = world.check(&question) else { panic!("refused") };
    assert_eq!(allowed, ["hour", "minute", "second"]);
}

#[test]
fn suspended_and_closed_accounts_are_denied_with_everything_below_them() {
    // One path of three accounts; the nearest that is not active speaks.
    let table = "
        | organization | team      | user      | reason            |
        | active       | active    | suspended | Account suspended |
        | active       | active    | closed    | Account closed    |
        | suspended    | active    | active    | Account suspended |
        | active       | closed    | active    | Account closed    |
        | closed       | suspended | active    | Account suspended |
        | suspended    | active    | closed    | Account closed    |
    ";
    for row in rows(table) {
        let (mut world, organization) = World::with("enterprise");
        let team = world.child(organization);
        let user = world.child(team);
        for (account, column) in [(organization, "organization"), (team, "team"), (user, "user")] {
            world.set_status(account, AccountStatus::from_code(row.cell(column)).unwrap());
        }
        let standing = world.ask(user, "benchmark_runs", Some("1"));
        assert_eq!((standing.decision, standing.allowed), (Decision::Deny, false), "{row}");
        assert_eq!(standing.reason.to_string(), row.cell("reason"), "{row}");
        assert_eq!((standing.entitlement, standing.figures, standing.account), (None, None, None), "{row}");
    }
}

#[test]
fn a_suspended_account_may_still_give_back() {
    let (mut world, account) = World::with("starter");
    world.consume(account, "server_instances", "3", "three");
    world.set_status(account, AccountStatus::Suspended);
    let returned = world.consume(account, "server_instances", "-1", "one back");
    assert_eq!((returned.standing.decision, returned.standing.reason), (Decision::Allow, Reason::Released));
    assert!(returned.event.is_some());
}

/// What rows there are, by account, and what the user is told. `org` is the parent of `user`.
/// A row is written `limit`, `suspended`, `unmet` (misses a condition), `later` (starts 2026-03-01), `sooner` (starts
/// 2026-02-15), `expired`, or `eu` (another scope); `+` joins several.
const ROWS: &str = "
    | user                    | org           | decision | reason                        | reason_code              |
    | -                       | -             | deny     | No entitlement                | no_entitlement           |
    | limit                   | -             | allow    | Within entitlement            | within                   |
    | -                       | limit         | allow    | Within entitlement            | within                   |
    | suspended               | -             | deny     | Entitlement suspended         | entitlement_suspended    |
    | unmet                   | -             | deny     | Condition not met             | condition_not_met        |
    | later                   | -             | deny     | Entitlement starts 2026-03-01 | entitlement_not_started  |
    | later+sooner            | -             | deny     | Entitlement starts 2026-02-15 | entitlement_not_started  |
    | expired                 | -             | deny     | Entitlement expired           | entitlement_expired      |
    | eu                      | -             | deny     | No entitlement for this scope | no_entitlement_for_scope |
    | eu+expired              | -             | deny     | Entitlement expired           | entitlement_expired      |
    | eu+expired+later        | -             | deny     | Entitlement starts 2026-03-01 | entitlement_not_started  |
    | expired+later+unmet     | -             | deny     | Condition not met             | condition_not_met        |
    | unmet+suspended+expired | -             | deny     | Entitlement suspended         | entitlement_suspended    |
    | expired                 | later         | deny     | Entitlement starts 2026-03-01 | entitlement_not_started  |
    | eu                      | expired       | deny     | Entitlement expired           | entitlement_expired      |
    | limit+suspended         | -             | allow    | Within entitlement            | within                   |
    | limit+unmet             | -             | allow    | Within entitlement            | within                   |
    | suspended               | limit         | deny     | Entitlement suspended         | entitlement_suspended    |
    | unmet                   | limit         | deny     | Condition not met             | condition_not_met        |
    | limit                   | suspended     | deny     | Entitlement suspended         | entitlement_suspended    |
    | unmet                   | suspended     | deny     | Entitlement suspended         | entitlement_suspended    |
    | expired                 | limit         | allow    | Within entitlement            | within                   |
    | later                   | limit         | allow    | Within entitlement            | within                   |
    | eu                      | limit         | allow    | Within entitlement            | within                   |
    | limit                   | expired       | allow    | Within entitlement            | within                   |
    | expired+suspended       | limit         | deny     | Entitlement suspended         | entitlement_suspended    |
";

fn add_row(world: &mut World, account: AccountId, resource: &str, kind: &str) -> EntitlementId {
    let mut grant = grant_of(account, resource, Some("10"));
    match kind {
        "limit" | "suspended" | "unmet" => {}
        "later" => grant.valid_from = Some(time("2026-03-01T00:00:00Z")),
        "sooner" => grant.valid_from = Some(time("2026-02-15T08:00:00Z")),
        "expired" => grant.valid_until = Some(world.now),
        "eu" => grant.scope = Some("eu".into()),
        other => panic!("no row is {other}"),
    }
    let row = world.grant(&grant);
    if kind == "suspended" {
        let status = Some(EntitlementStatus::Suspended);
        world.patch(row, &EntitlementPatch { status, ..EntitlementPatch::default() }).unwrap();
    }
    if kind == "unmet" {
        let comparison = Comparison::In(vec![Attribute::Text("gold".to_owned())]);
        world.set_conditions(row, &[ConditionTest::Attribute { name: "tier".into(), comparison }]);
    }
    row
}

#[test]
fn rows_that_do_not_apply_deny_or_leave_their_level_silent() {
    for row in rows(ROWS) {
        let mut world = World::new();
        let organization = world.root();
        let user = world.child(organization);
        for (account, column) in [(user, "user"), (organization, "org")] {
            for kind in row.given(column).into_iter().flat_map(|kinds| kinds.split('+')) {
                add_row(&mut world, account, "server_configs", kind);
            }
        }
        let standing = world.ask(user, "server_configs", Some("1"));
        assert_eq!(standing.decision.code(), row.cell("decision"), "{row}");
        assert_eq!(standing.reason.to_string(), row.cell("reason"), "{row}");
        assert_eq!(standing.reason.code(), row.cell("reason_code"), "{row}");
        assert_eq!(standing.allowed, row.cell("decision") == "allow", "{row}");
        assert_eq!(standing.figures.is_none(), row.cell("decision") == "deny", "{row}");
    }
}

#[test]
fn a_row_counts_from_its_first_instant_up_to_its_end() {
    let mut world = World::new();
    let account = world.root();
    let valid_from = Some(time("2026-02-01T00:00:00Z"));
    let valid_until = Some(time("2026-02-02T00:00:00Z"));
    world.grant(&Grant { valid_from, valid_until, ..grant_of(account, "server_configs", Some("1")) });
    let table = "
        | now                         | decision |
        | 2026-01-31T23:59:59.999999Z | deny     |
        | 2026-02-01T00:00:00Z        | allow    |
        | 2026-02-01T23:59:59.999999Z | allow    |
        | 2026-02-02T00:00:00Z        | deny     |
    ";
    for row in rows(table) {
        world.at(row.cell("now"));
        assert_eq!(world.ask(account, "server_configs", Some("1")).decision.code(), row.cell("decision"), "{row}");
    }
}

#[test]
fn a_suspended_row_is_active_again_when_it_is_resumed() {
    let (mut world, account) = World::with("starter");
    let row = world.row(account, "benchmark_runs").id;
    for (status, decision) in [(EntitlementStatus::Suspended, Decision::Deny), (EntitlementStatus::Active, Decision::Allow)] {
        world.patch(row, &EntitlementPatch { status: Some(status), ..EntitlementPatch::default() }).unwrap();
        assert_eq!(world.ask(account, "benchmark_runs", Some("1")).decision, decision);
    }
}

#[test]
fn access_has_no_quantity_and_is_warned_of_when_most_of_it_is_over() {
    // Ten days of access from 2026-01-30T12:00:00Z.
    let table = "
        | now                         | decision | reason                        | reason_code    | percent |
        | 2026-01-30T12:00:00Z        | allow    | Access valid until 2026-02-09 | access_valid   | 0       |
        | 2026-02-07T11:59:59.999999Z | allow    | Access valid until 2026-02-09 | access_valid   | 79.99   |
        | 2026-02-07T12:00:00Z        | warn     | Access valid until 2026-02-09 | access_valid   | 80      |
        | 2026-02-09T11:59:59.999999Z | warn     | Access valid until 2026-02-09 | access_valid   | 99.99   |
        | 2026-02-09T12:00:00Z        | deny     | Access expired                | access_expired | -       |
    ";
    let mut world = World::new();
    let account = world.root();
    let valid_until = Some(world.now.plus_seconds(10 * 86_400));
    world.grant(&Grant { valid_until, ..grant_of(account, "platform_access", Some("3")) });
    for row in rows(table) {
        world.at(row.cell("now"));
        for asked in [None, Some("1"), Some("1000000")] {
            let standing = world.ask(account, "platform_access", asked);
            assert_eq!(standing.decision.code(), row.cell("decision"), "{row}");
            assert_eq!(standing.reason.to_string(), row.cell("reason"), "{row}");
            assert_eq!(standing.reason.code(), row.cell("reason_code"), "{row}");
            assert_eq!(standing.allowed, row.cell("decision") != "deny", "{row}");
            let figures = standing.figures;
            let percent = figures.as_ref().and_then(|figures| figures.percent).map(|percent| percent.total().to_string());
            assert_eq!(percent.as_deref(), row.given("percent"), "{row}");
            assert!(figures.is_none_or(|figures| figures.allowed.is_none() && figures.used.is_none()), "{row}");
        }
    }
}

#[test]
fn access_without_an_end_is_valid() {
    let mut world = World::new();
    let account = world.root();
    world.grant(&grant_of(account, "platform_access", None));
    let standing = world.ask(account, "platform_access", None);
    assert_eq!((standing.decision, standing.reason.to_string()), (Decision::Allow, "Access valid".to_owned()));
}

#[test]
fn a_trial_gives_access_for_fourteen_days() {
    let (mut world, account) = World::with("trial-14d");
    assert_eq!(world.ask(account, "platform_access", None).reason.to_string(), "Access valid until 2026-02-13");
    world.pass(14 * 86_400);
    assert_eq!(world.ask(account, "platform_access", None).reason, Reason::AccessExpired);
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).reason, Reason::EntitlementExpired);
}

#[test]
fn an_expired_row_is_never_revived_by_a_patch() {
    let mut world = World::new();
    let account = world.root();
    let valid_until = Some(world.now.plus_seconds(60));
    let lapsed = world.grant(&Grant { valid_until, ..grant_of(account, "server_configs", Some("1")) });
    let ended = world.grant(&grant_of(account, "server_configs", Some("1")));
    let expire = EntitlementPatch { status: Some(EntitlementStatus::Expired), ..EntitlementPatch::default() };
    assert_eq!(world.patch(ended, &expire).unwrap().valid_until, Some(world.now));
    world.pass(60);
    let table = [
        EntitlementPatch { valid_until: Some(None), ..EntitlementPatch::default() },
        EntitlementPatch { status: Some(EntitlementStatus::Active), valid_until: Some(None), ..EntitlementPatch::default() },
    ];
    for patch in table {
        assert_eq!(world.patch(lapsed, &patch), Err(Refusal::EntitlementExpired));
    }
    let resume = EntitlementPatch { status: Some(EntitlementStatus::Active), ..EntitlementPatch::default() };
    assert_eq!(world.patch(ended, &resume), Err(Refusal::EntitlementExpired));
    // Saying so once more is no mistake.
    world.patch(lapsed, &expire).unwrap();
    world.patch(ended, &expire).unwrap();
    assert_eq!(world.ask(account, "server_configs", Some("1")).decision, Decision::Deny);
}

#[test]
fn a_bad_row_is_refused_naming_the_column() {
    let (mut world, account) = World::with("starter");
    let now = world.now;
    let cumulative = grant_of(account, "benchmark_runs", Some("1"));
    let of = |kind| Some(WindowRule::of(kind));
    let table = [
        ("limit_kind_code", Grant { limit_kind: Some(LimitKind::Inventory), ..cumulative.clone() }),
        ("source", Grant { source: Source::Plan, ..cumulative.clone() }),
        ("source", Grant { source: Source::Addon, ..cumulative.clone() }),
        ("quantity_allowed", Grant { quantity: Some(quantity("-1")), ..cumulative.clone() }),
        ("valid_until", Grant { valid_until: Some(now.plus_seconds(-1)), ..cumulative.clone() }),
        ("window_seconds", Grant { window: of(WindowKind::Rolling), ..cumulative.clone() }),
        ("period_start", Grant { window: of(WindowKind::Period), ..cumulative.clone() }),
    ];
    for (expected, bad) in table {
        let refused = world.run(|view, making| grant(view, making, &bad)).unwrap_err();
        let Refusal::BadValue { column, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(column, expected);
    }
}
