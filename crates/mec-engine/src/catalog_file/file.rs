//! What a catalog file says, and what must change for a catalog to be so.

use mec_kernel::{
    Catalog, CatalogChange, Code, LimitKind, Percent, Plan, Resource, Rule, RuleId, Settings,
    Template, Unit,
};

/// A catalog file that was read.
///
/// ```
/// use mec_engine::catalog_file;
/// use mec_kernel::Catalog;
///
/// let file = catalog_file::parse("[units.hour]\nname = 'Hour'\ndimension = 'time'\nfactor = 3600").unwrap();
/// assert_eq!(file.changes(&Catalog::default(), false).len(), 1);
///
/// let error = catalog_file::parse("[units.hour]\nnmae = 'Hour'").unwrap_err();
/// assert!(error.to_string().starts_with("line 2, units.hour.nmae: unknown key"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogFile {
    pub(super) settings: SettingsTable,
    pub(super) account_types: Vec<(Code, Option<String>)>,
    pub(super) units: Vec<Unit>,
    pub(super) resources: Vec<Resource>,
    pub(super) plans: Vec<Plan>,
    pub(super) rules: Vec<Rule>,
}

/// The settings a file states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SettingsTable {
    pub(super) warn_at: Option<Percent>,
    pub(super) late_seconds_max: Option<i64>,
    pub(super) ahead_seconds_max: Option<i64>,
    pub(super) rows_per_account_max: Option<i64>,
}

impl CatalogFile {
    /// What must change for `current` to be as the file says; with `prune` also the removal of what
    /// it does not name (settings excepted). Empty where everything is so already.
    ///
    /// A plan's templates are known again by their place, rules by resource, plan, window, action
    /// and priority: applying a file twice changes nothing the second time.
    pub fn changes(&self, current: &Catalog, prune: bool) -> Vec<CatalogChange> {
        let mut changes = Vec::new();
        let settings = self.settings.over(&current.settings);
        if settings != current.settings {
            changes.push(CatalogChange::PutSettings(settings));
        }
        for (code, description) in &self.account_types {
            // An empty description and none are the same in a file.
            let shown = |description: Option<&String>| description.cloned().unwrap_or_default();
            if current
                .account_types
                .get(code)
                .map(|known| shown(known.as_ref()))
                != Some(shown(description.as_ref()))
            {
                changes.push(CatalogChange::PutAccountType {
                    code: code.clone(),
                    description: description.clone(),
                });
            }
        }
        let units = self
            .units
            .iter()
            .filter(|unit| current.units.get(&unit.code) != Some(*unit));
        changes.extend(units.cloned().map(CatalogChange::PutUnit));
        let is_new = |resource: &&Resource| {
            current.resources.get(&resource.code).map(|known| &**known) != Some(*resource)
        };
        changes.extend(
            self.resources
                .iter()
                .filter(is_new)
                .cloned()
                .map(CatalogChange::PutResource),
        );
        for plan in &self.plans {
            let known = current.plans.get(&plan.id);
            let plan = known.map_or_else(|| plan.clone(), |known| continued_plan(plan, known));
            if known.map(|known| &**known) != Some(&plan) {
                changes.push(CatalogChange::PutPlan(plan));
            }
        }
        let (rules, left) = self.continued_rules(current);
        changes.extend(rules.into_iter().map(CatalogChange::PutRule));
        if prune {
            changes.extend(self.removals(current, left));
        }
        changes
    }

    /// The removal of everything in `current` that the file does not name (settings excepted): what
    /// stays, and goes on being in force, unless the file is applied with `prune`.
    pub fn left(&self, current: &Catalog) -> Vec<CatalogChange> {
        let (_, rules) = self.continued_rules(current);
        self.removals(current, rules)
    }

