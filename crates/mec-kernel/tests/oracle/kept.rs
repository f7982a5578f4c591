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

mod plans {
    use super::*;

    #[test]
    fn a_trial_taken_back_before_it_began_was_not_given() {
        let scheduled = Provision {
            start: Some(instant(DAY)),
            ..provision("trial")
        };
        let of_child = Provision {
            account: made(1),
            ..provision("trial")
        };
        let (answers, _) = agree([
            (0, account()),
            (1, child()),
            (2, Command::Provision(scheduled)),
            (3, cancel("trial")),
            (4, Command::Provision(of_child)),
            (5, Command::Provision(provision("trial"))),
        ]);
        assert_eq!(answers[4], Answer::Number(5));
        assert_eq!(told(&answers[5]), "MEC_TRIAL_USED");
    }

    #[test]
    fn a_plan_that_replaces_a_scheduled_one_keeps_its_anchor() {
        let later = |plan| {
            Command::Provision(Provision {
                start: Some(instant(5 * DAY)),
                ..provision(plan)
            })
        };
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Provision(provision("starter"))),
            (2, later("pro")),
            (3, later("team")),
            (6 * DAY, check("runs")),
        ]);
        let Answer::Standing(standing) = &answers[4] else {
            panic!("{answers:?}")
        };
        let window = standing.figures.as_ref().expect("a limit").window;
        assert_eq!(window.0, Some(instant(1)));
    }

    #[test]
    fn a_repeated_trial_gets_no_longer() {
        let again = Provision {
            until: Some(instant(60 * DAY)),
            ..provision("trial")
        };
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Provision(provision("trial"))),
            (DAY, Command::Provision(again)),
            (14 * DAY, check("runs")),
            (14 * DAY + 1, check("runs")),
        ]);
        assert_eq!(told(&answers[3]), "allow within");
        assert_eq!(told(&answers[4]), "deny entitlement_expired");
    }

    #[test]
    fn a_migrated_trial_gets_no_longer() {
        let mut plan = Oracle::new()
            .shop()
            .plan("trial")
            .expect("a plan of the shop")
            .clone();
        plan.templates[0].quantity = Some(30 * WHOLE);
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Provision(provision("trial"))),
            (DAY, Command::PutPlan(plan)),
            (
                2 * DAY,
                Command::Provision(Provision {
                    migrate: true,
                    ..provision("trial")
                }),
            ),
            (14 * DAY, check("runs")),
            (14 * DAY + 1, check("runs")),
        ]);
        assert_eq!(told(&answers[4]), "allow within");
        assert_eq!(told(&answers[5]), "deny entitlement_expired");
    }

    #[test]
    fn an_add_on_in_force_is_repeated_although_its_pool_is_gone() {
        let more = |reference, quantity| {
            Command::Provision(Provision {
                reference,
                quantity: Some(quantity * WHOLE),
                ..provision("more-runs")
            })
        };
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Provision(provision("starter"))),
            (2, more("si_1", 1)),
            (3, Command::Grant(grant("runs", 5, Window::Month))),
            (4, cancel("starter")),
            (
                5,
                patch(
                    made(3),
                    Patch {
                        status: Some(RowStatus::Expired),
                        ..Patch::default()
                    },
                ),
            ),
            (6, more("si_1", 2)),
            (7, check("runs")),
        ]);
        assert_eq!(answers[6], Answer::Number(1));
        assert_eq!(told(&answers[7]), "allow within");
    }

    #[test]
    fn a_trial_given_and_ended_at_one_instant_was_not_had() {
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Provision(provision("trial"))),
            (1, Command::Provision(provision("starter"))),
            (1, Command::Provision(provision("trial"))),
        ]);
        assert_eq!(answers[3], Answer::Number(5));
    }

    #[test]
    fn an_empty_scope_of_a_template_is_none() {
        let mut plan = Oracle::new()
            .shop()
            .plan("starter")
            .expect("a plan of the shop")
            .clone();
        plan.templates[0].scope = Some("");
        let (answers, _) = agree([
            (0, Command::PutPlan(plan)),
            (1, account()),
            (
                2,
                Command::Provision(Provision {
                    account: made(1),
                    ..provision("starter")
                }),
            ),
            (
                3,
                Command::Check(Question {
                    account: made(1),
                    ..question("runs", 1)
                }),
            ),
        ]);
        assert_eq!(answers[0], Answer::Done);
        assert_eq!(told(&answers[3]), "allow within");
    }

    #[test]
    fn a_cancelled_schedule_lifts_the_end_it_had_set() {
        let later = Provision {
            start: Some(instant(5 * DAY)),
            ..provision("starter")
        };
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Provision(provision("pro"))),
            (2, Command::Provision(later)),
            (3, cancel("starter")),
            (6 * DAY, check("runs")),
        ]);
        assert_eq!(told(&answers[4]), "allow within");
    }

    /// Seed 130523150372: the plan that a start in the past had replaced was taken for the next
    /// one.
    #[test]
    fn a_cancelled_schedule_brings_back_the_end_of_a_plan_that_began_in_the_past() {
        let past = Provision {
            start: Some(instant(DAY)),
            ..provision("pro")
        };
        let later = Provision {
            start: Some(instant(9 * DAY)),
            ..provision("starter")
        };
        let (answers, _) = agree([
            (0, account()),
            (2 * DAY, Command::Provision(provision("starter"))),
            (3 * DAY, Command::Provision(past)),
            (4 * DAY, Command::Provision(later)),
            (5 * DAY, cancel("starter")),
            (10 * DAY, check("runs")),
        ]);
        assert_eq!(told(&answers[5]), "allow within");
    }

    #[test]
    fn a_reference_that_was_replaced_ends_nothing() {
        let under = |reference| {
            Command::Provision(Provision {
                reference,
                ..provision("pro")
            })
        };
        let cancel = |reference| Command::Cancel {
            account: ACCOUNT,
            plan: "pro",
            reference: Some(reference),
            at: None,
        };
        let (answers, _) = agree([
            (0, account()),
            (1, under("si_1")),
            (2, under("si_2")),
            (3, cancel("si_1")),
            (4, check("runs")),
            (5, cancel("si_2")),
            (6, check("runs")),
        ]);
        assert_eq!(answers[3], Answer::Number(0));
        assert_eq!(told(&answers[4]), "allow within");
        assert_eq!(told(&answers[6]), "deny entitlement_expired");
    }

    #[test]
    fn another_quantity_of_a_base_plan_is_set() {
        let team = |quantity: i64| {
            Command::Provision(Provision {
                quantity: Some(quantity * WHOLE),
                ..provision("team")
            })
        };
        let (answers, _) = agree([
            (0, account()),
            (1, team(7)),
            (2, team(9)),
            (3, Command::Check(question("seats", 9))),
            (4, team(2)),
        ]);
        assert_eq!(answers[2], Answer::Number(4));
        assert_eq!(told(&answers[3]), "allow within");
    }

    #[test]
    fn an_add_on_keeps_the_window_it_joined() {
        let more = Provision {
            quantity: Some(2 * WHOLE),
            ..provision("more-all")
        };
        let (answers, _) = agree([
            (0, account()),
            (1, Command::Provision(provision("starter"))),
            (2, Command::Provision(more)),
            (3, cancel("starter")),
            (4, consume("a", question("hours", 10))),
            (30 * DAY, Command::Check(question("hours", 10))),
        ]);
        assert_eq!(told(&answers[4]), "allow within");
        assert_eq!(told(&answers[5]), "allow within");
    }

    #[test]
    fn a_closed_account_gets_nothing_new() {
        let closed = Command::PatchAccount {
            account: ACCOUNT,
            status: Some(Status::Closed),
            zone: None,
        };
        let (answers, _) = agree([
            (0, account()),
            (1, closed),
            (2, child()),
            (3, Command::Provision(provision("pro"))),
            (4, Command::Grant(grant("runs", 5, Window::Month))),
            (5, rule("runs", Action::Warn, None)),
        ]);
        for answer in &answers[2..=5] {
            assert_eq!(told(answer), "MEC_ACCOUNT_CLOSED");
        }
    }
}

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

mod overage {
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
}
