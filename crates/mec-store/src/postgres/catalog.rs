//! The catalog: read whole, written change by change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{try_join, try_join4, try_join5};
use mec_kernel::{
    Catalog, CatalogChange, Code, Factor, InUse, LimitKind, Percent, Plan, Quantity, Resource,
    Settings, Template, TemplateId, Time, Unit, WindowKind, Zone,
};
use tokio_postgres::Row;

use super::Writer;
use super::cells::Found;
use super::codec::{Id, Instant, Json, Units};
use super::rule::put_rule;
use super::session::{Change, Parameter, Session};
use crate::StoreError;
use crate::rows::{self, Cells as _, sql};

sql!(
    RULES = "SELECT ",
    rows::RULE,
    " FROM control_rules WHERE account_id IS NULL AND tree = 0 ORDER BY rule_id"
);
const VERSION: &str = "SELECT version FROM account_trees WHERE tree = 0";
const MAKE: &str = "INSERT INTO account_trees (tree, version, stamp, last_at, next_seq, next_token, chain) \
     VALUES (0, 0, 0, $1, 1, 1, decode(repeat('00', 16), 'hex')) ON CONFLICT (tree) DO NOTHING";
const RAISE: &str =
    "UPDATE account_trees SET version = $1, last_at = $2 WHERE tree = 0 AND version < $1";
const UNITS: &str = "SELECT unit_code, unit_name, dimension, factor FROM units";
const RESOURCES: &str = "SELECT resource_type_code, resource_name, limit_kind_code, unit_code, allowed_units, description FROM resource_types";
const PLANS: &str = "SELECT plan_id, plan_name, is_trial, trial_days, is_addon, version, price_amount, price_currency, \
     price_period, external_ref, is_active, sort_order, metadata FROM plans";
const TEMPLATES: &str = "SELECT plan_id, template_id, resource_type_code, resource_scope, quantity_allowed, window_type_code, \
     window_seconds, per_quantity, sort_order FROM plan_entitlement_templates ORDER BY sort_order, template_id";
const ACCOUNT_TYPES: &str = "SELECT account_type_code, description FROM account_types";
const ZONES: &str = "SELECT time_zone, tzif FROM time_zones";
const SETTINGS: &str = "SELECT name, value FROM settings";

impl Writer {
    pub(crate) async fn catalog(&mut self) -> Result<Catalog, StoreError> {
        catalog(self.session().await?).await
    }

    pub(crate) async fn in_use(&mut self) -> Result<InUse, StoreError> {
        in_use(self.session().await?).await
    }
}

/// Only customers' rows count: the kernel knows itself what the catalog's own rows refer to. What
/// was recorded has its unit and resource in the stored sums, which are far fewer.
pub(super) async fn in_use(session: &Session) -> Result<InUse, StoreError> {
    let [units, resources, plans, account_types] = [
        "SELECT unit_code FROM usage_hours UNION SELECT unit_code FROM reservations",
        "SELECT resource_type_code FROM usage_hours UNION SELECT resource_type_code FROM entitlements \
         UNION SELECT resource_type_code FROM concurrency_leases UNION SELECT resource_type_code FROM reservations \
         UNION SELECT resource_type_code FROM control_rules WHERE account_id IS NOT NULL",
        "SELECT plan_id FROM account_plans UNION SELECT plan_id FROM entitlements WHERE plan_id IS NOT NULL \
         UNION SELECT plan_id FROM control_rules WHERE account_id IS NOT NULL AND plan_id IS NOT NULL",
        "SELECT DISTINCT account_type_code FROM accounts",
    ];
    let codes = |rows: Vec<Row>| -> Result<BTreeSet<Code>, StoreError> {
        rows.iter()
            .map(|row| {
                Found {
                    row,
                    table: "a table of customers",
                }
                .code(0)
            })
            .collect()
    };
    let query = |sql| session.query(sql, &[]);
    let (units, resources, plans, account_types) = try_join4(
        query(units),
        query(resources),
        query(plans),
        query(account_types),
    )
    .await?;
    Ok(InUse {
        units: codes(units)?,
        resources: codes(resources)?,
        plans: codes(plans)?,
        account_types: codes(account_types)?,
    })
}