    /// The file's rules that are not in `current` as they are, and the ids of those there that it
    /// does not name.
    fn continued_rules(&self, current: &Catalog) -> (Vec<Rule>, Vec<RuleId>) {
        let rules: Vec<Rule> = self
            .rules
            .iter()
            .map(|rule| self.with_kind(rule, current))
            .collect();
        let mut free: Vec<&Rule> = current.rules.iter().map(|rule| &**rule).collect();
        let mut matched: Vec<Option<Rule>> = vec![None; rules.len()];
        // The likest are found first, so that a rule among several alike is not taken for its
        // neighbour.
        let likeness: [fn(&Rule, &Rule) -> bool; 4] = [
            |rule, known| as_known(rule, known) == *known,
            |rule, known| rule.action == known.action && rule.priority == known.priority,
            |rule, known| rule.priority == known.priority,
            |rule, known| rule.action == known.action,
        ];
        for alike in likeness {
            for (rule, found) in rules
                .iter()
                .zip(&mut matched)
                .filter(|(_, found)| found.is_none())
            {
                let same_place = |known: &&Rule| {
                    (&known.resource, &known.plan, known.window)
                        == (&rule.resource, &rule.plan, rule.window)
                };
                if let Some(at) = free
                    .iter()
                    .position(|known| same_place(known) && alike(rule, known))
                {
                    *found = Some(as_known(rule, free.remove(at)));
                }
            }
        }
        let is_there = |rule: &Rule| current.rules.iter().any(|known| **known == *rule);
        let wanted = rules
            .into_iter()
            .zip(matched)
            .map(|(rule, found)| found.unwrap_or(rule));
        (
            wanted.filter(|rule| !is_there(rule)).collect(),
            free.iter().map(|rule| rule.id).collect(),
        )
    }

    /// A rule is for the kind its resource has, in the file or else in the catalog.
    fn with_kind(&self, rule: &Rule, current: &Catalog) -> Rule {
        let in_file = self
            .resources
            .iter()
            .find(|resource| resource.code == rule.resource);
        let in_catalog = || {
            current
                .resources
                .get(&rule.resource)
                .map(|resource| resource.limit_kind)
        };
        let kind = in_file
            .map(|resource| resource.limit_kind)
            .or_else(in_catalog);
        Rule {
            limit_kind: kind.unwrap_or(LimitKind::Cumulative),
            ..rule.clone()
        }
    }

    fn removals(&self, current: &Catalog, rules: Vec<RuleId>) -> Vec<CatalogChange> {
        let mut removals: Vec<_> = rules.into_iter().map(CatalogChange::RemoveRule).collect();
        let plans = current
            .plans
            .keys()
            .filter(|id| self.plans.iter().all(|plan| plan.id != **id));
        removals.extend(plans.cloned().map(CatalogChange::RemovePlan));
        let resources = current.resources.keys().filter(|code| {
            self.resources
                .iter()
                .all(|resource| resource.code != **code)
        });
        removals.extend(resources.cloned().map(CatalogChange::RemoveResource));
        let units = current
            .units
            .keys()
            .filter(|code| self.units.iter().all(|unit| unit.code != **code));
        removals.extend(units.cloned().map(CatalogChange::RemoveUnit));
        let account_types = current
            .account_types
            .keys()
            .filter(|code| self.account_types.iter().all(|(named, _)| named != *code));
        removals.extend(account_types.cloned().map(CatalogChange::RemoveAccountType));
        removals
    }
}

impl SettingsTable {
    fn over(&self, current: &Settings) -> Settings {
        Settings {
            warn_at: self.warn_at.unwrap_or(current.warn_at),
            late_seconds_max: self.late_seconds_max.unwrap_or(current.late_seconds_max),
            ahead_seconds_max: self.ahead_seconds_max.unwrap_or(current.ahead_seconds_max),
            rows_per_account_max: self
                .rows_per_account_max
                .unwrap_or(current.rows_per_account_max),
        }
    }
}

/// The file's plan with what only the catalog knows of it: version, and the templates' ids and
/// places where they come in the order they are in.
fn continued_plan(plan: &Plan, known: &Plan) -> Plan {
    let mut plan = Plan {
        version: known.version,
        ..plan.clone()
    };
    let place = |template: &Template| {
        (
            template.resource.clone(),
            template.scope.clone(),
            template.window,
            template.window_seconds,
        )
    };
    if plan
        .templates
        .iter()
        .map(place)
        .eq(known.templates.iter().map(place))
    {
        for (template, known) in plan.templates.iter_mut().zip(&known.templates) {
            (template.id, template.sort_order) = (known.id, known.sort_order);
        }
    }
    plan
}

fn as_known(rule: &Rule, known: &Rule) -> Rule {
    Rule {
        id: known.id,
        created_at: known.created_at,
        updated_at: known.updated_at,
        ..rule.clone()
    }
}
