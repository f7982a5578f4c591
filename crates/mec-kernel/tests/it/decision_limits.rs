//! One limit: what is told at, near and beyond it, by every kind of rule (design 1.3, the second table).

use mec_kernel::*;

use crate::table::{Row, rows};
use crate::world::{World, check_of, consume_of, grant_of, quantity, total};

/// What a rule does beyond the limit, as the tables below write it: an action and what it needs.
fn set_rule(world: &mut World, resource: &str, text: &str) {
    if text == "no rule" {
        return;
    }
    let words: Vec<&str> = text.split(' ').collect();
    world.rule(resource, |rule| {
        rule.action = LimitAction::from_code(words[0]).unwrap_or_else(|| panic!("{text} names no action"));
        for word in &words[1..] {
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{word} sets nothing"));
            match name {
                "warn_at" => rule.warn_at = Some(Percent(quantity(value).millionths() / 10_000)),
                "grace" => rule.grace_quantity = Some(quantity(value)),
                "seconds" => rule.grace_seconds = Some(value.parse().unwrap()),
                "limit" => rule.overage_limit = Some(quantity(value)),
                "price" => rule.overage_price = Some(quantity(value)),
                other => panic!("a rule has no {other}"),
            }
        }
    });
}

fn expect(row: &Row<'_>, standing: &Standing) {
    assert_eq!(standing.decision.code(), row.cell("decision"), "{row}");
    assert_eq!(standing.reason.to_string(), row.cell("reason"), "{row}");
    assert_eq!(standing.reason.code(), row.cell("reason_code"), "{row}");
    assert_eq!(standing.allowed, row.cell("allowed") == "true", "{row}");
    let figures = standing.figures.as_ref().unwrap_or_else(|| panic!("figures in {row}"));
    assert_eq!(figures.remaining, row.given("remaining").and_then(total), "{row}");
    let percent = figures.percent.map(|percent| percent.total().to_string());
    assert_eq!(percent.as_deref(), row.given("percent"), "{row}");
}

