//! Changes of the catalog: a list of wanted rows becomes a new catalog, or is refused whole.
//!
//! What is decided here and never taken from a caller: a plan's version, the ids of new templates
//! and rules, and when a rule was made. The state after all changes is what must be right, so their
//! order does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{Catalog, Plan, Resource, Rule, Settings, Template, Unit};
use crate::catalog_check::{check_catalog, check_present};
use crate::code::Code;
use crate::id::{IdSource, RuleId, TemplateId};
use crate::refusal::Refusal;
use crate::request::scope_of;
use crate::time::Time;

/// A row of the catalog as it should be, or one that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogChange {
    /// Make a unit, or change the one with its code.
    PutUnit(Unit),
    /// Remove a unit.
    RemoveUnit(Code),
    /// Make a resource, or change the one with its code.
    PutResource(Resource),
    /// Remove a resource.
    RemoveResource(Code),
    /// Make a plan with all its templates, or change the one with its id. The version is decided,
    /// whatever is given; a template keeps its id where it is known by it, or else by its resource,
    /// scope and window, or else by its resource and scope.
    PutPlan(Plan),
    /// Remove a plan with its templates.
    RemovePlan(Code),
    /// Change the rule with its id; under any other id (`RuleId(0)` says so clearly) it is a new
    /// rule and is given one. It names no account.
    PutRule(Rule),
    /// Remove a rule that names no account.
    RemoveRule(RuleId),
    /// Make an account type, or change the one with its code.
    PutAccountType {
        /// `organization`.
        code: Code,
        /// For people.
        description: Option<String>,
    },
    /// Remove an account type.
    RemoveAccountType(Code),
    /// Replace the settings.
    PutSettings(Settings),
}

/// The codes that customers' rows refer to, as the store found them: accounts, what accounts are or
/// were given, their own rules, use, leases and holds. What the catalog itself refers to need not
/// be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Units that use was recorded in.
    pub units: BTreeSet<Code>,
    /// Resources that were granted, used, held, leased or ruled on.
    pub resources: BTreeSet<Code>,
    /// Plans that accounts have or had.
    pub plans: BTreeSet<Code>,
    /// Types of accounts.
    pub account_types: BTreeSet<Code>,
}

/// How a list of changes is decided.
#[derive(Clone, Debug)]
pub struct CatalogRuling {
    /// The catalog after them; its version is one higher where anything changed.
    pub catalog: Catalog,
    /// What really changes, complete rows with their ids and versions: rows made or changed first,
    /// each after what it refers to; then rows removed, each before what it refers to. Empty:
    /// nothing does.
    pub changes: Vec<CatalogChange>,
}

/// Decides `changes`, all of them or none.
///
/// # Errors
/// [`Refusal::BadValue`] and [`Refusal::NotPresent`] for a row that would not be right,
/// [`Refusal::InUse`] for a removal, or a change of what is fixed, of something used.
pub fn change_catalog(
    catalog: &Catalog,
    changes: &[CatalogChange],
    in_use: &InUse,
    now: Time,
    ids: &mut IdSource,
) -> Result<CatalogRuling, Refusal> {
    let mut after = catalog.clone();
    for change in changes {
        put(&mut after, change, ids)?;
    }
    for (id, plan) in &mut after.plans {
        let before = catalog.plans.get(id);
        if before != Some(plan) {
            *plan = Arc::new(settle_plan(plan, before, ids));
        }
    }
    for rule in &mut after.rules {
        settle_rule(rule, &catalog.rules, now);
    }
    check_present(catalog, &after)?;
    check_catalog(&after)?;
    check_fixed(catalog, &after, in_use)?;
    let changes = difference(catalog, &after);
    if !changes.is_empty() {
        after.version = after.version.saturating_add(1);
    }
    Ok(CatalogRuling {
        catalog: after,
        changes,
    })
}

/// A removal that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow {
    /// What would have been removed.
    pub removal: CatalogChange,
    /// Why it was not.
    pub refusal: Refusal,
}

/// Decides `changes`, all of them or none, and makes of `removals` those that nothing stands
/// against, each on what the ones before left.
///
/// # Errors
/// As [`change_catalog`], of `changes` alone.
pub fn prune_catalog(
    catalog: &Catalog,
    changes: &[CatalogChange],
    removals: &[CatalogChange],
    in_use: &InUse,
    now: Time,
    ids: &mut IdSource,
) -> Result<(CatalogRuling, Vec<KeptRow>), Refusal> {
    let mut ruling = change_catalog(catalog, changes, in_use, now, ids)?;
    let (mut made, mut kept) = (changes.to_vec(), Vec::new());
    for removal in removals {
        made.push(removal.clone());
        match change_catalog(catalog, &made, in_use, now, ids) {
            Ok(after) => ruling = after,
            Err(refusal) => kept.extend(made.pop().map(|removal| KeptRow { removal, refusal })),
        }
    }
    Ok((ruling, kept))
}

