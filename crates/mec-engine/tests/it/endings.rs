//! What ends between the instant a batch is decided at and its COMMIT: others may have been told of
//! the end, and so the batch is decided again.

use std::sync::Arc;

use crate::installation::*;
use mec_engine::{Mec, MecError, NewAccount, Options};
use mec_kernel::*;

crate::place::on_both!(
    a_lease_that_ends_before_the_commit_is_not_renewed,
    a_hold_that_ends_before_the_commit_is_settled_as_one_that_is_over,
    use_is_not_recorded_under_an_entitlement_that_ends_before_the_commit,
    use_counts_in_the_window_of_its_commit,
    a_batch_that_is_always_too_late_is_refused_whole,
);

const RUNS: &str = "benchmark_runs";
const SEATS: &str = "concurrent_users";

async fn open_at_noon(place: &impl Place) -> (Arc<Mec>, Hands) {
    let hands = Hands::at("2026-03-31T12:00:00Z");
    (
        open_with(
            place,
            Options {
                clock: hands.clock(),
                ..Options::default()
            },
        )
        .await,
        hands,
    )
}

/// Sends a command after whose first decisions so many seconds pass each; the instants at which it
/// was decided.
async fn delayed<A: Send + 'static>(
    mec: &Mec,
    hands: &Hands,
    account: AccountId,
    delays: &[i64],
    mut decide: impl FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
) -> (Result<A, MecError>, Vec<Time>) {
    let moved = hands.clone();
    let mut delays: Vec<i64> = delays.iter().rev().copied().collect();
    let (told, decided) = std::sync::mpsc::channel();
    let command = move |view: &View<'_>, making: &mut Making<'_>| {
        let ruling = decide(view, making)?;
        told.send(view.now).unwrap();
        moved.forward(delays.pop().unwrap_or_default());
        Ok(ruling)
    };
    (
        mec.run(account, &caller(), command).await,
        decided.try_iter().collect(),
    )
}

async fn a_lease_that_ends_before_the_commit_is_not_renewed(place: impl Place) {
    let (mec, hands) = open_at_noon(&place).await;
    let account = account(&mec, SEATS, 1).await;
    let lease = mec
        .acquire(seat_of(account, 60), &caller())
        .await
        .unwrap()
        .lease
        .unwrap();
    hands.forward(59);
    let command = Renew {
        lease: lease.id,
        ttl_seconds: 60,
        attributes: Attributes::new(),
    };
    let decide = move |view: &View<'_>, _: &mut Making<'_>| renew(view, &command);
    let (renewed, decided) = delayed(&mec, &hands, account, &[2], decide).await;
    assert_eq!(renewed.unwrap().lease, None);
    assert!(
        decided.len() == 2 && decided[0] < lease.expires_at && lease.expires_at <= decided[1],
        "{decided:?}"
    );
    assert_eq!(used(&mec, account, SEATS).await, "0");
}

async fn a_hold_that_ends_before_the_commit_is_settled_as_one_that_is_over(place: impl Place) {
    let (mec, hands) = open_at_noon(&place).await;
    let account = account(&mec, RUNS, 10).await;
    let check = Check::of(account, RUNS, Some(Quantity::whole(4)));
    let reserve = Reserve {
        check,
        key: "a".into(),
        ttl_seconds: 60,
    };
    let held = mec
        .reserve(reserve, &caller())
        .await
        .unwrap()
        .reservation
        .unwrap();
    hands.forward(59);
    let command = Settle {
        reservation: held.id,
        quantity: Quantity::whole(4),
        attributes: Attributes::new(),
    };
    let decide = move |view: &View<'_>, making: &mut Making<'_>| settle(view, making, &command);
    let (settled, decided) = delayed(&mec, &hands, account, &[2], decide).await;
    assert!(settled.unwrap().event.is_some());
    assert!(
        decided.len() == 2 && held.expires_at <= decided[1],
        "{decided:?}"
    );
    assert_eq!(ledger_sum(&mec, account, RUNS).await, 4);
}

async fn use_is_not_recorded_under_an_entitlement_that_ends_before_the_commit(place: impl Place) {
    let (mec, hands) = open_at_noon(&place).await;
    let account = mec
        .create_account(NewAccount::named("Acme Corp"), &caller())
        .await
        .unwrap()
        .id;
    let end = mec.now().plus_seconds(600);
    mec.grant(
        Grant {
            valid_until: Some(end),
            ..grant_of(account, RUNS, 10)
        },
        &caller(),
    )
    .await
    .unwrap();
    hands.forward(599);
    let command = run_of(account, "a");
    let decide = move |view: &View<'_>, making: &mut Making<'_>| consume(view, making, &command);
    let (consumed, decided) = delayed(&mec, &hands, account, &[2], decide).await;
    assert_eq!(consumed.unwrap().event, None);
    assert_eq!(decided.len(), 2);
    assert_eq!(ledger_sum(&mec, account, RUNS).await, 0);
}

async fn use_counts_in_the_window_of_its_commit(place: impl Place) {
    let (mec, hands) = open_at_noon(&place).await;
    let account = mec
        .create_account(NewAccount::named("Acme Corp"), &caller())
        .await
        .unwrap()
        .id;
    let month = Some(WindowRule::of(WindowKind::Month));
    mec.grant(
        Grant {
            window: month,
            ..grant_of(account, RUNS, 10)
        },
        &caller(),
    )
    .await
    .unwrap();
    consume_one(&mec, account, "a").await.unwrap();
    hands.forward(12 * 3_600 - 1);
    let command = run_of(account, "b");
    let decide = move |view: &View<'_>, making: &mut Making<'_>| consume(view, making, &command);
    let (consumed, decided) = delayed(&mec, &hands, account, &[2], decide).await;
    assert!(consumed.unwrap().event.is_some());
    assert_eq!(decided.len(), 2);
    assert_eq!(used(&mec, account, RUNS).await, "1");
}

async fn a_batch_that_is_always_too_late_is_refused_whole(place: impl Place) {
    let (mec, hands) = open_at_noon(&place).await;
    let account = account(&mec, SEATS, 1).await;
    let command = seat_of(account, 60);
    let decide = move |view: &View<'_>, making: &mut Making<'_>| acquire(view, making, &command);
    let (told, decided) = delayed(&mec, &hands, account, &[61; 10], decide).await;
    assert!(matches!(told, Err(MecError::NotDone(_))), "{told:?}");
    assert_eq!(decided.len(), 3);
    assert_eq!(used(&mec, account, SEATS).await, "0");
    assert!(
        mec.acquire(seat_of(account, 60), &caller())
            .await
            .unwrap()
            .lease
            .is_some()
    );
}
