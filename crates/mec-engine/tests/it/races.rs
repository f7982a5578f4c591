//! Many callers at once: never one unit over a limit, one event per key, and all of it there for
//! the next process.

use std::sync::Arc;

use crate::installation::*;
use mec_engine::{Mec, MecError, NewAccount, Options};
use mec_kernel::*;

crate::place::on_both!(
    of_5000_attempts_at_a_limit_of_1000_exactly_1000_are_recorded,
    of_5000_attempts_at_1000_seats_exactly_1000_are_taken,
    the_same_key_from_20_callers_at_once_is_one_event,
    a_refused_command_records_nothing_and_spoils_no_other,
    of_20_accounts_that_want_one_external_id_one_gets_it,
    a_batch_of_events_has_one_outcome_each_in_their_order,
    what_was_answered_is_there_for_the_next_process,
    what_is_closed_has_answered_everything_that_waited,
    a_changed_catalog_counts_for_the_next_command,
    the_same_session_from_20_callers_at_once_takes_one_seat,
    a_limit_that_comes_within_a_batch_counts_what_the_batch_recorded_before,
);

/// 64 tasks that together make `attempts` calls; how many were let through.
async fn race<F>(attempts: usize, call: impl Fn(usize) -> F + Send + Sync + 'static) -> usize
where
    F: Future<Output = bool> + Send,
{
    let call = Arc::new(call);
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..64 {
        let call = call.clone();
        tasks.spawn(async move {
            let mut passed = 0;
            for attempt in (client..attempts).step_by(64) {
                passed += usize::from(call(attempt).await);
            }
            passed
        });
    }
    tasks.join_all().await.into_iter().sum()
}

async fn of_5000_attempts_at_a_limit_of_1000_exactly_1000_are_recorded(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "benchmark_runs", 1_000).await;
    let callers = mec.clone();
    let passed = race(5_000, move |attempt| {
        let mec = callers.clone();
        async move {
            consume_one(&mec, account, &attempt.to_string())
                .await
                .unwrap()
                .event
                .is_some()
        }
    })
    .await;
    assert_eq!(passed, 1_000);
    let refused = consume_one(&mec, account, "one more").await.unwrap();
    assert_eq!(refused.standing.reason.to_string(), "Limit reached");
    assert_eq!(used_of(&refused.standing), "1000");
}

async fn of_5000_attempts_at_1000_seats_exactly_1000_are_taken(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "concurrent_users", 1_000).await;
    let passed = race(5_000, move |_| {
        let mec = mec.clone();
        async move {
            mec.acquire(seat_of(account, 3_600), &caller())
                .await
                .unwrap()
                .lease
                .is_some()
        }
    })
    .await;
    assert_eq!(passed, 1_000);
}

async fn the_same_key_from_20_callers_at_once_is_one_event(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mec = mec.clone();
        tasks.spawn(async move { consume_one(&mec, account, "the same").await.unwrap() });
    }
    let answers = tasks.join_all().await;
    let event = answers[0].event;
    assert!(event.is_some() && answers.iter().all(|answer| answer.event == event));
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.replayed.is_none())
            .count(),
        1
    );
    let next = consume_one(&mec, account, "another").await.unwrap();
    assert_eq!(used_of(&next.standing), "2");
}

async fn a_refused_command_records_nothing_and_spoils_no_other(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    for unknown in [
        AccountId(account.0 ^ (1 << 100)),
        AccountId(account.0 << 32),
        AccountId(u128::MAX),
    ] {
        let refused = consume_one(&mec, unknown, "a").await.unwrap_err();
        assert_eq!(refused.to_string(), "MEC_ACCOUNT_NOT_FOUND");
    }
    let passed = consume_one(&mec, account, "a").await.unwrap();
    assert_eq!(used_of(&passed.standing), "1");
}