fn put(after: &mut Catalog, change: &CatalogChange, ids: &mut IdSource) -> Result<(), Refusal> {
    match change.clone() {
        CatalogChange::PutUnit(unit) => {
            after.units.insert(unit.code.clone(), unit);
        }
        CatalogChange::RemoveUnit(code) => {
            after.units.remove(&code);
        }
        CatalogChange::PutResource(resource) => {
            after
                .resources
                .insert(resource.code.clone(), Arc::new(resource));
        }
        CatalogChange::RemoveResource(code) => {
            after.resources.remove(&code);
        }
        CatalogChange::PutPlan(mut plan) => {
            for template in &mut plan.templates {
                template.scope = scope_of(template.scope.as_ref()).cloned();
            }
            after.plans.insert(plan.id.clone(), Arc::new(plan));
        }
        CatalogChange::RemovePlan(id) => {
            after.plans.remove(&id);
        }
        CatalogChange::PutRule(rule) => {
            if rule.account.is_some() {
                let must =
                    "be null in the catalog: a rule of one account belongs to its tree".to_owned();
                return Err(Refusal::BadValue {
                    column: "account_id",
                    must,
                });
            }
            match after.rules.iter_mut().find(|known| known.id == rule.id) {
                Some(known) => *known = Arc::new(rule),
                None => after.rules.push(Arc::new(Rule {
                    id: RuleId(ids.draw()),
                    ..rule
                })),
            }
        }
        CatalogChange::RemoveRule(id) => after.rules.retain(|rule| rule.id != id),
        CatalogChange::PutAccountType { code, description } => {
            after.account_types.insert(code, description);
        }
        CatalogChange::RemoveAccountType(code) => {
            after.account_types.remove(&code);
        }
        CatalogChange::PutSettings(settings) => after.settings = settings,
    }
    Ok(())
}

/// The plan with its templates in order under their ids, and the version that follows from them.
fn settle_plan(plan: &Plan, before: Option<&Arc<Plan>>, ids: &mut IdSource) -> Plan {
    let known = before
        .map(|plan| plan.templates.as_slice())
        .unwrap_or_default();
    let mut kept = known_ids(&plan.templates, known).into_iter();
    let mut templates = plan.templates.clone();
    for template in &mut templates {
        template.id = kept
            .next()
            .flatten()
            .unwrap_or_else(|| TemplateId(ids.draw()));
    }
    templates.sort_by_key(|template| (template.sort_order, template.id));
    let version = match before {
        None => 1,
        Some(before) if before.templates == templates => before.version,
        Some(before) => before.version.saturating_add(1),
    };
    Plan {
        version,
        templates,
        ..plan.clone()
    }
}

/// For each wanted template the id of the known one it continues; the likest are found first, each
/// once.
fn known_ids(wanted: &[Template], known: &[Template]) -> Vec<Option<TemplateId>> {
    let likeness: [fn(&Template, &Template) -> bool; 3] = [
        |one, other| one.id == other.id,
        |one, other| {
            one.place() == other.place()
                && one.window == other.window
                && one.window_seconds == other.window_seconds
        },
        |one, other| one.place() == other.place(),
    ];
    let mut free: Vec<&Template> = known.iter().collect();
    let mut found: Vec<Option<TemplateId>> = vec![None; wanted.len()];
    for alike in likeness {
        for (template, id) in wanted.iter().zip(&mut found).filter(|(_, id)| id.is_none()) {
            if let Some(at) = free.iter().position(|known| alike(known, template)) {
                *id = Some(free.remove(at).id);
            }
        }
    }
    found
}

impl Template {
    fn place(&self) -> (&Code, Option<&Code>) {
        (&self.resource, self.scope.as_ref())
    }
}

/// The rule with the instants it was made and last changed at; one that says what it said stays as
/// it was.
fn settle_rule(rule: &mut Arc<Rule>, known: &[Arc<Rule>], now: Time) {
    match known.iter().find(|known| known.id == rule.id) {
        None => {
            *rule = Arc::new(Rule {
                created_at: now,
                updated_at: now,
                ..Rule::clone(rule)
            })
        }
        Some(known) => {
            let as_known = Rule {
                created_at: known.created_at,
                updated_at: known.updated_at,
                ..Rule::clone(rule)
            };
            let updated_at = if as_known == **known {
                known.updated_at
            } else {
                now
            };
            *rule = Arc::new(Rule {
                updated_at,
                ..as_known
            });
        }
    }
}

