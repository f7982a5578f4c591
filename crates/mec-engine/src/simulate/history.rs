//! Accounts for a replay: as they were, as far as their rows tell, and as a changed catalog would
//! have had them.

use std::sync::Arc;

use mec_kernel::{
    AccountPlan, AccountStatus, Catalog, ConditionTest, Entitlement, EntitlementId,
    EntitlementStatus, IdSource, LimitKind, Node, Plan, QUANTITY_MAX, Quantity, Source, Template,
    Time, WindowKind, WindowRule,
};

/// A period longer than so many seconds is a year's.
const MONTH_SECONDS_MAX: i64 = 35 * 86_400;
/// A period shorter than so many seconds is no year's.
const YEAR_SECONDS_MIN: i64 = 300 * 86_400;

/// The account with nothing used, and with every row in force for as long as it was: since when
/// something is suspended no row tells, so it counts as active; attributes of requests are not in
/// the ledger, so conditions on them are met.
pub(super) fn as_it_was(mut node: Node) -> Node {
    node.account.status = AccountStatus::Active;
    node.windows.clear();
    node.seats.clear();
    node.entitlements = node
        .entitlements
        .iter()
        .map(|row| Arc::new(row_as_it_was(row)))
        .collect();
    node
}

fn row_as_it_was(row: &Entitlement) -> Entitlement {
    let mut row = row.clone();
    if row.status == EntitlementStatus::Expired {
        row.valid_until = Some(
            row.valid_until
                .map_or(row.updated_at, |until| until.min(row.updated_at))
                .max(row.valid_from),
        );
    }
    row.status = EntitlementStatus::Active;
    row.conditions
        .retain(|condition| !matches!(condition.test, ConditionTest::Attribute { .. }));
    row.window = known_before(row.window);
    row
}

/// Of a provider's periods only the present one is known; those before it were as long.
fn known_before(window: WindowRule) -> WindowRule {
    let Some((start, end)) = window.period.filter(|_| window.kind == WindowKind::Period) else {
        return window;
    };
    let seconds = end.since(start) / mec_kernel::SECOND;
    let kind = match seconds {
        ..=MONTH_SECONDS_MAX => WindowKind::BillingMonth,
        YEAR_SECONDS_MIN.. => WindowKind::BillingYear,
        _ => return window,
    };
    WindowRule {
        kind,
        anchor: Some(start),
        seconds: None,
        period: None,
    }
}

/// The account with the rows its plans and add-ons would have given it, had `changed` been the
/// catalog: rows of plans that differ in it are made anew from their templates, each as long as the
/// row it replaces. Everything else stays.
pub(super) fn regranted(mut node: Node, present: &Catalog, changed: &Catalog) -> Node {
    let mut kept = vec![];
    let mut grants: Vec<Grant> = vec![];
    for row in std::mem::take(&mut node.entitlements) {
        let Some((before, after)) = changed_plan(&row, present, changed) else {
            kept.push(row);
            continue;
        };
        match grants.iter_mut().find(|grant| grant.is_of(&row)) {
            Some(grant) => grant.rows.push(row),
            None => grants.push(Grant {
                before: before.cloned(),
                after: after.clone(),
                rows: vec![row],
            }),
        }
    }
    for grant in grants {
        kept.extend(
            grant
                .rows_anew(&node.plans, changed)
                .into_iter()
                .map(Arc::new),
        );
    }
    kept.sort_by_key(|row| row.id);
    node.entitlements = kept;
    node
}

/// The plan `row` came with, before and after, where it differs.
fn changed_plan<'a>(
    row: &Entitlement,
    present: &'a Catalog,
    changed: &'a Catalog,
) -> Option<(Option<&'a Arc<Plan>>, &'a Arc<Plan>)> {
    let id = row
        .plan
        .as_ref()
        .filter(|_| matches!(row.source, Source::Plan | Source::Addon))?;
    let (before, after) = (present.plans.get(id), changed.plans.get(id)?);
    if before.is_some_and(|before| before.version == after.version) {
        None
    } else {
        Some((before, after))
    }
}

