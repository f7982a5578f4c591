//! Plans, trials and add-ons.

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
