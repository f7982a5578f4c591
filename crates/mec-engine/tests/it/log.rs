//! The decision log: every decision asked for is in it, and no decision ever waits for it.

use std::time::Duration;

use crate::installation::{Hands, Held, consume_one, until};
use crate::world::{World, caller};
use mec_engine::{Logged, Options};
use mec_kernel::{AccountId, Check, LeaseId};
use mec_store::{Fault, Faults};

/// Rows that may wait to be written.
const WAITING_MAX: usize = 65_536;

impl World {
    async fn logged(&self) -> Vec<String> {
        let rows = self
            .get("control_decisions_log?order=decision_id&select=operation,decision,reason_code")
            .await;
        rows.iter().map(crate::world::shown).collect()
    }

    async fn rows_logged(&self) -> u64 {
        let table = self.schema.table("control_decisions_log").unwrap().clone();
        self.mec
            .count(table, mec_query::Filter::All(vec![]))
            .await
            .unwrap()
    }

    async fn starter(&self) -> AccountId {
        let account = self.account("Acme Corp").await;
        self.provision(&account, "starter").await;
        account.parse().unwrap()
    }

    async fn check(&self, account: AccountId) {
        self.mec
            .check(Check::of(account, "benchmark_runs", None), &caller())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn every_decision_is_in_the_log_soon_and_survives_the_process() {
    let world = World::open().await;
    let account = world.starter().await;
    world.check(account).await;
    until(async || world.logged().await == ["check allow within"]).await;
    consume_one(&world.mec, account, "a").await.unwrap();
    world
        .mec
        .check(Check::of(account, "platform_access", None), &caller())
        .await
        .unwrap();
    world
        .mec
        .check_all(account, None, Default::default(), &caller())
        .await
        .unwrap();
    let world = world.reopen(Options::default()).await;
    let logged = world.logged().await;
    assert_eq!(
        logged[..3],
        [
            "check allow within",
            "consume allow within",
            "check deny no_entitlement"
        ]
    );
    assert_eq!(logged[3..], vec!["check allow within"; 5]);
    assert_eq!(world.mec.status().decisions_dropped, 0);
}

#[tokio::test]
async fn a_notable_decision_is_any_but_a_plain_allow() {
    let world = World::open_with(Options {
        logged: Logged::Notable,
        ..Options::default()
    })
    .await;
    let account = world.starter().await;
    world.check(account).await;
    for run in 0..101 {
        consume_one(&world.mec, account, &run.to_string())
            .await
            .unwrap();
    }
    let world = world.reopen(Options::default()).await;
    let logged = world.logged().await;
    assert_eq!(logged.first().unwrap(), "consume warn near_limit");
    assert_eq!(logged.last().unwrap(), "consume block limit_reached");
    assert!(
        !logged.iter().any(|row| row.contains("allow")),
        "{logged:?}"
    );
}

#[tokio::test]
async fn a_full_log_is_counted_and_no_check_waits_for_it() {
    let world = World::open().await;
    let (account, other) = (world.starter().await, world.starter().await);
    world.check(account).await;
    world.check(other).await;
    until(async || world.mec.status().decisions_waiting == 0).await;
    let held = Held::lane_of(&world.mec).await;
    for _ in 0..WAITING_MAX + 100 {
        world.check(account).await;
    }
    let status = world.mec.status();
    // One account takes half of the room; the other half is for everybody else.
    assert_eq!(
        (status.decisions_waiting, status.decisions_dropped),
        (WAITING_MAX / 2, WAITING_MAX as u64 / 2 + 100)
    );
    world
        .mec
        .check(Check::of(other, "benchmark_runs", None), &caller())
        .await
        .unwrap();
    assert_eq!(world.mec.status().decisions_waiting, WAITING_MAX / 2 + 1);
    held.resume().await;
    // A thousand at a time, one after the other: the next one does not wait until it is a tenth of
    // a second old.
    let written = until(async || world.mec.status().decisions_waiting == 0);
    tokio::time::timeout(Duration::from_secs(5), written)
        .await
        .expect("the log keeps up with checks");
    let world = world.reopen(Options::default()).await;
    assert_eq!(world.rows_logged().await, WAITING_MAX as u64 / 2 + 3);
}

#[tokio::test]
async fn rows_wait_while_the_disk_is_full() {
    let faults = Faults::default();
    let world = World::open_with(Options {
        faults: faults.clone(),
        ..Options::default()
    })
    .await;
    let account = world.starter().await;
    world.check(account).await;
    until(async || world.rows_logged().await == 1).await;
    faults.set(Some(Fault::DiskFull));
    for _ in 0..3_000 {
        world.check(account).await;
    }
    // The lane has tried to write them, and has gone on.
    until(async || world.mec.status().decisions_waiting < 3_000).await;
    world
        .mec
        .release_lease(LeaseId(account.0), &caller())
        .await
        .unwrap();
    faults.set(None);
    let world = world.reopen(Options::default()).await;
    assert_eq!(world.rows_logged().await, 3_001);
}

#[tokio::test]
async fn a_clock_that_stands_still_costs_no_row_and_no_answer() {
    let hands = Hands::at("2026-03-01T12:00:00Z");
    let world = World::open_with(Options {
        clock: hands.clock(),
        ..Options::default()
    })
    .await;
    let account = world.starter().await;
    for _ in 0..20_000 {
        world.check(account).await;
    }
    for run in 0..300 {
        let consumed = world
            .mec
            .consume(
                crate::installation::run_of(account, &run.to_string()),
                &caller(),
            )
            .await
            .unwrap();
        assert_eq!(consumed.event.is_some(), run < 100);
    }
    // By the same clock, to which none of them is too old.
    let world = world
        .reopen(Options {
            clock: hands.clock(),
            ..Options::default()
        })
        .await;
    assert_eq!(world.rows_logged().await, 20_300);
}

#[tokio::test]
async fn rows_leave_when_they_are_too_old() {
    let hands = Hands::at("2026-03-01T12:00:00Z");
    let options = || Options {
        clock: hands.clock(),
        ..Options::default()
    };
    let world = World::open_with(options()).await;
    let account = world.starter().await;
    for _ in 0..2_500 {
        world.check(account).await;
    }
    hands.forward(29 * 86_400);
    consume_one(&world.mec, account, "a").await.unwrap();
    hands.forward(2 * 86_400);
    let world = world.reopen(options()).await;
    until(async || world.logged().await == ["consume allow within"]).await;
}

#[tokio::test]
async fn the_oldest_rows_leave_when_there_are_too_many() {
    let options = || Options {
        decisions_kept_rows: 200,
        ..Options::default()
    };
    let world = World::open_with(options()).await;
    let account = world.starter().await;
    world
        .mec
        .check(Check::of(account, "platform_access", None), &caller())
        .await
        .unwrap();
    let mut rows_max = 0;
    for _ in 0..40 {
        for _ in 0..50 {
            world.check(account).await;
        }
        until(async || world.mec.status().decisions_waiting == 0).await;
        rows_max = rows_max.max(world.rows_logged().await);
    }
    assert!(
        rows_max < 1_000,
        "{rows_max} rows of 2,001 were there at once"
    );
    let world = world.reopen(options()).await;
    until(async || world.rows_logged().await <= 200).await;
    assert_eq!(
        world.logged().await,
        vec!["check allow within"; 200],
        "the newest stay"
    );
}

#[tokio::test]
async fn commands_that_never_cease_do_not_keep_old_rows() {
    let hands = Hands::at("2026-03-01T12:00:00Z");
    let options = || Options {
        clock: hands.clock(),
        ..Options::default()
    };
    let world = World::open_with(options()).await;
    let account = world.starter().await;
    for _ in 0..100 {
        world.check(account).await;
    }
    hands.forward(31 * 86_400);
    let world = world.reopen(options()).await;
    let mec = world.mec.clone();
    let commands = tokio::spawn(async move {
        for run in 0_u64.. {
            if consume_one(&mec, account, &run.to_string()).await.is_err() {
                break;
            }
        }
    });
    until(async || {
        !world
            .logged()
            .await
            .iter()
            .any(|row| row.starts_with("check"))
    })
    .await;
    world.mec.close().await.unwrap();
    commands.await.unwrap();
}
