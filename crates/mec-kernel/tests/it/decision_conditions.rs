//! Conditions of an entitlement: what a request must say, and when (design 1.3, step 3).

use mec_kernel::*;

use crate::table::rows;
use crate::world::{World, check_of, grant_of, quantity};

/// An attribute as the tables write it: `text:gold`, `number:5`, `flag:true`.
fn attribute(text: &str) -> Attribute {
    match text.split_once(':') {
        Some(("text", value)) => Attribute::Text(value.to_owned()),
        Some(("number", value)) => Attribute::Number(quantity(value)),
        Some(("flag", value)) => Attribute::Flag(value == "true"),
        _ => panic!("{text} is no attribute"),
    }
}

#[test]
fn attributes_are_compared_as_the_table_says() {
    let table = "
        | test   | value                | said        | is met |
        | in     | text:gold            | text:gold   | yes    |
        | in     | text:gold            | text:silver | no     |
        | in     | text:gold            | text:Gold   | no     |
        | in     | text:gold            | -           | no     |
        | in     | text:gold,text:blue  | text:blue   | yes    |
        | in     | number:5             | number:5.0  | yes    |
        | in     | number:5             | text:5      | no     |
        | in     | flag:true            | flag:true   | yes    |
        | in     | flag:true            | flag:false  | no     |
        | not in | text:gold            | text:silver | yes    |
        | not in | text:gold            | text:gold   | no     |
        | not in | text:gold            | -           | no     |
        | not in | text:gold,text:blue  | text:blue   | no     |
        | gt     | number:5             | number:5    | no     |
        | gt     | number:5             | number:5.000001 | yes |
        | gte    | number:5             | number:5    | yes    |
        | gte    | number:5             | number:4.999999 | no  |
        | lt     | number:5             | number:5    | no     |
        | lt     | number:5             | number:-6   | yes    |
        | lte    | number:5             | number:5    | yes    |
        | lte    | number:5             | number:6    | no     |
        | gt     | number:5             | text:9      | no     |
        | lt     | number:5             | flag:false  | no     |
        | lt     | number:5             | -           | no     |
    ";
    for row in rows(table) {
        let list = || row.cell("value").split(',').map(attribute).collect::<Vec<_>>();
        let bound = || match attribute(row.cell("value")) {
            Attribute::Number(bound) => bound,
            other => panic!("{other:?} is no bound"),
        };
        let comparison = match row.cell("test") {
            "in" => Comparison::In(list()),
            "not in" => Comparison::NotIn(list()),
            "gt" => Comparison::Above(bound()),
            "gte" => Comparison::AtLeast(bound()),
            "lt" => Comparison::Below(bound()),
            "lte" => Comparison::AtMost(bound()),
            other => panic!("no test {other}"),
        };
        let mut world = World::new();
        let account = world.root();
        let id = world.grant(&grant_of(account, "server_configs", Some("10")));
        world.set_conditions(id, &[ConditionTest::Attribute { name: "tier".into(), comparison }]);
        let mut question = check_of(account, "server_configs", Some("1"));
        question.attributes.insert("other".to_owned(), Attribute::Text("gold".to_owned()));
        if let Some(said) = row.given("said") {
            question.attributes.insert("tier".to_owned(), attribute(said));
        }
        let standing = world.check(&question).unwrap();
        let expected = if row.cell("is met") == "yes" { Reason::Within } else { Reason::ConditionNotMet };
        assert_eq!(standing.reason, expected, "{row}");
    }
}

/// Asks at `now` about a row with one condition, for an account in `zone`.
fn reason_at(now: &str, zone: &str, test: ConditionTest) -> Reason {
    let mut world = World::new();
    let account = world.root();
    if zone != "UTC" {
        world.set_zone(account, zone);
    }
    let row = world.grant(&grant_of(account, "server_configs", Some("10")));
    world.set_conditions(row, &[test]);
    world.at(now);
    world.ask(account, "server_configs", Some("1")).reason
}

fn second_of_day(text: &str) -> i64 {
    let (hour, minute) = text.split_once(':').expect("a time of day");
    hour.parse::<i64>().unwrap() * 3_600 + minute.parse::<i64>().unwrap() * 60
}

