//! Many callers at once: never one unit over a limit, one event per key, and all of it there for the next process.

use std::sync::Arc;

use mec_engine::{Clock, MachineClock, Mec, MecError, catalog_file};
use mec_kernel::*;

const TREE: TreeId = TreeId(7);

fn actor() -> Actor {
    Actor { name: "test".into(), source: "api".into() }
}

async fn open(dir: &tempfile::TempDir) -> Arc<Mec> {
    let changes = catalog_file::parse(catalog_file::DEMO).unwrap().changes(&Catalogue::default(), false);
    let url = format!("sqlite:{}", dir.path().join("mec.db").display());
    Arc::new(Mec::open(&url, &changes, Clock(Arc::new(MachineClock))).await.unwrap())
}

async fn account(mec: &Mec, resource: &str, limit: i32) -> AccountId {
    let create = CreateAccount {
        parent: None,
        account_type: "organization".into(),
        external_id: None,
        display_name: "Acme Corp".into(),
        email: None,
        time_zone: None,
        metadata: None,
        status: AccountStatus::Active,
    };
    let made = mec.run_in(TREE, actor(), move |view, making| create_account(view, making.ids, &create)).await.unwrap();
    let row = Grant {
        account: made.id,
        resource: resource.into(),
        scope: None,
        limit_kind: None,
        quantity: Some(Quantity::whole(limit)),
        window: None,
        source: Source::Manual,
        priority: 0,
        valid_from: None,
        valid_until: None,
        metadata: None,
    };
    mec.run(made.id, actor(), move |view, making| grant(view, making, &row)).await.unwrap();
    made.id
}

async fn consume_one(mec: &Mec, account: AccountId, key: String) -> Result<Consumed, MecError> {
    let check = Check {
        account,
        resource: "benchmark_runs".into(),
        scope: None,
        quantity: Some(Quantity::whole(1)),
        unit: None,
        attributes: Attributes::new(),
        explain: false,
    };
    let command = Consume { check, key: key.into(), details: None };
    mec.run(account, actor(), move |view, making| consume(view, making, &command)).await
}

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

#[tokio::test]
async fn of_5000_attempts_at_a_limit_of_1000_exactly_1000_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 1_000).await;
    let callers = mec.clone();
    let passed = race(5_000, move |attempt| {
        let mec = callers.clone();
        async move { consume_one(&mec, account, attempt.to_string()).await.unwrap().event.is_some() }
    })
    .await;
    assert_eq!(passed, 1_000);
    let refused = consume_one(&mec, account, "one more".to_owned()).await.unwrap();
    assert_eq!(refused.standing.reason.to_string(), "Limit reached");
    assert_eq!(refused.standing.figures.unwrap().used.unwrap().to_string(), "1000");
}

#[tokio::test]
async fn of_5000_attempts_at_1000_seats_exactly_1000_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "concurrent_users", 1_000).await;
    let passed = race(5_000, move |_| {
        let mec = mec.clone();
        async move {
            let command = Acquire {
                account,
                resource: "concurrent_users".into(),
                scope: None,
                token: None,
                quantity: Quantity::whole(1),
                ttl_seconds: 3_600,
                attributes: Attributes::new(),
            };
            let leased = mec.run(account, actor(), move |view, making| acquire(view, making, &command)).await;
            leased.unwrap().lease.is_some()
        }
    })
    .await;
    assert_eq!(passed, 1_000);
}

#[tokio::test]
async fn the_same_key_from_20_callers_at_once_is_one_event() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mec = mec.clone();
        tasks.spawn(async move { consume_one(&mec, account, "the same".to_owned()).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    let event = answers[0].event;
    assert!(event.is_some() && answers.iter().all(|answer| answer.event == event));
    assert_eq!(answers.iter().filter(|answer| answer.replayed.is_none()).count(), 1);
    let next = consume_one(&mec, account, "another".to_owned()).await.unwrap();
    assert_eq!(next.standing.figures.unwrap().used.unwrap().to_string(), "2");
}

#[tokio::test]
async fn a_refused_command_records_nothing_and_spoils_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mec = open(&dir).await;
    let account = account(&mec, "benchmark_runs", 10).await;
    let unknown = AccountId(account.0 ^ (1 << 100));
    let refused = consume_one(&mec, unknown, "a".to_owned()).await.unwrap_err();
    assert_eq!(refused.to_string(), "MEC_ACCOUNT_NOT_FOUND");
    let passed = consume_one(&mec, account, "a".to_owned()).await.unwrap();
    assert_eq!(passed.standing.figures.unwrap().used.unwrap().to_string(), "1");
}
