//! An installation with the guide's catalog, a clock that tests move, and a lane that tests can
//! hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mec_engine::{
    Caller, Clock, Mec, MecError, NewAccount, Now, Options, UsageQuestion, catalog_file,
};
use mec_kernel::*;

pub(crate) use crate::place::Place;

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(crate) fn at(text: &str) -> Self {
        Self(Arc::new(AtomicI64::new(
            text.parse::<Time>().unwrap().micros(),
        )))
    }

    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::ruling(Arc::new(self.clone()))
    }
}

impl Now for Hands {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) fn caller() -> Caller {
    Caller::new("test", "api")
}

pub(crate) fn url(place: &impl Place) -> String {
    place.url()
}

/// The catalog of the guide.
pub(crate) fn demo() -> Vec<CatalogChange> {
    catalog_file::parse(catalog_file::DEMO)
        .unwrap()
        .changes(&Catalog::default(), false)
}

pub(crate) async fn open(place: &impl Place) -> Arc<Mec> {
    open_with(place, Options::default()).await
}

pub(crate) async fn open_with(place: &impl Place, options: Options) -> Arc<Mec> {
    Arc::new(
        Mec::open(
            &url(place),
            Options {
                catalog: demo(),
                ..options
            },
        )
        .await
        .unwrap(),
    )
}

/// A root account that may use `limit` of `resource`.
pub(crate) async fn account(mec: &Mec, resource: &str, limit: i32) -> AccountId {
    let made = mec
        .create_account(NewAccount::named("Acme Corp"), &caller())
        .await
        .unwrap();
    allow(mec, made.id, resource, limit).await;
    made.id
}

pub(crate) async fn child(mec: &Mec, parent: AccountId) -> AccountId {
    let mut new = NewAccount::named("Part");
    new.0.parent = Some(parent);
    mec.create_account(new, &caller()).await.unwrap().id
}

pub(crate) async fn allow(
    mec: &Mec,
    account: AccountId,
    resource: &str,
    limit: i32,
) -> EntitlementId {
    mec.grant(grant_of(account, resource, limit), &caller())
        .await
        .unwrap()
        .id
}

pub(crate) fn grant_of(account: AccountId, resource: &str, limit: i32) -> Grant {
    Grant {
        account,
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
    }
}

pub(crate) fn run_of(account: AccountId, key: &str) -> Consume {
    let check = Check::of(account, "benchmark_runs", Some(Quantity::whole(1)));
    Consume {
        check,
        key: key.into(),
        details: None,
    }
}

pub(crate) async fn consume_one(
    mec: &Mec,
    account: AccountId,
    key: &str,
) -> Result<Consumed, MecError> {
    mec.consume(run_of(account, key), &caller()).await
}

pub(crate) fn seat_of(account: AccountId, ttl_seconds: i64) -> Acquire {
    Acquire {
        account,
        resource: "concurrent_users".into(),
        scope: None,
        token: None,
        quantity: Quantity::whole(1),
        ttl_seconds,
        attributes: Attributes::new(),
    }
}

pub(crate) fn event_of(account: AccountId, resource: &str, key: &str) -> Meter {
    Meter {
        key: key.into(),
        account,
        resource: resource.into(),
        scope: None,
        quantity: Quantity::whole(1),
        unit: None,
        occurred_at: None,
        details: None,
        is_correction: false,
        corrects: None,
        attributes: Attributes::new(),
    }
}

/// What of `resource` is used where the account stands.
pub(crate) async fn used(mec: &Mec, account: AccountId, resource: &str) -> String {
    used_of(
        &mec.check(Check::of(account, resource, None), &caller())
            .await
            .unwrap(),
    )
}

pub(crate) fn used_of(standing: &Standing) -> String {
    standing.figures.as_ref().unwrap().used.unwrap().to_string()
}

/// What the ledger says that the account and those below it have used.
pub(crate) async fn ledger_sum(mec: &Mec, account: AccountId, resource: &str) -> i64 {
    let question = UsageQuestion {
        account,
        resource: resource.into(),
        scope: None,
        from: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        to: None,
        group_by: None,
        own_only: false,
    };
    let usage = mec.usage(question, &caller()).await.unwrap();
    whole(usage.buckets[0].quantity)
}

/// A total of whole units.
pub(crate) fn whole(total: Total) -> i64 {
    assert_eq!(total.0 % i128::from(SCALE), 0, "{total}");
    i64::try_from(total.0 / i128::from(SCALE)).unwrap()
}

/// A lane that is held: what is sent to it waits.
pub(crate) struct Held {
    resume: std::sync::mpsc::Sender<()>,
    holding: tokio::task::JoinHandle<()>,
}

impl Held {
    /// Holds the lane that records what `account` does, and its tree.
    pub(crate) async fn lane_with(mec: &Arc<Mec>, account: AccountId) -> Self {
        let (entered, is_held) = tokio::sync::oneshot::channel();
        let (resume, resumed) = std::sync::mpsc::channel::<()>();
        let mut entered = Some(entered);
        let mec = mec.clone();
        let holding = tokio::spawn(async move {
            let hold = move |_: &View<'_>, _: &mut Making<'_>| {
                if let Some(entered) = entered.take() {
                    entered.send(()).unwrap();
                    resumed.recv().unwrap_err();
                }
                Ok(Ruling::unchanged(()))
            };
            mec.run(account, &caller(), hold).await.unwrap();
        });
        is_held.await.unwrap();
        Self { resume, holding }
    }

    /// Holds the one lane of `mec`, whose store is a file; it has nothing else to do.
    pub(crate) async fn lane_of(mec: &Arc<Mec>) -> Self {
        let (entered, is_held) = tokio::sync::oneshot::channel();
        let (resume, resumed) = std::sync::mpsc::channel::<()>();
        let mut entered = Some(entered);
        let mec = mec.clone();
        let holding = tokio::spawn(async move {
            let hold = move |_: &Catalog| {
                if let Some(entered) = entered.take() {
                    entered.send(()).unwrap();
                    resumed.recv().unwrap_err();
                }
                vec![]
            };
            mec.change_catalog(&caller(), hold).await.unwrap();
        });
        is_held.await.unwrap();
        Self { resume, holding }
    }

    pub(crate) async fn resume(self) {
        drop(self.resume);
        self.holding.await.unwrap();
    }
}

/// Waits until the world is as a test needs it, a minute at most.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let looks = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), looks)
        .await
        .expect("it did not come to be in a minute");
}