#[test]
fn a_time_of_day_is_half_open_may_wrap_midnight_and_is_the_owners() {
    let table = "
        | from  | to    | zone             | now                         | is met |
        | 09:00 | 17:00 | UTC              | 2026-02-02T08:59:59.999999Z | no     |
        | 09:00 | 17:00 | UTC              | 2026-02-02T09:00:00Z        | yes    |
        | 09:00 | 17:00 | UTC              | 2026-02-02T16:59:59.999999Z | yes    |
        | 09:00 | 17:00 | UTC              | 2026-02-02T17:00:00Z        | no     |
        | 22:00 | 06:00 | UTC              | 2026-02-02T21:59:59Z        | no     |
        | 22:00 | 06:00 | UTC              | 2026-02-02T22:00:00Z        | yes    |
        | 22:00 | 06:00 | UTC              | 2026-02-02T00:00:00Z        | yes    |
        | 22:00 | 06:00 | UTC              | 2026-02-02T05:59:59.999999Z | yes    |
        | 22:00 | 06:00 | UTC              | 2026-02-02T06:00:00Z        | no     |
        | 00:00 | 24:00 | UTC              | 2026-02-02T12:00:00Z        | yes    |
        | 12:00 | 12:00 | UTC              | 2026-02-02T12:00:00Z        | no     |
        | 09:00 | 17:00 | Asia/Kolkata     | 2026-02-02T03:29:59Z        | no     |
        | 09:00 | 17:00 | Asia/Kolkata     | 2026-02-02T03:30:00Z        | yes    |
        | 09:00 | 17:00 | America/New_York | 2026-02-02T13:59:59Z        | no     |
        | 09:00 | 17:00 | America/New_York | 2026-02-02T14:00:00Z        | yes    |
        | 09:00 | 17:00 | America/New_York | 2026-07-02T13:00:00Z        | yes    |
        | 09:00 | 17:00 | America/New_York | 2026-07-02T12:59:59Z        | no     |
    ";
    for row in rows(table) {
        let test = ConditionTest::TimeOfDay { from: second_of_day(row.cell("from")), to: second_of_day(row.cell("to")) };
        let expected = if row.cell("is met") == "yes" { Reason::Within } else { Reason::ConditionNotMet };
        assert_eq!(reason_at(row.cell("now"), row.cell("zone"), test), expected, "{row}");
    }
}

#[test]
fn a_weekday_is_the_owners_and_begins_with_monday() {
    let table = "
        | days      | zone             | now                         | is met |
        | 1         | UTC              | 2026-02-02T00:00:00Z        | yes    |
        | 1         | UTC              | 2026-02-02T23:59:59.999999Z | yes    |
        | 1         | UTC              | 2026-02-03T00:00:00Z        | no     |
        | 7         | UTC              | 2026-02-08T12:00:00Z        | yes    |
        | 6,7       | UTC              | 2026-02-07T12:00:00Z        | yes    |
        | 1,2,3,4,5 | UTC              | 2026-02-07T12:00:00Z        | no     |
        | 1         | Asia/Kolkata     | 2026-02-01T18:29:59Z        | no     |
        | 1         | Asia/Kolkata     | 2026-02-01T18:30:00Z        | yes    |
        | 1         | America/New_York | 2026-02-03T04:59:59Z        | yes    |
        | 1         | America/New_York | 2026-02-03T05:00:00Z        | no     |
    ";
    for row in rows(table) {
        let days = row.cell("days").split(',').map(|day| day.parse().unwrap()).collect();
        let expected = if row.cell("is met") == "yes" { Reason::Within } else { Reason::ConditionNotMet };
        assert_eq!(reason_at(row.cell("now"), row.cell("zone"), ConditionTest::Weekday(days)), expected, "{row}");
    }
}

#[test]
fn every_condition_of_a_row_must_be_met() {
    let mut world = World::new();
    let account = world.root();
    let row = world.grant(&grant_of(account, "server_configs", Some("10")));
    let tier =
        |tier: &str| ConditionTest::Attribute { name: tier.into(), comparison: Comparison::In(vec![Attribute::Flag(true)]) };
    world.set_conditions(row, &[tier("a"), tier("b")]);
    for (said, reason) in [("a", Reason::ConditionNotMet), ("b", Reason::ConditionNotMet), ("ab", Reason::Within)] {
        let mut question = check_of(account, "server_configs", Some("1"));
        for name in said.chars() {
            question.attributes.insert(name.to_string(), Attribute::Flag(true));
        }
        assert_eq!(world.check(&question).unwrap().reason, reason, "{said}");
    }
}

#[test]
fn only_rows_whose_conditions_are_met_add_up() {
    let mut world = World::new();
    let account = world.root();
    world.grant(&grant_of(account, "server_configs", Some("10")));
    let gold = world.grant(&grant_of(account, "server_configs", Some("5")));
    let comparison = Comparison::In(vec![Attribute::Text("gold".to_owned())]);
    world.set_conditions(gold, &[ConditionTest::Attribute { name: "tier".into(), comparison }]);
    let mut question = check_of(account, "server_configs", Some("12"));
    assert_eq!(world.check(&question).unwrap().decision, Decision::Block);
    question.attributes.insert("tier".to_owned(), Attribute::Text("gold".to_owned()));
    assert_eq!(world.check(&question).unwrap().decision, Decision::Allow);
}
