//! Sequences on which kernel and oracle once differed, told in words. A change of the generator
//! cannot lose them.

use mec_oracle::{
    Action, Answer, Attributes, Command, Grant, Meter, Oracle, Patch, Provision, Question,
    RowStatus, Rule, SECOND, Status, Window,
};

use crate::story::*;

mod decisions {
    use super::*;

    #[test]
    fn a_row_of_another_scope_tells_nothing_of_its_time() {
        let to_come = Grant {
            scope: Some("eu"),
            valid_from: Some(instant(DAY)),
            ..grant("runs", 5, Window::Month)
        };
        let over = Grant {
            scope: Some("us"),
            valid_until: Some(instant(60)),
            ..grant("runs", 5, Window::Month)
        };
        let story = [
            (0, account()),
            (1, Command::Grant(to_come)),
            (2, Command::Grant(over)),
            (HOUR, check("runs")),
        ];
        let (answers, _) = agree(story);
        assert_eq!(told(&answers[3]), "deny no_entitlement_for_scope");
    }

    #[test]
    fn a_row_past_its_end_is_over_before_it_is_tidied() {
        let row = Grant {
            valid_until: Some(instant(60)),
            ..grant("runs", 5, Window::Month)
        };
        let status = |status| {
            patch(
                made(1),
                Patch {
                    status: Some(status),
                    ..Patch::default()
                },
            )
        };
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Grant(row)),
            (2, status(RowStatus::Suspended)),
            (59, check("runs")),
            (60, check("runs")),
            (61, status(RowStatus::Active)),
        ]);
        assert_eq!(told(&answers[3]), "deny entitlement_suspended");
        assert_eq!(told(&answers[4]), "deny entitlement_expired");
        assert_eq!(told(&answers[5]), "MEC_ENTITLEMENT_EXPIRED");
    }

    #[test]
    fn a_new_limit_has_a_grace_period_of_its_own() {
        let year = Patch {
            window: Some(Window::Year),
            ..Patch::default()
        };
        let (answers, _) = agree([
            (0, account()),
            (1, rule("runs", Action::Grace, Some(HOUR))),
            (2, Command::Grant(grant("runs", 5, Window::Month))),
            (3, Command::Meter(meter("a", 6))),
            (2 * HOUR, check("runs")),
            (2 * HOUR + 1, patch(made(2), year)),
            (2 * HOUR + 2, check("runs")),
        ]);
        assert_eq!(told(&answers[4]), "block grace_exhausted");
        assert_eq!(told(&answers[6]), "grace in_grace");
    }

    #[test]
    fn what_is_taken_from_one_scope_is_taken_from_all() {
        let scoped = |quantity, scope| Question {
            scope: Some(scope),
            ..question("servers", quantity)
        };
        let (answers, _) = agree([
            (0, account()),
            (
                1,
                Command::Grant(grant("servers", 9, Window::Lifetime(None))),
            ),
            (2, consume("a", scoped(3, "eu"))),
            (3, consume("b", question("servers", -2))),
            (4, consume("c", scoped(-3, "eu"))),
            (5, consume("d", scoped(-1, "eu"))),
        ]);
        assert_eq!(told(&answers[4]), "MEC_BELOW_ZERO");
        assert_eq!(told(&answers[5]), "allow released");
    }

    #[test]
    fn an_account_that_is_closed_is_denied_below_it_too() {
        let closed = Command::PatchAccount {
            account: ACCOUNT,
            status: Some(Status::Closed),
            zone: None,
        };
        let of_child = Question {
            account: made(1),
            ..question("runs", 1)
        };
        let story = [
            (0, account()),
            (1, child()),
            (2, closed),
            (3, Command::Check(of_child)),
        ];
        assert_eq!(told(&agree(story).0[3]), "deny account_closed");
    }

    #[test]
    fn an_add_on_alone_does_not_lift_a_suspended_plan() {
        let of_child = |plan| {
            Command::Provision(Provision {
                account: made(1),
                ..provision(plan)
            })
        };
        let (answers, _) = agree([
            (0, account()),
            (1, child()),
            (2, Command::Provision(provision("pro"))),
            (3, of_child("starter")),
            (4, of_child("more-runs")),
            (
                5,
                patch(
                    made(3),
                    Patch {
                        status: Some(RowStatus::Suspended),
                        ..Patch::default()
                    },
                ),
            ),
            (
                6,
                Command::Check(Question {
                    account: made(1),
                    ..question("runs", 1)
                }),
            ),
        ]);
        assert_eq!(told(&answers[6]), "deny entitlement_suspended");
    }

    #[test]
    fn an_add_on_that_misses_its_condition_denies_nothing() {
        let (answers, _) = agree([
            (0, account()),
            (1, child()),
            (2, Command::Provision(provision("more-runs"))),
            (3, of_beta(made(2))),
            (
                4,
                Command::Grant(Grant {
                    account: made(1),
                    ..grant("runs", 5, Window::Month)
                }),
            ),
            (
                5,
                Command::Check(Question {
                    account: made(1),
                    ..question("runs", 1)
                }),
            ),
        ]);
        assert_eq!(told(&answers[5]), "allow within");
    }

    #[test]
    fn a_window_that_has_not_begun_limits_nothing_and_grants_nothing() {
        let to_come = Window::Period(instant(HOUR), instant(DAY));
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Grant(grant("runs", 5, to_come))),
            (2, check("runs")),
            (HOUR, check("runs")),
        ]);
        assert_eq!(told(&answers[2]), "deny entitlement_not_started");
        assert_eq!(told(&answers[3]), "allow within");
    }

    #[test]
    fn a_rate_refuses_what_its_month_would_bill() {
        let minute = |quantity| grant("runs", quantity, Window::Rolling(60));
        let story = |window| {
            let Command::PutRule(rule) = rule("runs", Action::Overage, None) else {
                panic!("a rule")
            };
            vec![
                (0, account()),
                (1, Command::PutRule(Rule { window, ..rule })),
                (2, Command::Grant(grant("runs", 1_000, Window::Month))),
                (3, Command::Grant(minute(2))),
                (4, consume("a", question("runs", 2))),
                (5, consume("b", question("runs", 1))),
            ]
        };
        assert_eq!(told(&agree(story(None)).0[5]), "block limit_reached");
        assert_eq!(
            told(&agree(story(Some("month"))).0[5]),
            "block limit_reached"
        );
        assert_eq!(told(&agree(story(Some("rolling"))).0[5]), "overage overage");
    }

    #[test]
    fn a_question_without_a_quantity_tells_what_has_accrued() {
        let (answers, _) = agree([
            (0, account()),
            (1, rule("runs", Action::Overage, None)),
            (2, Command::Grant(grant("runs", 5, Window::Month))),
            (3, consume("a", question("runs", 9))),
            (4, Command::Check(Question::of(ACCOUNT, "runs"))),
        ]);
        let Answer::Standing(standing) = &answers[4] else {
            panic!("{answers:?}")
        };
        assert_eq!(
            standing.overage,
            Some(("4".to_owned(), Some("4".to_owned())))
        );
    }

    #[test]
    fn a_block_says_when_it_would_fit() {
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Grant(grant("runs", 5, Window::Day))),
            (2, reserve("h", 2)),
            (3, consume("a", question("runs", 3))),
            (4, check("runs")),
            (5, Command::Check(question("runs", 3))),
            (6, Command::Check(question("runs", 6))),
        ]);
        let retry = |answer: &Answer| match answer {
            Answer::Standing(standing) => standing.retry_after_seconds,
            other => panic!("{other:?}"),
        };
        // The hold ends after an hour, the day twelve hours after the story has begun; six are too
        // many for any day.
        assert_eq!(retry(&answers[4]), Some(HOUR + 2 - 4));
        assert_eq!(retry(&answers[5]), Some(12 * HOUR - 5));
        assert_eq!(retry(&answers[6]), None);
    }
}

