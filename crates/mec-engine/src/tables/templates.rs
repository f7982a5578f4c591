//! Templates of plans over the table API. A template is part of its plan: each write changes the
//! plan, whose version the kernel raises.

use std::collections::BTreeMap;

use mec_kernel::{
    Catalog, CatalogChange, Code, LimitKind, Plan, Refusal, Template, TemplateId, WindowKind,
};
use mec_query::{Delete, Filter, Insert, Table, Update, Value};

use super::given::Given;
use crate::committed::Committed;
use crate::error::MecError;
use crate::steps::{NewTemplate, RowKey, Steps};

/// Plans as this write leaves them.
type Plans = BTreeMap<Code, Plan>;

pub(super) fn insert(catalog: &Catalog, insert: &Insert) -> Result<Steps, MecError> {
    let mut plans = Plans::new();
    let mut rows = Vec::new();
    for given in Given::of_insert(insert) {
        let plan = plan(catalog, &mut plans, &given.text("plan_id"))?;
        let held = Template {
            id: TemplateId(0),
            resource: given.text("resource_type_code"),
            scope: None,
            quantity: None,
            window: None,
            window_seconds: None,
            per_quantity: given.flag("per_quantity"),
            sort_order: given.int4("sort_order"),
        };
        let template = patched(&held, &given)?;
        check_kind(catalog, &template, &given)?;
        plan.templates.push(template.clone());
        rows.push(RowKey::OfNewTemplate(Box::new(NewTemplate {
            plan: plan.id.clone(),
            template,
        })));
    }
    Ok(Steps {
        inserted: rows.len(),
        rows,
        ..steps(plans)
    })
}

pub(super) fn update(
    catalog: &Catalog,
    committed: &mut Committed<'_>,
    update: &Update,
) -> Result<Steps, MecError> {
    let given = Given::of_update(update);
    each(
        catalog,
        committed,
        &update.table,
        update.filter.clone(),
        |plan, id| {
            for template in plan
                .templates
                .iter_mut()
                .filter(|template| template.id == id)
            {
                *template = patched(template, &given)?;
            }
            Ok(())
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
        |plan, id| {
            plan.templates.retain(|template| template.id != id);
            Ok(())
        },
    )
}

fn each(
    catalog: &Catalog,
    committed: &mut Committed<'_>,
    table: &std::sync::Arc<Table>,
    filter: Filter,
    mut change: impl FnMut(&mut Plan, TemplateId) -> Result<(), MecError>,
) -> Result<Steps, MecError> {
    let columns = [
        super::column(table, "template_id")?,
        super::column(table, "plan_id")?,
    ];
    let mut plans = Plans::new();
    let mut rows = Vec::new();
    for row in committed.rows(table, &columns, filter)? {
        let [Value::Uuid(id), Value::Text(of)] = row.as_slice() else {
            continue;
        };
        change(plan(catalog, &mut plans, of)?, TemplateId(*id))?;
        rows.push(RowKey::Known(vec![Value::Uuid(*id)]));
    }
    Ok(Steps {
        rows,
        ..steps(plans)
    })
}

fn steps(plans: Plans) -> Steps {
    Steps::of_catalog(plans.into_values().map(CatalogChange::PutPlan).collect())
}

fn plan<'a>(catalog: &Catalog, plans: &'a mut Plans, id: &str) -> Result<&'a mut Plan, MecError> {
    let held = catalog.plans.get(id).ok_or_else(|| Refusal::NotPresent {
        column: "plan_id",
        value: id.to_owned(),
    })?;
    Ok(plans
        .entry(held.id.clone())
        .or_insert_with(|| Plan::clone(held)))
}

/// What it is counted as is not the template's to say.
fn check_kind(catalog: &Catalog, template: &Template, given: &Given) -> Result<(), MecError> {
    let Some(kind) = given
        .member("limit_kind_code", LimitKind::from_code)?
        .flatten()
    else {
        return Ok(());
    };
    match catalog.resources.get(&template.resource) {
        Some(resource) if resource.limit_kind != kind => {
            let must = format!(
                "be {}, as {} is counted; not {kind}",
                resource.limit_kind, resource.code
            );
            Err(Refusal::BadValue {
                column: "limit_kind_code",
                must,
            }
            .into())
        }
        _ => Ok(()),
    }
}

fn patched(held: &Template, given: &Given) -> Result<Template, MecError> {
    Ok(Template {
        id: held.id,
        resource: given
            .optional_text("resource_type_code")
            .flatten()
            .unwrap_or_else(|| held.resource.clone()),
        scope: given
            .optional_text("resource_scope")
            .unwrap_or_else(|| held.scope.clone()),
        quantity: given
            .optional_quantity("quantity_allowed")
            .unwrap_or(held.quantity),
        window: given
            .member("window_type_code", WindowKind::from_code)?
            .unwrap_or(held.window),
        window_seconds: given
            .optional_int("window_seconds")
            .unwrap_or(held.window_seconds),
        per_quantity: given
            .value("per_quantity")
            .map_or(held.per_quantity, |_| given.flag("per_quantity")),
        sort_order: given
            .value("sort_order")
            .map_or(held.sort_order, |_| given.int4("sort_order")),
    })
}
