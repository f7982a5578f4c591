//! Changes of a catalog, told to a person before they are made.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mec_kernel::{Catalog, CatalogChange, Code, LimitKind, Plan, Rule, Template};

use super::fields::{self, Field, quoted};
use super::render::{inline, kind_of};

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// `+` made, `-` removed, `~` changed.
    pub sign: char,
    /// Which row (`plan starter`).
    pub what: String,
    /// What it says, or how what it says changes (`price "99" → "109"`); empty for a removal.
    pub detail: String,
}

impl fmt::Display for DiffLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.what)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.detail)
        }
    }
}

/// What `changes` make of `current`, line by line in their order; a plan's grants have a line each.
/// Changes that change nothing have none.
pub fn diff(current: &Catalog, changes: &[CatalogChange]) -> Vec<DiffLine> {
    let kinds = kinds_after(current, changes);
    let lines = changes.iter().flat_map(|change| match change {
        CatalogChange::PutPlan(plan) => of_plan(current, &kinds, plan),
        change => put(current, change)
            .or_else(|| removal(current, change))
            .into_iter()
            .collect(),
    });
    lines.collect()
}

/// A plan's own line and those of its grants.
fn of_plan(current: &Catalog, kinds: &BTreeMap<Code, LimitKind>, plan: &Plan) -> Vec<DiffLine> {
    let known = current.plans.get(&plan.id);
    let own = row(
        format!("plan {}", plan.id),
        known.map(|known| fields::plan(known)),
        fields::plan(plan),
    );
    own.into_iter()
        .chain(grants(current, kinds, known, plan))
        .collect()
}

/// The line of a row that is made or changed.
fn put(current: &Catalog, change: &CatalogChange) -> Option<DiffLine> {
    match change {
        CatalogChange::PutUnit(unit) => {
            let known = current.units.get(&unit.code).map(fields::unit);
            row(format!("unit {}", unit.code), known, fields::unit(unit))
        }
        CatalogChange::PutResource(resource) => {
            let known = current.resources.get(&resource.code);
            row(
                format!("resource {}", resource.code),
                known.map(|known| fields::resource(known)),
                fields::resource(resource),
            )
        }
        CatalogChange::PutRule(rule) => {
            let known = current.rules.iter().find(|known| known.id == rule.id);
            row(
                rule_name(rule),
                known.map(|known| fields::rule(known)),
                fields::rule(rule),
            )
        }
        CatalogChange::PutAccountType { code, description } => {
            let said = |description: &Option<String>| {
                vec![("description", description.as_deref().map(quoted))]
            };
            let known = current.account_types.get(code).map(said);
            row(format!("account type {code}"), known, said(description))
        }
        CatalogChange::PutSettings(settings) => {
            let known = fields::settings(&current.settings);
            row(
                "settings".to_owned(),
                Some(known),
                fields::settings(settings),
            )
        }
        CatalogChange::PutPlan(_)
        | CatalogChange::RemoveUnit(_)
        | CatalogChange::RemoveResource(_)
        | CatalogChange::RemovePlan(_)
        | CatalogChange::RemoveRule(_)
        | CatalogChange::RemoveAccountType(_) => None,
    }
}

/// The line of a row that goes.
fn removal(current: &Catalog, change: &CatalogChange) -> Option<DiffLine> {
    let if_there = |is_there: bool, what: String| is_there.then(|| removed(what));
    match change {
        CatalogChange::RemoveUnit(code) => {
            if_there(current.units.contains_key(code), format!("unit {code}"))
        }
        CatalogChange::RemoveResource(code) => {
            let is_there = current.resources.contains_key(code);
            if_there(is_there, format!("resource {code}"))
        }
        CatalogChange::RemovePlan(id) => {
            if_there(current.plans.contains_key(id), format!("plan {id}"))
        }
        CatalogChange::RemoveRule(id) => {
            let known = current.rules.iter().find(|known| known.id == *id)?;
            Some(DiffLine {
                detail: inline(&fields::rule(known)),
                ..removed(rule_name(known))
            })
        }
        CatalogChange::RemoveAccountType(code) => {
            let is_there = current.account_types.contains_key(code);
            if_there(is_there, format!("account type {code}"))
        }
        CatalogChange::PutPlan(_)
        | CatalogChange::PutUnit(_)
        | CatalogChange::PutResource(_)
        | CatalogChange::PutRule(_)
        | CatalogChange::PutAccountType { .. }
        | CatalogChange::PutSettings(_) => None,
    }
}

