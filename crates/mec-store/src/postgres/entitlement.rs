//! Entitlements with their conditions: read, written, and shown in their audit as the table shows
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mec_kernel::{
    Audit, Code, Condition, ConditionId, Entitlement, EntitlementId, Quantity, Time, TreeId, Write,
};
use mec_query::json_text;
use serde_json::Value;
use tokio_postgres::Row;

use super::bulk::Bulk;
use super::cells::Found;
use super::codec::{Id, Instant, Json, Units};
use super::session::{Change, Session};
use super::tree_number::{number, numbers};
use crate::StoreError;
use crate::audit::{self, Beside};
use crate::condition::ConditionRow;
use crate::rows::{self, Cells as _, sql};

const CONDITION: &str =
    "c.condition_id, c.condition_type, c.attribute, c.operator, c.value, c.entitlement_id";

sql!(
    /// The entitlements of accounts, oldest first.
    pub OF_ACCOUNTS = "SELECT ",
    rows::ENTITLEMENT,
    " FROM entitlements WHERE account_id = ANY($1) AND tree = ANY($2) ORDER BY entitlement_id",
);
sql!(
    /// Their conditions.
    pub CONDITIONS_OF_ACCOUNTS = "SELECT ",
    CONDITION,
    " FROM entitlements e JOIN entitlement_conditions c ON c.entitlement_id = e.entitlement_id AND c.tree = e.tree \
     AND c.tree = ANY($2) WHERE e.account_id = ANY($1) AND e.tree = ANY($2) ORDER BY c.condition_id",
);
sql!(
    SHOWN = "SELECT ",
    rows::ENTITLEMENT,
    ", limit_kind_code, metadata FROM entitlements WHERE entitlement_id = ANY($1) AND tree = ANY($2)",
);
sql!(
    CONDITIONS = "SELECT ",
    CONDITION,
    " FROM entitlement_conditions c WHERE c.entitlement_id = ANY($1) AND c.tree = ANY($2) ORDER BY c.condition_id",
);
const LIMIT_KINDS: &str = "SELECT resource_type_code, limit_kind_code FROM resource_types WHERE resource_type_code = ANY($1)";

/// Entitlements in the order of their rows, each with its conditions.
pub(super) fn with_conditions(
    entitlements: &[Row],
    conditions: &[Row],
) -> Result<Vec<Entitlement>, StoreError> {
    let mut of_entitlement = conditions_by_entitlement(conditions)?;
    let read = |row| {
        let mut row = rows::entitlement(&Found {
            row,
            table: "entitlements",
        })?;
        row.conditions = of_entitlement.remove(&row.id).unwrap_or_default();
        Ok(row)
    };
    entitlements.iter().map(read).collect()
}

fn conditions_by_entitlement(
    found: &[Row],
) -> Result<BTreeMap<EntitlementId, Vec<Condition>>, StoreError> {
    let mut conditions: BTreeMap<EntitlementId, Vec<Condition>> = BTreeMap::new();
    for row in found {
        let row = Found {
            row,
            table: "entitlement_conditions",
        };
        let columns = ConditionRow {
            condition_type: row.text(1)?.to_owned(),
            attribute: row.optional_text(2)?.map(str::to_owned),
            operator: row.optional_text(3)?.map(str::to_owned),
            value: serde_json::from_str(row.text(4)?).map_err(|_| row.damaged(4, "not JSON"))?,
        };
        let test = columns
            .test()
            .map_err(|refusal| row.damaged(1, &format!("no condition: {refusal:?}")))?;
        let condition = Condition {
            id: ConditionId(row.id(0)?),
            test,
        };
        conditions
            .entry(EntitlementId(row.id(5)?))
            .or_default()
            .push(condition);
    }
    Ok(conditions)
}

/// An entitlement as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    row: Entitlement,
    beside: Beside,
    metadata: Option<String>,
}

impl Stored {
    pub(super) fn shown(&self) -> Value {
        audit::shown(&self.row, &self.beside, &self.row.conditions)
    }
}

/// What is stored of these, in one statement each for rows and conditions.
pub(super) async fn stored(
    session: &Session,
    ids: &[EntitlementId],
) -> Result<BTreeMap<EntitlementId, Stored>, StoreError> {
    let trees = numbers(ids.iter().map(|id| id.tree()));
    let ids: Vec<Id> = ids.iter().map(|id| Id(id.0)).collect();
    let found = session.query(&SHOWN, &[&ids, &trees]).await?;
    let mut conditions =
        conditions_by_entitlement(&session.query(&CONDITIONS, &[&ids, &trees]).await?)?;
    let mut stored = BTreeMap::new();
    for row in &found {
        let read = Found {
            row,
            table: "entitlements",
        };
        let mut row = rows::entitlement(&read)?;
        row.conditions = conditions.remove(&row.id).unwrap_or_default();
        let metadata = read
            .optional_text(rows::ENTITLEMENT_COLUMNS + 1)?
            .map(str::to_owned);
        let beside = Beside {
            has_window: read.optional_text(5)?.is_some(),
            limit_kind: read.text(rows::ENTITLEMENT_COLUMNS)?.to_owned(),
            metadata: parsed(metadata.as_deref())
                .map_err(|()| read.damaged(rows::ENTITLEMENT_COLUMNS + 1, "not JSON"))?,
        };
        stored.insert(
            row.id,
            Stored {
                row,
                beside,
                metadata,
            },
        );
    }
    Ok(stored)
}

