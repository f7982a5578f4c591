//! A store that fails, and commands that do: nobody is told more than is durable, and only the
//! culprit gets the error.

use std::sync::Arc;

use crate::installation::*;
use mec_engine::{Mec, MecError, NewAccount, Options};
use mec_kernel::*;
use mec_store::{Fault, Faults, Store};
use tokio::task::JoinSet;

async fn open_with_faults(dir: &tempfile::TempDir) -> (Arc<Mec>, Faults) {
    let faults = Faults::default();
    (
        open_with(
            dir,
            Options {
                faults: faults.clone(),
                ..Options::default()
            },
        )
        .await,
        faults,
    )
}

/// Runs of different keys, whose details no free page has room for, sent while the lane is held.
async fn send_large(
    mec: &Arc<Mec>,
    account: AccountId,
    runs: usize,
) -> Vec<Result<Consumed, MecError>> {
    let held = Held::lane_of(mec).await;
    let mut tasks = JoinSet::new();
    for run in 0..runs {
        let details = Some(format!("\"{}\"", "x".repeat(50_000)).as_str().into());
        let (mec, command) = (
            mec.clone(),
            Consume {
                details,
                ..run_of(account, &run.to_string())
            },
        );
        tasks.spawn(async move { mec.consume(command, &caller()).await });
    }
    until(async || mec.status().queued == runs).await;
    held.resume().await;
    tasks.join_all().await
}

async fn findings(dir: &tempfile::TempDir) -> usize {
    let (store, catalog) = Store::open_read_only(&url(dir)).unwrap();
    store
        .verify(
            &catalog,
            "2030-01-01T00:00:00Z".parse().unwrap(),
            &mut |_| {},
        )
        .unwrap()
        .findings
        .len()
}

#[tokio::test]
async fn on_a_full_disk_everything_that_waits_is_not_done_and_later_works() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, faults) = open_with_faults(&dir).await;
    let account = account(&mec, "benchmark_runs", 100).await;
    faults.set(Some(Fault::DiskFull));
    for refused in send_large(&mec, account, 50).await {
        assert!(
            matches!(refused, Err(MecError::NotDone(ref cause)) if cause.contains("full")),
            "{refused:?}"
        );
    }
    assert_eq!(used(&mec, account, "benchmark_runs").await, "0");
    faults.set(None);
    for done in send_large(&mec, account, 50).await {
        assert!(done.unwrap().replayed.is_none());
    }
    assert_eq!(used(&mec, account, "benchmark_runs").await, "50");
    mec.close().await.unwrap();
    assert_eq!(mec.status().decisions_dropped, 0);
    assert_eq!(findings(&dir).await, 0);
}

#[tokio::test]
async fn from_the_first_write_that_fails_until_one_succeeds_it_is_not_well() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, faults) = open_with_faults(&dir).await;
    let account = account(&mec, "benchmark_runs", 100).await;
    faults.set(Some(Fault::DiskFull));
    mec.ping().await.unwrap();
    send_large(&mec, account, 3)
        .await
        .into_iter()
        .for_each(|refused| drop(refused.unwrap_err()));
    for _ in 0..2 {
        let told = mec.ping().await;
        assert!(
            matches!(told, Err(MecError::NotDone(ref cause)) if cause.contains("full")),
            "{told:?}"
        );
    }
    faults.set(None);
    mec.ping().await.unwrap();
    // A write that succeeds says so too.
    faults.set(Some(Fault::DiskFull));
    send_large(&mec, account, 3)
        .await
        .into_iter()
        .for_each(|refused| drop(refused.unwrap_err()));
    faults.set(None);
    send_large(&mec, account, 3)
        .await
        .into_iter()
        .for_each(|done| drop(done.unwrap()));
    faults.set(Some(Fault::DiskFull));
    mec.ping().await.unwrap();
    faults.set(None);
    mec.close().await.unwrap();
    assert_eq!(findings(&dir).await, 0);
}

#[tokio::test]
async fn a_catalog_that_was_not_written_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, faults) = open_with_faults(&dir).await;
    let put = |catalog: &Catalog| {
        let mut resource = Resource::clone(&catalog.resources["benchmark_runs"]);
        resource.code = "reports".into();
        resource.description = Some("x".repeat(200_000));
        vec![CatalogChange::PutResource(resource)]
    };
    faults.set(Some(Fault::DiskFull));
    assert!(matches!(
        mec.change_catalog(&caller(), put).await,
        Err(MecError::NotDone(_))
    ));
    assert!(!mec.catalog().resources.contains_key("reports"));
    faults.set(None);
    assert_eq!(mec.change_catalog(&caller(), put).await.unwrap().len(), 1);
    assert!(mec.catalog().resources.contains_key("reports"));
}

