//! Spreading the tables over the nodes of a Citus database: which statements, and in which order.
//!
//! A tenant's tables are spread by `tree` and lie together; what no tree has is either copied to
//! every node or, where its rows are many, spread by its own key.

use super::cells::one;
use super::roles;
use super::session::Session;
use crate::StoreError;

/// The table that the others with a tree lie beside.
const FIRST: &str = "account_trees";
/// Without a tree and with rows by the thousand.
const BY_OWN_KEY: &[(&str, &str)] = &[
    ("account_links", "external_id"),
    ("webhook_inbox", "external_id"),
    ("webhook_deliveries", "delivery_id"),
];
/// What stays where migrations run.
const LOCAL: &[&str] = &["schema_migrations"];

/// A table that is not spread yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    name: String,
    has_tree: bool,
}

/// Refuses a database that cannot be spread.
pub(super) async fn check(session: &Session, shown: &str) -> Result<(), StoreError> {
    if has_citus(session).await? {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "{shown} is not a distributed database: it does not have the extension citus; \
         make it with CREATE EXTENSION citus, or migrate without --distributed"
    )))
}

/// Refuses a node of a Citus database that is not its coordinator: a table made there would be that
/// node's alone.
pub(super) async fn check_coordinator(session: &Session, shown: &str) -> Result<(), StoreError> {
    if !has_citus(session).await? {
        return Ok(());
    }
    let group: i32 = one(session
        .query_once("SELECT groupid FROM pg_dist_local_group", &[])
        .await?)?
    .try_get(0)?;
    if group != 0 {
        return Err(StoreError::Unusable(format!(
            "{shown} is a worker of a distributed database, whose tables are made elsewhere; migrate on its coordinator"
        )));
    }
    Ok(())
}

/// Whether the extension's own tables are there.
pub(super) async fn has_citus(session: &Session) -> Result<bool, StoreError> {
    Ok(one(session
        .query_once("SELECT to_regclass('pg_dist_partition') IS NOT NULL", &[])
        .await?)?
    .try_get(0)?)
}

/// Whether the tables that are there were spread.
pub(super) async fn is_spread(session: &Session) -> Result<bool, StoreError> {
    if !has_citus(session).await? {
        return Ok(false);
    }
    let sql = "SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('account_trees'))";
    Ok(one(session.query_once(sql, &[]).await?)?.try_get(0)?)
}

/// Spreads every table of the schema that is not spread yet, within the transaction that is open.
pub(super) async fn spread(session: &Session) -> Result<(), StoreError> {
    let ours: Vec<&str> = roles::tables().collect();
    let found = session.query(TABLES, &[&ours]).await?;
    let table = |row: &tokio_postgres::Row| {
        Ok(Table {
            name: row.try_get(0)?,
            has_tree: row.try_get(1)?,
        })
    };
    let tables = found
        .iter()
        .map(table)
        .collect::<Result<Vec<_>, tokio_postgres::Error>>()?;
    for statement in SETTINGS
        .iter()
        .copied()
        .chain(calls(&tables).iter().map(String::as_str))
    {
        session.run(statement).await?;
    }
    Ok(())
}

/// Copies and shards are made in one transaction only one after the other. Triggers are made on
/// shards only where they are said to be safe; these look at no other row.
const SETTINGS: [&str; 2] = [
    "SET LOCAL citus.multi_shard_modify_mode = 'sequential'",
    "SET LOCAL citus.enable_unsafe_triggers = on",
];

/// Those of our tables that are not spread yet, and whether each has a tree.
const TABLES: &str = "SELECT c.relname::text, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid \
     AND a.attname = 'tree' AND NOT a.attisdropped) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace \
     AND c.relkind IN ('r', 'p') AND c.relname = ANY($1) \
     AND NOT EXISTS (SELECT FROM pg_dist_partition p WHERE p.logicalrelid = c.oid)";

/// What spreads these tables, in its order.
fn calls(tables: &[Table]) -> Vec<String> {
    let own_key = |name: &str| {
        BY_OWN_KEY
            .iter()
            .find(|(table, _)| *table == name)
            .map(|(_, key)| *key)
    };
    let mut calls: Vec<(u8, String)> = tables
        .iter()
        .filter(|table| !LOCAL.contains(&table.name.as_str()))
        .map(|Table { name, has_tree }| match (has_tree, own_key(name)) {
            (true, _) if name == FIRST => (
                0,
                format!(
                    "SELECT create_distributed_table('{name}', 'tree', colocate_with => 'none')"
                ),
            ),
            (true, _) => (
                1,
                format!(
                    "SELECT create_distributed_table('{name}', 'tree', colocate_with => '{FIRST}')"
                ),
            ),
            (false, Some(key)) => (
                2,
                format!(
                    "SELECT create_distributed_table('{name}', '{key}', colocate_with => 'none')"
                ),
            ),
            (false, None) => (3, format!("SELECT create_reference_table('{name}')")),
        })
        .collect();
    calls.sort();
    calls.into_iter().map(|(_, call)| call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_come_first_and_what_lies_beside_them_next() {
        let table = |name: &str, has_tree| Table {
            name: name.to_owned(),
            has_tree,
        };
        let tables = [
            table("units", false),
            table("account_links", false),
            table("accounts", true),
            table("schema_migrations", false),
            table("account_trees", true),
        ];
        let wanted = [
            "SELECT create_distributed_table('account_trees', 'tree', colocate_with => 'none')",
            "SELECT create_distributed_table('accounts', 'tree', colocate_with => 'account_trees')",
            "SELECT create_distributed_table('account_links', 'external_id', colocate_with => 'none')",
            "SELECT create_reference_table('units')",
        ];
        assert_eq!(calls(&tables), wanted);
        assert_eq!(calls(&[]), [""; 0]);
    }
}
