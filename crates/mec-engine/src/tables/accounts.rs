//! Accounts over the table API: made with or without a parent, changed, never deleted.

use std::collections::{BTreeMap, BTreeSet};

use mec_kernel::{
    AccountId, AccountPatch, AccountStatus, Code, CreateAccount, Making, Refusal, Ruling, View,
    create_account, patch_account,
};
use mec_query::{Delete, Expr, Filter, Insert, QueryError, Resolution, Update, Value};

use super::given::{Given, account_of};
use super::upsert;
use crate::committed::Committed;
use crate::error::MecError;
use crate::steps::{RowKey, Step, Steps};
use crate::tree_numbers::tree_of;

/// The account an insert of one row makes.
pub(super) fn new_account(given: &Given) -> CreateAccount {
    let optional = |column| given.optional_text(column).flatten();
    CreateAccount {
        parent: given.optional_account("parent_account_id").flatten(),
        account_type: given.text("account_type_code"),
        external_id: optional("external_id"),
        display_name: given.text("display_name"),
        email: optional("email"),
        time_zone: optional("time_zone"),
        metadata: optional("metadata"),
        status: AccountStatus::from_code(&given.text("status")).unwrap_or(AccountStatus::Active),
    }
}

pub(super) fn insert(committed: &mut Committed<'_>, insert: &Insert) -> Result<Steps, MecError> {
    let rows = Given::of_insert(insert);
    let on_conflict = upsert::possible(insert);
    let known = match on_conflict {
        Some(_) => linked(committed, insert, &rows)?,
        None => BTreeMap::new(),
    };
    let merges = Given::of_merge(insert);
    let mut names = BTreeSet::new();
    let mut steps = Steps::default();
    for (given, merge) in rows.iter().zip(merges) {
        if let Some(name) = given.optional_text("external_id").flatten()
            && !names.insert(name.clone())
        {
            match on_conflict {
                Some(Resolution::Ignore) => continue,
                Some(Resolution::Merge) => return Err(MecError::RowTwice),
                None => return Err(super::postgres::external_id_taken(&name).into()),
            }
        }
        let existing = given
            .optional_text("external_id")
            .flatten()
            .and_then(|name| known.get(&name));
        match (existing, on_conflict) {
            (Some(_), Some(Resolution::Ignore)) => continue,
            (Some((id, parent)), _) => {
                upsert::check_fixed(&insert.table, &merge, "parent_account_id", parent)?;
                steps.trees.push(patch_step(*id, patch_of(&merge))?);
            }
            (None, _) => {
                steps
                    .trees
                    .push(create_step(new_account(given), committed)?);
                steps.inserted += 1;
            }
        }
        steps.rows.push(RowKey::OfStep);
    }
    Ok(steps)
}

/// The accounts the rows' external ids stand for, with their parents.
fn linked(
    committed: &mut Committed<'_>,
    insert: &Insert,
    rows: &[Given],
) -> Result<BTreeMap<Code, (AccountId, Value)>, MecError> {
    let table = &insert.table;
    let (id, name, parent) = (
        super::column(table, "account_id")?,
        super::column(table, "external_id")?,
        super::column(table, "parent_account_id")?,
    );
    let values = rows
        .iter()
        .filter_map(|given| given.value("external_id"))
        .filter(|value| !value.is_null());
    let filter = Filter::In {
        left: Expr::column(table, name),
        values: values.cloned().collect(),
    };
    let found = committed.rows(table, &[id, name, parent], filter)?;
    let account = |row: Vec<Value>| match row.as_slice() {
        [id, Value::Text(name), parent] => {
            Some((name.as_str().into(), (account_of(id)?, parent.clone())))
        }
        _ => None,
    };
    Ok(found.into_iter().filter_map(account).collect())
}

fn create_step(create: CreateAccount, committed: &mut Committed<'_>) -> Result<Step, MecError> {
    let is_new_tree = create.parent.is_none();
    let tree = match create.parent {
        Some(parent) => tree_of(parent).map_err(|_| Refusal::ParentNotFound {
            account: parent.to_string(),
        })?,
        None => committed.new_tree()?,
    };
    let decide = move |view: &View<'_>, making: &mut Making<'_>| {
        let ruling = create_account(view, making.ids, &create)?;
        Ok(Ruling {
            answer: vec![Value::Uuid(ruling.answer.id.0)],
            writes: ruling.writes,
        })
    };
    Ok(Step {
        tree,
        is_new_tree,
        decide: Box::new(decide),
    })
}

pub(super) fn update(committed: &mut Committed<'_>, update: &Update) -> Result<Steps, MecError> {
    let given = Given::of_update(update);
    let found = ids(committed, &update.table, update.filter.clone())?;
    if let [_, _, ..] = found.as_slice()
        && let Some(name) = given.optional_text("external_id").flatten()
    {
        return Err(super::postgres::external_id_taken(&name).into());
    }
    let trees = found
        .into_iter()
        .map(|id| patch_step(id, patch_of(&given)))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = trees.iter().map(|_| RowKey::OfStep).collect();
    Ok(Steps {
        trees,
        rows,
        ..Steps::default()
    })
}

pub(super) fn delete(committed: &mut Committed<'_>, delete: &Delete) -> Result<Steps, MecError> {
    if ids(committed, &delete.table, delete.filter.clone())?.is_empty() {
        return Ok(Steps::default());
    }
    Err(QueryError::sqlstate(
        "23503",
        "accounts are never deleted: what they used and were granted refers to them",
    )
    .with_hint("Close it instead: PATCH with {\"status\": \"closed\"}")
    .into())
}

fn ids(
    committed: &mut Committed<'_>,
    table: &std::sync::Arc<mec_query::Table>,
    filter: Filter,
) -> Result<Vec<AccountId>, MecError> {
    let rows = committed.rows(table, &table.key_positions(), filter)?;
    Ok(rows
        .iter()
        .filter_map(|row| row.first().and_then(account_of))
        .collect())
}

fn patch_of(given: &Given) -> AccountPatch {
    AccountPatch {
        account_type: given.optional_text("account_type_code").flatten(),
        external_id: given.optional_text("external_id"),
        display_name: given.optional_text("display_name").flatten(),
        email: given.optional_text("email"),
        status: given
            .optional_text("status")
            .flatten()
            .and_then(|code| AccountStatus::from_code(&code)),
        time_zone: given.optional_text("time_zone"),
        metadata: given.optional_text("metadata"),
    }
}

fn patch_step(id: AccountId, patch: AccountPatch) -> Result<Step, MecError> {
    let decide = move |view: &View<'_>, _: &mut Making<'_>| {
        let ruling = patch_account(view, id, &patch)?;
        Ok(Ruling {
            answer: vec![Value::Uuid(id.0)],
            writes: ruling.writes,
        })
    };
    Ok(Step {
        tree: tree_of(id)?,
        is_new_tree: false,
        decide: Box::new(decide),
    })
}
