//! Control rules over the table API. A rule that names an account belongs to that account's tree,
//! any other to the catalog; neither can become the other, because a rule's account is fixed once
//! it is made.

use std::sync::Arc;

use mec_kernel::{
    AccountId, Catalog, CatalogChange, Halt, LimitAction, LimitKind, Making, Refusal, Rule, RuleId,
    Ruling, Time, View, WindowKind, put_rule, remove_rule,
};
use mec_query::{Delete, Filter, Insert, Table, Update, Value};

use super::given::{Given, account_of};
use crate::committed::Committed;
use crate::error::MecError;
use crate::steps::{RowKey, Step, Steps};
use crate::tree_numbers::tree_of;

/// Where a rule is looked for.
enum Found {
    InCatalog(Arc<Rule>),
    OfAccount(AccountId, RuleId),
}

pub(super) fn insert(catalog: &Catalog, insert: &Insert) -> Result<Steps, MecError> {
    let mut steps = Steps::default();
    for given in Given::of_insert(insert) {
        let rule = new_rule(catalog, &given)?;
        match rule.account {
            None => {
                steps.catalog.push(CatalogChange::PutRule(rule));
                steps.rows.push(RowKey::OfNewRule);
            }
            Some(account) => {
                steps.trees.push(step(account, move |view, making| {
                    let id = RuleId(making.ids.draw());
                    let rule = Rule {
                        id,
                        created_at: view.now,
                        updated_at: view.now,
                        ..rule.clone()
                    };
                    Ok((id, put_rule(view, &Arc::new(rule))?))
                })?);
                steps.rows.push(RowKey::OfStep);
            }
        }
        steps.inserted += 1;
    }
    Ok(steps)
}

pub(super) fn update(
    catalog: &Catalog,
    committed: &mut Committed<'_>,
    update: &Update,
) -> Result<Steps, MecError> {
    let given = Given::of_update(update);
    let (window, action) = (window_of(&given)?, action_of(&given)?);
    each(
        catalog,
        committed,
        &update.table,
        update.filter.clone(),
        |found| {
            Ok(match found {
                Found::InCatalog(rule) => Err(CatalogChange::PutRule(patched(
                    &rule, &given, window, action,
                )?)),
                Found::OfAccount(account, id) => {
                    let given = given.clone();
                    Ok(step(account, move |view, _| {
                        let path = view.path(account)?;
                        let held = path
                            .first()
                            .and_then(|node| node.rules.iter().find(|rule| rule.id == id));
                        let held = held.ok_or_else(|| gone(id))?;
                        let rule = Rule {
                            updated_at: view.now,
                            ..patched(held, &given, window, action)?
                        };
                        Ok((id, put_rule(view, &Arc::new(rule))?))
                    })?)
                }
            })
        },
    )
}

pub(super) fn delete(
    catalog: &Catalog,
    committed: &mut Committed<'_>,
    delete: &Delete,
) -> Result<Steps, MecError> {
    each(
        catalog,
        committed,
        &delete.table,
        delete.filter.clone(),
        |found| {
            Ok(match found {
                Found::InCatalog(rule) => Err(CatalogChange::RemoveRule(rule.id)),
                Found::OfAccount(account, id) => Ok(step(account, move |view, _| {
                    Ok((id, remove_rule(view, account, id)?))
                })?),
            })
        },
    )
}

/// A step or a change of the catalog for each rule that passes.
fn each(
    catalog: &Catalog,
    committed: &mut Committed<'_>,
    table: &Arc<Table>,
    filter: Filter,
    mut change: impl FnMut(Found) -> Result<Result<Step, CatalogChange>, MecError>,
) -> Result<Steps, MecError> {
    let columns = [
        super::column(table, "rule_id")?,
        super::column(table, "account_id")?,
    ];
    let mut steps = Steps::default();
    for row in committed.rows(table, &columns, filter)? {
        let [Value::Uuid(id), account] = row.as_slice() else {
            continue;
        };
        let id = RuleId(*id);
        let found = match account_of(account) {
            Some(account) => Found::OfAccount(account, id),
            None => match catalog.rules.iter().find(|rule| rule.id == id) {
                Some(rule) => Found::InCatalog(rule.clone()),
                None => continue,
            },
        };
        match change(found)? {
            Ok(step) => steps.trees.push(step),
            Err(change) => steps.catalog.push(change),
        }
        steps.rows.push(RowKey::Known(vec![Value::Uuid(id.0)]));
    }
    Ok(steps)
}

