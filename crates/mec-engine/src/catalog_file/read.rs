//! Reads a catalog file. Every key is known or an error, and every error says where it is and what
//! to write.

use mec_kernel::{
    Code, Factor, LimitAction, LimitKind, Percent, Plan, Quantity, QuantityError, Resource, Rule,
    RuleId, Template, TemplateId, Time, Unit, WindowKind,
};
use mec_query::checked_json_text;
use toml::de::{DeTable, DeValue};

use self::table::Table;
use super::error::CatalogFileError;
use super::file::{CatalogFile, SettingsTable};

mod table;

const SECTIONS: &[&str] = &[
    "settings",
    "account_types",
    "units",
    "resources",
    "plans",
    "rules",
];
const SETTINGS: &[&str] = &[
    "warn_at_percent",
    "late_seconds_max",
    "ahead_seconds_max",
    "rows_per_account_max",
];
const UNIT: &[&str] = &["name", "dimension", "factor"];
const RESOURCE: &[&str] = &["name", "limit_kind", "unit", "allowed_units", "description"];
const PLAN: &[&str] = &[
    "name",
    "trial_days",
    "is_addon",
    "is_active",
    "price",
    "currency",
    "period",
    "external_ref",
    "sort_order",
    "metadata",
    "grants",
];
const GRANT: &[&str] = &[
    "resource",
    "scope",
    "quantity",
    "window",
    "window_seconds",
    "per_quantity",
];
const RULE: &[&str] = &[
    "resource",
    "plan",
    "window",
    "action",
    "warn_at_percent",
    "grace_quantity",
    "grace_period_seconds",
    "overage_limit",
    "overage_unit_price",
    "currency",
    "priority",
    "is_active",
];

/// Reads a catalog file.
///
/// # Errors
/// Where the text is no TOML, a key is unknown or missing, or a value is not of its kind. Whether
/// the rows fit together is the kernel's to say.
pub fn parse(text: &str) -> Result<CatalogFile, CatalogFileError> {
    let document = DeTable::parse(text).map_err(|error| not_toml(text, &error))?;
    let file = Table::root(text, document.get_ref());
    file.know(SECTIONS)?;
    let mut read = CatalogFile::default();
    if let Some(table) = file.table("settings")? {
        read.settings = settings(&table)?;
    }
    if let Some(table) = file.table("account_types")? {
        for code in table.keys() {
            let description = Some(table.needed_text(code, "a description, or \"\"")?)
                .filter(|text| !text.is_empty());
            read.account_types.push((code.into(), description));
        }
    }
    for (code, table) in file.tables("units", UNIT)? {
        read.units.push(unit(code, &table)?);
    }
    for (code, table) in file.tables("resources", RESOURCE)? {
        read.resources.push(resource(code, &table)?);
    }
    for (id, table) in file.tables("plans", PLAN)? {
        let plan = plan(id, &table, &read.resources)?;
        read.plans.push(plan);
    }
    for table in file.list("rules", RULE)? {
        read.rules.push(rule(&table)?);
    }
    Ok(read)
}

fn settings(table: &Table<'_>) -> Result<SettingsTable, CatalogFileError> {
    table.know(SETTINGS)?;
    Ok(SettingsTable {
        warn_at: table.percent("warn_at_percent")?,
        late_seconds_max: table.integer("late_seconds_max")?,
        ahead_seconds_max: table.integer("ahead_seconds_max")?,
        rows_per_account_max: table.integer("rows_per_account_max")?,
    })
}

fn unit(code: Code, table: &Table<'_>) -> Result<Unit, CatalogFileError> {
    let factor = table.needed(
        "factor",
        "the number of base units it holds, such as 60 for a minute",
    )?;
    let base_units = table.integer("factor")?.unwrap_or_default();
    Ok(Unit {
        code,
        name: table.needed_text("name", "a name for people")?,
        dimension: table
            .needed_text("dimension", "what it measures, such as \"time\"")?
            .into(),
        factor: Factor::new(base_units).ok_or_else(|| {
            table.wrong("factor", factor, "out of range", "write 1 to 1000000000")
        })?,
    })
}

fn resource(code: Code, table: &Table<'_>) -> Result<Resource, CatalogFileError> {
    let limit_kind = table.member(
        "limit_kind",
        LimitKind::from_code,
        LimitKind::ALL.iter().map(|kind| kind.code()),
    )?;
    let missing = || {
        table.missing(
            "limit_kind",
            "cumulative, concurrency, inventory or time_access in quotes",
        )
    };
    Ok(Resource {
        code,
        name: table.needed_text("name", "a name for people")?,
        limit_kind: limit_kind.ok_or_else(missing)?,
        unit: table
            .needed_text("unit", "the unit limits are in, such as \"count\"")?
            .into(),
        allowed_units: table.codes("allowed_units")?,
        description: table.text("description")?,
    })
}

/// The text that is kept of a JSON value.
fn json(text: &str) -> Result<String, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    checked_json_text(&value).map_err(|error| error.message)
}

