//! Conditions of entitlements over the table API. They are part of their entitlement: each write
//! changes it, with its audit row.

use std::sync::Arc;

use mec_kernel::{
    AccountId, Code, Condition, ConditionId, EntitlementId, EntitlementPatch, Halt, Making,
    Refusal, Ruling, View, patch_entitlement,
};
use mec_query::{Delete, Expr, Filter, Insert, Table, Update, Value};
use mec_store::ConditionRow;

use super::entitlements::{of_accounts, row};
use super::given::{Given, entitlement_of};
use crate::committed::Committed;
use crate::error::MecError;
use crate::steps::{RowKey, Step, Steps};
use crate::tree_numbers::tree_of;

pub(super) fn insert(committed: &mut Committed<'_>, insert: &Insert) -> Result<Steps, MecError> {
    let given = Given::of_insert(insert);
    let ids: Vec<Value> = given
        .iter()
        .filter_map(|given| given.value("entitlement_id").cloned())
        .collect();
    let owners = owners(committed, ids)?;
    let step = |given: &Given| {
        let id = given
            .value("entitlement_id")
            .and_then(entitlement_of)
            .unwrap_or(EntitlementId(0));
        let account = owner(&owners, id)?;
        let test = ConditionRow {
            condition_type: given.text("condition_type").as_str().to_owned(),
            attribute: texts(given, "attribute").flatten(),
            operator: texts(given, "operator").flatten(),
            value: json(given.value("value")),
        }
        .test()?;
        let change = move |conditions: &mut Vec<Condition>, making: &mut Making<'_>| {
            let id = ConditionId(making.ids.draw());
            conditions.push(Condition {
                id,
                test: test.clone(),
            });
            Ok(id)
        };
        step(account, id, change)
    };
    let trees = given
        .iter()
        .map(step)
        .collect::<Result<Vec<_>, MecError>>()?;
    let rows = trees.iter().map(|_| RowKey::OfStep).collect();
    Ok(Steps {
        inserted: trees.len(),
        trees,
        rows,
        ..Steps::default()
    })
}

pub(super) fn update(committed: &mut Committed<'_>, update: &Update) -> Result<Steps, MecError> {
    let given = Given::of_update(update);
    each(committed, &update.table, update.filter.clone(), |id| {
        let given = given.clone();
        move |conditions, _| {
            let condition = conditions
                .iter_mut()
                .find(|condition| condition.id == id)
                .ok_or_else(|| gone(id))?;
            let held = ConditionRow::of(&condition.test);
            let row = ConditionRow {
                condition_type: given
                    .optional_text("condition_type")
                    .flatten()
                    .map_or(held.condition_type, |text| text.as_str().to_owned()),
                attribute: texts(&given, "attribute").unwrap_or(held.attribute),
                operator: texts(&given, "operator").unwrap_or(held.operator),
                value: given
                    .value("value")
                    .map_or(held.value, |value| json(Some(value))),
            };
            condition.test = row.test()?;
            Ok(id)
        }
    })
}

pub(super) fn delete(committed: &mut Committed<'_>, delete: &Delete) -> Result<Steps, MecError> {
    each(committed, &delete.table, delete.filter.clone(), |id| {
        move |conditions, _| {
            conditions.retain(|condition| condition.id != id);
            Ok(id)
        }
    })
}

/// One step for each condition that passes.
fn each<F, C>(
    committed: &mut Committed<'_>,
    table: &Arc<Table>,
    filter: Filter,
    change: F,
) -> Result<Steps, MecError>
where
    F: Fn(ConditionId) -> C,
    C: FnMut(&mut Vec<Condition>, &mut Making<'_>) -> Result<ConditionId, Halt> + Send + 'static,
{
    let columns = [
        super::column(table, "condition_id")?,
        super::column(table, "entitlement_id")?,
    ];
    let found = committed.rows(table, &columns, filter)?;
    let owners = owners(
        committed,
        found.iter().filter_map(|row| row.get(1).cloned()).collect(),
    )?;
    let mut steps = Steps::default();
    for row in &found {
        let [Value::Uuid(condition), entitlement] = row.as_slice() else {
            continue;
        };
        let Some(entitlement) = entitlement_of(entitlement) else {
            continue;
        };
        steps.trees.push(step(
            owner(&owners, entitlement)?,
            entitlement,
            change(ConditionId(*condition)),
        )?);
        steps.rows.push(RowKey::OfStep);
    }
    Ok(steps)
}

fn owners(
    committed: &mut Committed<'_>,
    ids: Vec<Value>,
) -> Result<Vec<(EntitlementId, AccountId)>, MecError> {
    let table = super::table("entitlements")?;
    let id = super::column(&table, "entitlement_id")?;
    of_accounts(
        committed,
        &table,
        Filter::In {
            left: Expr::column(&table, id),
            values: ids,
        },
    )
}

fn owner(owners: &[(EntitlementId, AccountId)], id: EntitlementId) -> Result<AccountId, MecError> {
    let found = owners.iter().find(|(known, _)| *known == id);
    Ok(found
        .map(|(_, account)| *account)
        .ok_or_else(|| Refusal::EntitlementNotFound {
            entitlement: id.to_string(),
        })?)
}

/// Changes the conditions of one entitlement, and with them the entitlement.
fn step<C>(account: AccountId, id: EntitlementId, mut change: C) -> Result<Step, MecError>
where
    C: FnMut(&mut Vec<Condition>, &mut Making<'_>) -> Result<ConditionId, Halt> + Send + 'static,
{
    let decide = move |view: &View<'_>, making: &mut Making<'_>| {
        let mut conditions = row(view, account, id)?.conditions.clone();
        let condition = change(&mut conditions, making)?;
        let patch = EntitlementPatch {
            conditions: Some(conditions),
            ..EntitlementPatch::default()
        };
        let ruling = patch_entitlement(view, making, account, id, &patch)?;
        Ok(Ruling {
            answer: vec![Value::Uuid(condition.0)],
            writes: ruling.writes,
        })
    };
    Ok(Step {
        tree: tree_of(account)?,
        is_new_tree: false,
        decide: Box::new(decide),
    })
}

fn texts(given: &Given, column: &str) -> Option<Option<String>> {
    given
        .optional_text(column)
        .map(|text: Option<Code>| text.map(|text| text.as_str().to_owned()))
}

/// The value as the condition reads it; the query language has checked that it is JSON.
fn json(value: Option<&Value>) -> serde_json::Value {
    match value {
        Some(Value::Json(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => serde_json::Value::Null,
    }
}

/// The condition was found, and is not in the tree.
fn gone(id: ConditionId) -> Halt {
    Refusal::NotPresent {
        column: "condition_id",
        value: id.to_string(),
    }
    .into()
}