async fn of_20_accounts_that_want_one_external_id_one_gets_it(place: impl Place) {
    let mec = open(&place).await;
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..40 {
        let mec = mec.clone();
        tasks.spawn(async move {
            let mut new = NewAccount::named("Acme Corp");
            new.0.external_id = Some(if place < 20 {
                "cus_1".into()
            } else {
                place.to_string().as_str().into()
            });
            mec.create_account(new, &caller()).await
        });
    }
    let answers = tasks.join_all().await;
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .map(ToString::to_string)
        .collect();
    assert_eq!(refused, vec!["MEC_EXTERNAL_ID_TAKEN"; 19]);
    let made = answers
        .iter()
        .flatten()
        .find(|account| account.external_id.as_deref() == Some("cus_1"))
        .unwrap();
    assert_eq!(mec.account_of("cus_1").await.unwrap(), made.id);
    assert_eq!(
        mec.account_of("cus_2").await.unwrap_err().to_string(),
        "MEC_ACCOUNT_NOT_FOUND"
    );
}

async fn a_batch_of_events_has_one_outcome_each_in_their_order(place: impl Place) {
    let mec = open(&place).await;
    let accounts = [
        account(&mec, "benchmark_runs", 10).await,
        account(&mec, "benchmark_runs", 10).await,
    ];
    let event = |place: usize, quantity| {
        let event = event_of(
            accounts[place % 2],
            "benchmark_runs",
            &format!("{}", place % 900),
        );
        Meter {
            quantity: Quantity::whole(quantity),
            ..event
        }
    };
    let mut events: Vec<Meter> = (0..1_000).map(|place| event(place, 1)).collect();
    events[500].quantity = Quantity::whole(-1);
    events[999].quantity = Quantity::whole(7);
    let outcomes = mec.meter_batch(events, &caller()).await;
    for (place, outcome) in outcomes.iter().enumerate() {
        match (place, outcome) {
            (500, outcome) => assert_eq!(
                outcome.as_ref().unwrap_err().to_string(),
                "MEC_QUANTITY_NOT_POSITIVE"
            ),
            (999, outcome) => assert_eq!(
                outcome.as_ref().unwrap_err().to_string(),
                "MEC_IDEMPOTENCY_CONFLICT"
            ),
            (place, Ok(recorded)) => assert_eq!(recorded.replayed, place >= 900, "{place}"),
            (place, Err(error)) => panic!("{place}: {error}"),
        }
    }
    let standing = mec
        .check(Check::of(accounts[0], "benchmark_runs", None), &caller())
        .await
        .unwrap();
    assert_eq!(used_of(&standing), "449");
}

async fn what_was_answered_is_there_for_the_next_process(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let first = consume_one(&mec, account, "a").await.unwrap();
    mec.check(Check::of(account, "benchmark_runs", None), &caller())
        .await
        .unwrap();
    let second = Mec::open(&url(&place), Options::default()).await;
    match second {
        Ok(_) => assert!(place.is_shared()),
        Err(refused) => assert!(
            refused.to_string().contains("is in use by another process"),
            "{refused}"
        ),
    }
    mec.close().await.unwrap();
    assert!(matches!(
        consume_one(&mec, account, "b").await,
        Err(MecError::Stopped)
    ));
    drop(mec);

    let mec = Mec::open(&url(&place), Options::default()).await.unwrap();
    let again = consume_one(&mec, account, "a").await.unwrap();
    assert_eq!(again.event, first.event);
    assert_eq!(used_of(&again.standing), "1");
    assert_eq!(mec.status().decisions_dropped, 0);
}