fn kinds_after(current: &Catalog, changes: &[CatalogChange]) -> BTreeMap<Code, LimitKind> {
    let known = current
        .resources
        .values()
        .map(|resource| (resource.code.clone(), resource.limit_kind));
    let mut kinds: BTreeMap<Code, LimitKind> = known.collect();
    for change in changes {
        if let CatalogChange::PutResource(resource) = change {
            kinds.insert(resource.code.clone(), resource.limit_kind);
        }
    }
    kinds
}

fn row(what: String, known: Option<Vec<Field>>, wanted: Vec<Field>) -> Option<DiffLine> {
    let Some(known) = known else {
        return Some(DiffLine {
            sign: '+',
            what,
            detail: inline(&wanted),
        });
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let differ = known
        .into_iter()
        .zip(wanted)
        .filter(|(known, wanted)| known != wanted);
    let told: Vec<String> = differ
        .map(|((key, old), (_, new))| format!("{key} {} → {}", shown(old), shown(new)))
        .collect();
    (!told.is_empty()).then(|| DiffLine {
        sign: '~',
        what,
        detail: told.join(", "),
    })
}

/// A grant is the same one where it has the same place and window, else where it has the same
/// place.
fn grants(
    current: &Catalog,
    kinds: &BTreeMap<Code, LimitKind>,
    known: Option<&Arc<Plan>>,
    plan: &Plan,
) -> Vec<DiffLine> {
    let mut free: Vec<&Template> = known.iter().flat_map(|plan| &plan.templates).collect();
    let is_whole_order_kept =
        known.is_some_and(|known| order(&known.templates) == order(&plan.templates));
    let mut matched: Vec<Option<&Template>> = vec![None; plan.templates.len()];
    for with_window in [true, false] {
        for (template, found) in plan
            .templates
            .iter()
            .zip(&mut matched)
            .filter(|(_, found)| found.is_none())
        {
            let window = |template: &Template| {
                with_window.then_some((template.window, template.window_seconds))
            };
            let is_same = |known: &&Template| {
                (&known.resource, &known.scope, window(known))
                    == (&template.resource, &template.scope, window(template))
            };
            *found = free.iter().position(is_same).map(|at| free.remove(at));
        }
    }
    let mut lines = Vec::new();
    for (template, found) in plan.templates.iter().zip(matched) {
        let what = format!("plan {} grant {}", plan.id, template.resource);
        let kind = kinds
            .get(&template.resource)
            .copied()
            .unwrap_or(LimitKind::Cumulative);
        let old = found
            .map(|known| fields::grant(known, kind_of(current.resources.get(&known.resource))));
        lines.extend(row(what, old, fields::grant(template, kind)));
    }
    lines.extend(
        free.iter()
            .map(|known| removed(format!("plan {} grant {}", plan.id, known.resource))),
    );
    let is_reordered = known.is_some() && lines.is_empty() && !is_whole_order_kept;
    lines.extend(is_reordered.then(|| DiffLine {
        sign: '~',
        what: format!("plan {} grants", plan.id),
        detail: format!("in the order {}", order(&plan.templates).join(", ")),
    }));
    lines
}

fn order(templates: &[Template]) -> Vec<&str> {
    templates
        .iter()
        .map(|template| template.resource.as_str())
        .collect()
}

fn rule_name(rule: &Rule) -> String {
    let plan = rule
        .plan
        .as_ref()
        .map(|plan| format!(" on plan {plan}"))
        .unwrap_or_default();
    let window = rule
        .window
        .map(|window| format!(" in {window} windows"))
        .unwrap_or_default();
    format!("rule {}{plan}{window}", rule.resource)
}

fn removed(what: String) -> DiffLine {
    DiffLine {
        sign: '-',
        what,
        detail: String::new(),
    }
}