/// The whole catalog, as it is in one instant where the session is in a snapshot.
pub(super) async fn catalog(session: &Session) -> Result<Catalog, StoreError> {
    // The version first: what is read while it changes is then too old, and read again, and never
    // too new.
    let query = |sql| session.query(sql, &[]);
    let (
        (version, settings_rows, unit_rows, resources),
        (plan_rows, templates, rules, account_types, zone_rows),
    ) = try_join(
        try_join4(
            query(VERSION),
            query(SETTINGS),
            query(UNITS),
            query(RESOURCES),
        ),
        try_join5(
            query(PLANS),
            query(TEMPLATES),
            query(&RULES),
            query(ACCOUNT_TYPES),
            query(ZONES),
        ),
    )
    .await?;
    let mut catalog = Catalog {
        settings: settings(&settings_rows)?,
        ..Catalog::default()
    };
    if let Some(row) = version.first() {
        catalog.version = Found {
            row,
            table: "account_trees",
        }
        .integer(0)?;
    }
    catalog.units = units(&unit_rows)?;
    for row in &resources {
        let resource = resource(row)?;
        catalog
            .resources
            .insert(resource.code.clone(), Arc::new(resource));
    }
    for plan in plans(&plan_rows, &templates)? {
        catalog.plans.insert(plan.id.clone(), Arc::new(plan));
    }
    let rule = |row| {
        rows::rule(&Found {
            row,
            table: "control_rules",
        })
        .map(Arc::new)
    };
    catalog.rules = rules.iter().map(rule).collect::<Result<_, _>>()?;
    for row in &account_types {
        let row = Found {
            row,
            table: "account_types",
        };
        catalog
            .account_types
            .insert(row.code(0)?, row.optional_text(1)?.map(str::to_owned));
    }
    catalog.zones = Arc::new(zones(&zone_rows)?);
    Ok(catalog)
}

fn units(found: &[Row]) -> Result<BTreeMap<Code, Unit>, StoreError> {
    let mut units = BTreeMap::new();
    for row in found {
        let row = Found {
            row,
            table: "units",
        };
        let factor =
            Factor::new(row.integer(3)?).ok_or_else(|| row.damaged(3, "a factor out of range"))?;
        let unit = Unit {
            code: row.code(0)?,
            name: row.text(1)?.into(),
            dimension: row.code(2)?,
            factor,
        };
        units.insert(unit.code.clone(), unit);
    }
    Ok(units)
}

fn zones(found: &[Row]) -> Result<BTreeMap<Code, Zone>, StoreError> {
    let mut zones = BTreeMap::new();
    for row in found {
        let row = Found {
            row,
            table: "time_zones",
        };
        let name = row.code(0)?;
        let zone = Zone::from_tzif(&name, row.get(1)?).ok_or_else(|| row.damaged(1, "not TZif"))?;
        zones.insert(name, zone);
    }
    Ok(zones)
}

fn settings(found: &[Row]) -> Result<Settings, StoreError> {
    let mut settings = Settings::default();
    for row in found {
        let row = Found {
            row,
            table: "settings",
        };
        let value = row.integer(1)?;
        match row.text(0)? {
            "warn_at_percent" => settings.warn_at = Percent(value),
            "late_seconds_max" => settings.late_seconds_max = value,
            "ahead_seconds_max" => settings.ahead_seconds_max = value,
            "rows_per_account_max" => settings.rows_per_account_max = value,
            name => return Err(row.damaged(0, &format!("\"{name}\" is no setting"))),
        }
    }
    Ok(settings)
}

fn resource(row: &Row) -> Result<Resource, StoreError> {
    let row = Found {
        row,
        table: "resource_types",
    };
    let allowed: Vec<&str> = row.get(4)?;
    Ok(Resource {
        code: row.code(0)?,
        name: row.text(1)?.into(),
        limit_kind: row.member(2, LimitKind::from_code)?,
        unit: row.code(3)?,
        allowed_units: allowed.into_iter().map(Code::from).collect(),
        description: row.optional_text(5)?.map(str::to_owned),
    })
}

