//! What the role of a serving node may do: insert everywhere, change only what changes, and nothing
//! to the schema.
//!
//! The ledger, its keys, the audit and the decision log are only ever added to. Old decisions leave
//! by a function of the owner's.

use tokio_postgres::types::Type;

use super::cells::one;
use super::session::{Parameter, Session};
use crate::StoreError;

/// Added to and never changed.
const ADDED_TO: &str = "SELECT, INSERT";
/// Rows change and stay.
const CHANGED: &str = "SELECT, INSERT, UPDATE";
/// Rows change and go.
const REPLACED: &str = "SELECT, INSERT, UPDATE, DELETE";
/// Rows are made and go, and do not change.
const MADE_AGAIN: &str = "SELECT, INSERT, DELETE";
/// Only a migration writes it.
const READ: &str = "SELECT";

/// Every table of the schema with what a node may do to it.
const RIGHTS: &[(&str, &[&str])] = &[
    (
        ADDED_TO,
        &[
            "consumption_ledger",
            "consumption_event_details",
            "ledger_keys",
            "entitlements_audit",
            "control_decisions_log",
        ],
    ),
    (
        CHANGED,
        &[
            "accounts",
            "account_plans",
            "account_trees",
            "concurrency_leases",
            "entitlements",
            "reservations",
            "settings",
            "usage_hours",
        ],
    ),
    (
        REPLACED,
        &[
            "account_types",
            "api_keys",
            "control_rules",
            "plans",
            "resource_types",
            "units",
            "usage_windows",
            "webhook_deliveries",
            "webhook_endpoints",
            "webhook_inbox",
        ],
    ),
    (
        MADE_AGAIN,
        &[
            "account_links",
            "entitlement_conditions",
            "plan_entitlement_templates",
        ],
    ),
    (
        READ,
        &[
            "limit_actions",
            "limit_kinds",
            "schema_migrations",
            "time_zones",
            "window_types",
        ],
    ),
];

/// What runs as the owner on behalf of a node.
const FUNCTIONS: &[&str] = &[
    "mec_make_decision_days()",
    "mec_prune_decisions(uuid, bigint)",
];

/// Every table of the schema.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    RIGHTS.iter().flat_map(|(_, tables)| tables.iter().copied())
}

/// Gives `role` exactly what a node needs, and takes away what else it was given on these tables. A
/// role that may change more all the same, because it is another one's member, is refused.
pub(super) async fn grant(session: &Session, shown: &str, role: &str) -> Result<(), StoreError> {
    let sql = "SELECT quote_ident($1), quote_ident(current_schema())";
    let row = one(session.query(sql, &[&role]).await?)?;
    let (quoted, schema): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    session.run(&statements(quoted, schema).join("; ")).await?;
    let sql = "SELECT t FROM unnest($2::text[]) AS t WHERE has_table_privilege($1, t, 'UPDATE, DELETE, TRUNCATE')";
    let kept: Vec<&str> = RIGHTS
        .iter()
        .filter(|(rights, _)| *rights == ADDED_TO)
        .flat_map(|(_, tables)| *tables)
        .copied()
        .collect();
    if let Some(row) = session.query(sql, &[&role, &kept]).await?.first() {
        let table: &str = row.try_get(0)?;
        return Err(StoreError::Unusable(format!(
            "the role {role} may change rows of {table} whatever it is granted, as a member of another role; name another role"
        )));
    }
    let sql = "SELECT has_schema_privilege($1, current_schema(), 'CREATE')";
    if one(session.query(sql, &[&role]).await?)?.try_get(0)? {
        tracing::warn!(
            store = shown,
            "the role {role} may still make tables in the schema {schema}: REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {quoted}"
        );
    }
    Ok(())
}

/// What a node does and the role of this connection may not, as `INSERT on units`; of a database
/// without a schema nothing.
pub(super) async fn missing(session: &Session) -> Result<Vec<String>, StoreError> {
    let wanted = RIGHTS
        .iter()
        .flat_map(|(rights, tables)| tables.iter().map(move |table| (*table, *rights)));
    let (tables, rights): (Vec<&str>, Vec<&str>) = wanted.unzip();
    // Of rights with commas between them the server looks for any.
    let sql = "SELECT a.verb || ' on ' || w.name FROM unnest($1, $2) AS w(name, rights), \
               regexp_split_to_table(w.rights, ', ') AS a(verb) WHERE NOT has_table_privilege(to_regclass(w.name), a.verb) \
               UNION ALL SELECT 'EXECUTE on ' || f FROM unnest($3) AS f \
               WHERE NOT has_function_privilege(to_regprocedure(f), 'EXECUTE')";
    let parameters: [(Parameter<'_>, Type); 3] = [
        (Box::new(tables), Type::TEXT_ARRAY),
        (Box::new(rights), Type::TEXT_ARRAY),
        (Box::new(FUNCTIONS), Type::TEXT_ARRAY),
    ];
    let rows = session.query_once(sql, &parameters).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}

/// The role and the schema as they stand in a statement.
fn statements(role: &str, schema: &str) -> Vec<String> {
    let mut statements = vec![format!("GRANT USAGE ON SCHEMA {schema} TO {role}")];
    for (rights, tables) in RIGHTS {
        let tables = tables.join(", ");
        statements.push(format!("REVOKE ALL ON {tables} FROM {role}"));
        statements.push(format!("GRANT {rights} ON {tables} TO {role}"));
    }
    statements.push(format!(
        "GRANT EXECUTE ON FUNCTION {} TO {role}",
        FUNCTIONS.join(", ")
    ));
    statements
}

/// Refuses a role that is not there, and one that no grant could bind.
pub(super) async fn check(session: &Session, shown: &str, role: &str) -> Result<(), StoreError> {
    let sql = "SELECT rolsuper FROM pg_roles WHERE rolname = $1";
    let found = session.query(sql, &[&role]).await?;
    let Some(row) = found.first() else {
        return Err(StoreError::Unusable(format!(
            "{shown} has no role {role}; make it first, for example with CREATE ROLE {role} LOGIN PASSWORD '…'"
        )));
    };
    if row.try_get(0)? {
        return Err(StoreError::Unusable(format!(
            "the role {role} is a superuser and may change everything whatever it is granted; name another role"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_is_granted_twice() {
        let mut granted: Vec<&str> = tables().collect();
        granted.sort_unstable();
        let count = granted.len();
        granted.dedup();
        assert_eq!(granted.len(), count);
    }

    #[test]
    fn what_is_added_to_is_never_changed() {
        let statements = statements("mec_app", "public");
        assert_eq!(statements[0], "GRANT USAGE ON SCHEMA public TO mec_app");
        for table in [
            "consumption_ledger",
            "ledger_keys",
            "entitlements_audit",
            "control_decisions_log",
        ] {
            let of_table: Vec<&str> = statements
                .iter()
                .filter(|sql| sql.contains(table))
                .map(|sql| sql.split(" ON ").next().unwrap())
                .collect();
            assert_eq!(of_table, ["REVOKE ALL", "GRANT SELECT, INSERT"], "{table}");
        }
    }
}
