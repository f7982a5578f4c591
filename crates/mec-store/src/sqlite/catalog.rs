//! The catalog: read whole, written change by change.

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel::{
    Catalog, CatalogChange, Code, Factor, InUse, LimitKind, Percent, Plan, Quantity, Resource,
    Settings, Template, TemplateId, Time, Unit, WindowKind, Zone,
};
use rusqlite::{Connection, params};

use super::rule::put_rule;
use super::{Sqlite, Writer, rows};
use crate::StoreError;

impl Writer {
    pub(crate) fn catalog(&mut self) -> Result<Catalog, StoreError> {
        catalog(&self.connection)
    }

    pub(crate) fn in_use(&mut self) -> Result<InUse, StoreError> {
        in_use(&self.connection)
    }
}

impl Sqlite {
    pub(crate) fn in_use(&self) -> Result<InUse, StoreError> {
        self.read_apart(in_use)
    }
}

/// Only customers' rows count: the kernel knows itself what the catalog's own rows refer to. What
/// was recorded has its unit and resource in the stored sums, which are far fewer.
fn in_use(connection: &Connection) -> Result<InUse, StoreError> {
    let codes = |sql: &str| -> Result<_, StoreError> {
        Ok(all(connection, sql, |row| rows::code(row, 0))?
            .into_iter()
            .collect())
    };
    Ok(InUse {
        units: codes("SELECT unit_code FROM usage_hours UNION SELECT unit_code FROM reservations")?,
        resources: codes(
            "SELECT resource_type_code FROM usage_hours UNION SELECT resource_type_code FROM entitlements \
             UNION SELECT resource_type_code FROM concurrency_leases UNION SELECT resource_type_code FROM reservations \
             UNION SELECT resource_type_code FROM control_rules WHERE account_id IS NOT NULL",
        )?,
        plans: codes(
            "SELECT plan_id FROM account_plans UNION SELECT plan_id FROM entitlements WHERE plan_id IS NOT NULL \
             UNION SELECT plan_id FROM control_rules WHERE account_id IS NOT NULL AND plan_id IS NOT NULL",
        )?,
        account_types: codes("SELECT DISTINCT account_type_code FROM accounts")?,
    })
}

/// The whole catalog.
pub(super) fn catalog(connection: &Connection) -> Result<Catalog, StoreError> {
    let mut catalog = Catalog {
        settings: settings(connection)?,
        ..Catalog::default()
    };
    let version = connection.query_row(
        "SELECT max(version) FROM account_trees WHERE tree = 0",
        [],
        |row| row.get(0),
    );
    catalog.version = version.map(Option::<i64>::unwrap_or_default)?;
    for unit in units(connection)? {
        catalog.units.insert(unit.code.clone(), unit);
    }
    let sql = "SELECT resource_type_code, resource_name, limit_kind_code, unit_code, allowed_units, description FROM resource_types";
    for resource in all(connection, sql, |row| {
        let allowed: Vec<String> = serde_json::from_str(row.get_ref(4)?.as_str()?)
            .map_err(|_| rows::damaged(4, "not the list this program writes"))?;
        Ok(Resource {
            code: rows::code(row, 0)?,
            name: row.get(1)?,
            limit_kind: rows::member(row, 2, LimitKind::from_code)?,
            unit: rows::code(row, 3)?,
            allowed_units: allowed.into_iter().map(Code::from).collect(),
            description: row.get(5)?,
        })
    })? {
        catalog
            .resources
            .insert(resource.code.clone(), Arc::new(resource));
    }
    for plan in plans(connection)? {
        catalog.plans.insert(plan.id.clone(), Arc::new(plan));
    }
    let sql = format!(
        "SELECT {} FROM control_rules WHERE account_id IS NULL ORDER BY rule_id",
        rows::RULE
    );
    catalog.rules = all(connection, &sql, |row| rows::rule(row).map(Arc::new))?;
    let sql = "SELECT account_type_code, description FROM account_types";
    catalog.account_types = all(connection, sql, |row| {
        Ok((rows::code(row, 0)?, row.get(1)?))
    })?
    .into_iter()
    .collect();
    let zones = zones(connection)?;
    catalog.zones = Arc::new(zones.into_iter().collect::<BTreeMap<_, _>>());
    Ok(catalog)
}

fn units(connection: &Connection) -> Result<Vec<Unit>, StoreError> {
    all(
        connection,
        "SELECT unit_code, unit_name, dimension, factor FROM units",
        |row| {
            let factor = Factor::new(row.get(3)?)
                .ok_or_else(|| rows::damaged(3, "a factor out of range"))?;
            Ok(Unit {
                code: rows::code(row, 0)?,
                name: row.get(1)?,
                dimension: rows::code(row, 2)?,
                factor,
            })
        },
    )
}

