//! What is billed, once and where.

use super::*;

fn month_and_rule(limit: i64) -> Vec<(i64, Command)> {
    vec![
        (0, account()),
        (1, rule("runs", Action::Overage, None)),
        (2, Command::Grant(grant("runs", limit, Window::Month))),
    ]
}

#[test]
fn use_beside_a_hold_is_billed_once() {
    let mut story = month_and_rule(2);
    story.extend([
        (3, reserve("h", 1)),
        (4, consume("a", question("runs", 2))),
        (
            5,
            Command::Settle {
                reservation: made(3),
                quantity: WHOLE,
                attributes: Attributes::new(),
            },
        ),
    ]);
    let (_, oracle) = agree(story);
    assert_eq!(billed(&oracle), [WHOLE]);
}

#[test]
fn a_released_hold_is_never_billed() {
    let mut story = month_and_rule(2);
    story.extend([
        (3, reserve("h", 1)),
        (4, Command::Meter(meter("a", 2))),
        (
            5,
            Command::ReleaseReservation {
                reservation: made(3),
            },
        ),
    ]);
    let (_, oracle) = agree(story);
    assert_eq!(billed(&oracle), [0_i64; 0]);
}

#[test]
fn late_use_is_billed_in_its_window_and_corrected_there() {
    let last_month = Some(instant(FIRST_OF_MONTH - 1));
    let mut story = month_and_rule(2);
    story[2].1 = Command::Grant(Grant {
        valid_from: last_month,
        ..grant("runs", 2, Window::Month)
    });
    story.extend([
        (
            3,
            Command::Meter(Meter {
                occurred_at: last_month,
                ..meter("a", 3)
            }),
        ),
        (4, Command::Meter(meter("b", 3))),
        (
            5,
            Command::Correct {
                event: made(3),
                key: "c".to_owned(),
                quantity: None,
            },
        ),
    ]);
    let (_, oracle) = agree(story.clone());
    assert_eq!(billed(&oracle), [WHOLE]);
    story.pop();
    let (_, oracle) = agree(story);
    assert_eq!(billed(&oracle), [WHOLE, WHOLE]);
}

#[test]
fn use_from_before_the_limit_is_not_billed() {
    let mut story = month_and_rule(2);
    let last_month = Some(instant(FIRST_OF_MONTH - 1));
    story.push((
        3,
        Command::Meter(Meter {
            occurred_at: last_month,
            ..meter("a", 3)
        }),
    ));
    let (_, oracle) = agree(story);
    assert_eq!(billed(&oracle), [0_i64; 0]);
}

#[test]
fn a_hold_is_billed_by_the_limit_it_was_held_under() {
    let mut story = month_and_rule(2);
    story.extend([
        (3, reserve("h", 2)),
        (
            4,
            patch(
                made(2),
                Patch {
                    status: Some(RowStatus::Expired),
                    ..Patch::default()
                },
            ),
        ),
        (5, Command::Grant(grant("runs", 9, Window::Month))),
        (
            6,
            Command::Settle {
                reservation: made(3),
                quantity: 5 * WHOLE,
                attributes: Attributes::new(),
            },
        ),
    ]);
    let (_, oracle) = agree(story);
    assert_eq!(billed(&oracle), [3 * WHOLE]);
}

#[test]
fn a_limit_that_falls_by_itself_has_its_grace_period_from_then_on() {
    let second = Grant {
        valid_until: Some(instant(60)),
        ..grant("runs", 5, Window::Month)
    };
    let month = Window::BillingMonth(Some(instant(FIRST_OF_MONTH)));
    let (answers, _) = agree([
        (0, account()),
        (1, rule("runs", Action::Grace, Some(HOUR))),
        (2, Command::Grant(grant("runs", 5, Window::Month))),
        (3, Command::Grant(second)),
        (4, Command::Meter(meter("a", 8))),
        (60 + HOUR - 1, check("runs")),
        // Whatever is written next notes that instant.
        (60 + HOUR - 1, Command::Grant(grant("runs", 50, month))),
        (60 + HOUR - 1, Command::Meter(meter("b", 1))),
        (60 + HOUR, check("runs")),
    ]);
    assert_eq!(told(&answers[5]), "grace in_grace");
    assert_eq!(told(&answers[8]), "block grace_exhausted");
}

#[test]
fn a_unit_beyond_two_limits_is_billed_in_the_shorter_window() {
    let mut story = month_and_rule(2);
    story.extend([
        (3, Command::Grant(grant("runs", 3, Window::Day))),
        (4, Command::Meter(meter("a", 5))),
    ]);
    let (_, oracle) = agree(story);
    // Of three beyond the month two are beyond the day, which comes first.
    let day = oracle
        .overages()
        .into_iter()
        .find(|(counter, _)| counter.cut.length() == i128::from(DAY * SECOND));
    assert_eq!(day.map(|(_, amount)| amount), Some((2 * WHOLE).into()));
    assert_eq!(billed(&oracle).iter().sum::<i64>(), 3 * WHOLE);
}

#[test]
fn the_tighter_of_two_coinciding_limits_keeps_its_note() {
    let twin = Window::BillingMonth(Some(instant(FIRST_OF_MONTH)));
    let (answers, _) = agree([
        (0, account()),
        (1, rule("runs", Action::Grace, Some(HOUR))),
        (2, Command::Grant(grant("runs", 50, Window::Month))),
        (3, Command::Grant(grant("runs", 1, twin))),
        (4, Command::Meter(meter("a", 2))),
        (2 * HOUR, Command::Grant(grant("runs", 5, Window::Month))),
        (2 * HOUR + 1, check("runs")),
    ]);
    assert_eq!(told(&answers[6]), "block grace_exhausted");
}

#[test]
fn a_return_that_was_corrected_upwards_gives_back_what_is_asked_and_no_more() {
    let of_servers = |key, quantity| Meter {
        resource: "servers",
        ..meter(key, quantity)
    };
    let returned = Command::Consume {
        question: question("servers", -1),
        key: "b".to_owned(),
        details: None,
    };
    let story = vec![
        (0, account()),
        (1, rule("servers", Action::Overage, None)),
        (2, Command::Grant(grant("servers", 2, Window::Month))),
        (3, Command::Meter(of_servers("a", 3))),
        (4, returned),
        (
            5,
            Command::Correct {
                event: made(4),
                key: "c".to_owned(),
                quantity: Some(9 * WHOLE),
            },
        ),
        (
            6,
            Command::Meter(Meter {
                is_correction: true,
                corrects: Some(made(4)),
                occurred_at: Some(instant(4)),
                ..of_servers("d", -4)
            }),
        ),
    ];
    let (_, oracle) = agree(story);
    // 3 + 9 - 4 are owned, of which 2 are free.
    assert_eq!(billed(&oracle), [6 * WHOLE]);
}

#[test]
fn corrections_of_one_event_can_add_up_to_more_than_a_quantity() {
    let correct = |key: &str, quantity| Command::Correct {
        event: made(2),
        key: key.to_owned(),
        quantity: Some(quantity),
    };
    let returned = Command::Consume {
        question: question("servers", -1),
        key: "b".to_owned(),
        details: None,
    };
    agree(vec![
        (0, account()),
        (
            1,
            Command::Meter(Meter {
                resource: "servers",
                ..meter("a", 1)
            }),
        ),
        (2, returned),
        (3, correct("c", 0)),
        (4, correct("d", 999_999_999_999_999_999)),
        (5, correct("e", WHOLE)),
    ]);
}
