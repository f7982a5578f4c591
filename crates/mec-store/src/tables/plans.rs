//! Layer 0.5: plans, what they grant, and who has them.

use mec_query::{Column, Table, Type};

use super::{
    CODE, MEMBER, QUANTITY, SCOPE, WRITABLE, WRITABLE_BY_KEY, created_at, updated_at, varchar,
};

pub(super) fn tables() -> Vec<Table> {
    vec![plans(), plan_entitlement_templates(), account_plans()]
}

fn plans() -> Table {
    Table::new(
        "plans",
        vec![
            Column::new("plan_id", CODE)
                .required()
                .insertable()
                .described("The plan's code, for example starter."),
            Column::new("plan_name", varchar(128))
                .required()
                .writable()
                .described("Its name for people."),
            Column::new("is_trial", Type::Bool)
                .defaulted()
                .writable()
                .described("Whether a tree may have it only once."),
            Column::new("trial_days", Type::Int4)
                .writable()
                .described("How long a trial lasts."),
            Column::new("is_addon", Type::Bool)
                .defaulted()
                .writable()
                .described("Whether it is had beside a plan rather than instead of one."),
            Column::new("version", Type::Int4)
                .defaulted()
                .described("Raised by every change of its templates."),
            Column::new("price_amount", QUANTITY)
                .writable()
                .described("What it costs a period; null where it is agreed."),
            Column::new("price_currency", varchar(3))
                .writable()
                .described("ISO 4217 code of the price's currency."),
            Column::new("price_period", MEMBER)
                .writable()
                .described("What the price is for, for example month."),
            Column::new("external_ref", varchar(255))
                .writable()
                .described("Its name in a billing system, such as a Stripe price."),
            Column::new("is_active", Type::Bool)
                .defaulted()
                .writable()
                .described("Whether it is given to anybody new; who has it keeps it."),
            Column::new("sort_order", Type::Int4)
                .defaulted()
                .writable()
                .described("Its place in lists."),
            Column::new("metadata", Type::Json)
                .writable()
                .described("Anything you wish to keep with it."),
            created_at(),
            updated_at(),
        ],
    )
    .described("What is sold: plans and add-ons.")
    .primary_key("plans_pkey", &["plan_id"])
    .ordered_by("sort_order", false)
    .ordered_by("plan_name", false)
    .allowing(WRITABLE_BY_KEY)
}

fn plan_entitlement_templates() -> Table {
    Table::new("plan_entitlement_templates", template_columns())
        .described("What a plan grants.")
        .primary_key("plan_entitlement_templates_pkey", &["template_id"])
        .references(
            "plan_entitlement_templates_plan_id_fkey",
            "plan_id",
            "plans",
            "plan_id",
        )
        .references(
            "plan_entitlement_templates_resource_type_code_fkey",
            "resource_type_code",
            "resource_types",
            "resource_type_code",
        )
        .references(
            "plan_entitlement_templates_limit_kind_code_fkey",
            "limit_kind_code",
            "limit_kinds",
            "limit_kind_code",
        )
        .references(
            "plan_entitlement_templates_window_type_code_fkey",
            "window_type_code",
            "window_types",
            "window_type_code",
        )
        .ordered_by("plan_id", false)
        .ordered_by("sort_order", false)
        .allowing(WRITABLE)
}

fn template_columns() -> Vec<Column> {
    vec![
        Column::new("template_id", Type::Uuid)
            .defaulted()
            .described("The template's id."),
        Column::new("plan_id", CODE)
            .required()
            .insertable()
            .described("The plan it belongs to."),
        Column::new("resource_type_code", CODE)
            .required()
            .writable()
            .described("What it grants."),
        Column::new("resource_scope", SCOPE)
            .writable()
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
        Column::new("window_seconds", Type::Int8)
            .writable()
            .described("Length of a rolling window."),
        Column::new("per_quantity", Type::Bool)
            .defaulted()
            .writable()
            .described("Whether the quantity provisioned multiplies it, as seats do."),
        Column::new("sort_order", Type::Int4)
            .defaulted()
            .writable()
            .described("Its place in the plan."),
    ]
}

fn account_plans() -> Table {
    Table::new(
        "account_plans",
        vec![
            Column::new("account_id", Type::Uuid).required().described("Who has it."),
            Column::new("plan_id", CODE).required().described("What it has."),
            Column::new("ref", varchar(255))
                .required()
                .described("Its name in a billing system, such as a subscription item; else empty."),
            Column::new("version", Type::Int4).required().described("The plan's version the rows came from."),
            Column::new("quantity", QUANTITY).required().described("How many of it, such as seats."),
            Column::new("anchor", Type::Timestamp).required().described("Where its billing windows begin."),
            Column::new("starts_at", Type::Timestamp).required().described("First instant it counts."),
            Column::new("ends_at", Type::Timestamp).described("First instant it does not; null is open."),
            Column::new("own_ends_at", Type::Timestamp)
                .described("Where it ends by itself; ends_at is earlier while another plan is scheduled to replace it."),
            Column::new("is_addon", Type::Bool).required().described("Whether it is had beside the account's plan."),
            Column::new("is_trial", Type::Bool).required().described("Whether it is the tree's trial."),
        ],
    )
    .described("Which account has, had or will have which plan and add-ons.")
    .primary_key("account_plans_pkey", &["account_id", "plan_id", "ref", "starts_at"])
    .references("account_plans_account_id_fkey", "account_id", "accounts", "account_id")
    .references("account_plans_plan_id_fkey", "plan_id", "plans", "plan_id")
}
