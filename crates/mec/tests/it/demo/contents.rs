//! What the demo is filled with.

use std::collections::BTreeSet;
use std::path::Path;

use mec_engine::NewAccount;
use mec_kernel::{
    Check, Code, Consume, Decision, LedgerEvent, LimitAction, Provision, Quantity, Time, Zone,
};
use mec_store::{EventFilter, OpenOptions, Store};

use super::states::assert_states;
use super::{DAY, EVENTS_MAX, TUESDAY, at, caller, filled, url};

#[tokio::test]
async fn everybody_stands_where_their_part_says_whenever_the_demo_begins() {
    // Also in a month's first and last instants, and around a leap year's 29 February.
    let times = [
        TUESDAY,
        "2026-12-01T00:00:00Z",
        "2027-01-01T00:00:07Z",
        "2028-02-29T23:59:59Z",
        "2028-03-01T03:00:00Z",
    ];
    for now in times {
        let directory = tempfile::tempdir().unwrap();
        let (mec, filled) = filled(directory.path(), now).await;
        assert!(
            filled.recorded <= EVENTS_MAX && filled.recorded > EVENTS_MAX / 5,
            "{now}: {filled:?}"
        );
        assert_eq!((filled.replayed, filled.too_old), (0, 0), "{now}");
        assert_states(&mec, now, now).await;
        mec.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_filled_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let (mec, filled) = filled(directory.path(), TUESDAY).await;
    let catalog = mec.catalog();
    mec.close().await.unwrap();
    drop(mec);
    let (store, _writer) = Store::open(&url(directory.path()), &OpenOptions::default()).unwrap();
    let report = store.verify(&catalog, at(TUESDAY), &mut |_| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(report.events, filled.recorded as u64);
}

#[tokio::test]
async fn the_same_instant_gives_the_same_use() {
    let mut told = vec![];
    for _ in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        told.push(ledger(directory.path()).await);
    }
    assert!(told[0] == told[1]);
}

/// What the ledger of a demo says, without the ids, which are drawn.
async fn ledger(
    directory: &Path,
) -> BTreeSet<(String, Quantity, Option<Code>, Code, Time, Option<String>)> {
    let (mec, _) = filled(directory, TUESDAY).await;
    let catalog = mec.catalog();
    mec.close().await.unwrap();
    drop(mec);
    let (store, _writer) = Store::open(&url(directory), &OpenOptions::default()).unwrap();
    let mut events = BTreeSet::new();
    let mut each = |event: &LedgerEvent| {
        assert_eq!((&*event.source, &*event.recorded_by), ("demo", "demo"));
        let details = event.details.as_deref().map(str::to_owned);
        let (key, scope, unit) = (
            event.key.to_string(),
            event.scope.clone(),
            event.unit.clone(),
        );
        assert!(events.insert((key, event.quantity, scope, unit, event.occurred_at, details)));
        Ok(())
    };
    store
        .each_event(&EventFilter::default(), &catalog, &mut each)
        .unwrap();
    events
}

#[tokio::test]
async fn use_is_on_weekdays_in_business_hours_and_grows() {
    let directory = tempfile::tempdir().unwrap();
    let events = ledger(directory.path()).await;
    let runs: Vec<Time> = events
        .iter()
        .filter(|(key, ..)| key.starts_with("demo_juniper/benchmark_runs/"))
        .map(|(.., at, _)| *at)
        .collect();
    let share =
        |of: &dyn Fn(&Time) -> bool| runs.iter().filter(|at| of(at)).count() * 100 / runs.len();

    let oldest = *runs.iter().min().unwrap();
    assert!(
        (at(TUESDAY).plus_seconds(-89 * DAY)..at(TUESDAY).plus_seconds(-86 * DAY))
            .contains(&oldest),
        "{oldest}"
    );
    assert!(*runs.iter().max().unwrap() <= at(TUESDAY));
    let weekend = share(&|at| Zone::UTC.weekday(*at) >= 6);
    assert!(
        (2..12).contains(&weekend),
        "{weekend} % at the weekend, where evenly it were 28"
    );
    let business = share(&|at| (8 * 3_600..18 * 3_600).contains(&Zone::UTC.second_of_day(*at)));
    assert!(
        (65..90).contains(&business),
        "{business} % from 8 to 18, where evenly it were 41"
    );
    let in_month = |month: &str| {
        runs.iter()
            .filter(|at| at.to_string().starts_with(month))
            .count()
    };
    assert!(
        in_month("2026-09") < in_month("2026-10"),
        "{} {}",
        in_month("2026-09"),
        in_month("2026-10")
    );
}

#[tokio::test]
async fn plans_come_in_the_guides_order_and_a_visitors_account_meets_the_guides_rules() {
    let directory = tempfile::tempdir().unwrap();
    let (mec, _) = filled(directory.path(), TUESDAY).await;
    let catalog = mec.catalog();
    let mut plans: Vec<_> = catalog
        .plans
        .values()
        .map(|plan| (plan.sort_order, plan.id.to_string()))
        .collect();
    plans.sort();
    let plans: Vec<&str> = plans.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(plans, ["trial-14d", "starter", "pro", "enterprise"]);
    assert!(
        catalog
            .rules
            .iter()
            .all(|rule| rule.account.is_none() && rule.action == LimitAction::Block)
    );

    let acme = mec
        .create_account(NewAccount::named("Acme Corp"), &caller())
        .await
        .unwrap()
        .id;
    assert_eq!(
        mec.provision(Provision::new(acme, "starter"), &caller())
            .await
            .unwrap(),
        5
    );
    let one = || Check::of(acme, "benchmark_runs", Some(Quantity::whole(1)));
    assert_eq!(
        mec.check(one(), &caller())
            .await
            .unwrap()
            .reason
            .to_string(),
        "Within entitlement"
    );
    let run = Check::of(acme, "benchmark_runs", Some(Quantity::whole(100)));
    mec.consume(
        Consume {
            check: run,
            key: "bulk_usage_demo".into(),
            details: None,
        },
        &caller(),
    )
    .await
    .unwrap();
    let standing = mec
        .check(Check::of(acme, "benchmark_runs", None), &caller())
        .await
        .unwrap();
    assert_eq!(
        (standing.decision, standing.reason.to_string()),
        (Decision::Warn, "Usage at 100.0% of limit".to_owned())
    );
    let refused = mec.check(one(), &caller()).await.unwrap();
    assert_eq!(
        (refused.decision, refused.reason.to_string()),
        (Decision::Block, "Limit reached".to_owned())
    );
}
