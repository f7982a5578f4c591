//! Reads of the table API: statements of [`super::render`] run on a reader, their rows as typed
//! values.

use mec_query::{Budget, Fetched, Filter, Read, Table, Value};
use rusqlite::limits::Limit;
use rusqlite::{Connection, params_from_iter};

use super::stored::{Stored, bound};
use super::{Sqlite, WRITER_READ_TIMEOUT, Writer, read_within};
use crate::StoreError;
use crate::dialect::Dialect;
use crate::read::{self, Column, Rows};
use crate::render::{self, Statement};

/// Longer statements are seldom sent twice, and would only fill the cache.
const CACHED_LENGTH_MAX: usize = 4_096;

impl Sqlite {
    pub(crate) fn fetch(&self, read: &Read, budget: &Budget) -> Result<Fetched, StoreError> {
        self.read_for(budget, |connection| {
            // One transaction, so that parents and embeds are of one instant.
            let snapshot = connection.unchecked_transaction()?;
            let fetched = fetch(&snapshot, read, budget)?;
            snapshot.commit()?;
            Ok(fetched)
        })
    }

    pub(crate) fn count(
        &self,
        table: &Table,
        filter: &Filter,
        budget: &Budget,
    ) -> Result<u64, StoreError> {
        let statement = render::count(Dialect::Sqlite, table, filter);
        self.read_for(budget, |connection| {
            let mut count = 0;
            each_row(connection, &statement, |row| {
                count = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
                Ok(())
            })?;
            Ok(count)
        })
    }

    pub(crate) fn keys(
        &self,
        table: &Table,
        filter: &Filter,
        max: usize,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        self.read_for(&Budget::unlimited(), |connection| {
            read::keys(&mut Reader(connection), table, filter, limit)
        })
    }
}

impl Writer {
    /// Nobody else writes, so several statements read one state.
    pub(crate) fn fetch(&mut self, read: &Read, budget: &Budget) -> Result<Fetched, StoreError> {
        read_within(
            WRITER_READ_TIMEOUT,
            budget,
            &mut self.connection,
            |connection| fetch(connection, read, budget),
        )
    }
}

fn fetch(connection: &Connection, read: &Read, budget: &Budget) -> Result<Fetched, StoreError> {
    read::fetch(&mut Reader(connection), read, budget)
}

/// A connection that runs the statements of a read.
pub(crate) struct Reader<'a>(pub(super) &'a Connection);

impl Rows for Reader<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn all(
        &mut self,
        statement: &Statement,
        columns: &[Column<'_>],
        budget: &Budget,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        all(self.0, statement, columns, budget)
    }

    fn parents_at_once(&self, width: usize, own: usize) -> Result<usize, StoreError> {
        let values_max = limit(self.0, Limit::SQLITE_LIMIT_VARIABLE_NUMBER)?;
        Ok(values_max.saturating_sub(own) / width.max(1))
    }
}