fn plans(found: &[Row], templates: &[Row]) -> Result<Vec<Plan>, StoreError> {
    let mut plans: Vec<Plan> = vec![];
    for row in found {
        let row = Found {
            row,
            table: "plans",
        };
        let text = |column| Ok::<_, StoreError>(row.optional_text(column)?.map(str::to_owned));
        plans.push(Plan {
            id: row.code(0)?,
            name: row.text(1)?.into(),
            is_trial: row.flag(2)?,
            trial_days: row.optional_small(3)?,
            is_addon: row.flag(4)?,
            version: row.small(5)?,
            price_amount: row.optional_quantity(6)?,
            price_currency: text(7)?,
            price_period: text(8)?,
            external_ref: text(9)?,
            is_active: row.flag(10)?,
            sort_order: row.small(11)?,
            metadata: text(12)?,
            templates: vec![],
        });
    }
    for row in templates {
        let row = Found {
            row,
            table: "plan_entitlement_templates",
        };
        let window = row.optional_text(5)?.map(WindowKind::from_code);
        let template = Template {
            id: TemplateId(row.id(1)?),
            resource: row.code(2)?,
            scope: row.optional_code(3)?,
            quantity: row.optional_quantity(4)?,
            window: window
                .map(|kind| kind.ok_or_else(|| row.damaged(5, "no window type")))
                .transpose()?,
            window_seconds: row.optional_integer(6)?,
            per_quantity: row.flag(7)?,
            sort_order: row.small(8)?,
        };
        let plan = row.code(0)?;
        if let Some(plan) = plans.iter_mut().find(|other| other.id == plan) {
            plan.templates.push(template);
        }
    }
    Ok(plans)
}

/// Locks the catalog's own tree and raises its version; of two changes made on the same version the
/// second is not done.
pub(super) async fn raise_version(
    session: &Session,
    version: i64,
    now: Time,
) -> Result<(), StoreError> {
    let now = Instant::from(now);
    session.execute(MAKE, &[&now]).await?;
    if session.execute(RAISE, &[&version, &now]).await? == 0 {
        return Err(StoreError::Stopped(
            "the catalog was changed elsewhere meanwhile".to_owned(),
        ));
    }
    Ok(())
}

/// What changed, in its order.
pub(super) fn changes(changes: &[CatalogChange], now: Time) -> Vec<Change<'_>> {
    changes
        .iter()
        .flat_map(|change| of_one(change, now))
        .collect()
}

fn of_one(change: &CatalogChange, now: Time) -> Vec<Change<'_>> {
    let remove =
        |sql: &str, code: &Code| vec![Change::new(sql, vec![Box::new(code.as_str().to_owned())])];
    match change {
        CatalogChange::PutUnit(unit) => vec![Change::new(
            "INSERT INTO units (unit_code, unit_name, dimension, factor) VALUES ($1, $2, $3, $4) ON CONFLICT (unit_code) \
             DO UPDATE SET unit_name = excluded.unit_name, dimension = excluded.dimension, factor = excluded.factor",
            vec![
                Box::new(unit.code.as_str()),
                Box::new(&unit.name),
                Box::new(unit.dimension.as_str()),
                Box::new(unit.factor.get()),
            ],
        )],
        CatalogChange::RemoveUnit(code) => remove("DELETE FROM units WHERE unit_code = $1", code),
        CatalogChange::PutResource(resource) => {
            let allowed: Vec<&str> = resource.allowed_units.iter().map(Code::as_str).collect();
            vec![Change::new(
                "INSERT INTO resource_types (resource_type_code, resource_name, limit_kind_code, unit_code, allowed_units, \
                 description) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (resource_type_code) DO UPDATE SET \
                 resource_name = excluded.resource_name, limit_kind_code = excluded.limit_kind_code, \
                 unit_code = excluded.unit_code, allowed_units = excluded.allowed_units, description = excluded.description",
                vec![
                    Box::new(resource.code.as_str()),
                    Box::new(&resource.name),
                    Box::new(resource.limit_kind.code()),
                    Box::new(resource.unit.as_str()),
                    Box::new(allowed),
                    Box::new(&resource.description),
                ],
            )]
        }
        CatalogChange::RemoveResource(code) => remove("DELETE FROM resource_types WHERE resource_type_code = $1", code),
        CatalogChange::PutPlan(plan) => put_plan(plan, now),
        CatalogChange::RemovePlan(code) => {
            let mut both = remove("DELETE FROM plan_entitlement_templates WHERE plan_id = $1", code);
            both.extend(remove("DELETE FROM plans WHERE plan_id = $1", code));
            both
        }
        CatalogChange::PutRule(rule) => vec![put_rule(rule)],
        CatalogChange::RemoveRule(rule) => {
            vec![Change::new("DELETE FROM control_rules WHERE rule_id = $1 AND tree = 0", vec![Box::new(Id(rule.0))])]
        }
        CatalogChange::PutAccountType { code, description } => vec![Change::new(
            "INSERT INTO account_types (account_type_code, description) VALUES ($1, $2) ON CONFLICT (account_type_code) \
             DO UPDATE SET description = excluded.description",
            vec![Box::new(code.as_str()), Box::new(description)],
        )],
        CatalogChange::RemoveAccountType(code) => remove("DELETE FROM account_types WHERE account_type_code = $1", code),
        CatalogChange::PutSettings(settings) => [
            ("warn_at_percent", settings.warn_at.0),
            ("late_seconds_max", settings.late_seconds_max),
            ("ahead_seconds_max", settings.ahead_seconds_max),
            ("rows_per_account_max", settings.rows_per_account_max),
        ]
        .into_iter()
        .map(|(name, value)| {
            Change::new(
                "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                vec![Box::new(name), Box::new(value)],
            )
        })
        .collect(),
    }
}