fn zones(connection: &Connection) -> Result<Vec<(Code, Zone)>, StoreError> {
    all(
        connection,
        "SELECT time_zone, tzif FROM time_zones",
        |row| {
            let name = rows::code(row, 0)?;
            let zone = Zone::from_tzif(&name, row.get_ref(1)?.as_blob()?)
                .ok_or_else(|| rows::damaged(1, "not TZif"))?;
            Ok((name, zone))
        },
    )
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_map([], read)?
        .collect::<rusqlite::Result<_>>()?)
}

fn settings(connection: &Connection) -> Result<Settings, StoreError> {
    let mut settings = Settings::default();
    for (name, value) in all(connection, "SELECT name, value FROM settings", |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    })? {
        match name.as_str() {
            "warn_at_percent" => settings.warn_at = Percent(value),
            "late_seconds_max" => settings.late_seconds_max = value,
            "ahead_seconds_max" => settings.ahead_seconds_max = value,
            "rows_per_account_max" => settings.rows_per_account_max = value,
            _ => {
                return Err(StoreError::Damaged {
                    table: "settings",
                    problem: format!("\"{name}\" is no setting"),
                });
            }
        }
    }
    Ok(settings)
}

fn plans(connection: &Connection) -> Result<Vec<Plan>, StoreError> {
    let sql = "SELECT plan_id, plan_name, is_trial, trial_days, is_addon, version, price_amount, price_currency, price_period, \
               external_ref, is_active, sort_order, metadata FROM plans";
    let mut plans = all(connection, sql, |row| {
        Ok(Plan {
            id: rows::code(row, 0)?,
            name: row.get(1)?,
            is_trial: row.get(2)?,
            trial_days: row.get(3)?,
            is_addon: row.get(4)?,
            version: row.get(5)?,
            price_amount: rows::optional_quantity(row, 6)?,
            price_currency: row.get(7)?,
            price_period: row.get(8)?,
            external_ref: row.get(9)?,
            is_active: row.get(10)?,
            sort_order: row.get(11)?,
            metadata: row.get(12)?,
            templates: vec![],
        })
    })?;
    let sql = "SELECT plan_id, template_id, resource_type_code, resource_scope, quantity_allowed, window_type_code, \
               window_seconds, per_quantity, sort_order FROM plan_entitlement_templates ORDER BY sort_order, template_id";
    let templates = all(connection, sql, |row| {
        let window = row.get_ref(5)?.as_str_or_null()?.map(WindowKind::from_code);
        let template = Template {
            id: TemplateId(rows::id(row, 1)?),
            resource: rows::code(row, 2)?,
            scope: rows::optional_code(row, 3)?,
            quantity: rows::optional_quantity(row, 4)?,
            window: window
                .map(|kind| kind.ok_or_else(|| rows::damaged(5, "no window type")))
                .transpose()?,
            window_seconds: row.get(6)?,
            per_quantity: row.get(7)?,
            sort_order: row.get(8)?,
        };
        Ok((rows::code(row, 0)?, template))
    })?;
    for (plan, template) in templates {
        if let Some(plan) = plans.iter_mut().find(|other| other.id == plan) {
            plan.templates.push(template);
        }
    }
    Ok(plans)
}

/// Writes what changed; the version is the catalog tree's.
pub(super) fn write(
    connection: &Connection,
    changes: &[CatalogChange],
    version: Option<i64>,
    now: Time,
) -> Result<(), StoreError> {
    for change in changes {
        write_one(connection, change, now)?;
    }
    if let Some(version) = version {
        connection.execute(
            "INSERT INTO account_trees (tree, version, stamp, last_at, next_seq, next_token, chain) \
             VALUES (0, ?1, 0, ?2, 1, 1, zeroblob(16)) ON CONFLICT (tree) DO UPDATE SET version = ?1, last_at = ?2",
            params![version, now.micros()],
        )?;
    }
    Ok(())
}

