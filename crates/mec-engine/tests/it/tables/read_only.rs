//! Writes that a table does not take.

use crate::world::*;
use mec_query::Verb;

on_both!(
    the_ledger_is_append_only_and_says_so,
    every_writable_table_takes_writes,
);

async fn the_ledger_is_append_only_and_says_so(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let refused = |table: &str, verb| {
        let error = mec_engine::check_verb(world.schema.table(table).unwrap(), verb).unwrap_err();
        format!(
            "{} {} {} | {}",
            error.status,
            error.code,
            error.message,
            error.hint.unwrap_or_default()
        )
    };
    let told = refused("consumption_ledger", Verb::Patch);
    assert!(
        told.starts_with("400 P0001 Consumption ledger is append-only. Cannot update. | "),
        "{told}"
    );
    let told = refused("consumption_ledger", Verb::Delete);
    assert!(
        told.starts_with("400 P0001 Consumption ledger is append-only. Cannot delete. | "),
        "{told}"
    );
    assert!(refused("consumption_ledger", Verb::Post).contains("/rpc/meter_consumption"));
    assert!(refused("concurrency_leases", Verb::Post).contains("/rpc/acquire_lease"));
    assert!(
        refused("account_plans", Verb::Post)
            .starts_with("403 42501 permission denied for table account_plans")
    );
    let told = told_of(world.delete("consumption_ledger?quantity=eq.1").await);
    assert!(
        told.starts_with("400 P0001 Consumption ledger is append-only. Cannot delete."),
        "{told}"
    );
}

async fn every_writable_table_takes_writes(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    for table in world
        .schema
        .tables()
        .iter()
        .filter(|table| table.allows(Verb::Delete))
    {
        let key = table.columns[table.key_positions()[0]].name;
        let none = match table.columns[table.key_positions()[0]].ty {
            mec_query::Type::Uuid => "00000000-0000-7000-8000-000000000007",
            _ => "nothing",
        };
        let touched = world
            .delete(&format!("{}?{key}=eq.{none}", table.name))
            .await
            .unwrap();
        assert_eq!(touched.keys.len(), 0, "{}", table.name);
    }
}
