//! The decision log: written beside a batch, pruned by age.

use mec_kernel::{IdSource, Time, Total, TreeId};
use rusqlite::{Connection, params};

use super::commit_error::failed;
use super::{Sqlite, Writer, rows};
use crate::{CommitError, DecisionRow, StoreError, limits_json};

impl Writer {
    /// Ids sort by when they were made, so the oldest rows are the first of the primary key and no
    /// row that stays is looked at.
    pub(crate) fn prune_decisions(
        &mut self,
        before: Time,
        rows_max: usize,
    ) -> Result<usize, CommitError> {
        self.connection
            .prepare_cached(
                "DELETE FROM control_decisions_log WHERE decision_id IN \
                 (SELECT decision_id FROM control_decisions_log WHERE decision_id < ?1 ORDER BY decision_id LIMIT ?2)",
            )
            .and_then(|mut statement| statement.execute(params![first_id(before), i64::try_from(rows_max).unwrap_or(i64::MAX)]))
            .map_err(failed)
    }
}

impl Sqlite {
    pub(crate) fn count_decisions(&self, before: Time) -> Result<u64, StoreError> {
        self.read_apart(|connection| {
            let sql = "SELECT count(*) FROM control_decisions_log WHERE decision_id < ?1";
            let count: i64 =
                connection.query_row(sql, params![first_id(before)], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }
}

/// Smaller than the id of every decision at `at` or later.
fn first_id(at: Time) -> rows::Id {
    rows::Id(IdSource::new(TreeId::CATALOG, at, 0).draw())
}

pub(super) fn log(connection: &Connection, row: &DecisionRow) -> rusqlite::Result<()> {
    // A total of more than 64 bits is shown as the largest there is: NULL would read as unlimited.
    let shown =
        |total: Option<Total>| total.map(|total| i64::try_from(total.0).unwrap_or(i64::MAX));
    connection
        .prepare_cached(
            "INSERT INTO control_decisions_log (decision_id, tree, account_id, resource_type_code, resource_scope, operation, \
             requested_qty, decision, reason, reason_code, entitlement_id, rule_id, binding_account_id, quantity_allowed, \
             quantity_used, limits, request_id, decided_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(params![
            rows::Id(row.id.0),
            row.account.tree().0,
            rows::Id(row.account.0),
            row.resource.as_str(),
            row.scope.as_deref(),
            row.operation.code(),
            shown(row.requested),
            row.decision.code(),
            row.reason,
            row.reason_code,
            row.entitlement.map(|id| rows::Id(id.0)),
            row.rule.map(|id| rows::Id(id.0)),
            row.binding.map(|id| rows::Id(id.0)),
            shown(row.allowed),
            shown(row.used),
            limits_json(&row.trace),
            row.request_id.as_deref(),
            row.decided_at.micros(),
        ])?;
    Ok(())
}