fn step<F>(account: AccountId, mut decide: F) -> Result<Step, MecError>
where
    F: FnMut(&View<'_>, &mut Making<'_>) -> Result<(RuleId, Ruling<()>), Halt> + Send + 'static,
{
    let decide = move |view: &View<'_>, making: &mut Making<'_>| {
        let (id, ruling) = decide(view, making)?;
        Ok(Ruling {
            answer: vec![Value::Uuid(id.0)],
            writes: ruling.writes,
        })
    };
    Ok(Step {
        tree: tree_of(account)?,
        is_new_tree: false,
        decide: Box::new(decide),
    })
}

/// The rule an insert of one row makes; its id and instants are given later.
fn new_rule(catalog: &Catalog, given: &Given) -> Result<Rule, MecError> {
    let resource = given.text("resource_type_code");
    let kind_of = catalog
        .resources
        .get(&resource)
        .map(|resource| resource.limit_kind);
    let rule = Rule {
        id: RuleId(0),
        limit_kind: given
            .member("limit_kind_code", LimitKind::from_code)?
            .flatten()
            .or(kind_of)
            .ok_or_else(|| Refusal::ResourceNotFound {
                resource: resource.to_string(),
            })?,
        resource,
        account: given.optional_account("account_id").flatten(),
        plan: given.optional_text("plan_id").flatten(),
        window: None,
        action: LimitAction::Block,
        warn_at: None,
        grace_quantity: None,
        grace_seconds: None,
        overage_limit: None,
        overage_price: None,
        currency: None,
        priority: given.int4("priority"),
        is_active: given.flag("is_active"),
        created_at: Time::from_micros(0),
        updated_at: Time::from_micros(0),
    };
    Ok(patched(&rule, given, window_of(given)?, action_of(given)?)?)
}

fn action_of(given: &Given) -> Result<Option<LimitAction>, MecError> {
    Ok(given
        .member("limit_action_code", LimitAction::from_code)?
        .flatten())
}

/// The kind of window a request names; the inner one is none for all but rolling windows.
fn window_of(given: &Given) -> Result<Option<Option<WindowKind>>, MecError> {
    given.member("window_type_code", WindowKind::from_code)
}

fn patched(
    held: &Rule,
    given: &Given,
    window: Option<Option<WindowKind>>,
    action: Option<LimitAction>,
) -> Result<Rule, Refusal> {
    let rule = Rule {
        window: window.unwrap_or(held.window),
        action: action.unwrap_or(held.action),
        warn_at: given
            .optional_percent("warn_at_percent")
            .unwrap_or(held.warn_at),
        grace_quantity: given
            .optional_quantity("grace_quantity")
            .unwrap_or(held.grace_quantity),
        grace_seconds: given
            .optional_int("grace_period_seconds")
            .unwrap_or(held.grace_seconds),
        overage_limit: given
            .optional_quantity("overage_limit")
            .unwrap_or(held.overage_limit),
        overage_price: given
            .optional_quantity("overage_unit_price")
            .unwrap_or(held.overage_price),
        currency: given.optional_text("currency").map_or_else(
            || held.currency.clone(),
            |text| text.map(|text| text.as_str().to_owned()),
        ),
        priority: given
            .value("priority")
            .map_or(held.priority, |_| given.int4("priority")),
        is_active: given
            .value("is_active")
            .map_or(held.is_active, |_| given.flag("is_active")),
        ..held.clone()
    };
    let is_stated = held.must_state_overage_limit() || given.value("overage_limit").is_some();
    if rule.must_state_overage_limit() && !is_stated {
        let must =
            "be given for an overage rule without account_id and plan_id; null means without end"
                .to_owned();
        return Err(Refusal::BadValue {
            column: "overage_limit",
            must,
        });
    }
    Ok(rule)
}

/// The rule was found, and is not in the tree.
fn gone(id: RuleId) -> Refusal {
    Refusal::NotPresent {
        column: "rule_id",
        value: id.to_string(),
    }
}