/// The rows that one provisioning gave.
struct Grant {
    before: Option<Arc<Plan>>,
    after: Arc<Plan>,
    rows: Vec<Arc<Entitlement>>,
}

impl Grant {
    fn is_of(&self, row: &Entitlement) -> bool {
        self.rows.first().is_some_and(|first| {
            (
                &first.plan,
                first.source,
                &first.source_ref,
                first.valid_from,
            ) == (&row.plan, row.source, &row.source_ref, row.valid_from)
        })
    }

    fn rows_anew(mut self, plans: &[Arc<AccountPlan>], changed: &Catalog) -> Vec<Entitlement> {
        let Some(first) = self.rows.first().cloned() else {
            return vec![];
        };
        let reference = first.source_ref.as_deref().unwrap_or_default();
        let is_its = |held: &&Arc<AccountPlan>| {
            Some(&held.plan) == first.plan.as_ref() && *held.reference == *reference
        };
        let held = plans
            .iter()
            .filter(is_its)
            .min_by_key(|held| held.starts_at.since(first.valid_from).unsigned_abs());
        let (quantity, anchor) = held.map_or((Quantity::whole(1), first.valid_from), |held| {
            (held.quantity, held.anchor)
        });
        let until = self
            .rows
            .iter()
            .map(|row| row.valid_until)
            .reduce(longer)
            .flatten();
        let mut ids = IdSource::new(first.id.tree(), first.valid_from, 0x7fff);
        let after = self.after.clone();
        let mut anew = vec![];
        for template in &after.templates {
            let Some(resource) = changed.resources.get(&template.resource) else {
                continue;
            };
            let like = self.take(template);
            let rule = template.window_rule(resource.limit_kind, anchor);
            let quantity = times(template, quantity, first.source)
                .filter(|_| resource.limit_kind != LimitKind::TimeAccess);
            anew.push(match like {
                Some(like) => Entitlement {
                    quantity,
                    window: if self.keeps_window(&like, template, rule) {
                        like.window
                    } else {
                        rule
                    },
                    plan_version: Some(after.version),
                    ..Entitlement::clone(&like)
                },
                None => Entitlement {
                    id: EntitlementId(ids.draw()),
                    resource: template.resource.clone(),
                    scope: template.scope.clone(),
                    quantity,
                    window: rule,
                    plan_version: Some(after.version),
                    valid_until: until,
                    conditions: vec![],
                    ..Entitlement::clone(&first)
                },
            });
        }
        anew
    }

    /// The row the template of before gave, if this one grants the same.
    fn take(&mut self, template: &Template) -> Option<Arc<Entitlement>> {
        let grants = |row: &Arc<Entitlement>| {
            row.resource == template.resource && row.scope == template.scope
        };
        let window = template.window.unwrap_or(WindowKind::Lifetime);
        let place = self
            .rows
            .iter()
            .position(|row| grants(row) && row.window.kind == window);
        let place = place.or_else(|| self.rows.iter().position(grants))?;
        Some(self.rows.remove(place))
    }

    /// A row keeps its own window where the template cuts it the same way as before: a provider may
    /// have moved it.
    fn keeps_window(&self, row: &Entitlement, template: &Template, rule: WindowRule) -> bool {
        let place = |template: &Template| {
            (
                template.resource.clone(),
                template.scope.clone(),
                template.window,
            )
        };
        let stays = self.before.as_ref().is_some_and(|before| {
            let same = |other: &Template| {
                place(other) == place(template) && other.window_seconds == template.window_seconds
            };
            before.templates.iter().any(same)
        });
        stays || (row.window.kind == rule.kind && row.window.seconds == rule.seconds)
    }
}

/// What the template grants to `quantity` of the plan; `None` is unlimited.
fn times(template: &Template, quantity: Quantity, source: Source) -> Option<Quantity> {
    let each = template.quantity?;
    if source == Source::Addon || template.per_quantity {
        return each
            .times(quantity)
            .or_else(|| Quantity::from_millionths(QUANTITY_MAX));
    }
    Some(each)
}

/// The later of two ends; none is the latest.
fn longer(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    Some(one?.max(other?))
}