#[path = "kept/plans.rs"]
mod plans;

mod attributes {
    use super::*;

    #[test]
    fn a_renewal_is_decided_with_the_attributes_it_states() {
        let acquire = Command::Acquire {
            question: Question {
                attributes: beta(),
                ..question("seats", 1)
            },
            token: None,
            ttl_seconds: 600,
        };
        let renew = |attributes| Command::Renew {
            lease: made(3),
            ttl_seconds: 900,
            attributes,
        };
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Grant(grant("seats", 1, Window::Lifetime(None)))),
            (2, of_beta(made(1))),
            (3, acquire),
            (4, renew(Attributes::new())),
            (5, renew(beta())),
        ]);
        assert_eq!(told(&answers[4]), "deny condition_not_met");
        assert_eq!(told(&answers[5]), "allow within");
    }

    #[test]
    fn a_correction_upwards_states_none_whichever_way_it_comes() {
        let of_beta_row = [
            (0, account()),
            (1, rule("runs", Action::Overage, None)),
            (2, Command::Grant(grant("runs", 0, Window::Month))),
            (3, of_beta(made(2))),
            (
                4,
                Command::Meter(Meter {
                    attributes: beta(),
                    ..meter("a", 1)
                }),
            ),
        ];
        let correction = Meter {
            occurred_at: Some(instant(4)),
            is_correction: true,
            corrects: Some(made(4)),
            attributes: beta(),
            ..meter("b", 2)
        };
        let corrections = [
            (
                5,
                Command::Correct {
                    event: made(4),
                    key: "c".to_owned(),
                    quantity: Some(2 * WHOLE),
                },
            ),
            (6, Command::Meter(correction)),
        ];
        let (_, oracle) = agree(of_beta_row.into_iter().chain(corrections));
        assert_eq!(billed(&oracle), [WHOLE]);
    }
}

#[path = "kept/overage.rs"]
mod overage;
