//! Units, resource types, account types and plans over the table API: rows of the catalog, which
//! the kernel changes as a whole.

use std::collections::BTreeSet;

use mec_kernel::{Catalog, CatalogChange, Code, Factor, LimitKind, Plan, Refusal, Resource, Unit};
use mec_query::{Delete, Insert, Resolution, Update, Value};

use super::given::Given;
use super::{postgres, upsert};
use crate::committed::Committed;
use crate::error::MecError;
use crate::steps::{RowKey, Steps};

/// One of these tables: its rows have a code each, which is their key.
#[derive(Clone, Copy)]
pub(super) enum Rows {
    Units,
    ResourceTypes,
    AccountTypes,
    Plans,
}

impl Rows {
    fn has(self, catalog: &Catalog, code: &Code) -> bool {
        match self {
            Self::Units => catalog.units.contains_key(code),
            Self::ResourceTypes => catalog.resources.contains_key(code),
            Self::AccountTypes => catalog.account_types.contains_key(code),
            Self::Plans => catalog.plans.contains_key(code),
        }
    }

    /// The row under `code`, made or changed.
    fn put(self, catalog: &Catalog, code: Code, given: &Given) -> Result<CatalogChange, MecError> {
        Ok(match self {
            Self::Units => CatalogChange::PutUnit(unit(catalog.units.get(&code), code, given)?),
            Self::ResourceTypes => {
                let held = catalog.resources.get(&code).map(|held| &**held);
                CatalogChange::PutResource(resource(held, code, given)?)
            }
            Self::AccountTypes => {
                let held = catalog.account_types.get(&code).cloned().flatten();
                CatalogChange::PutAccountType {
                    code,
                    description: text(given, "description", held),
                }
            }
            Self::Plans => CatalogChange::PutPlan(plan(
                catalog.plans.get(&code).map(|held| &**held),
                code,
                given,
            )),
        })
    }

    fn remove(self, code: Code) -> CatalogChange {
        match self {
            Self::Units => CatalogChange::RemoveUnit(code),
            Self::ResourceTypes => CatalogChange::RemoveResource(code),
            Self::AccountTypes => CatalogChange::RemoveAccountType(code),
            Self::Plans => CatalogChange::RemovePlan(code),
        }
    }

    pub(super) fn insert(self, catalog: &Catalog, insert: &Insert) -> Result<Steps, MecError> {
        let on_conflict = upsert::possible(insert);
        let key = insert.table.columns[super::key_column(&insert.table)?].name;
        let mut steps = Steps::default();
        let mut seen = BTreeSet::new();
        for (given, merge) in Given::of_insert(insert).iter().zip(Given::of_merge(insert)) {
            let code = given.text(key);
            let is_second = !seen.insert(code.clone());
            let is_there = self.has(catalog, &code);
            match on_conflict {
                None if is_there || is_second => {
                    return Err(postgres::key_taken(&insert.table, &code).into());
                }
                Some(Resolution::Ignore) if is_there || is_second => continue,
                Some(Resolution::Merge) if is_second => return Err(MecError::RowTwice),
                _ => {}
            }
            steps.inserted += usize::from(!is_there);
            steps
                .rows
                .push(RowKey::Known(vec![Value::text(code.as_str())]));
            steps
                .catalog
                .push(self.put(catalog, code, if is_there { &merge } else { given })?);
        }
        Ok(steps)
    }

    pub(super) fn update(
        self,
        catalog: &Catalog,
        committed: &mut Committed<'_>,
        update: &Update,
    ) -> Result<Steps, MecError> {
        let given = Given::of_update(update);
        let mut steps = Steps::default();
        for code in codes(committed, &update.table, update.filter.clone())? {
            steps
                .rows
                .push(RowKey::Known(vec![Value::text(code.as_str())]));
            steps.catalog.push(self.put(catalog, code, &given)?);
        }
        Ok(steps)
    }

    pub(super) fn delete(
        self,
        committed: &mut Committed<'_>,
        delete: &Delete,
    ) -> Result<Steps, MecError> {
        let mut steps = Steps::default();
        for code in codes(committed, &delete.table, delete.filter.clone())? {
            steps
                .rows
                .push(RowKey::Known(vec![Value::text(code.as_str())]));
            steps.catalog.push(self.remove(code));
        }
        Ok(steps)
    }
}