/// All rows of a statement whose first columns are these.
fn all(
    connection: &Connection,
    statement: &Statement,
    columns: &[Column<'_>],
    budget: &Budget,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut rows = Vec::new();
    each_row(connection, statement, |row| {
        let value = |(at, (table, column)): (usize, &Column<'_>)| {
            let column = &table.columns[*column];
            Stored::of(column.ty)
                .value(row.get_ref(at)?)
                .ok_or_else(|| StoreError::Damaged {
                    table: table.name,
                    problem: format!("{} does not hold a {}", column.name, column.ty.sql_name()),
                })
        };
        let row = columns
            .iter()
            .enumerate()
            .map(value)
            .collect::<Result<Vec<_>, _>>()?;
        budget.take_row(read::bytes_of(&row))?;
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

fn each_row(
    connection: &Connection,
    statement: &Statement,
    mut each: impl FnMut(&rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for (what, size, most) in [
        (
            "values",
            statement.values.len(),
            Limit::SQLITE_LIMIT_VARIABLE_NUMBER,
        ),
        (
            "bytes of SQL",
            statement.sql.len(),
            Limit::SQLITE_LIMIT_SQL_LENGTH,
        ),
    ] {
        let max = limit(connection, most)?;
        if size > max {
            return Err(StoreError::TooLarge { what, size, max });
        }
    }
    let mut run = |prepared: &mut rusqlite::Statement<'_>| {
        let mut rows = prepared.query(params_from_iter(statement.values.iter().map(bound)))?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    };
    if statement.sql.len() > CACHED_LENGTH_MAX {
        run(&mut connection.prepare(&statement.sql)?)
    } else {
        run(&mut *connection.prepare_cached(&statement.sql)?)
    }
}

fn limit(connection: &Connection, limit: Limit) -> Result<usize, StoreError> {
    Ok(usize::try_from(connection.limit(limit)?).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mec_query::{Page, Query, Schema, Scope, Target};

    use super::*;

    fn schema() -> Schema {
        Schema::new(crate::tables::tables(), vec![]).unwrap()
    }

    fn read(path: &str) -> Read {
        let (schema, (table, query)) = (schema(), path.split_once('?').unwrap());
        let query = Query::parse(query, Target::Rows).unwrap();
        let table = Arc::clone(schema.table(table).unwrap());
        Scope::relate(&schema, &table, &query)
            .unwrap()
            .read(Page::of_request(&query, None).unwrap(), 0)
            .unwrap()
    }

    fn open() -> (tempfile::TempDir, Sqlite) {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) =
            Sqlite::open(&dir.path().join("mec.db"), &crate::OpenOptions::default()).unwrap();
        (dir, store)
    }

    fn plan(store: &Sqlite, statement: &Statement) -> String {
        let plan = store.read(|connection| {
            let mut explain =
                connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql))?;
            let lines = explain.query_map(
                params_from_iter(statement.values.iter().map(bound)),
                |row| row.get::<_, String>("detail"),
            )?;
            Ok(lines.collect::<Result<Vec<_>, _>>()?.join("; "))
        });
        plan.unwrap()
    }

    const ID: &str = "01980000-0000-7000-8000-000000000001";

    #[test]
    fn a_filter_on_an_indexed_column_uses_its_index() {
        let (_dir, store) = open();
        for (path, index) in [
            (
                "accounts?account_id=eq.ID",
                "sqlite_autoindex_accounts_1 (account_id=?)",
            ),
            (
                "accounts?external_id=eq.x",
                "accounts_external_id (external_id=?)",
            ),
            (
                "accounts?external_id=in.(x,y)",
                "accounts_external_id (external_id=?)",
            ),
            (
                "accounts?parent_account_id=eq.ID",
                "accounts_parent (parent_account_id=?)",
            ),
            (
                "accounts?and=(status.eq.active,external_id.eq.x,email.is.null)",
                "accounts_external_id (external_id=?)",
            ),
            (
                "entitlements?account_id=eq.ID",
                "entitlements_account (account_id=?)",
            ),
            (
                "entitlements?plan_id=eq.pro",
                "entitlements_plan (plan_id=?)",
            ),
            (
                "consumption_ledger?account_id=eq.ID&resource_type_code=eq.runs",
                "consumption_ledger_account (account_id=? AND resource_type_code=?)",
            ),
            (
                "consumption_ledger?account_id=eq.ID&resource_type_code=eq.runs&occurred_at=gte.now",
                "consumption_ledger_account (account_id=? AND resource_type_code=? AND occurred_at>?)",
            ),
            (
                "consumption_ledger?event_id=eq.ID",
                "PRIMARY KEY (event_id=?)",
            ),
            (
                "consumption_ledger?corrects_event_id=eq.ID",
                "consumption_ledger_corrects (corrects_event_id=?)",
            ),
            (
                "consumption_event_details?event_id=eq.ID",
                "PRIMARY KEY (event_id=?)",
            ),
            (
                "concurrency_leases?account_id=eq.ID",
                "concurrency_leases_account (account_id=?)",
            ),
            (
                "account_plans?account_id=eq.ID",
                "PRIMARY KEY (account_id=?)",
            ),
            (
                "plan_entitlement_templates?plan_id=eq.pro",
                "plan_entitlement_templates_plan (plan_id=?)",
            ),
        ] {
            let plan = plan(
                &store,
                &render::rows(Dialect::Sqlite, &read(&path.replace("ID", ID))),
            );
            assert!(
                plan.starts_with("SEARCH") && plan.contains(index),
                "{path}: {plan}"
            );
        }
    }

    #[test]
    fn the_embeds_of_some_parents_are_found_by_index() {
        let (_dir, store) = open();
        let parents: Vec<Vec<Value>> = (1..4).map(|id| vec![Value::Uuid(id)]).collect();
        let parents: Vec<&[Value]> = parents.iter().map(Vec::as_slice).collect();
        for (path, index) in [
            (
                "accounts?select=*,entitlements(*)",
                "entitlements_account (account_id=?)",
            ),
            (
                "accounts?select=*,entitlements(*)&entitlements.limit=2",
                "entitlements_account (account_id=?)",
            ),
            (
                "accounts?select=*,plans(*)",
                "sqlite_autoindex_plans_1 (plan_id=?)",
            ),
            (
                "entitlements?select=*,accounts(*)",
                "sqlite_autoindex_accounts_1 (account_id=?)",
            ),
            (
                "accounts?select=*,consumption_ledger(*)",
                "consumption_ledger_account (account_id=?)",
            ),
        ] {
            let plan = plan(
                &store,
                &render::embed(Dialect::Sqlite, &read(path).embeds[0], &parents),
            );
            assert!(
                plan.contains(index) && !plan.contains("SCAN plans"),
                "{path}: {plan}"
            );
        }
    }

    #[test]
    fn rows_in_the_order_of_an_index_are_not_sorted() {
        let (_dir, store) = open();
        for path in [
            "consumption_ledger?limit=10",
            "accounts?limit=10",
            "control_decisions_log?order=decision_id.desc&limit=10",
        ] {
            let plan = plan(&store, &render::rows(Dialect::Sqlite, &read(path)));
            assert!(!plan.contains("TEMP B-TREE"), "{path}: {plan}");
        }
    }

    #[test]
    fn no_text_of_a_request_is_part_of_a_statement() {
        let hostile = "x'; DROP TABLE accounts; --";
        let encoded: String = hostile.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!(
            "accounts?select=display_name,metadata-%3E%22{encoded}%22&display_name=eq.{encoded}&email=like.{encoded}\
             &metadata-%3E%22{encoded}%22-%3E%3Ek=in.({encoded})&time_zone=match.DROP"
        );
        let statement = render::rows(Dialect::Sqlite, &read(&path));
        assert!(!statement.sql.contains("DROP"), "{}", statement.sql);
        assert!(statement.values.len() >= 5, "{:?}", statement.values);
    }

    #[test]
    fn a_row_this_program_did_not_write_is_reported_as_damaged() {
        let (dir, store) = open();
        let connection = Connection::open(dir.path().join("mec.db")).unwrap();
        connection.execute("INSERT INTO resource_types VALUES ('r', 'R', 'cumulative', 'count', 'no list', NULL)", []).unwrap();
        match store.fetch(
            &read("resource_types?select=allowed_units"),
            &Budget::unlimited(),
        ) {
            Err(StoreError::Damaged {
                table: "resource_types",
                problem,
            }) => {
                assert_eq!(problem, "allowed_units does not hold a text[]");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_writer_waits_for_no_reader() {
        let dir = tempfile::tempdir().unwrap();
        let (store, mut writer) =
            Sqlite::open(&dir.path().join("mec.db"), &crate::OpenOptions::default()).unwrap();
        let lent: Vec<Connection> = (0..crate::OpenOptions::default().readers)
            .map(|_| store.readers.borrow())
            .collect();
        assert_eq!(
            writer
                .fetch(
                    &read("limit_kinds?limit_kind_code=match.^cumu"),
                    &Budget::unlimited()
                )
                .unwrap()
                .rows
                .len(),
            1
        );
        lent.into_iter()
            .for_each(|connection| store.readers.give_back(connection));
    }

    #[test]
    fn a_read_takes_no_longer_than_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mec.db");
        let options = crate::OpenOptions {
            read_timeout: std::time::Duration::ZERO,
            ..Default::default()
        };
        let (store, _writer) = Sqlite::open(&path, &options).unwrap();
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                   INSERT INTO units SELECT 'unit' || i, 'Unit', 'time', 1 FROM n";
        Connection::open(&path).unwrap().execute(sql, []).unwrap();
        assert!(matches!(
            store.fetch(&read("units?unit_name=match.x"), &Budget::unlimited()),
            Err(StoreError::TimedOut)
        ));
        // The connection is as good as before.
        assert_eq!(
            store
                .fetch(&read("units?limit=1"), &Budget::unlimited())
                .unwrap()
                .rows
                .len(),
            1
        );
    }
}