fn parsed(metadata: Option<&str>) -> Result<Option<Value>, ()> {
    metadata
        .map(|text| serde_json::from_str(text).map_err(|_| ()))
        .transpose()
}

/// One row of the audit.
struct Audited<'a> {
    audit: &'a Audit,
    row: &'a Entitlement,
    old: Option<String>,
    new: String,
}

/// Makes and changes the entitlements of a batch, each change with its audit row, each on what the
/// one before left.
pub(super) async fn put(
    session: &Session,
    writes: &[Write],
    at: &dyn Fn(TreeId) -> Time,
) -> Result<Vec<Change<'static>>, StoreError> {
    let written = writes.iter().filter_map(|write| match write {
        Write::Entitlement {
            row,
            metadata,
            audit,
        } => Some((row, metadata, audit)),
        _ => None,
    });
    let written: Vec<_> = written.collect();
    if written.is_empty() {
        return Ok(vec![]);
    }
    let ids: Vec<EntitlementId> = written
        .iter()
        .map(|(row, ..)| row.id)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let before = stored(session, &ids).await?;
    let kinds = limit_kinds(
        session,
        written.iter().map(|(row, ..)| row.resource.as_str()),
    )
    .await?;
    let (after, audited) = applied(&before, &kinds, written)?;
    let changed: Vec<&Stored> = ids.iter().filter_map(|id| after.get(id)).collect();
    let conditions_of = |stored: &BTreeMap<EntitlementId, Stored>, id| {
        stored.get(&id).map(|old| old.row.conditions.clone())
    };
    let reconditioned: Vec<&Stored> = changed
        .iter()
        .copied()
        .filter(|new| conditions_of(&before, new.row.id).unwrap_or_default() != new.row.conditions)
        .collect();
    let mut changes = vec![];
    changes.extend(put_rows(&changed));
    changes.extend(put_conditions(&reconditioned));
    changes.extend(put_audit(&audited, at));
    Ok(changes)
}

/// One entitlement of a batch: the row, its metadata where they are given, and its audit row.
type Written<'a> = (&'a Arc<Entitlement>, &'a Option<Code>, &'a Audit);

/// What the rows are after the batch, and its audit rows, each with what the one before left.
fn applied<'a>(
    before: &BTreeMap<EntitlementId, Stored>,
    kinds: &BTreeMap<String, String>,
    written: Vec<Written<'a>>,
) -> Result<(BTreeMap<EntitlementId, Stored>, Vec<Audited<'a>>), StoreError> {
    let (mut after, mut audited) = (before.clone(), Vec::with_capacity(written.len()));
    for (row, given, audit) in written {
        let old = after.get(&row.id);
        let metadata = match given {
            Some(text) => Some(text.as_str().to_owned()).filter(|text| text != "null"),
            None => old.and_then(|old| old.metadata.clone()),
        };
        let limit_kind = old.map(|old| old.beside.limit_kind.clone());
        let beside = Beside {
            has_window: true,
            limit_kind: limit_kind
                .or_else(|| kinds.get(row.resource.as_str()).cloned())
                .unwrap_or_default(),
            metadata: parsed(metadata.as_deref()).map_err(|()| StoreError::Damaged {
                table: "entitlements",
                problem: "metadata to be written is not JSON".to_owned(),
            })?,
        };
        let old = old.map(|old| json_text(&old.shown()));
        let mut kept = (**row).clone();
        kept.conditions.sort_by_key(|condition| condition.id);
        let new = Stored {
            row: kept,
            beside,
            metadata,
        };
        audited.push(Audited {
            audit,
            row,
            old,
            new: json_text(&new.shown()),
        });
        after.insert(row.id, new);
    }
    Ok((after, audited))
}

async fn limit_kinds(
    session: &Session,
    resources: impl Iterator<Item = &str>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let resources: Vec<&str> = resources.collect::<BTreeSet<_>>().into_iter().collect();
    let found = session.query(LIMIT_KINDS, &[&resources]).await?;
    let read = |row| {
        let row = Found {
            row,
            table: "resource_types",
        };
        Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
    };
    found.iter().map(read).collect()
}

fn put_rows(changed: &[&Stored]) -> Option<Change<'static>> {
    columns(changed).replace(
        "entitlement_id, tree",
        &[
            "quantity_allowed",
            "source_ref",
            "window_type_code",
            "window_anchor",
            "window_seconds",
            "period_start",
            "period_end",
            "status",
            "priority",
            "plan_version",
            "valid_from",
            "valid_until",
            "updated_at",
            "metadata",
        ],
    )
}

