//! Layer 0: accounts and what is counted.

use mec_kernel::AccountStatus;
use mec_query::{Column, Table, Type};

use super::{CODE, MEMBER, WRITABLE, WRITABLE_BY_KEY, created_at, updated_at, varchar};

pub(super) fn tables() -> Vec<Table> {
    vec![
        account_types(),
        accounts(),
        account_links(),
        units(),
        resource_types(),
        closed_list(
            "limit_kinds",
            "How a resource is counted.",
            "limit_kinds_pkey",
            "limit_kind_code",
        ),
        closed_list(
            "window_types",
            "The windows use is counted in.",
            "window_types_pkey",
            "window_type_code",
        ),
        closed_list(
            "limit_actions",
            "What happens beyond a limit.",
            "limit_actions_pkey",
            "limit_action_code",
        ),
    ]
}

fn account_types() -> Table {
    Table::new(
        "account_types",
        vec![
            Column::new("account_type_code", MEMBER)
                .required()
                .insertable()
                .described("The type's code, for example organization."),
            Column::new("description", Type::TEXT)
                .writable()
                .described("What accounts of this type are."),
        ],
    )
    .described("Types of accounts.")
    .primary_key("account_types_pkey", &["account_type_code"])
    .allowing(WRITABLE_BY_KEY)
}

fn accounts() -> Table {
    let statuses: Vec<&str> = AccountStatus::ALL
        .iter()
        .map(|status| status.code())
        .collect();
    Table::new(
        "accounts",
        vec![
            Column::new("account_id", Type::Uuid).defaulted().described("The account's id; it grows with time."),
            Column::new("parent_account_id", Type::Uuid)
                .insertable()
                .described("The account above it, fixed once it is made; null for a root."),
            Column::new("root_account_id", Type::Uuid).defaulted().described("The topmost account above it; itself for a root."),
            Column::new("account_type_code", MEMBER)
                .defaulted()
                .writable()
                .described("What kind of account it is; organization unless said otherwise."),
            Column::new("external_id", varchar(128))
                .writable()
                .described("Its name in another system, such as a Stripe customer; unique among all accounts."),
            Column::new("display_name", varchar(255)).required().writable().described("Its name for people."),
            Column::new("email", varchar(255)).writable().described("Its address for people."),
            Column::new("status", varchar(16)).defaulted().writable().described("active, suspended, or closed, which is final."),
            Column::new("time_zone", CODE)
                .writable()
                .described("IANA zone its calendar windows are cut in; null takes its parent's, else UTC."),
            Column::new("metadata", Type::Json).writable().described("Anything you wish to keep with it."),
            created_at(),
            updated_at(),
        ],
    )
    .described("Who uses: accounts in trees of at most eight levels.")
    .primary_key("accounts_pkey", &["account_id"])
    .unique("accounts_external_id_key", &["external_id"])
    .references("accounts_parent_account_id_fkey", "parent_account_id", "accounts", "account_id")
    .references("accounts_account_type_code_fkey", "account_type_code", "account_types", "account_type_code")
    .one_of("accounts_status_check", "status", &statuses)
    .allowing(WRITABLE)
}

fn account_links() -> Table {
    Table::new(
        "account_links",
        vec![
            Column::new("source", CODE)
                .required()
                .described("The other system; empty for accounts.external_id."),
            Column::new("external_id", varchar(255))
                .required()
                .described("The account's name there."),
            Column::new("account_id", Type::Uuid)
                .required()
                .described("The account."),
        ],
    )
    .described("Names of accounts in other systems.")
    .primary_key("account_links_pkey", &["source", "external_id"])
    .references(
        "account_links_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    )
}

fn units() -> Table {
    Table::new(
        "units",
        vec![
            Column::new("unit_code", MEMBER).required().insertable().described("The unit's code, for example gpu_hour."),
            Column::new("unit_name", varchar(128)).required().writable().described("Its name for people."),
            Column::new("dimension", CODE)
                .required()
                .writable()
                .described("What it measures; units of one dimension convert into each other."),
            Column::new("factor", Type::Int8)
                .required()
                .writable()
                .described("How many base units of the dimension it is: second 1, minute 60; fixed once used."),
        ],
    )
    .described("Units quantities are given in.")
    .primary_key("units_pkey", &["unit_code"])
    .allowing(WRITABLE_BY_KEY)
}

fn resource_types() -> Table {
    Table::new(
        "resource_types",
        vec![
            Column::new("resource_type_code", CODE)
                .required()
                .insertable()
                .described("The resource's code, for example benchmark_runs."),
            Column::new("resource_name", varchar(128))
                .required()
                .writable()
                .described("Its name for people."),
            Column::new("limit_kind_code", MEMBER)
                .required()
                .writable()
                .described("How it is counted; fixed once used."),
            Column::new("unit_code", MEMBER)
                .required()
                .writable()
                .described("The canonical unit, in which limits are said; fixed once used."),
            Column::new("allowed_units", Type::TextArray)
                .defaulted()
                .writable()
                .described("Further units its use may be given in."),
            Column::new("description", Type::TEXT)
                .writable()
                .described("What it is."),
        ],
    )
    .described("What is counted.")
    .primary_key("resource_types_pkey", &["resource_type_code"])
    .references(
        "resource_types_limit_kind_code_fkey",
        "limit_kind_code",
        "limit_kinds",
        "limit_kind_code",
    )
    .references(
        "resource_types_unit_code_fkey",
        "unit_code",
        "units",
        "unit_code",
    )
    .allowing(WRITABLE_BY_KEY)
}

fn closed_list(
    name: &'static str,
    description: &'static str,
    key: &'static str,
    code: &'static str,
) -> Table {
    Table::new(
        name,
        vec![
            Column::new(code, MEMBER)
                .required()
                .described("The code other rows refer to."),
            Column::new("description", Type::TEXT)
                .required()
                .described("What it means."),
            Column::new("sort_order", Type::Int4)
                .required()
                .described("Its place in lists."),
        ],
    )
    .described(description)
    .primary_key(key, &[code])
    .ordered_by("sort_order", false)
}