fn codes(
    committed: &mut Committed<'_>,
    table: &std::sync::Arc<mec_query::Table>,
    filter: mec_query::Filter,
) -> Result<Vec<Code>, MecError> {
    let rows = committed.rows(table, &table.key_positions(), filter)?;
    Ok(rows
        .iter()
        .filter_map(|row| row.first().and_then(Value::to_text).map(Code::from))
        .collect())
}

fn unit(held: Option<&Unit>, code: Code, given: &Given) -> Result<Unit, MecError> {
    let factor = match (given.value("factor"), held) {
        (None, Some(held)) => held.factor,
        _ => Factor::new(given.int("factor")).ok_or_else(|| {
            let must = format!("be a whole number from 1 to 1000000000 (unit {code})");
            Refusal::BadValue {
                column: "factor",
                must,
            }
        })?,
    };
    Ok(Unit {
        code,
        name: kept(given, "unit_name", held.map(|held| held.name.as_str())),
        dimension: kept(given, "dimension", held.map(|held| held.dimension.as_str())).into(),
        factor,
    })
}

fn resource(held: Option<&Resource>, code: Code, given: &Given) -> Result<Resource, MecError> {
    let limit_kind = given
        .member("limit_kind_code", LimitKind::from_code)?
        .flatten()
        .or(held.map(|held| held.limit_kind));
    let must = || Refusal::BadValue {
        column: "limit_kind_code",
        must: "be one of the codes of limit_kinds".to_owned(),
    };
    Ok(Resource {
        code,
        name: kept(given, "resource_name", held.map(|held| held.name.as_str())),
        limit_kind: limit_kind.ok_or_else(must)?,
        unit: kept(given, "unit_code", held.map(|held| held.unit.as_str())).into(),
        allowed_units: match held {
            Some(held) if given.value("allowed_units").is_none() => held.allowed_units.clone(),
            _ => given.texts("allowed_units"),
        },
        description: text(
            given,
            "description",
            held.and_then(|held| held.description.clone()),
        ),
    })
}

fn plan(held: Option<&Plan>, code: Code, given: &Given) -> Plan {
    let flag = |column, held: Option<bool>| {
        held.filter(|_| given.value(column).is_none())
            .unwrap_or_else(|| given.flag(column))
    };
    let optional = |column, of: fn(&Plan) -> &Option<String>| {
        text(given, column, held.and_then(|held| of(held).clone()))
    };
    Plan {
        name: kept(given, "plan_name", held.map(|held| held.name.as_str())),
        is_trial: flag("is_trial", held.map(|held| held.is_trial)),
        trial_days: match given.optional_int("trial_days") {
            Some(days) => days.and_then(|days| i32::try_from(days).ok()),
            None => held.and_then(|held| held.trial_days),
        },
        is_addon: flag("is_addon", held.map(|held| held.is_addon)),
        version: held.map_or(1, |held| held.version),
        price_amount: given
            .optional_quantity("price_amount")
            .unwrap_or(held.and_then(|held| held.price_amount)),
        price_currency: optional("price_currency", |plan| &plan.price_currency),
        price_period: optional("price_period", |plan| &plan.price_period),
        external_ref: optional("external_ref", |plan| &plan.external_ref),
        is_active: flag("is_active", held.map(|held| held.is_active)),
        sort_order: match held {
            Some(held) if given.value("sort_order").is_none() => held.sort_order,
            _ => given.int4("sort_order"),
        },
        metadata: optional("metadata", |plan| &plan.metadata),
        templates: held.map(|held| held.templates.clone()).unwrap_or_default(),
        id: code,
    }
}

/// A column that must hold a text: what is given, else what it holds.
fn kept(given: &Given, column: &str, held: Option<&str>) -> String {
    match held {
        Some(held) if given.value(column).is_none() => held.to_owned(),
        _ => given.text(column).as_str().to_owned(),
    }
}

/// A column that may hold a text.
fn text(given: &Given, column: &str, held: Option<String>) -> Option<String> {
    given
        .optional_text(column)
        .map_or(held, |text| text.map(|text| text.as_str().to_owned()))
}
