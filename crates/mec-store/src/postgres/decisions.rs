//! The decision log: written beside a batch, pruned by age.

use mec_kernel::{IdSource, Time, Total, TreeId};

use super::Writer;
use super::bulk::Bulk;
use super::codec::{Id, Instant, Json, Units};
use super::heads::number;
use super::session::Change;
use crate::{CommitError, DecisionRow, limits_json};

const PRUNE: &str = "DELETE FROM control_decisions_log WHERE (decision_id, tree) IN \
     (SELECT decision_id, tree FROM control_decisions_log WHERE decision_id < $1 ORDER BY decision_id LIMIT $2)";

impl Writer {
    /// Ids sort by when they were made, so the oldest rows are the first of the primary key and no row that stays is
    /// looked at.
    pub(crate) async fn prune_decisions(&mut self, before: Time, rows_max: usize) -> Result<usize, CommitError> {
        self.abort().await;
        self.begin().await.map_err(CommitError::NotDone)?;
        let first_kept = Id(IdSource::new(TreeId::CATALOGUE, before, 0).draw());
        let most = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let session = self.session().await.map_err(CommitError::NotDone)?;
        let pruned = match session.execute(PRUNE, &[&first_kept, &most]).await {
            Ok(pruned) => pruned,
            Err(error) => {
                self.abort().await;
                return Err(CommitError::NotDone(error));
            }
        };
        let ended = session.run("COMMIT").await;
        self.is_begun = false;
        // Rows that are too old may be removed again, so that nobody knows whether they are is no harm.
        ended.map_err(CommitError::NotDone)?;
        Ok(usize::try_from(pruned).unwrap_or(usize::MAX))
    }
}

pub(super) fn log(decisions: &[DecisionRow]) -> Option<Change<'_>> {
    // A total of more digits than the column has is shown as the largest there is: NULL would read as unlimited.
    let shown = |total: Option<Total>| {
        let most = i128::from(mec_kernel::QUANTITY_MAX);
        total.map(|total| Units::<6>(i64::try_from(total.0.clamp(-most, most)).unwrap_or_default()))
    };
    let each = || decisions.iter();
    Bulk::of("control_decisions_log")
        .column("decision_id", each().map(|row| Id(row.id.0)))
        .column("tree", each().map(|row| number(row.account.tree())))
        .column("account_id", each().map(|row| Id(row.account.0)))
        .column("resource_type_code", each().map(|row| row.resource.as_str()))
        .column("resource_scope", each().map(|row| row.scope.as_deref()))
        .column("operation", each().map(|row| row.operation.code()))
        .column("requested_qty", each().map(|row| shown(row.requested)))
        .column("decision", each().map(|row| row.decision.code()))
        .column("reason", each().map(|row| row.reason.as_str()))
        .column("reason_code", each().map(|row| row.reason_code))
        .column("entitlement_id", each().map(|row| row.entitlement.map(|id| Id(id.0))))
        .column("rule_id", each().map(|row| row.rule.map(|id| Id(id.0))))
        .column("quantity_allowed", each().map(|row| shown(row.allowed)))
        .column("quantity_used", each().map(|row| shown(row.used)))
        .column("limits", each().map(|row| limits_json(&row.limits).map(Json)))
        .column("request_id", each().map(|row| row.request_id.as_deref()))
        .column("decided_at", each().map(|row| Instant::from(row.decided_at)))
        .insert_new()
}