fn put_plan(plan: &Plan, now: Time) -> Vec<Change<'_>> {
    let money =
        |quantity: Option<Quantity>| quantity.map(|quantity| Units::<6>(quantity.millionths()));
    let parameters: Vec<Parameter<'_>> = vec![
        Box::new(plan.id.as_str()),
        Box::new(&plan.name),
        Box::new(plan.is_trial),
        Box::new(plan.trial_days),
        Box::new(plan.is_addon),
        Box::new(plan.version),
        Box::new(money(plan.price_amount)),
        Box::new(&plan.price_currency),
        Box::new(&plan.price_period),
        Box::new(&plan.external_ref),
        Box::new(plan.is_active),
        Box::new(plan.sort_order),
        Box::new(plan.metadata.as_deref().map(Json)),
        Box::new(Instant::from(now)),
    ];
    let mut changes = vec![
        Change::new(
            "INSERT INTO plans (plan_id, plan_name, is_trial, trial_days, is_addon, version, price_amount, price_currency, \
             price_period, external_ref, is_active, sort_order, metadata, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14) \
             ON CONFLICT (plan_id) DO UPDATE SET plan_name = excluded.plan_name, is_trial = excluded.is_trial, \
             trial_days = excluded.trial_days, is_addon = excluded.is_addon, version = excluded.version, \
             price_amount = excluded.price_amount, price_currency = excluded.price_currency, \
             price_period = excluded.price_period, external_ref = excluded.external_ref, is_active = excluded.is_active, \
             sort_order = excluded.sort_order, metadata = excluded.metadata, updated_at = excluded.updated_at",
            parameters,
        ),
        Change::new(
            "DELETE FROM plan_entitlement_templates WHERE plan_id = $1",
            vec![Box::new(plan.id.as_str())],
        ),
    ];
    changes.extend(plan.templates.iter().map(|template| {
        Change::new(
            "INSERT INTO plan_entitlement_templates (template_id, plan_id, resource_type_code, resource_scope, \
             limit_kind_code, quantity_allowed, window_type_code, window_seconds, per_quantity, sort_order) \
             SELECT $1::uuid, $2::varchar, resource_type_code, $4::varchar, limit_kind_code, $5::numeric, $6::varchar, \
             $7::bigint, $8::boolean, $9::integer FROM resource_types WHERE resource_type_code = $3::varchar",
            vec![
                Box::new(Id(template.id.0)),
                Box::new(plan.id.as_str()),
                Box::new(template.resource.as_str()),
                Box::new(template.scope.as_deref()),
                Box::new(money(template.quantity)),
                Box::new(template.window.map(WindowKind::code)),
                Box::new(template.window_seconds),
                Box::new(template.per_quantity),
                Box::new(template.sort_order),
            ],
        )
    }));
    changes
}
