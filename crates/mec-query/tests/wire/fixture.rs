//! A schema of the guide's shape with a few rows, and one function that answers a request over it.

use std::collections::HashMap;
use std::sync::LazyLock;

use mec_query::{
    Budget, Column, Decimal, Function, Media, Page, Param, Produces, Query, QueryError, Schema,
    Scope, Table, Tables, Target, Type, Value, Verb,
};

/// 2026-11-24T02:12:09Z.
pub(crate) const NOW: i64 = 1_795_486_329_000_000;
const DAY: i64 = 86_400_000_000;
pub(crate) const QUANTITY: Type = Type::Numeric {
    precision: 18,
    scale: 6,
};
const ALL: &[Verb] = &[Verb::Get, Verb::Post, Verb::Patch, Verb::Put, Verb::Delete];

fn varchar(max: u32) -> Type {
    Type::Text { max: Some(max) }
}

pub(crate) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let plans = Table::new(
        "plans",
        vec![
            Column::new("plan_id", varchar(64)).required().insertable(),
            Column::new("plan_name", varchar(128)).required().writable(),
            Column::new("is_trial", Type::Bool).defaulted().writable(),
            Column::new("trial_days", Type::Int4).writable(),
        ],
    )
    .primary_key("plans_pkey", &["plan_id"])
    .allowing(ALL);
    let accounts = Table::new(
        "accounts",
        vec![
            Column::new("account_id", Type::Uuid).defaulted(),
            Column::new("parent_account_id", Type::Uuid).insertable(),
            Column::new("plan_id", varchar(64)).insertable(),
            Column::new("former_plan_id", varchar(64)).insertable(),
            Column::new("external_id", varchar(128)).writable(),
            Column::new("display_name", varchar(16))
                .required()
                .writable(),
            Column::new("status", varchar(16)).defaulted().writable(),
            Column::new("metadata", Type::Json).writable(),
            Column::new("created_at", Type::Timestamp).defaulted(),
        ],
    )
    .primary_key("accounts_pkey", &["account_id"])
    .unique("accounts_external_id_key", &["external_id"])
    .references(
        "accounts_parent_account_id_fkey",
        "parent_account_id",
        "accounts",
        "account_id",
    )
    .references("accounts_plan_id_fkey", "plan_id", "plans", "plan_id")
    .references(
        "accounts_former_plan_id_fkey",
        "former_plan_id",
        "plans",
        "plan_id",
    )
    .one_of(
        "accounts_status_check",
        "status",
        &["active", "suspended", "closed"],
    )
    .allowing(ALL);
    let entitlements = Table::new(
        "entitlements",
        vec![
            Column::new("entitlement_id", Type::Int8).defaulted(),
            Column::new("account_id", Type::Uuid)
                .required()
                .insertable(),
            Column::new("resource_type_code", varchar(64))
                .required()
                .insertable(),
            Column::new("quantity_allowed", QUANTITY).writable(),
            Column::new("status", varchar(16)).defaulted().writable(),
        ],
    )
    .primary_key("entitlements_pkey", &["entitlement_id"])
    .references(
        "entitlements_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    )
    .allowing(ALL);
    let settings = Table::new(
        "settings",
        vec![
            Column::new("account_id", Type::Uuid)
                .required()
                .insertable(),
            Column::new("tags", Type::TextArray).writable(),
        ],
    )
    .primary_key("settings_pkey", &["account_id"])
    .references(
        "settings_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    );
    let labels = Table::new("labels", vec![Column::new("label", Type::TEXT).required()])
        .primary_key("labels_pkey", &["label"]);
    let account_labels = Table::new(
        "account_labels",
        vec![
            Column::new("account_id", Type::Uuid).required(),
            Column::new("label", Type::TEXT).required(),
        ],
    )
    .primary_key("account_labels_pkey", &["account_id", "label"])
    .references(
        "account_labels_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    )
    .references("account_labels_label_fkey", "label", "labels", "label");
    let check = Function::returning_rows(
        "check_entitlement",
        vec![
            Param::required("p_account_id", Type::Uuid),
            Param::required("p_resource_type", varchar(64)),
            Param::optional("p_requested_qty", QUANTITY),
        ],
        vec![
            Column::new("decision", Type::TEXT),
            Column::new("quantity_allowed", QUANTITY),
            Column::new(
                "percent_used",
                Type::Numeric {
                    precision: 7,
                    scale: 2,
                },
            ),
        ],
    )
    .read_only();
    Schema::new(
        vec![
            plans,
            accounts,
            entitlements,
            settings,
            labels,
            account_labels,
        ],
        vec![check],
    )
    .expect("the schema is sound")
});

static ROWS: LazyLock<HashMap<&'static str, Vec<Vec<Value>>>> = LazyLock::new(|| {
    let text = |text: &str| Value::text(text);
    let plan = |id: &str, name: &str, days: Value| {
        vec![text(id), text(name), Value::Bool(!days.is_null()), days]
    };
    let account = |id: u128, parent: Value, plan: Value, name: &str, metadata: &str, day: i64| {
        let created = Value::Timestamp(NOW - day * DAY + 880_000);
        let external = text(&format!("cus_{id}"));
        let metadata = Value::Json(metadata.to_owned());
        vec![
            Value::Uuid(id),
            parent,
            plan,
            Value::Null,
            external,
            text(name),
            text("active"),
            metadata,
            created,
        ]
    };
    let entitlement =
        |id: i64, account: u128, resource: &str, units: Option<i128>, status: &str| {
            let quantity =
                units.map_or(Value::Null, |units| Value::Numeric(Decimal::new(units, 6)));
            vec![
                Value::Int(id),
                Value::Uuid(account),
                text(resource),
                quantity,
                text(status),
            ]
        };
    HashMap::from([
        (
            "plans",
            vec![
                plan("trial-14d", "14-Day Free Trial", Value::Int(14)),
                plan("starter", "Starter", Value::Null),
                plan("pro", "Pro", Value::Null),
                plan("trial-7d", "Week", Value::Int(7)),
            ],
        ),
        (
            "accounts",
            vec![
                account(
                    1,
                    Value::Null,
                    text("pro"),
                    "Acme",
                    r#"{"tier":{"n":2},"tags":["x","y"],"on":null}"#,
                    3,
                ),
                account(
                    2,
                    Value::Uuid(1),
                    text("starter"),
                    "Acme Team",
                    r#"{"tier":{"n":10}}"#,
                    2,
                ),
                account(3, Value::Null, Value::Null, "Zeta, Inc.", "{}", 1),
            ],
        ),
        (
            "entitlements",
            vec![
                entitlement(1, 1, "runs", Some(100_000_000), "active"),
                entitlement(2, 1, "gpu_hours", Some(500_000), "expired"),
                entitlement(3, 2, "runs", None, "active"),
            ],
        ),
        (
            "settings",
            vec![vec![
                Value::Uuid(1),
                Value::TextArray(vec!["a".into(), "b c".into()]),
            ]],
        ),
        ("labels", vec![vec![text("big")], vec![text("eu")]]),
        (
            "account_labels",
            vec![
                vec![Value::Uuid(1), text("eu")],
                vec![Value::Uuid(1), text("big")],
                vec![Value::Uuid(2), text("eu")],
            ],
        ),
    ])
});