#[tokio::test]
async fn of_a_batch_with_refused_rows_only_the_culprits_get_the_error() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 1_000).await;
    let held = Held::lane_of(&mec).await;
    let mut made = JoinSet::new();
    let mut runs = JoinSet::new();
    // Each is decided in a tree of its own, where the name is free; only the store sees that they
    // want the same.
    for place in 0..200 {
        let commands = mec.clone();
        if place % 40 == 0 {
            let mut new = NewAccount::named("Acme Corp");
            new.0.external_id = Some("cus_1".into());
            made.spawn(async move { commands.create_account(new, &caller()).await });
        } else {
            runs.spawn(async move { consume_one(&commands, account, &place.to_string()).await });
        }
    }
    until(async || mec.status().queued == 200).await;
    held.resume().await;
    let refused: Vec<String> = made
        .join_all()
        .await
        .iter()
        .filter_map(|made| Some(made.as_ref().err()?.to_string()))
        .collect();
    assert_eq!(refused, vec!["MEC_EXTERNAL_ID_TAKEN"; 4]);
    assert!(runs.join_all().await.iter().all(Result::is_ok));
    assert_eq!(used(&mec, account, "benchmark_runs").await, "195");
}

/// What the caller of one run is told under `fault`, and whether the next process knows the run.
async fn unknown(fault: Fault) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let (mec, faults) = open_with_faults(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    faults.set(Some(fault));
    let told = consume_one(&mec, account, "a").await;
    assert!(matches!(told, Err(MecError::OutcomeUnknown(_))), "{told:?}");
    let why = mec.ended().await.unwrap_err();
    assert!(why.contains("not known"), "{why}");
    assert!(matches!(mec.ping().await, Err(MecError::Stopped)));
    assert!(matches!(
        consume_one(&mec, account, "b").await,
        Err(MecError::Stopped)
    ));
    drop(mec);

    let mec = open(&dir).await;
    let again = consume_one(&mec, account, "a").await.unwrap();
    assert_eq!(used_of(&again.standing), "1");
    mec.close().await.unwrap();
    assert_eq!(findings(&dir).await, 0);
    again.replayed.is_some()
}

#[tokio::test]
async fn an_unknown_outcome_ends_the_lane_and_the_next_process_knows_it() {
    assert!(unknown(Fault::AnswerLost).await);
    assert!(!unknown(Fault::CommitLost).await);
}

#[tokio::test]
async fn what_waits_behind_an_unknown_outcome_was_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, faults) = open_with_faults(&dir).await;
    let account = account(&mec, "benchmark_runs", 10_000).await;
    let held = Held::lane_of(&mec).await;
    let mut tasks = JoinSet::new();
    for run in 0..3_000 {
        let mec = mec.clone();
        tasks.spawn(async move { consume_one(&mec, account, &run.to_string()).await });
    }
    until(async || mec.status().queued == 3_000).await;
    faults.set(Some(Fault::AnswerLost));
    held.resume().await;
    let told = tasks.join_all().await;
    let unknown = told
        .iter()
        .filter(|told| matches!(told, Err(MecError::OutcomeUnknown(_))))
        .count();
    let stopped = told
        .iter()
        .filter(|told| matches!(told, Err(MecError::Stopped)))
        .count();
    assert_eq!(
        (unknown + stopped, unknown > 0, stopped > 0),
        (3_000, true, true)
    );
    drop(mec);
    let mec = open(&dir).await;
    assert_eq!(
        used(&mec, account, "benchmark_runs").await,
        unknown.to_string()
    );
}

#[tokio::test]
async fn a_decision_that_panics_is_its_callers_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let told = mec
        .run::<(), _>(account, &caller(), |_, _| panic!("of a test"))
        .await;
    assert!(
        matches!(told, Err(MecError::Rejected(ref why)) if why.contains("of a test")),
        "{told:?}"
    );
    let told = mec.change_catalog(&caller(), |_| panic!("of a test")).await;
    assert!(matches!(told, Err(MecError::Rejected(_))), "{told:?}");
    assert_eq!(
        used_of(&consume_one(&mec, account, "a").await.unwrap().standing),
        "1"
    );
    mec.close().await.unwrap();
}

mod on_postgres {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::installation::*;
    use crate::place::Database;
    use crate::place::cluster::Cluster;
    use mec_engine::{Mec, MecError};
    use mec_kernel::*;
    use tokio::task::JoinHandle;