async fn what_is_closed_has_answered_everything_that_waited(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "benchmark_runs", 100).await;
    let held = Held::lane_with(&mec, account).await;
    let mut tasks = tokio::task::JoinSet::new();
    for attempt in 0..50 {
        let mec = mec.clone();
        tasks.spawn(async move { consume_one(&mec, account, &attempt.to_string()).await });
    }
    until(async || mec.status().queued == 50).await;
    let closing = tokio::spawn({
        let mec = mec.clone();
        async move { mec.close().await }
    });
    held.resume().await;
    closing.await.unwrap().unwrap();
    let recorded = tasks
        .join_all()
        .await
        .iter()
        .filter(|answer| answer.is_ok())
        .count();
    assert_eq!(recorded, 50);
    drop(mec);
    let mec = Mec::open(&url(&place), Options::default()).await.unwrap();
    let standing = mec
        .check(Check::of(account, "benchmark_runs", None), &caller())
        .await
        .unwrap();
    assert_eq!(used_of(&standing), recorded.to_string());
}

async fn a_changed_catalog_counts_for_the_next_command(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let put = |name: &str| {
        let name = name.to_owned();
        move |catalog: &Catalog| {
            let unit = catalog.resources["benchmark_runs"].unit.clone();
            vec![CatalogChange::PutResource(Resource {
                code: "reports".into(),
                name: name.clone(),
                limit_kind: LimitKind::Cumulative,
                unit,
                allowed_units: vec![],
                description: None,
            })]
        }
    };
    let question = Check::of(account, "reports", None);
    assert_eq!(
        mec.check(question.clone(), &caller())
            .await
            .unwrap_err()
            .to_string(),
        "MEC_RESOURCE_NOT_FOUND"
    );
    assert_eq!(
        mec.change_catalog(&caller(), put("Reports"))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        mec.change_catalog(&caller(), put("Reports"))
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(
        mec.check(question.clone(), &caller())
            .await
            .unwrap()
            .reason
            .to_string(),
        "No entitlement"
    );
    let refused = mec
        .change_catalog(&caller(), |_| {
            vec![CatalogChange::RemoveResource("benchmark_runs".into())]
        })
        .await;
    assert_eq!(refused.unwrap_err().to_string(), "MEC_IN_USE");
}

async fn the_same_session_from_20_callers_at_once_takes_one_seat(place: impl Place) {
    let mec = open(&place).await;
    let account = account(&mec, "concurrent_users", 10).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mec, command) = (
            mec.clone(),
            Acquire {
                token: Some("laptop".into()),
                ..seat_of(account, 60)
            },
        );
        tasks.spawn(async move {
            mec.acquire(command, &caller())
                .await
                .unwrap()
                .lease
                .unwrap()
                .id
        });
    }
    let leases = tasks.join_all().await;
    assert!(leases.iter().all(|lease| *lease == leases[0]));
    assert_eq!(used(&mec, account, "concurrent_users").await, "1");
}

async fn a_limit_that_comes_within_a_batch_counts_what_the_batch_recorded_before(
    place: impl Place,
) {
    let mec = open(&place).await;
    let account = account(&mec, "benchmark_runs", 100).await;
    let held = Held::lane_with(&mec, account).await;
    let mut runs = tokio::task::JoinSet::new();
    for run in 0..2 {
        let mec = mec.clone();
        runs.spawn(async move {
            consume_one(&mec, account, &run.to_string())
                .await
                .unwrap()
                .event
                .is_some()
        });
    }
    until(async || mec.status().queued == 2).await;
    let limited = tokio::spawn({
        let mec = mec.clone();
        let window = Some(WindowRule::of(WindowKind::Year));
        let row = Grant {
            window,
            ..grant_of(account, "benchmark_runs", 3)
        };
        async move { mec.grant(row, &caller()).await.unwrap() }
    });
    until(async || mec.status().queued == 3).await;
    for run in 2..6 {
        let mec = mec.clone();
        runs.spawn(async move {
            consume_one(&mec, account, &run.to_string())
                .await
                .unwrap()
                .event
                .is_some()
        });
    }
    until(async || mec.status().queued == 7).await;
    held.resume().await;
    limited.await.unwrap();
    assert_eq!(
        runs.join_all()
            .await
            .into_iter()
            .filter(|passed| *passed)
            .count(),
        3
    );
}