/// Answers `GET /{table}?{query}`, with the total of the filtered rows.
pub(crate) fn get(table: &str, query: &str, media: &str) -> Result<(String, u64), QueryError> {
    let query = Query::parse(query, Target::Rows)?;
    let page = Page::of_request(&query, None)?;
    let table = SCHEMA.table(table)?;
    let scope = Scope::relate(&SCHEMA, table, &query)?;
    let media = Media::negotiate(Some(media), Produces::Rows)?;
    let read = scope.read(page, NOW)?;
    let tables = Tables(
        ROWS.iter()
            .map(|(name, rows)| (*name, rows.as_slice()))
            .collect(),
    );
    let (fetched, total) = read.of_tables(&tables, &Budget::unlimited())?;
    Ok((
        media
            .write(&read.show(&fetched, NOW), &Budget::unlimited())?
            .concat(),
        total,
    ))
}

/// The body of `GET /{path}` as JSON; the path is a table with an optional query string.
pub(crate) fn json(path: &str) -> Result<String, QueryError> {
    let (table, query) = path.split_once('?').unwrap_or((path, ""));
    get(table, query, "application/json").map(|(body, _)| body)
}

/// `status code message` of a refusal.
pub(crate) fn refusal<T>(result: Result<T, QueryError>) -> String {
    match result {
        Ok(_) => "not refused".to_owned(),
        Err(error) => format!("{} {} {}", error.status, error.code, error.message),
    }
}