/// `limit`: what a manual grant allows a month (`-`: unlimited). `used`: recorded before. `asked`: `-` is "where do I
/// stand?". `remaining` and `percent` are before the request.
const ONE_LIMIT: &str = "
| rule                 | limit | used | asked    | decision | reason                           | reason_code       | allowed | remaining | percent |
| no rule              | -     | 70   | 1        | allow    | Unlimited                        | unlimited         | true    | -         | -       |
| no rule              | -     | 70   | -        | allow    | Unlimited                        | unlimited         | true    | -         | -       |
| no rule              | 100   | 0    | 1        | allow    | Within entitlement               | within            | true    | 100       | 0       |
| no rule              | 100   | 0    | 100      | allow    | Within entitlement               | within            | true    | 100       | 0       |
| no rule              | 100   | 0    | 100.000001 | block  | Limit reached                    | limit_reached     | false   | 100       | 0       |
| no rule              | 100   | 79.9 | 1        | allow    | Within entitlement               | within            | true    | 20.1      | 79.9    |
| no rule              | 100   | 80   | 1        | warn     | Usage at 80.0% of limit          | near_limit        | true    | 20        | 80      |
| no rule              | 100   | 85   | 1        | warn     | Usage at 85.0% of limit          | near_limit        | true    | 15        | 85      |
| no rule              | 100   | 99.999999 | 0.000001 | warn | Usage at 99.9% of limit          | near_limit        | true    | 0.000001  | 99.99   |
| no rule              | 100   | 100  | 1        | block    | Limit reached                    | limit_reached     | false   | 0         | 100     |
| no rule              | 100   | 100  | -        | warn     | Usage at 100.0% of limit         | near_limit        | false   | 0         | 100     |
| no rule              | 100   | 100  | 0        | warn     | Usage at 100.0% of limit         | near_limit        | false   | 0         | 100     |
| no rule              | 100   | 99   | -        | warn     | Usage at 99.0% of limit          | near_limit        | true    | 1         | 99      |
| no rule              | 100   | 0    | -        | allow    | Within entitlement               | within            | true    | 100       | 0       |
| no rule              | 100   | 105  | -        | block    | Limit reached                    | limit_reached     | false   | 0         | 105     |
| no rule              | 0     | 0    | -        | block    | Limit reached                    | limit_reached     | false   | 0         | 100     |
| no rule              | 0     | 0    | 1        | block    | Limit reached                    | limit_reached     | false   | 0         | 100     |
| no rule              | 3     | 1    | 1        | allow    | Within entitlement               | within            | true    | 2         | 33.33   |
| block                | 100   | 100  | 1        | block    | Limit reached                    | limit_reached     | false   | 0         | 100     |
| block warn_at=50     | 100   | 49   | 1        | allow    | Within entitlement               | within            | true    | 51        | 49      |
| block warn_at=50     | 100   | 50   | 1        | warn     | Usage at 50.0% of limit          | near_limit        | true    | 50        | 50      |
| block warn_at=100    | 100   | 99   | 1        | allow    | Within entitlement               | within            | true    | 1         | 99      |
| warn                 | 100   | 100  | 5        | warn     | Over limit: usage at 105.0%      | over_limit        | true    | 0         | 100     |
| warn                 | 100   | 100  | -        | warn     | Usage at 100.0% of limit         | near_limit        | true    | 0         | 100     |
| warn                 | 100   | 105  | -        | warn     | Over limit: usage at 105.0%      | over_limit        | true    | 0         | 105     |
| warn                 | 0     | 0    | 1        | warn     | Over limit: usage at 100.0%      | over_limit        | true    | 0         | 100     |
| grace grace=10       | 100   | 100  | 3        | grace    | In grace: 3 of 10 used           | in_grace          | true    | 0         | 100     |
| grace grace=10       | 100   | 105  | 5        | grace    | In grace: 10 of 10 used          | in_grace          | true    | 0         | 105     |
| grace grace=10       | 100   | 105  | 5.000001 | block    | Grace exhausted                  | grace_exhausted   | false   | 0         | 105     |
| grace grace=10       | 100   | 105  | -        | grace    | In grace: 5 of 10 used           | in_grace          | true    | 0         | 105     |
| grace grace=10       | 100   | 110  | -        | grace    | In grace: 10 of 10 used          | in_grace          | false   | 0         | 110     |
| grace grace=10       | 100   | 111  | -        | block    | Grace exhausted                  | grace_exhausted   | false   | 0         | 111     |
| grace grace=10       | 0     | 0    | 3        | grace    | In grace: 3 of 10 used           | in_grace          | true    | 0         | 100     |
| grace seconds=60     | 100   | 100  | 900      | grace    | In grace: 900 used               | in_grace          | true    | 0         | 100     |
| grace grace=0        | 100   | 100  | 1        | block    | Grace exhausted                  | grace_exhausted   | false   | 0         | 100     |
| overage              | 100   | 100  | 5        | overage  | Over limit by 5, will be billed  | overage           | true    | 0         | 100     |
| overage              | 100   | 98   | 5        | overage  | Over limit by 3, will be billed  | overage           | true    | 2         | 98      |
| overage              | 100   | 100  | -        | warn     | Usage at 100.0% of limit         | near_limit        | true    | 0         | 100     |
| overage limit=10     | 100   | 107  | 3        | overage  | Over limit by 10, will be billed | overage           | true    | 0         | 107     |
| overage limit=10     | 100   | 107  | 4        | block    | Overage limit reached            | overage_exhausted | false   | 0         | 107     |
| overage limit=10     | 100   | 110  | -        | overage  | Over limit by 10, will be billed | overage           | false   | 0         | 110     |
| overage limit=10     | 0     | 0    | 4        | overage  | Over limit by 4, will be billed  | overage           | true    | 0         | 100     |
";

