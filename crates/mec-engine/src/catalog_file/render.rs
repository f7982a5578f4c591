//! Writes a catalog as a file that, applied to it, changes nothing.

use mec_kernel::{Catalog, LimitKind, Plan, Resource, Unit};

use super::fields::{self, Field, key, quoted};

const HEADER: &str = "\
# The catalog: what can be counted, sold and enforced.
#
# `mec catalog diff FILE` shows what this file would change, `mec catalog apply FILE` changes it in one transaction.
# A row is written whole: a key left out has its default. What the file does not name stays as it is.
# Quantities are decimal numbers with up to 6 decimals, or \"unlimited\".
";

/// The whole catalog as TOML, without what is not a file's to say: versions, ids and time zones.
pub fn render(catalog: &Catalog) -> String {
    let mut text = HEADER.to_owned();
    table(&mut text, "settings", &fields::settings(&catalog.settings));
    if !catalog.account_types.is_empty() {
        text.push_str("\n[account_types]\n");
        for (code, description) in &catalog.account_types {
            line(
                &mut text,
                &key(code),
                &quoted(description.as_deref().unwrap_or_default()),
            );
        }
    }
    let mut units: Vec<&Unit> = catalog.units.values().collect();
    units.sort_by_key(|unit| (&unit.dimension, unit.factor));
    for unit in units {
        table(
            &mut text,
            &format!("units.{}", key(&unit.code)),
            &fields::unit(unit),
        );
    }
    for resource in catalog.resources.values() {
        table(
            &mut text,
            &format!("resources.{}", key(&resource.code)),
            &fields::resource(resource),
        );
    }
    let mut plans: Vec<&Plan> = catalog.plans.values().map(|plan| &**plan).collect();
    plans.sort_by_key(|plan| plan.sort_order);
    for plan in plans {
        table(
            &mut text,
            &format!("plans.{}", key(&plan.id)),
            &fields::plan(plan),
        );
        grants(&mut text, catalog, plan);
    }
    for rule in &catalog.rules {
        text.push_str("\n[[rules]]\n");
        lines(&mut text, &fields::rule(rule));
    }
    text
}

/// A plan's grants, one a line.
fn grants(text: &mut String, catalog: &Catalog, plan: &Plan) {
    if plan.templates.is_empty() {
        return;
    }
    text.push_str("grants = [\n");
    for template in &plan.templates {
        let written = inline(&fields::grant(
            template,
            kind_of(catalog.resources.get(&template.resource)),
        ));
        text.push_str(&format!("    {{ {written} }},\n"));
    }
    text.push_str("]\n");
}

/// How a template's resource is counted; without a resource, as most are.
pub(super) fn kind_of(resource: Option<&std::sync::Arc<Resource>>) -> LimitKind {
    resource.map_or(LimitKind::Cumulative, |resource| resource.limit_kind)
}

/// The keys that are there, in one line.
pub(super) fn inline(fields: &[Field]) -> String {
    let stated = fields
        .iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} = {value}")));
    stated.collect::<Vec<_>>().join(", ")
}

fn table(text: &mut String, name: &str, fields: &[Field]) {
    text.push_str(&format!("\n[{name}]\n"));
    lines(text, fields);
}

fn lines(text: &mut String, fields: &[Field]) {
    for (key, value) in fields {
        if let Some(value) = value {
            line(text, key, value);
        }
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {value}\n"));
}
