//! Filling a store again, or after a fill that was cut off.

use mec::demo::{Contents, fill};
use mec_engine::{Mec, NewAccount, catalog_file};

use super::states::assert_states;
use super::{TUESDAY, caller, filled, open, rows};

/// Rows that an operation writes; the decision log is not among them, because asking is no
/// operation.
async fn written(mec: &Mec) -> Vec<u64> {
    let mut counts = vec![];
    for table in [
        "accounts",
        "entitlements",
        "entitlements_audit",
        "control_rules",
        "consumption_ledger",
        "concurrency_leases",
    ] {
        counts.push(rows(mec, table).await);
    }
    counts
}

#[tokio::test]
async fn filling_it_again_records_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mec, _) = filled(directory.path(), TUESDAY).await;
    let before = written(&mec).await;
    assert_eq!(fill(&mec).await.unwrap(), Contents::Demo);
    assert_eq!(written(&mec).await, before);
    mec.close().await.unwrap();
    drop(mec);

    let mec = open(directory.path(), "2027-02-01T00:00:00Z").await;
    assert_eq!(fill(&mec).await.unwrap(), Contents::Demo);
    assert_eq!(written(&mec).await, before);
}

/// Cuts a fill off when so many rows of a table are there.
async fn fill_until(mec: Mec, table: &str, wanted: u64) {
    let some_are_there = async {
        while rows(&mec, table).await < wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        contents = fill(&mec) => panic!("it was not cut off: {contents:?}"),
        () = some_are_there => {}
    }
    mec.close().await.unwrap();
}

#[tokio::test]
async fn a_fill_that_was_cut_off_is_completed_by_the_next_one() {
    let whole = tempfile::tempdir().unwrap();
    let (mec, filled) = filled(whole.path(), TUESDAY).await;
    let expected = written(&mec).await;

    let directory = tempfile::tempdir().unwrap();
    let mec = open(directory.path(), TUESDAY).await;
    fill_until(mec, "consumption_ledger", 3_000).await;

    let later = "2026-11-24T23:00:00Z";
    let mec = open(directory.path(), later).await;
    let Contents::Filled(completed) = fill(&mec).await.unwrap() else {
        panic!("it is completed")
    };
    assert!(completed.replayed >= 3_000, "{completed:?}");
    assert_eq!(
        (completed.replayed + completed.recorded, completed.too_old),
        (filled.recorded, 0)
    );
    assert_eq!(written(&mec).await, expected);
    assert_states(&mec, later, TUESDAY).await;
}

#[tokio::test]
async fn what_has_become_too_old_since_the_fill_was_cut_off_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let mec = open(directory.path(), TUESDAY).await;
    fill_until(mec, "accounts", 4).await;

    let later = "2026-11-26T10:30:00Z";
    let mec = open(directory.path(), later).await;
    let Contents::Filled(completed) = fill(&mec).await.unwrap() else {
        panic!("it is completed")
    };
    assert!(
        completed.too_old > 0 && completed.too_old < completed.recorded / 10,
        "{completed:?}"
    );
    assert_eq!(
        rows(&mec, "consumption_ledger").await,
        (completed.recorded + completed.replayed) as u64
    );
    assert_states(&mec, later, TUESDAY).await;
}

#[tokio::test]
async fn a_store_of_something_else_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let mec = open(directory.path(), TUESDAY).await;
    let units = catalog_file::parse("[account_types]\norganization = \"\"").unwrap();
    mec.change_catalog(&caller(), move |current| units.changes(current, false))
        .await
        .unwrap();
    mec.create_account(NewAccount::named("Acme Corp"), &caller())
        .await
        .unwrap();
    let before = written(&mec).await;
    assert_eq!(fill(&mec).await.unwrap(), Contents::Other);
    assert_eq!(written(&mec).await, before);
    assert!(mec.catalog().plans.is_empty());
}
