//! The decision log is written without any tree and pruned by age.

use mec_kernel::*;
use mec_query::json_text;
use mec_store::{Commit, DecisionRow, Operation, limits_json};

use crate::lane::{Home, Lane, TREE, wait};

crate::lane::home::on_both!(
    decisions_are_logged_without_a_tree_and_pruned_by_age,
    every_limit_considered_is_kept_with_its_decision_and_counted,
);

fn row(account: AccountId, decided_at: Time, seed: u16) -> DecisionRow {
    DecisionRow {
        id: DecisionId(IdSource::new(TREE, decided_at, seed).draw()),
        account,
        resource: "minutes".into(),
        scope: Some("eu".into()),
        operation: Operation::Check,
        requested: Some(Total(500_000)),
        decision: Decision::Block,
        reason: "Limit reached".to_owned(),
        reason_code: "limit_reached",
        entitlement: None,
        rule: None,
        binding: None,
        allowed: Some(Total(i128::MAX)),
        used: Some(Total(3)),
        trace: Trace::default(),
        request_id: Some("r".into()),
        decided_at,
    }
}

fn decisions_are_logged_without_a_tree_and_pruned_by_age(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    let instants: Vec<Time> = (0..10).map(|number| lane.now.plus_micros(number)).collect();
    let decisions = instants
        .iter()
        .zip(0..)
        .map(|(at, seed)| row(acme, *at, seed))
        .collect();
    wait(lane.writer.commit(&Commit {
        decisions,
        ..Commit::default()
    }))
    .unwrap();
    let numbers = |lane: &Lane, sql: &str| -> Vec<i64> {
        lane.home
            .query(sql)
            .into_iter()
            .map(|number| number.unwrap().parse().unwrap())
            .collect()
    };
    let decided = format!(
        "SELECT {} FROM control_decisions_log ORDER BY decision_id",
        lane.home.micros("decided_at")
    );
    let kept = |lane: &Lane| numbers(lane, &decided);
    let quantity = |lane: &Lane, column| {
        numbers(
            lane,
            &format!(
                "SELECT DISTINCT {} FROM control_decisions_log",
                lane.home.millionths(column)
            ),
        )
    };
    let micros = |instants: &[Time]| instants.iter().map(|at| at.micros()).collect::<Vec<_>>();
    assert_eq!(kept(&lane), micros(&instants));
    // A total beyond what the column holds is the largest it holds.
    let largest = if lane.home.is_postgres() {
        QUANTITY_MAX
    } else {
        i64::MAX
    };
    assert_eq!(quantity(&lane, "quantity_allowed"), [largest]);
    assert_eq!(quantity(&lane, "requested_qty"), [500_000]);
    assert_eq!(
        wait(lane.writer.prune_decisions(instants[0], 100)).unwrap(),
        0
    );
    assert_eq!(
        wait(lane.writer.prune_decisions(instants[5], 3)).unwrap(),
        3
    );
    assert_eq!(kept(&lane), micros(&instants[3..]));
    assert_eq!(
        wait(lane.writer.prune_decisions(instants[5], 3)).unwrap(),
        2
    );
    assert_eq!(kept(&lane), micros(&instants[5..]));
}

fn every_limit_considered_is_kept_with_its_decision_and_counted(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    let at = lane.now;
    let limit = Limit {
        level: 1,
        account: acme,
        entitlements: vec![],
        scope: Some("eu".into()),
        action: LimitAction::Overage,
        rule: None,
        figures: Figures {
            allowed: Some(Total(1_500_000)),
            used: Some(Total(1)),
            reserved: None,
            remaining: None,
            percent: Some(Percent(12_345)),
            window_kind: Some(WindowKind::Month),
            window: (None, Some(at)),
        },
        decision: Decision::Block,
        reason: Reason::OverageExhausted,
    };
    let level = BareLevel {
        level: 0,
        account: acme,
        denies: true,
        reason: Reason::ConditionNotMet,
        rows: vec![UnusedRow {
            entitlement: EntitlementId(acme.0),
            scope: None,
            status: EntitlementStatus::Active,
            reason: Reason::ConditionNotMet,
            condition: Some(Condition {
                id: ConditionId(acme.0),
                test: ConditionTest::Weekday(vec![6, 7]),
            }),
            starts_at: at,
        }],
    };
    let trace = Trace {
        limits: vec![limit],
        levels: vec![level],
        ..Trace::default()
    };
    let decisions = vec![
        row(acme, at, 0),
        DecisionRow {
            trace: trace.clone(),
            ..row(acme, at.plus_micros(1), 1)
        },
    ];
    wait(lane.writer.commit(&Commit {
        decisions,
        ..Commit::default()
    }))
    .unwrap();
    let kept = lane
        .home
        .query("SELECT CAST(limits AS TEXT) FROM control_decisions_log ORDER BY decision_id");
    assert_eq!(kept, [None, limits_json(&trace)]);
    let shown: serde_json::Value = serde_json::from_str(kept[1].as_deref().unwrap()).unwrap();
    let nothing = serde_json::Value::Null;
    let wanted = serde_json::json!([
        {
            "level": 0, "account_id": acme.to_string(), "entitlement_ids": [acme.to_string()], "resource_scope": nothing,
            "limit_action": nothing, "rule_id": nothing, "quantity_allowed": nothing, "quantity_used": nothing,
            "quantity_reserved": nothing, "quantity_remaining": nothing, "percent_used": nothing, "window_type": nothing,
            "window_start": nothing, "window_end": nothing, "decision": "deny", "reason": "Condition not met",
            "reason_code": "condition_not_met",
            "entitlements": [{
                "entitlement_id": acme.to_string(), "resource_scope": nothing, "status": "active", "in_force_from": at.to_string(),
                "reason": "Condition not met", "reason_code": "condition_not_met",
                "condition": {
                    "condition_id": acme.to_string(), "condition_type": "weekday", "attribute": nothing, "operator": nothing,
                    "value": [6, 7],
                },
            }],
        },
        {
            "level": 1, "account_id": acme.to_string(), "resource_scope": "eu", "entitlement_ids": [], "limit_action": "overage",
            "rule_id": nothing, "quantity_allowed": 1.5, "quantity_used": 0.000001, "quantity_reserved": nothing,
            "quantity_remaining": nothing, "percent_used": 123.45, "window_type": "month", "window_start": nothing,
            "window_end": at.to_string(), "decision": "block", "reason": "Overage limit reached",
            "reason_code": "overage_exhausted",
        },
    ]);
    assert_eq!(json_text(&shown), json_text(&wanted));
    for (micros, wanted) in [(0, 0), (1, 1), (2, 2)] {
        assert_eq!(
            lane.store.count_decisions(at.plus_micros(micros)).unwrap(),
            wanted
        );
    }
}
