//! An account with as many rows as it may have: deciding on them asks the store a few times, not
//! once a row, more of them are refused, and what takes too long is refused whole.

use std::time::Duration;

use crate::world::*;
use mec_engine::{MecError, Options};
use mec_kernel::*;
use serde_json::{Value, json};

on_both!(
    deciding_on_200_rolling_windows_asks_for_all_of_them_at_once,
    an_account_has_as_many_entitlements_as_the_catalog_says,
    conditions_and_rules_of_an_account_are_as_many_as_the_catalog_says,
    a_write_that_takes_too_long_is_refused_whole,
);

/// Rolling limits of an account, each in a window of its own.
fn rolling(account: &str, rows: std::ops::Range<usize>) -> String {
    let row = |number: usize| {
        json!({"account_id": account, "resource_type_code": "benchmark_runs", "limit_kind_code": "cumulative",
               "quantity_allowed": 1_000, "window_type_code": "rolling", "window_seconds": 3_600 + number})
    };
    Value::from(rows.map(row).collect::<Vec<_>>()).to_string()
}

async fn deciding_on_200_rolling_windows_asks_for_all_of_them_at_once(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let mut asked = vec![];
    let accounts = [world.account("Few").await, world.account("Many").await];
    for (account, rows) in accounts.iter().zip([50, 200]) {
        world
            .post("entitlements", &rolling(account, 0..rows))
            .await
            .unwrap();
    }
    let world = world.reopen(Options::default()).await;
    for account in &accounts {
        let account: AccountId = account.parse().unwrap();
        let check = Check::of(account, "benchmark_runs", Some(Quantity::whole(1)));
        let command = Consume {
            check,
            key: "a".into(),
            details: None,
        };
        let (told, decided) = std::sync::mpsc::channel();
        let decide = move |view: &View<'_>, making: &mut Making<'_>| {
            told.send(()).unwrap();
            consume(view, making, &command)
        };
        assert!(
            world
                .mec
                .run(account, &caller(), decide)
                .await
                .unwrap()
                .event
                .is_some()
        );
        asked.push(decided.try_iter().count());
    }
    // The key, the account, the windows: as many questions for 200 rows as for 50.
    assert_eq!(asked[0], asked[1]);
    assert!(asked[1] <= 5, "{asked:?}");
}

async fn an_account_has_as_many_entitlements_as_the_catalog_says(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme Corp").await;
    world
        .post("entitlements", &rolling(&account, 0..199))
        .await
        .unwrap();
    let refused = world
        .post("entitlements", &rolling(&account, 199..201))
        .await;
    assert_eq!(told_of(refused), "MEC_TOO_MANY_ROWS");
    assert_eq!(
        world
            .get(&format!(
                "entitlements?account_id=eq.{account}&select=entitlement_id"
            ))
            .await
            .len(),
        199
    );
    world
        .post("entitlements", &rolling(&account, 199..200))
        .await
        .unwrap();
    // One that is over makes room.
    let one = format!("entitlements?account_id=eq.{account}&window_seconds=eq.3600");
    world.patch(&one, r#"{"status":"expired"}"#).await.unwrap();
    world
        .post("entitlements", &rolling(&account, 200..201))
        .await
        .unwrap();
    let refused = world
        .post("entitlements", &rolling(&account, 201..202))
        .await;
    assert_eq!(told_of(refused), "MEC_TOO_MANY_ROWS");
}

async fn conditions_and_rules_of_an_account_are_as_many_as_the_catalog_says(
    place: impl Place + 'static,
) {
    let world = World::open_in(place).await;
    let few = |catalog: &Catalog| {
        vec![CatalogChange::PutSettings(Settings {
            rows_per_account_max: 2,
            ..catalog.settings.clone()
        })]
    };
    world.mec.change_catalog(&caller(), few).await.unwrap();
    let account = world.account("Acme Corp").await;
    world
        .post("entitlements", &rolling(&account, 0..1))
        .await
        .unwrap();
    let entitlement = world
        .get(&format!("entitlements?account_id=eq.{account}"))
        .await[0]["entitlement_id"]
        .clone();
    let condition = |value: &str| json!({"entitlement_id": entitlement, "condition_type": "attribute", "attribute": "region", "operator": "eq", "value": value});
    world
        .post(
            "entitlement_conditions",
            &json!([condition("eu"), condition("us")]).to_string(),
        )
        .await
        .unwrap();
    let refused = world
        .post("entitlement_conditions", &condition("asia").to_string())
        .await;
    assert_eq!(told_of(refused), "MEC_TOO_MANY_ROWS");
    let rule = json!({"account_id": account, "resource_type_code": "benchmark_runs", "limit_kind_code": "cumulative",
        "limit_action_code": "warn"});
    world
        .post("control_rules", &json!([rule, rule]).to_string())
        .await
        .unwrap();
    assert_eq!(
        told_of(world.post("control_rules", &rule.to_string()).await),
        "MEC_TOO_MANY_ROWS"
    );
}

async fn a_write_that_takes_too_long_is_refused_whole(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme Corp").await;
    // Every batch takes longer than none at all.
    let world = world
        .reopen(Options {
            batch_time_max: Duration::ZERO,
            ..Options::default()
        })
        .await;
    let refused = world.post("entitlements", &rolling(&account, 0..20)).await;
    assert!(matches!(refused, Err(MecError::Overran)), "{refused:?}");
    let world = world.reopen(Options::default()).await;
    assert!(world.get("entitlements").await.is_empty());
    world
        .post("entitlements", &rolling(&account, 0..20))
        .await
        .unwrap();
}