fn write_one(connection: &Connection, change: &CatalogChange, now: Time) -> Result<(), StoreError> {
    let remove = |sql: &str, code: &Code| {
        connection
            .prepare_cached(sql)?
            .execute(params![code.as_str()])
    };
    match change {
        CatalogChange::PutUnit(unit) => put_unit(connection, unit)?,
        CatalogChange::RemoveUnit(code) => {
            remove("DELETE FROM units WHERE unit_code = ?1", code)?;
        }
        CatalogChange::PutResource(resource) => put_resource(connection, resource)?,
        CatalogChange::RemoveResource(code) => {
            remove(
                "DELETE FROM resource_types WHERE resource_type_code = ?1",
                code,
            )?;
        }
        CatalogChange::PutPlan(plan) => put_plan(connection, plan, now)?,
        CatalogChange::RemovePlan(code) => {
            remove(
                "DELETE FROM plan_entitlement_templates WHERE plan_id = ?1",
                code,
            )?;
            remove("DELETE FROM plans WHERE plan_id = ?1", code)?;
        }
        CatalogChange::PutRule(rule) => put_rule(connection, rule)?,
        CatalogChange::RemoveRule(rule) => {
            connection.execute(
                "DELETE FROM control_rules WHERE rule_id = ?1",
                params![rows::Id(rule.0)],
            )?;
        }
        CatalogChange::PutAccountType { code, description } => {
            let sql = "INSERT OR REPLACE INTO account_types (account_type_code, description) VALUES (?1, ?2)";
            connection.execute(sql, params![code.as_str(), description])?;
        }
        CatalogChange::RemoveAccountType(code) => {
            remove(
                "DELETE FROM account_types WHERE account_type_code = ?1",
                code,
            )?;
        }
        CatalogChange::PutSettings(settings) => put_settings(connection, settings)?,
    }
    Ok(())
}

fn put_unit(connection: &Connection, unit: &Unit) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO units (unit_code, unit_name, dimension, factor) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(
        sql,
        params![
            unit.code.as_str(),
            unit.name,
            unit.dimension.as_str(),
            unit.factor.get()
        ],
    )?;
    Ok(())
}

fn put_resource(connection: &Connection, resource: &Resource) -> rusqlite::Result<()> {
    let allowed: Vec<&str> = resource.allowed_units.iter().map(Code::as_str).collect();
    connection.execute(
        "INSERT OR REPLACE INTO resource_types (resource_type_code, resource_name, limit_kind_code, unit_code, \
         allowed_units, description) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            resource.code.as_str(),
            resource.name,
            resource.limit_kind.code(),
            resource.unit.as_str(),
            serde_json::json!(allowed).to_string(),
            resource.description,
        ],
    )?;
    Ok(())
}

fn put_settings(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    for (name, value) in [
        ("warn_at_percent", settings.warn_at.0),
        ("late_seconds_max", settings.late_seconds_max),
        ("ahead_seconds_max", settings.ahead_seconds_max),
        ("rows_per_account_max", settings.rows_per_account_max),
    ] {
        connection.execute(
            "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)",
            params![name, value],
        )?;
    }
    Ok(())
}

fn put_plan(connection: &Connection, plan: &Plan, now: Time) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO plans (plan_id, plan_name, is_trial, trial_days, is_addon, version, price_amount, price_currency, \
         price_period, external_ref, is_active, sort_order, metadata, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14) \
         ON CONFLICT (plan_id) DO UPDATE SET plan_name = excluded.plan_name, is_trial = excluded.is_trial, \
         trial_days = excluded.trial_days, is_addon = excluded.is_addon, version = excluded.version, \
         price_amount = excluded.price_amount, price_currency = excluded.price_currency, price_period = excluded.price_period, \
         external_ref = excluded.external_ref, is_active = excluded.is_active, sort_order = excluded.sort_order, \
         metadata = excluded.metadata, updated_at = excluded.updated_at",
        params![
            plan.id.as_str(),
            plan.name,
            plan.is_trial,
            plan.trial_days,
            plan.is_addon,
            plan.version,
            plan.price_amount.map(Quantity::millionths),
            plan.price_currency,
            plan.price_period,
            plan.external_ref,
            plan.is_active,
            plan.sort_order,
            plan.metadata,
            now.micros(),
        ],
    )?;
    connection.execute(
        "DELETE FROM plan_entitlement_templates WHERE plan_id = ?1",
        params![plan.id.as_str()],
    )?;
    for template in &plan.templates {
        connection.execute(
            "INSERT INTO plan_entitlement_templates (template_id, plan_id, resource_type_code, resource_scope, limit_kind_code, \
             quantity_allowed, window_type_code, window_seconds, per_quantity, sort_order) VALUES (?1, ?2, ?3, ?4, \
             (SELECT limit_kind_code FROM resource_types WHERE resource_type_code = ?3), ?5, ?6, ?7, ?8, ?9)",
            params![
                rows::Id(template.id.0),
                plan.id.as_str(),
                template.resource.as_str(),
                template.scope.as_deref(),
                template.quantity.map(Quantity::millionths),
                template.window.map(WindowKind::code),
                template.window_seconds,
                template.per_quantity,
                template.sort_order,
            ],
        )?;
    }
    Ok(())
}