    type Told<T> = JoinHandle<Result<T, MecError>>;

    fn consuming(mec: &Arc<Mec>, account: AccountId, key: &'static str) -> Told<Consumed> {
        let mec = mec.clone();
        tokio::spawn(async move { consume_one(&mec, account, key).await })
    }

    async fn told<T>(told: Told<T>) -> Result<T, MecError> {
        tokio::time::timeout(Duration::from_secs(60), told)
            .await
            .expect("it is answered")
            .unwrap()
    }

    #[tokio::test]
    async fn of_commands_that_wait_for_a_tree_only_the_culprit_gets_the_error() {
        let place = Database::new();
        let mec = open(&place).await;
        let account = account(&mec, "benchmark_runs", 100).await;
        place.sql(
            "ALTER TABLE consumption_ledger ADD CHECK (idempotency_key <> 'culprit') NOT VALID",
        );
        let lock = place.hold_tree(account.tree().0);
        let first = consuming(&mec, account, "first");
        until(async || place.waits_for_locks() == 1).await;
        let others =
            ["a", "b", "culprit", "c", "d"].map(|key| (key, consuming(&mec, account, key)));
        drop(lock);
        assert!(told(first).await.unwrap().event.is_some());
        for (key, other) in others {
            match told(other).await {
                Ok(consumed) => assert!(key != "culprit" && consumed.event.is_some(), "{key}"),
                Err(MecError::Rejected(_)) => assert_eq!(key, "culprit"),
                Err(error) => panic!("{key}: {error}"),
            }
        }
        assert_eq!(used(&mec, account, "benchmark_runs").await, "5");
    }

    #[tokio::test]
    async fn a_question_the_database_does_not_answer_is_its_commands_alone() {
        let place = Database::new();
        let mec = open(&place).await;
        let account = account(&mec, "benchmark_runs", 100).await;
        let mut events = vec![];
        for key in ["a", "b", "c"] {
            events.push(
                mec.meter(event_of(account, "benchmark_runs", key), &caller())
                    .await
                    .unwrap()
                    .event,
            );
        }
        place.sql(&format!(
            "ALTER TABLE consumption_ledger RENAME TO ledger_rows; CREATE VIEW consumption_ledger AS SELECT * FROM ledger_rows \
             WHERE CASE WHEN event_id = '{}' THEN 1 / (tree - tree) = 0 ELSE true END",
            events[1]
        ));
        let lock = place.hold_tree(account.tree().0);
        let first = consuming(&mec, account, "first");
        until(async || place.waits_for_locks() == 1).await;
        let voided = events
            .iter()
            .zip(["void a", "void b", "void c"])
            .map(|(event, key)| {
                let (mec, command) = (
                    mec.clone(),
                    Correct {
                        key: key.into(),
                        event: *event,
                        quantity: None,
                        details: r#"{"new":null}"#.into(),
                    },
                );
                tokio::spawn(async move { mec.correct(command, &caller()).await })
            });
        let voided: Vec<_> = voided.collect();
        let last = consuming(&mec, account, "last");
        drop(lock);
        assert!(told(first).await.unwrap().event.is_some());
        let mut outcomes = vec![];
        for voided in voided {
            outcomes.push(told(voided).await);
        }
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
        assert!(
            matches!(outcomes[1], Err(MecError::NotDone(_))),
            "{outcomes:?}"
        );
        assert!(told(last).await.unwrap().event.is_some());
    }

    #[tokio::test]
    async fn an_answer_that_was_recorded_before_waits_for_the_standby_like_a_new_one() {
        let cluster = Arc::new(Cluster::start(&["wal_level=replica", "max_wal_senders=4"]));
        let place = Database::on(cluster.clone());
        // Whatever roles say, commits of this program wait.
        place.sql("ALTER ROLE ALL SET synchronous_commit = off");
        let mec = open(&place).await;
        let account = account(&mec, "benchmark_runs", 100).await;
        let recorded = consume_one(&mec, account, "a").await.unwrap().event;
        cluster.set(&[("synchronous_standby_names", "nobody")]);
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'COMMIT%'";
        // The server takes its new setting in when it comes to it.
        let mut replay = consuming(&mec, account, "a");
        until(async || {
            if replay.is_finished() {
                replay = consuming(&mec, account, "a");
            }
            place.sql(waits) == ["1"]
        })
        .await;
        cluster.set(&[("synchronous_standby_names", "")]);
        assert_eq!(told(replay).await.unwrap().event, recorded);
    }
}
