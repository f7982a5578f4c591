//! Tables that are spread over shards.

use mec_engine::{Mec, Options};

use crate::world::*;

/// What the coordinator of a Citus database knows of its shards, on a plain server.
const SPREAD: &str = "CREATE TABLE pg_dist_local_group (groupid integer); INSERT INTO pg_dist_local_group VALUES (0); \
     CREATE TABLE pg_dist_partition (logicalrelid regclass); \
     CREATE TABLE pg_dist_shard (logicalrelid regclass, shardminvalue text); \
     INSERT INTO pg_dist_shard SELECT 'account_trees'::regclass, (-2147483648 + n * 134217728)::text \
     FROM generate_series(0::bigint, 31) AS shards(n)";

#[tokio::test]
async fn where_the_tables_are_spread_commands_of_all_shards_are_done_and_a_write_of_several_is_refused()
 {
    let place = Database::new();
    Mec::open(&place.url(), Options::default())
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    place.sql(SPREAD);
    let world = World::open_in(place).await;
    let many: Vec<String> = (0..20)
        .map(|n| format!(r#"{{"display_name":"{n}"}}"#))
        .collect();
    let refused = world
        .post("accounts", &format!("[{}]", many.join(",")))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, mec_engine::MecError::AcrossShards),
        "{refused}"
    );
    let mut events = vec![];
    for n in 0..8 {
        let account: mec_kernel::AccountId = world.account(&n.to_string()).await.parse().unwrap();
        events.extend((0..20).map(|key| mec_kernel::Meter {
            key: key.to_string().as_str().into(),
            account,
            resource: "benchmark_runs".into(),
            scope: None,
            quantity: mec_kernel::Quantity::whole(1),
            unit: None,
            occurred_at: None,
            details: None,
            is_correction: false,
            corrects: None,
            attributes: mec_kernel::Attributes::new(),
        }));
    }
    // Those of one account are not beside each other.
    events.sort_by(|one, other| one.key.cmp(&other.key));
    let outcomes = world.mec.meter_batch(events, &caller()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(
        world.get("consumption_ledger?select=event_id").await.len(),
        160
    );
}
