//! What waits for the lane: bounded, answered in the end, and told at once where there is no room.

use std::sync::Arc;

use crate::installation::*;
use mec_engine::{Mec, MecError, Options};
use mec_kernel::*;
use tokio::task::JoinSet;

/// Commands that wait before the next one is told that there is no room.
const QUEUE_MAX: usize = 8_192;
/// Room for events that were sent many at once.
const MANY_MAX: usize = 40_000;

/// Commands that change nothing, as many as there is room for.
async fn fill(mec: &Arc<Mec>, account: AccountId) -> JoinSet<Result<bool, MecError>> {
    let lease = LeaseId(account.0);
    let mut tasks = JoinSet::new();
    for _ in 0..QUEUE_MAX {
        let mec = mec.clone();
        tasks.spawn(async move { mec.release_lease(lease, &caller()).await });
    }
    until(async || mec.status().queued == QUEUE_MAX).await;
    tasks
}

#[tokio::test]
async fn who_finds_the_queue_full_is_told_at_once_and_comes_through_later() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let held = Held::lane_of(&mec).await;
    let waiting = fill(&mec, account).await;
    assert!(matches!(
        consume_one(&mec, account, "a").await,
        Err(MecError::Busy)
    ));
    assert!(matches!(
        mec.change_catalog(&caller(), |_| vec![]).await,
        Err(MecError::Busy)
    ));
    // A check needs no room.
    assert_eq!(used(&mec, account, "benchmark_runs").await, "0");
    held.resume().await;
    assert!(
        waiting
            .join_all()
            .await
            .into_iter()
            .all(|answer| !answer.unwrap())
    );
    assert_eq!(
        used_of(&consume_one(&mec, account, "a").await.unwrap().standing),
        "1"
    );
    assert_eq!(mec.status().queued, 0);
}

#[tokio::test]
async fn events_sent_many_at_once_wait_outside_while_there_is_no_room_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let held = Held::lane_of(&mec).await;
    let mut tasks = JoinSet::new();
    for batch in 0..5 {
        let mec = mec.clone();
        let mut events = vec![event_of(account, "no_such_thing", "a"); 9_999];
        events.push(event_of(account, "benchmark_runs", &batch.to_string()));
        tasks.spawn(async move { mec.meter_batch(events, &caller()).await });
    }
    until(async || mec.status().queued == 4).await;
    assert_eq!(mec.status().queued_in_batches, MANY_MAX);
    // Single commands have room of their own.
    let single = tokio::spawn({
        let mec = mec.clone();
        async move { consume_one(&mec, account, "single").await }
    });
    until(async || mec.status().queued == 5).await;
    held.resume().await;
    for outcomes in tasks.join_all().await {
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(outcomes[9_999].is_ok());
    }
    single.await.unwrap().unwrap();
    assert_eq!(used(&mec, account, "benchmark_runs").await, "6");
    assert_eq!(mec.status().queued_in_batches, 0);
}

#[tokio::test]
async fn a_large_event_takes_more_room_than_a_small_one() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let held = Held::lane_of(&mec).await;
    let large = Meter {
        details: Some("x".repeat(100 * 1_024).as_str().into()),
        ..event_of(account, "no_such_thing", "a")
    };
    let batch = tokio::spawn({
        let mec = mec.clone();
        async move { mec.meter_batch(vec![large.clone(), large], &caller()).await }
    });
    until(async || mec.status().queued_in_batches == 202).await;
    held.resume().await;
    assert_eq!(batch.await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_batch_closes_at_8_mb_of_details() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 1_000).await;
    let details = format!("\"{}\"", "x".repeat(50 * 1_024 - 2));
    let large = |run: usize| Meter {
        details: Some(details.as_str().into()),
        ..event_of(account, "benchmark_runs", &run.to_string())
    };
    let recorded = mec
        .meter_batch((0..400).map(large).collect(), &caller())
        .await;
    assert!(recorded.iter().all(Result::is_ok));
    // Events of one batch are recorded at one instant: 163 of them are 8 MB less a little.
    let ledger = mec_store::tables::tables()
        .into_iter()
        .find(|table| table.name == "consumption_ledger")
        .unwrap();
    let at = ledger.position("recorded_at").unwrap();
    let read = mec_query::Read {
        table: ledger.into(),
        fetch: vec![at],
        outputs: vec![],
        filter: mec_query::Filter::All(vec![]),
        order: vec![],
        page: mec_query::Page {
            offset: 0,
            limit: None,
        },
        embeds: vec![],
    };
    let rows = mec.fetch(read).await.unwrap().1.rows;
    let mut batches: Vec<usize> = vec![];
    for (place, row) in rows.iter().enumerate() {
        if place > 0 && rows[place - 1] == *row {
            *batches.last_mut().unwrap() += 1
        } else {
            batches.push(1)
        }
    }
    assert_eq!(batches, [163, 163, 74]);
}

