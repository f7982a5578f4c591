//! A batch of several trees: each has its own present, also where one was last used before the
//! clock was set back.

use std::sync::Arc;

use mec_kernel::*;
use mec_store::Commit;

use crate::lane::{Home, Lane, TREE, used, wait};

crate::lane::home::on_both!(
    a_window_is_open_by_the_instant_of_its_own_tree,
    the_use_beyond_a_limit_is_kept_by_the_instant_of_its_own_tree,
    the_audit_is_dated_by_the_instant_of_its_own_tree,
);

/// Beside this tree, whose present is three months ahead.
fn ahead(lane: &Lane) -> Head {
    Head {
        last_at: lane.now.plus_seconds(90 * 86_400),
        ..Head::new(TreeId(8))
    }
}

/// The account's open windows in one batch with the other tree, and what of them is there for the
/// next one.
fn committed_with_another(lane: &mut Lane, account: AccountId) -> (Arc<Node>, Arc<Node>) {
    let node = Arc::clone(lane.tree.get(account).unwrap());
    let windows = node
        .windows
        .iter()
        .map(|(key, total)| (account, key.clone(), total.clone()))
        .collect();
    let ahead = ahead(lane);
    // Otherwise the tree would be new to this writer every time.
    wait(
        lane.writer
            .heads(&[TREE, ahead.tree], mec_store::Hold::Waited),
    )
    .unwrap();
    let heads = vec![lane.tree.head, ahead];
    wait(lane.writer.commit(&Commit {
        now: Some(ahead.last_at),
        heads,
        windows,
        ..Commit::default()
    }))
    .unwrap();
    let facts = wait(
        lane.writer
            .look_up(TREE, &[Need::Account(account)], &lane.catalog, lane.now),
    )
    .unwrap();
    let Some(Fact::Account(_, Some(found))) = facts.into_iter().next() else {
        panic!("the account is there")
    };
    (node, Arc::new(Node::clone(&found)))
}

fn a_window_is_open_by_the_instant_of_its_own_tree(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    lane.grant(acme, "minutes", 10, Some(WindowRule::of(WindowKind::Month)));
    lane.meter(&used("a", acme, "4", None));
    let (node, found) = committed_with_another(&mut lane, acme);
    assert_eq!(node.windows.len(), 1);
    assert_eq!(found.windows, node.windows);
}

fn the_use_beyond_a_limit_is_kept_by_the_instant_of_its_own_tree(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    lane.grant(acme, "minutes", 10, Some(WindowRule::of(WindowKind::Month)));
    lane.meter(&used("a", acme, "12", None));
    let (_, found) = committed_with_another(&mut lane, acme);
    let since: Vec<Option<Time>> = found
        .windows
        .values()
        .map(|total| total.over_since)
        .collect();
    assert_eq!(since, [Some(lane.now)]);
}

fn the_audit_is_dated_by_the_instant_of_its_own_tree(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    lane.grant(acme, "minutes", 10, None);
    let node = Arc::clone(lane.tree.get(acme).unwrap());
    let row = node.entitlements.first().expect("it has one");
    let audit = Audit {
        id: AuditId(lane.id()),
        action: "update",
        by: "test".into(),
        reason: "dated".to_owned(),
    };
    let write = Write::Entitlement {
        row: row.clone(),
        metadata: None,
        audit,
    };
    let ahead = ahead(&lane);
    wait(
        lane.writer
            .heads(&[TREE, ahead.tree], mec_store::Hold::Waited),
    )
    .unwrap();
    lane.tree.head.last_at = lane.now.plus_seconds(1);
    let heads = vec![lane.tree.head, ahead];
    let commit = Commit {
        now: Some(ahead.last_at),
        heads,
        writes: vec![write],
        ..Commit::default()
    };
    wait(lane.writer.commit(&commit)).unwrap();
    let dated = lane.home.query(&format!(
        "SELECT {} FROM entitlements_audit ORDER BY audit_id",
        lane.home.micros("changed_at")
    ));
    let dated: Vec<String> = dated.into_iter().flatten().collect();
    assert_eq!(
        dated,
        [lane.now, lane.now.plus_seconds(1)].map(|time| time.micros().to_string())
    );
}
