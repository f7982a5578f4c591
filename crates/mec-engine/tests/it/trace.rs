//! With which decisions the log keeps every limit considered, and that nobody who did not ask for
//! them is shown them.

use crate::world::{World, caller};
use mec_engine::{Logged, Options, Traced};
use mec_kernel::{AccountId, Acquire, Attributes, Check, Consume, Quantity, Reserve};

/// Asks for `quantity` runs in every way there is, the last of them explained; how many limits each
/// answer showed.
async fn ask_for(world: &World, account: AccountId, quantity: i32) -> Vec<usize> {
    let check = |explain| Check {
        explain,
        ..Check::of(account, "benchmark_runs", Some(Quantity::whole(quantity)))
    };
    let mut shown = vec![];
    for explain in [false, true] {
        shown.push(
            world
                .mec
                .check(check(explain), &caller())
                .await
                .unwrap()
                .trace
                .limits
                .len(),
        );
        let key = format!("{quantity} {explain}").as_str().into();
        let consume = Consume {
            check: check(explain),
            key,
            details: None,
        };
        shown.push(
            world
                .mec
                .consume(consume, &caller())
                .await
                .unwrap()
                .standing
                .trace
                .limits
                .len(),
        );
        let key = format!("{quantity} {explain} held").as_str().into();
        let reserve = Reserve {
            check: check(explain),
            key,
            ttl_seconds: 60,
        };
        shown.push(
            world
                .mec
                .reserve(reserve, &caller())
                .await
                .unwrap()
                .standing
                .trace
                .limits
                .len(),
        );
    }
    shown
}

/// The decisions, each with whether its limits are kept, once everything is written.
async fn logged(world: World) -> Vec<String> {
    let world = world.reopen(Options::default()).await;
    let rows = world
        .get("control_decisions_log?order=decision_id&select=decision,limits->0->>level")
        .await;
    rows.iter().map(crate::world::shown).collect()
}

async fn world(logged: Logged, traced: Traced) -> (World, AccountId) {
    let world = World::open_with(Options {
        logged,
        traced,
        ..Options::default()
    })
    .await;
    let account = world.account("Acme Corp").await;
    world.provision(&account, "starter").await;
    let account = account.parse().unwrap();
    (world, account)
}

#[tokio::test]
async fn the_limits_of_every_decision_are_kept_as_the_setting_says() {
    for (traced, of_allow, of_block) in [
        (Traced::All, "0", "0"),
        (Traced::Notable, "null", "0"),
        (Traced::Off, "null", "null"),
    ] {
        let (world, account) = world(Logged::All, traced).await;
        assert_eq!(
            ask_for(&world, account, 1).await,
            [0, 0, 0, 1, 1, 1],
            "{traced:?}"
        );
        assert_eq!(
            ask_for(&world, account, 1_000).await,
            [0, 0, 0, 1, 1, 1],
            "{traced:?}"
        );
        let rows = logged(world).await;
        let count = |wanted: &str| rows.iter().filter(|row| **row == wanted).count();
        let (allow, block) = (format!("allow {of_allow}"), format!("block {of_block}"));
        assert_eq!(
            (count(&allow), count(&block), rows.len()),
            (6, 6, 12),
            "{traced:?}: {rows:?}"
        );
    }
}

#[tokio::test]
async fn a_log_that_is_off_keeps_nothing() {
    let (world, account) = world(Logged::Off, Traced::All).await;
    ask_for(&world, account, 1_000).await;
    assert_eq!(logged(world).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_full_house_is_kept_with_its_limits() {
    let (world, account) = world(Logged::Notable, Traced::Notable).await;
    let acquire = Acquire {
        account,
        resource: "concurrent_users".into(),
        scope: None,
        token: None,
        quantity: Quantity::whole(1),
        ttl_seconds: 60,
        attributes: Attributes::new(),
    };
    for _ in 0..4 {
        world.mec.acquire(acquire.clone(), &caller()).await.unwrap();
    }
    assert_eq!(
        logged(world).await.last().map(String::as_str),
        Some("block 0")
    );
}