#[tokio::test]
async fn a_full_queue_is_answered_before_the_lane_closes() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let held = Held::lane_of(&mec).await;
    let waiting = fill(&mec, account).await;
    let closing = tokio::spawn({
        let mec = mec.clone();
        async move { mec.close().await }
    });
    held.resume().await;
    closing.await.unwrap().unwrap();
    assert!(
        waiting
            .join_all()
            .await
            .into_iter()
            .all(|answer| answer.is_ok())
    );
    assert!(matches!(
        consume_one(&mec, account, "a").await,
        Err(MecError::Stopped)
    ));
    // Nobody would write its row of the decision log.
    let question = Check::of(account, "benchmark_runs", None);
    assert!(matches!(
        mec.check(question, &caller()).await,
        Err(MecError::Stopped)
    ));
    mec.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_that_never_cease_do_not_keep_it_open_and_none_is_left_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 1_000_000).await;
    let mut tasks = JoinSet::new();
    for client in 0..16 {
        let mec = mec.clone();
        tasks.spawn(async move {
            for attempt in 0_u64.. {
                match consume_one(&mec, account, &format!("{client} {attempt}")).await {
                    Ok(_) => {}
                    Err(MecError::Stopped) => return attempt,
                    Err(other) => panic!("{other}"),
                }
            }
            0
        });
    }
    until(async || {
        used(&mec, account, "benchmark_runs")
            .await
            .parse::<u64>()
            .unwrap()
            > 100
    })
    .await;
    tokio::time::timeout(std::time::Duration::from_secs(60), mec.close())
        .await
        .expect("it closes")
        .unwrap();
    let recorded: u64 = tasks.join_all().await.into_iter().sum();
    drop(mec);
    let mec = open(&dir).await;
    assert_eq!(
        used(&mec, account, "benchmark_runs").await,
        recorded.to_string()
    );
}

#[tokio::test]
async fn ids_of_impossible_trees_stand_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "concurrent_users", 10).await;
    for id in [
        0,
        u128::MAX,
        account.0 & !0xffff_ffff,
        account.0 | 0x8000_0000,
        account.0 ^ 1,
    ] {
        let renew = Renew {
            lease: LeaseId(id),
            ttl_seconds: 60,
            attributes: Default::default(),
        };
        let renewed = mec.renew(renew.clone(), &caller()).await.unwrap();
        assert_eq!((renewed.lease, renewed.decision), (None, Decision::Deny));
        assert!(matches!(
            mec.renew(
                Renew {
                    ttl_seconds: 0,
                    ..renew
                },
                &caller()
            )
            .await,
            Err(MecError::Refused(_))
        ));
        assert!(!mec.release_lease(LeaseId(id), &caller()).await.unwrap());
        assert!(
            !mec.release_reservation(ReservationId(id), &caller())
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn after_a_stop_the_one_file_is_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    consume_one(&mec, account, "a").await.unwrap();
    mec.close().await.unwrap();
    // The installation is still held, as by a server that is about to exit.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join("mec.db"), copy.path().join("mec.db")).unwrap();
    let copied = Mec::open(&url(&copy), Options::default()).await.unwrap();
    assert_eq!(used(&copied, account, "benchmark_runs").await, "1");
    assert!(
        consume_one(&copied, account, "a")
            .await
            .unwrap()
            .replayed
            .is_some()
    );
    drop(mec);
}

#[tokio::test]
async fn time_never_runs_backwards() {
    let dir = tempfile::tempdir().unwrap();
    let hands = Hands::at("2026-03-01T12:00:00Z");
    let mec = open_with(
        &dir,
        Options {
            clock: hands.clock(),
            ..Options::default()
        },
    )
    .await;
    let account = account(&mec, "concurrent_users", 1).await;
    mec.acquire(seat_of(account, 60), &caller())
        .await
        .unwrap()
        .lease
        .unwrap();
    hands.forward(61);
    assert_eq!(used(&mec, account, "concurrent_users").await, "0");
    hands.forward(-30);
    // Somebody was told that the seat is free.
    assert_eq!(used(&mec, account, "concurrent_users").await, "0");
    assert!(
        mec.acquire(seat_of(account, 60), &caller())
            .await
            .unwrap()
            .lease
            .is_some()
    );
}