/// What is used is not removed, and keeps what its rows were written with.
fn check_fixed(before: &Catalog, after: &Catalog, in_use: &InUse) -> Result<(), Refusal> {
    let refuse = |what: String, by: &str| {
        Err(Refusal::InUse {
            what,
            by: by.to_owned(),
        })
    };
    for (code, unit) in &before.units {
        let counts = |resource: &&Arc<Resource>| {
            resource.unit == *code && in_use.resources.contains(&resource.code)
        };
        let by = match before.resources.values().find(counts) {
            _ if in_use.units.contains(code) => "recorded use".to_owned(),
            Some(resource) => format!("limits and use of resource {}", resource.code),
            None => continue,
        };
        match after.units.get(code) {
            None => return refuse(format!("unit {code}"), &by),
            Some(new) if new.factor != unit.factor => {
                return refuse(format!("factor of unit {code}"), &by);
            }
            Some(new) if new.dimension != unit.dimension => {
                return refuse(format!("dimension of unit {code}"), &by);
            }
            Some(_) => {}
        }
    }
    for (code, resource) in before
        .resources
        .iter()
        .filter(|(code, _)| in_use.resources.contains(*code))
    {
        let by = "entitlements, rules or use of accounts";
        match after.resources.get(code) {
            None => return refuse(format!("resource {code}"), by),
            Some(new) if new.limit_kind != resource.limit_kind => {
                return refuse(format!("limit kind of resource {code}"), by);
            }
            Some(new) if new.unit != resource.unit => {
                return refuse(format!("unit of resource {code}"), by);
            }
            Some(_) => {}
        }
    }
    for (id, plan) in before
        .plans
        .iter()
        .filter(|(id, _)| in_use.plans.contains(*id))
    {
        match after.plans.get(id) {
            None => {
                return refuse(
                    format!("plan {id}"),
                    "accounts that have or had it; is_active = false keeps it for them alone",
                );
            }
            // An account's plan replaces the one before, an add-on joins it: what was given cannot
            // become the other.
            Some(new) if new.is_addon != plan.is_addon => {
                return refuse(
                    format!("is_addon of plan {id}"),
                    "accounts that have or had it",
                );
            }
            Some(_) => {}
        }
    }
    let gone = |code: &&Code| {
        in_use.account_types.contains(*code) && !after.account_types.contains_key(*code)
    };
    match before.account_types.keys().find(gone) {
        Some(code) => refuse(format!("account type {code}"), "accounts of this type"),
        None => Ok(()),
    }
}

fn difference(before: &Catalog, after: &Catalog) -> Vec<CatalogChange> {
    let mut changes = Vec::new();
    changes.extend(
        changed(&before.units, &after.units)
            .cloned()
            .map(CatalogChange::PutUnit),
    );
    changes.extend(
        changed(&before.resources, &after.resources)
            .map(|row| CatalogChange::PutResource(Resource::clone(row))),
    );
    changes.extend(
        changed(&before.plans, &after.plans).map(|row| CatalogChange::PutPlan(Plan::clone(row))),
    );
    let new_rules = after
        .rules
        .iter()
        .filter(|rule| !before.rules.contains(rule));
    changes.extend(new_rules.map(|rule| CatalogChange::PutRule(Rule::clone(rule))));
    for (code, description) in &after.account_types {
        if before.account_types.get(code) != Some(description) {
            changes.push(CatalogChange::PutAccountType {
                code: code.clone(),
                description: description.clone(),
            });
        }
    }
    if before.settings != after.settings {
        changes.push(CatalogChange::PutSettings(after.settings.clone()));
    }
    let old_rules = before
        .rules
        .iter()
        .filter(|rule| !after.rules.iter().any(|kept| kept.id == rule.id));
    changes.extend(old_rules.map(|rule| CatalogChange::RemoveRule(rule.id)));
    changes.extend(removed(&before.plans, &after.plans).map(CatalogChange::RemovePlan));
    changes.extend(removed(&before.resources, &after.resources).map(CatalogChange::RemoveResource));
    changes.extend(removed(&before.units, &after.units).map(CatalogChange::RemoveUnit));
    changes.extend(
        removed(&before.account_types, &after.account_types).map(CatalogChange::RemoveAccountType),
    );
    changes
}

fn changed<'a, T: PartialEq>(
    before: &'a BTreeMap<Code, T>,
    after: &'a BTreeMap<Code, T>,
) -> impl Iterator<Item = &'a T> {
    after
        .iter()
        .filter(|(code, row)| before.get(*code) != Some(*row))
        .map(|(_, row)| row)
}

fn removed<'a, T>(
    before: &'a BTreeMap<Code, T>,
    after: &'a BTreeMap<Code, T>,
) -> impl Iterator<Item = Code> {
    before
        .keys()
        .filter(|code| !after.contains_key(*code))
        .cloned()
}