#[test]
fn one_limit_answers_as_the_table_says() {
    for row in rows(ONE_LIMIT) {
        let mut world = World::new();
        let account = world.root();
        set_rule(&mut world, "benchmark_runs", row.cell("rule"));
        let window = Some(WindowRule::of(WindowKind::Month));
        world.grant(&Grant { window, ..grant_of(account, "benchmark_runs", row.given("limit")) });
        if row.cell("used") != "0" {
            world.meter(account, "benchmark_runs", row.cell("used"));
        }
        let standing = world.ask(account, "benchmark_runs", row.given("asked"));
        expect(&row, &standing);
        assert_eq!(standing.figures.unwrap().used, total(row.cell("used")), "{row}");
    }
}

/// An inventory count obeys the same table; `asked` below zero gives back and is always let through.
const INVENTORY: &str = "
| rule           | limit | used | asked | decision | reason                          | reason_code   | allowed | remaining | percent |
| no rule        | 10    | 4    | 6     | allow    | Within entitlement              | within        | true    | 6         | 40      |
| no rule        | 10    | 4    | 7     | block    | Limit reached                   | limit_reached | false   | 6         | 40      |
| no rule        | 10    | 10   | -1    | allow    | Released                        | released      | true    | 0         | 100     |
| no rule        | 10    | 12   | -1    | allow    | Released                        | released      | true    | 0         | 120     |
| overage        | 10    | 10   | 2     | overage  | Over limit by 2, will be billed | overage       | true    | 0         | 100     |
";

#[test]
fn an_inventory_limit_answers_as_the_table_says() {
    for row in rows(INVENTORY) {
        let mut world = World::new();
        let account = world.root();
        set_rule(&mut world, "server_instances", row.cell("rule"));
        world.grant(&grant_of(account, "server_instances", row.given("limit")));
        world.meter(account, "server_instances", row.cell("used"));
        let standing = world.ask(account, "server_instances", row.given("asked"));
        expect(&row, &standing);
    }
}

#[test]
fn an_override_of_zero_blocks_whatever_the_rule_is() {
    for rule in ["no rule", "block", "warn", "grace grace=10", "overage"] {
        let mut world = World::new();
        let account = world.root();
        set_rule(&mut world, "benchmark_runs", rule);
        world.provision(account, "pro");
        world.grant(&Grant { source: Source::Override, ..grant_of(account, "benchmark_runs", Some("0")) });
        let standing = world.ask(account, "benchmark_runs", Some("1"));
        assert_eq!((standing.decision, standing.reason), (Decision::Block, Reason::LimitReached), "{rule}");
        assert!(!world.ask(account, "benchmark_runs", None).allowed, "{rule}");
    }
}

#[test]
fn a_grace_period_runs_from_the_write_that_went_over_and_ends_exactly() {
    let (mut world, account) = World::with("starter");
    set_rule(&mut world, "benchmark_runs", "grace seconds=3600");
    assert_eq!(world.consume(account, "benchmark_runs", "100", "fills").standing.decision, Decision::Allow);
    world.pass(600);
    let over = world.consume(account, "benchmark_runs", "1", "goes over");
    assert_eq!(over.standing.decision, Decision::Grace);
    world.pass(3_599);
    assert_eq!(world.consume(account, "benchmark_runs", "500", "any amount").standing.reason.to_string(), "In grace: 501 used");
    world.pass(1);
    let late = world.consume(account, "benchmark_runs", "1", "an hour after");
    assert_eq!((late.standing.decision, late.standing.reason, late.event), (Decision::Block, Reason::GraceExhausted, None));
}

#[test]
fn a_grace_period_ends_with_its_window() {
    let (mut world, account) = World::with("starter");
    set_rule(&mut world, "benchmark_runs", "grace seconds=60");
    world.meter(account, "benchmark_runs", "101");
    world.pass(60);
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).reason, Reason::GraceExhausted);
    world.at("2026-02-01T00:00:00Z");
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).reason, Reason::Within);
    world.meter(account, "benchmark_runs", "101");
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).decision, Decision::Grace);
}