fn plan(id: Code, table: &Table<'_>, resources: &[Resource]) -> Result<Plan, CatalogFileError> {
    let trial_days = table.integer("trial_days")?;
    let mut templates = Vec::new();
    for (sort_order, grant) in (1..).zip(table.list("grants", GRANT)?) {
        templates.push(template(sort_order, &grant, resources)?);
    }
    let metadata = match (table.text("metadata")?, table.get("metadata")) {
        (Some(text), Some(value)) => {
            let wrong = |problem: String| {
                table.wrong(
                    "metadata",
                    value,
                    &problem,
                    "write JSON in single quotes, such as '{}'",
                )
            };
            Some(json(&text).map_err(wrong)?)
        }
        _ => None,
    };
    Ok(Plan {
        id,
        name: table.needed_text("name", "a name for people")?,
        is_trial: trial_days.is_some(),
        trial_days,
        is_addon: table.flag("is_addon")?.unwrap_or(false),
        version: 1,
        price_amount: table.quantity("price")?,
        price_currency: table.text("currency")?,
        price_period: table.text("period")?,
        external_ref: table.text("external_ref")?,
        is_active: table.flag("is_active")?.unwrap_or(true),
        sort_order: table.integer("sort_order")?.unwrap_or(0),
        metadata,
        templates,
    })
}

fn template(
    sort_order: i32,
    table: &Table<'_>,
    resources: &[Resource],
) -> Result<Template, CatalogFileError> {
    let resource: Code = table
        .needed_text("resource", "the resource it grants")?
        .into();
    let quantity = match table.get("quantity") {
        Some(value) if value.get_ref().as_str() == Some("unlimited") => None,
        Some(_) => table.quantity("quantity")?,
        // Without a quantity by accident, a limit would be none: only what has no quantity may
        // leave it out.
        None if resources
            .iter()
            .any(|row| row.code == resource && row.limit_kind == LimitKind::TimeAccess) =>
        {
            None
        }
        None => return Err(table.missing("quantity", "a number such as \"100\", or \"unlimited\"")),
    };
    Ok(Template {
        id: TemplateId(0),
        resource,
        scope: table.text("scope")?.map(Code::from),
        quantity,
        window: table.member(
            "window",
            WindowKind::from_code,
            WindowKind::ALL.iter().map(|kind| kind.code()),
        )?,
        window_seconds: table.integer("window_seconds")?,
        per_quantity: table.flag("per_quantity")?.unwrap_or(false),
        sort_order,
    })
}

fn rule(table: &Table<'_>) -> Result<Rule, CatalogFileError> {
    let action = table.member(
        "action",
        LimitAction::from_code,
        LimitAction::ALL.iter().map(|action| action.code()),
    )?;
    let overage_limit = match table.get("overage_limit") {
        Some(value) if value.get_ref().as_str() == Some("unlimited") => None,
        _ => table.quantity("overage_limit")?,
    };
    let rule = Rule {
        id: RuleId(0),
        resource: table
            .needed_text("resource", "the resource it is for")?
            .into(),
        // What its resource is counted as is known once the file meets a catalog.
        limit_kind: LimitKind::Cumulative,
        account: None,
        plan: table.text("plan")?.map(Code::from),
        window: table.member(
            "window",
            WindowKind::from_code,
            WindowKind::ALL.iter().map(|kind| kind.code()),
        )?,
        action: action
            .ok_or_else(|| table.missing("action", "block, warn, grace or overage in quotes"))?,
        warn_at: table.percent("warn_at_percent")?,
        grace_quantity: table.quantity("grace_quantity")?,
        grace_seconds: table.integer("grace_period_seconds")?,
        overage_limit,
        overage_price: table.quantity("overage_unit_price")?,
        currency: table.text("currency")?,
        priority: table.integer("priority")?.unwrap_or(0),
        is_active: table.flag("is_active")?.unwrap_or(true),
        created_at: Time::BEGINNING,
        updated_at: Time::BEGINNING,
    };
    if rule.must_state_overage_limit() && table.get("overage_limit").is_none() {
        return Err(table.missing(
            "overage_limit",
            "a number such as \"100\", or \"unlimited\"",
        ));
    }
    Ok(rule)
}

impl Table<'_> {
    /// A quantity in the file's own digits.
    fn quantity(&self, key: &str) -> Result<Option<Quantity>, CatalogFileError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let hint = "write a number with up to 12 digits before the point and 6 behind it, such as \"99.5\"";
        let problem = match digits(value.get_ref()).map(|digits| digits.parse::<Quantity>()) {
            Some(Ok(quantity)) => return Ok(Some(quantity)),
            Some(Err(QuantityError::TooLarge)) => "too large a number",
            Some(Err(QuantityError::RoundsToZero)) => "too small a number: it rounds to 0",
            Some(Err(QuantityError::NotANumber | QuantityError::NotWhole)) | None => "not a number",
        };
        Err(self.wrong(key, value, problem, hint))
    }

    fn percent(&self, key: &str) -> Result<Option<Percent>, CatalogFileError> {
        let Some(percent) = self.quantity(key)? else {
            return Ok(None);
        };
        let millionths = percent.millionths();
        if millionths % 10_000 != 0
            && let Some(value) = self.get(key)
        {
            return Err(self.wrong(
                key,
                value,
                "more than two decimals",
                "write a percentage such as 80 or 99.95",
            ));
        }
        Ok(Some(Percent(millionths / 10_000)))
    }
}

/// The digits of a number, or the text that stands for one.
fn digits(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Float(float) => Some(float.as_str().to_owned()),
        DeValue::Integer(_) => table::integer(value).map(|integer| integer.to_string()),
        _ => None,
    }
}

fn not_toml(text: &str, error: &toml::de::Error) -> CatalogFileError {
    CatalogFileError {
        line: table::line_of(text, error.span().map_or(0, |span| span.start)),
        place: String::new(),
        problem: format!("not TOML: {}", error.message()),
        hint: "see https://toml.io for how a table and a value are written".to_owned(),
    }
}
