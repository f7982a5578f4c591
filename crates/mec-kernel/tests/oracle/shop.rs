//! The catalog of a shop in the kernel's words.

use super::values::{kind, quantity, window};
use mec_kernel as k;
use mec_kernel::Code;
use mec_oracle as o;

/// The shop as changes of an empty catalog.
pub(crate) fn changes(shop: &o::Shop) -> Vec<k::CatalogChange> {
    let unit = |unit: &o::Unit| {
        let factor = k::Factor::new(unit.factor).expect("a factor");
        k::CatalogChange::PutUnit(k::Unit {
            code: unit.code.into(),
            name: unit.code.to_owned(),
            dimension: unit.dimension.into(),
            factor,
        })
    };
    let account_type = k::CatalogChange::PutAccountType {
        code: "organization".into(),
        description: None,
    };
    let units = shop.units.iter().map(unit);
    let resources = shop.resources.iter().map(|of| resource(of));
    let plans = shop
        .plans
        .iter()
        .map(|of| k::CatalogChange::PutPlan(plan(of)));
    units
        .chain(resources)
        .chain(plans)
        .chain([account_type])
        .collect()
}

pub(crate) fn resource(of: &o::Resource) -> k::CatalogChange {
    k::CatalogChange::PutResource(k::Resource {
        code: of.code.into(),
        name: of.code.to_owned(),
        limit_kind: kind(of.kind),
        unit: of.unit.into(),
        allowed_units: of
            .allowed_units
            .iter()
            .map(|unit| Code::from(*unit))
            .collect(),
        description: None,
    })
}

pub(crate) fn plan(of: &o::Plan) -> k::Plan {
    let template = |(order, of): (i32, &o::Template)| {
        let rule = of.window.map(window);
        k::Template {
            id: k::TemplateId(0),
            resource: of.resource.into(),
            scope: of.scope.map(Code::from),
            quantity: of.quantity.map(quantity),
            window: rule.map(|rule| rule.kind),
            window_seconds: rule.and_then(|rule| rule.seconds),
            per_quantity: of.per_quantity,
            sort_order: order,
        }
    };
    k::Plan {
        id: of.id.into(),
        name: of.id.to_owned(),
        is_trial: of.trial_days.is_some(),
        trial_days: of.trial_days,
        is_addon: of.is_addon,
        version: of.version,
        price_amount: None,
        price_currency: None,
        price_period: None,
        external_ref: None,
        is_active: of.is_active,
        sort_order: 0,
        metadata: None,
        templates: (0..).zip(&of.templates).map(template).collect(),
    }
}