#[test]
fn a_correction_below_the_limit_starts_grace_anew() {
    let (mut world, account) = World::with("starter");
    set_rule(&mut world, "benchmark_runs", "grace seconds=60");
    let event = world.meter(account, "benchmark_runs", "101");
    world.pass(60);
    let correction = Correct { key: "fix".into(), event, quantity: Some(quantity("100")), details: "{}".into() };
    world.try_correct(&correction).unwrap();
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).decision, Decision::Grace);
    world.meter(account, "benchmark_runs", "1");
    world.pass(59);
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).decision, Decision::Grace);
    world.pass(1);
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).reason, Reason::GraceExhausted);
}

#[test]
fn a_lowered_limit_starts_grace() {
    let (mut world, account) = World::with("starter");
    set_rule(&mut world, "benchmark_runs", "grace seconds=60");
    world.meter(account, "benchmark_runs", "90");
    world.pass(1_000);
    let row = world.row(account, "benchmark_runs").id;
    world.set_limit(row, Some("80"));
    world.pass(59);
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).decision, Decision::Grace);
    world.pass(1);
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).reason, Reason::GraceExhausted);
    world.set_limit(row, Some("100"));
    assert_eq!(world.ask(account, "benchmark_runs", Some("1")).decision, Decision::Warn);
}

#[test]
fn a_lowered_limit_of_a_child_starts_grace_in_the_time_zone_it_inherits() {
    let mut world = World::new();
    let parent = world.root();
    world.set_zone(parent, "America/New_York");
    let child = world.child(parent);
    world.provision(child, "starter");
    set_rule(&mut world, "benchmark_runs", "grace seconds=3600");
    // It is February in UTC and still January in New York.
    world.at("2026-02-01T02:00:00Z");
    world.meter(child, "benchmark_runs", "90");
    let row = world.row(child, "benchmark_runs").id;
    world.set_limit(row, Some("80"));
    world.pass(3_600);
    assert_eq!(world.ask(child, "benchmark_runs", Some("1")).reason, Reason::GraceExhausted);
}

#[test]
fn overage_is_told_per_request_with_its_cost() {
    let (mut world, account) = World::with("starter");
    set_rule(&mut world, "gpu_hours", "overage price=2.5");
    // 24 of 25 hours are used; 90 minutes more are half an hour beyond the limit.
    world.meter(account, "gpu_hours", "24");
    let mut question = check_of(account, "gpu_hours", Some("90"));
    question.unit = Some("minute".into());
    let standing = world.check(&question).unwrap();
    assert_eq!(standing.reason.to_string(), "Over limit by 0.5, will be billed");
    assert_eq!(standing.overage, Some((total("0.5").unwrap(), total("1.25"))));
    // Two hours more lie wholly beyond it.
    world.meter(account, "gpu_hours", "3");
    let standing = world.ask(account, "gpu_hours", Some("2"));
    assert_eq!(standing.reason.to_string(), "Over limit by 4, will be billed");
    assert_eq!(standing.overage, Some((total("2").unwrap(), total("5"))));
}

#[test]
fn overage_without_a_price_costs_nothing_that_is_known() {
    let (mut world, account) = World::with("starter");
    set_rule(&mut world, "gpu_hours", "overage");
    assert_eq!(world.ask(account, "gpu_hours", Some("26")).overage, Some((total("1").unwrap(), None)));
}

#[test]
fn consume_answers_the_decision_before_and_the_quantities_after() {
    let (mut world, account) = World::with("starter");
    let consumed = world.consume(account, "benchmark_runs", "85", "first");
    assert_eq!(consumed.standing.reason, Reason::Within);
    let figures = consumed.standing.figures.unwrap();
    assert_eq!((figures.used, figures.remaining, figures.percent), (total("85"), total("15"), Some(Percent(8_500))));
    let refused = world.consume(account, "benchmark_runs", "16", "second");
    assert_eq!((refused.standing.decision, refused.event), (Decision::Block, None));
    assert_eq!(refused.standing.figures.unwrap().used, total("85"));
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
    let remaining = world.ask(account, "gpu_hours", None).figures.unwrap().remaining.unwrap().to_string();
    assert_eq!(remaining, "24.999722");
    assert!(world.consume(account, "gpu_hours", &remaining, "the rest").event.is_some());
}
