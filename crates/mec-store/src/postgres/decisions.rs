//! The decision log: written beside a batch, pruned by age.

use mec_kernel::{IdSource, Time, Total, TreeId};

use super::bulk::Bulk;
use super::cells::Found;
use super::codec::{Id, Instant, Json, Units};
use super::session::{Change, Session};
use super::tree_number::number;
use super::{Stage, Writer};
use crate::rows::Cells as _;
use crate::{CommitError, DecisionRow, limits_json};

const PRUNE: &str = "SELECT mec_prune_decisions($1, $2)";
const MAKE_DAYS: &str = "SELECT mec_make_decision_days()";

/// Makes the parts of the log that the coming days go to. Without one its rows go to the rest, so a
/// failure only makes removing them dearer.
pub(super) async fn make_days(session: &Session) {
    if let Err(error) = session.query(MAKE_DAYS, &[]).await {
        tracing::warn!(%error, "the decision log has no part for the coming days; it is tried again");
    }
}

impl Writer {
    /// Ids sort by when they were made, so days that are wholly too old are dropped unread, and of
    /// the others the oldest rows are the first of the primary key.
    pub(crate) async fn prune_decisions(
        &mut self,
        before: Time,
        rows_max: usize,
    ) -> Result<usize, CommitError> {
        self.abort().await;
        make_days(self.session().await.map_err(CommitError::NotDone)?).await;
        self.begin().await.map_err(CommitError::NotDone)?;
        let first_kept = Id(IdSource::new(TreeId::CATALOG, before, 0).draw());
        let most = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let session = self.session().await.map_err(CommitError::NotDone)?;
        let pruned = match session.query(PRUNE, &[&first_kept, &most]).await {
            Ok(pruned) => pruned,
            Err(error) => {
                self.abort().await;
                return Err(CommitError::NotDone(error));
            }
        };
        let ended = session.run("COMMIT").await;
        self.stage = Stage::Idle;
        // Rows that are too old may be removed again, so that nobody knows whether they are is no
        // harm.
        ended.map_err(CommitError::NotDone)?;
        let Some(row) = pruned.first() else {
            return Ok(0);
        };
        let removed = Found {
            row,
            table: "control_decisions_log",
        }
        .integer(0)
        .map_err(CommitError::NotDone)?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

pub(super) fn log(decisions: &[DecisionRow]) -> Option<Change<'_>> {
    // A total of more digits than the column has is shown as the largest there is: NULL would read
    // as unlimited.
    let shown = |total: Option<Total>| {
        let most = i128::from(mec_kernel::QUANTITY_MAX);
        total.map(|total| Units::<6>(i64::try_from(total.0.clamp(-most, most)).unwrap_or_default()))
    };
    let each = || decisions.iter();
    Bulk::of("control_decisions_log")
        .column("decision_id", each().map(|row| Id(row.id.0)))
        .column("tree", each().map(|row| number(row.account.tree())))
        .column("account_id", each().map(|row| Id(row.account.0)))
        .column(
            "resource_type_code",
            each().map(|row| row.resource.as_str()),
        )
        .column("resource_scope", each().map(|row| row.scope.as_deref()))
        .column("operation", each().map(|row| row.operation.code()))
        .column("requested_qty", each().map(|row| shown(row.requested)))
        .column("decision", each().map(|row| row.decision.code()))
        .column("reason", each().map(|row| row.reason.as_str()))
        .column("reason_code", each().map(|row| row.reason_code))
        .column(
            "entitlement_id",
            each().map(|row| row.entitlement.map(|id| Id(id.0))),
        )
        .column("rule_id", each().map(|row| row.rule.map(|id| Id(id.0))))
        .column(
            "binding_account_id",
            each().map(|row| row.binding.map(|id| Id(id.0))),
        )
        .column("quantity_allowed", each().map(|row| shown(row.allowed)))
        .column("quantity_used", each().map(|row| shown(row.used)))
        .column(
            "limits",
            each().map(|row| limits_json(&row.trace).map(Json)),
        )
        .column("request_id", each().map(|row| row.request_id.as_deref()))
        .column(
            "decided_at",
            each().map(|row| Instant::from(row.decided_at)),
        )
        .insert_new()
}