fn columns(changed: &[&Stored]) -> Bulk<'static> {
    let rows = || changed.iter().map(|stored| &stored.row);
    let optional = |time: Option<Time>| time.map(Instant::from);
    let text = |code: &Option<Code>| code.as_deref().map(str::to_owned);
    Bulk::of("entitlements")
        .column("entitlement_id", rows().map(|row| Id(row.id.0)))
        .column("tree", rows().map(|row| number(row.id.tree())))
        .column("account_id", rows().map(|row| Id(row.account.0)))
        .column(
            "resource_type_code",
            rows().map(|row| row.resource.as_str().to_owned()),
        )
        .column("resource_scope", rows().map(|row| text(&row.scope)))
        // Of a resource that is not there it is null, which the column refuses.
        .column(
            "limit_kind_code",
            changed
                .iter()
                .map(|s| Some(s.beside.limit_kind.clone()).filter(|kind| !kind.is_empty())),
        )
        .column(
            "quantity_allowed",
            rows().map(|row| {
                row.quantity
                    .map(|quantity| Units::<6>(Quantity::millionths(quantity)))
            }),
        )
        .column("window_type_code", rows().map(|row| row.window.kind.code()))
        .column(
            "window_anchor",
            rows().map(|row| optional(row.window.anchor)),
        )
        .column("window_seconds", rows().map(|row| row.window.seconds))
        .column(
            "period_start",
            rows().map(|row| optional(row.window.period.map(|(start, _)| start))),
        )
        .column(
            "period_end",
            rows().map(|row| optional(row.window.period.map(|(_, end)| end))),
        )
        .column("status", rows().map(|row| row.status.code()))
        .column("source", rows().map(|row| row.source.code()))
        .column("source_ref", rows().map(|row| text(&row.source_ref)))
        .column("plan_id", rows().map(|row| text(&row.plan)))
        .column("plan_version", rows().map(|row| row.plan_version))
        .column("priority", rows().map(|row| row.priority))
        .column(
            "valid_from",
            rows().map(|row| Instant::from(row.valid_from)),
        )
        .column("valid_until", rows().map(|row| optional(row.valid_until)))
        .column(
            "metadata",
            changed
                .iter()
                .map(|stored| stored.metadata.clone().map(Json)),
        )
        .column(
            "created_at",
            rows().map(|row| Instant::from(row.created_at)),
        )
        .column(
            "updated_at",
            rows().map(|row| Instant::from(row.updated_at)),
        )
}

/// Replaces the conditions of rows whose conditions are not what is stored.
fn put_conditions(changed: &[&Stored]) -> Vec<Change<'static>> {
    let ids = || changed.iter().map(|stored| stored.row.id);
    let cleared = Bulk::of("entitlement_conditions")
        .column("entitlement_id", ids().map(|id| Id(id.0)))
        .column("tree", ids().map(|id| number(id.tree())))
        .with_trees(
            "DELETE FROM entitlement_conditions c USING {rows} WHERE c.entitlement_id = x.entitlement_id AND c.tree = x.tree \
             AND c.tree = {trees}",
            ids().map(|id| id.tree()),
        );
    let of = |stored: &&Stored| {
        let id = stored.row.id;
        let conditions = stored.row.conditions.iter();
        conditions
            .map(move |condition| (id, condition.id, ConditionRow::of(&condition.test)))
            .collect::<Vec<_>>()
    };
    let conditions: Vec<_> = changed.iter().flat_map(of).collect();
    let made = Bulk::of("entitlement_conditions")
        .column("condition_id", conditions.iter().map(|(_, id, _)| Id(id.0)))
        .column("tree", conditions.iter().map(|(of, ..)| number(of.tree())))
        .column("entitlement_id", conditions.iter().map(|(of, ..)| Id(of.0)))
        .column(
            "condition_type",
            conditions
                .iter()
                .map(|(.., row)| row.condition_type.clone()),
        )
        .column(
            "attribute",
            conditions.iter().map(|(.., row)| row.attribute.clone()),
        )
        .column(
            "operator",
            conditions.iter().map(|(.., row)| row.operator.clone()),
        )
        .column(
            "value",
            conditions
                .iter()
                .map(|(.., row)| Json(json_text(&row.value))),
        )
        .insert();
    cleared.into_iter().chain(made).collect()
}

fn put_audit(audited: &[Audited<'_>], at: &dyn Fn(TreeId) -> Time) -> Option<Change<'static>> {
    Bulk::of("entitlements_audit")
        .column("audit_id", audited.iter().map(|one| Id(one.audit.id.0)))
        .column("tree", audited.iter().map(|one| number(one.row.id.tree())))
        .column("entitlement_id", audited.iter().map(|one| Id(one.row.id.0)))
        .column(
            "account_id",
            audited.iter().map(|one| Id(one.row.account.0)),
        )
        .column("action", audited.iter().map(|one| one.audit.action))
        .column(
            "old_row",
            audited.iter().map(|one| one.old.clone().map(Json)),
        )
        .column("new_row", audited.iter().map(|one| Json(one.new.clone())))
        .column(
            "changed_by",
            audited.iter().map(|one| one.audit.by.as_str().to_owned()),
        )
        .column("reason", audited.iter().map(|one| one.audit.reason.clone()))
        .column(
            "changed_at",
            audited
                .iter()
                .map(|one| Instant::from(at(one.row.account.tree()))),
        )
        .insert()
}
