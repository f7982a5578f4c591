//! The decision log is written without any tree and pruned by age.

mod lane;

use mec_kernel::*;
use mec_store::{Commit, DecisionRow, Operation};

use lane::{Lane, TREE, wait};

fn row(account: AccountId, decided_at: Time, seed: u16) -> DecisionRow {
    DecisionRow {
        id: DecisionId(IdSource::new(TREE, decided_at, seed).draw()),
        account,
        resource: "minutes".into(),
        scope: Some("eu".into()),
        operation: Operation::Check,
        requested: Some("0.5".parse().unwrap()),
        decision: Decision::Block,
        reason: "Limit reached".to_owned(),
        reason_code: "limit_reached",
        entitlement: None,
        rule: None,
        allowed: Some(Total(i128::MAX)),
        used: Some(Total(3)),
        request_id: Some("r".into()),
        decided_at,
    }
}

#[test]
fn decisions_are_logged_without_a_tree_and_pruned_by_age() {
    let mut lane = Lane::new();
    let acme = lane.account(None, "Acme Corp");
    let instants: Vec<Time> = (0..10).map(|number| lane.now.plus_micros(number)).collect();
    let decisions = instants.iter().zip(0..).map(|(at, seed)| row(acme, *at, seed)).collect();
    wait(lane.writer.commit(&Commit { decisions, ..Commit::default() })).unwrap();
    let kept = |lane: &Lane| lane.query::<i64>("SELECT decided_at FROM control_decisions_log ORDER BY decision_id");
    let micros = |instants: &[Time]| instants.iter().map(|at| at.micros()).collect::<Vec<_>>();
    assert_eq!(kept(&lane), micros(&instants));
    assert_eq!(lane.query::<i64>("SELECT DISTINCT quantity_allowed FROM control_decisions_log"), [i64::MAX]);
    assert_eq!(lane.query::<i64>("SELECT DISTINCT requested_qty FROM control_decisions_log"), [500_000]);
    assert_eq!(wait(lane.writer.prune_decisions(instants[0], 100)).unwrap(), 0);
    assert_eq!(wait(lane.writer.prune_decisions(instants[5], 3)).unwrap(), 3);
    assert_eq!(kept(&lane), micros(&instants[3..]));
    assert_eq!(wait(lane.writer.prune_decisions(instants[5], 3)).unwrap(), 2);
    assert_eq!(kept(&lane), micros(&instants[5..]));
}
