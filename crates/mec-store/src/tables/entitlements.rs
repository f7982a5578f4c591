//! Layer 2: what accounts may use, under which conditions, and who changed it.

use mec_kernel::{EntitlementStatus, Source};
use mec_query::{Column, Table, Type};

use super::{CODE, MEMBER, QUANTITY, SCOPE, WRITABLE, created_at, updated_at, varchar};

pub(super) fn tables() -> Vec<Table> {
    vec![
        entitlements(),
        entitlement_conditions(),
        entitlements_audit(),
    ]
}

fn entitlements() -> Table {
    let statuses: Vec<&str> = EntitlementStatus::ALL
        .iter()
        .map(|status| status.code())
        .collect();
    let sources: Vec<&str> = Source::ALL.iter().map(|source| source.code()).collect();
    Table::new("entitlements", entitlement_columns())
        .described("What an account may use.")
        .primary_key("entitlements_pkey", &["entitlement_id"])
        .references(
            "entitlements_account_id_fkey",
            "account_id",
            "accounts",
            "account_id",
        )
        .references(
            "entitlements_resource_type_code_fkey",
            "resource_type_code",
            "resource_types",
            "resource_type_code",
        )
        .references(
            "entitlements_limit_kind_code_fkey",
            "limit_kind_code",
            "limit_kinds",
            "limit_kind_code",
        )
        .references(
            "entitlements_window_type_code_fkey",
            "window_type_code",
            "window_types",
            "window_type_code",
        )
        .references("entitlements_plan_id_fkey", "plan_id", "plans", "plan_id")
        .one_of("entitlements_status_check", "status", &statuses)
        .one_of("entitlements_source_check", "source", &sources)
        .allowing(WRITABLE)
}

fn entitlement_columns() -> Vec<Column> {
    vec![
        Column::new("entitlement_id", Type::Uuid)
            .defaulted()
            .described("The entitlement's id; it grows with time."),
        Column::new("account_id", Type::Uuid)
            .required()
            .insertable()
            .described("Who may use."),
        Column::new("resource_type_code", CODE)
            .required()
            .insertable()
            .described("What it may use."),
        Column::new("resource_scope", SCOPE)
            .insertable()
            .described("Which part of the resource; null is every part."),
        Column::new("limit_kind_code", MEMBER)
            .defaulted()
            .insertable()
            .described("How it is counted: as its resource is."),
        Column::new("quantity_allowed", QUANTITY)
            .writable()
            .described("How much; null is unlimited."),
        Column::new("window_type_code", MEMBER)
            .writable()
            .described("The window it is counted in; null is lifetime."),
        Column::new("window_anchor", Type::Timestamp)
            .writable()
            .described("Where billing and lifetime windows begin."),
        Column::new("window_seconds", Type::Int8)
            .writable()
            .described("Length of a rolling window."),
        Column::new("period_start", Type::Timestamp)
            .writable()
            .described("First instant of a period window."),
        Column::new("period_end", Type::Timestamp)
            .writable()
            .described("First instant after a period window."),
        Column::new("status", varchar(16))
            .defaulted()
            .writable()
            .described("active, suspended, or expired, which is final."),
        Column::new("source", varchar(16))
            .defaulted()
            .insertable()
            .described("Where it comes from; manual or override when you make it."),
        Column::new("source_ref", varchar(255))
            .described("Its name there, such as a subscription item."),
        Column::new("plan_id", CODE).described("The plan it came with."),
        Column::new("plan_version", Type::Int4).described("The plan's version then."),
        Column::new("priority", Type::Int4)
            .defaulted()
            .writable()
            .described("Among overrides the highest wins."),
        Column::new("valid_from", Type::Timestamp)
            .defaulted()
            .writable()
            .described("First instant it counts; now by default."),
        Column::new("valid_until", Type::Timestamp)
            .writable()
            .described("First instant it does not; null is open."),
        Column::new("metadata", Type::Json)
            .writable()
            .described("Anything you wish to keep with it."),
        created_at(),
        updated_at(),
    ]
}

fn entitlement_conditions() -> Table {
    Table::new(
        "entitlement_conditions",
        vec![
            Column::new("condition_id", Type::Uuid).defaulted().described("The condition's id."),
            Column::new("entitlement_id", Type::Uuid)
                .required()
                .insertable()
                .described("The entitlement that counts only if it is met."),
            Column::new("condition_type", MEMBER).required().writable().described("What is looked at."),
            Column::new("attribute", varchar(128)).writable().described("Which attribute of the request, for that type."),
            Column::new("operator", varchar(16)).writable().described("How the attribute is compared."),
            Column::new("value", Type::Json)
                .required()
                .writable()
                .described("What it must be: a value or a list, {\"from\", \"to\"} for a time of day, weekdays from 1 (Monday)."),
        ],
    )
    .described("What must hold for an entitlement to count.")
    .primary_key("entitlement_conditions_pkey", &["condition_id"])
    .references("entitlement_conditions_entitlement_id_fkey", "entitlement_id", "entitlements", "entitlement_id")
    .one_of("entitlement_conditions_condition_type_check", "condition_type", &["attribute", "time_of_day", "weekday"])
    .one_of("entitlement_conditions_operator_check", "operator", &["eq", "neq", "in", "not_in", "gt", "gte", "lt", "lte"])
    .allowing(WRITABLE)
}

fn entitlements_audit() -> Table {
    Table::new(
        "entitlements_audit",
        vec![
            Column::new("audit_id", Type::Uuid)
                .required()
                .described("The entry's id; it grows with time."),
            Column::new("entitlement_id", Type::Uuid)
                .required()
                .described("The entitlement that was changed."),
            Column::new("account_id", Type::Uuid)
                .required()
                .described("Whose it is."),
            Column::new("action", MEMBER)
                .required()
                .described("What was done."),
            Column::new("old_row", Type::Json).described("The row before; null where it was made."),
            Column::new("new_row", Type::Json)
                .described("The row after; null where it was removed."),
            Column::new("changed_by", varchar(255))
                .required()
                .described("Who did it."),
            Column::new("reason", Type::TEXT)
                .required()
                .described("Why."),
            Column::new("changed_at", Type::Timestamp)
                .required()
                .described("When."),
        ],
    )
    .described("Every change of an entitlement.")
    .primary_key("entitlements_audit_pkey", &["audit_id"])
    .references(
        "entitlements_audit_entitlement_id_fkey",
        "entitlement_id",
        "entitlements",
        "entitlement_id",
    )
    .references(
        "entitlements_audit_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    )
}
