//! Layer 3: what happens at a limit, seats, and what was decided.

use mec_kernel::Decision;
use mec_query::{Column, Table, Type};

use super::{CODE, MEMBER, PERCENT, QUANTITY, SCOPE, WRITABLE, created_at, updated_at, varchar};

pub(super) fn tables() -> Vec<Table> {
    vec![
        control_rules(),
        concurrency_leases(),
        control_decisions_log(),
    ]
}

fn control_rules() -> Table {
    Table::new(
        "control_rules",
        vec![
            Column::new("rule_id", Type::Uuid).defaulted().described("The rule's id; it grows with time."),
            Column::new("resource_type_code", CODE).required().insertable().described("For which resource."),
            Column::new("limit_kind_code", MEMBER).defaulted().insertable().described("Of which kind: as its resource is."),
            Column::new("account_id", Type::Uuid).insertable().described("Only for this account's limits; null is any."),
            Column::new("plan_id", CODE).insertable().described("Only for accounts on this plan; null is any."),
            Column::new("window_type_code", MEMBER)
                .writable()
                .described("Only for limits counted in such windows; null is all but rolling ones, which block without a rule."),
            Column::new("limit_action_code", MEMBER).required().writable().described("What happens beyond the limit."),
            Column::new("warn_at_percent", PERCENT).writable().described("Warn from here on; null is the configured default."),
            Column::new("grace_quantity", QUANTITY)
                .writable()
                .described("How much further grace goes; null with a period is any amount."),
            Column::new("grace_period_seconds", Type::Int8).writable().described("How long grace lasts; null is without end."),
            Column::new("overage_limit", QUANTITY).writable().described("How far overage goes; null is without end."),
            Column::new("overage_unit_price", QUANTITY).writable().described("Price of one canonical unit beyond the limit."),
            Column::new("currency", varchar(3)).writable().described("ISO 4217 code of the price's currency."),
            Column::new("priority", Type::Int4).defaulted().writable().described("Among rules as specific, the highest wins."),
            Column::new("is_active", Type::Bool).defaulted().writable().described("Whether it is looked at."),
            created_at(),
            updated_at(),
        ],
    )
    .described("What happens at and beyond a limit.")
    .primary_key("control_rules_pkey", &["rule_id"])
    .references("control_rules_resource_type_code_fkey", "resource_type_code", "resource_types", "resource_type_code")
    .references("control_rules_limit_kind_code_fkey", "limit_kind_code", "limit_kinds", "limit_kind_code")
    .references("control_rules_account_id_fkey", "account_id", "accounts", "account_id")
    .references("control_rules_plan_id_fkey", "plan_id", "plans", "plan_id")
    .references("control_rules_window_type_code_fkey", "window_type_code", "window_types", "window_type_code")
    .references("control_rules_limit_action_code_fkey", "limit_action_code", "limit_actions", "limit_action_code")
    .allowing(WRITABLE)
}

fn concurrency_leases() -> Table {
    Table::new(
        "concurrency_leases",
        vec![
            Column::new("lease_id", Type::Uuid)
                .required()
                .described("The lease's id."),
            Column::new("account_id", Type::Uuid)
                .required()
                .described("Whose seat it is."),
            Column::new("resource_type_code", CODE)
                .required()
                .described("Of what."),
            Column::new("resource_scope", SCOPE).described("Of which part of the resource."),
            Column::new("session_token", varchar(255))
                .described("The caller's session: while it lives, it has one seat."),
            Column::new("quantity", QUANTITY)
                .required()
                .described("How many seats."),
            Column::new("fencing_token", Type::Int8)
                .required()
                .described("A number that only grows within the tree."),
            Column::new("acquired_at", Type::Timestamp)
                .required()
                .described("When it was taken."),
            Column::new("expires_at", Type::Timestamp)
                .required()
                .described("First instant it does not count."),
            Column::new("released_at", Type::Timestamp).described("When it was given back."),
        ],
    )
    .described("Seats taken of concurrency resources; one counts until it is released or expires.")
    .primary_key("concurrency_leases_pkey", &["lease_id"])
    .references(
        "concurrency_leases_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    )
    .references(
        "concurrency_leases_resource_type_code_fkey",
        "resource_type_code",
        "resource_types",
        "resource_type_code",
    )
}

fn control_decisions_log() -> Table {
    let decisions: Vec<&str> = Decision::ALL
        .iter()
        .map(|decision| decision.code())
        .collect();
    Table::new(
        "control_decisions_log",
        vec![
            Column::new("decision_id", Type::Uuid).required().described("The entry's id; it grows with time."),
            Column::new("account_id", Type::Uuid).required().described("For whom it was asked."),
            Column::new("resource_type_code", CODE).required().described("About what."),
            Column::new("resource_scope", SCOPE).described("About which part of the resource."),
            Column::new("operation", MEMBER).required().described("The operation that asked, for example consume."),
            Column::new("requested_qty", QUANTITY)
                .described("How much was asked for, in the resource's canonical unit; null asked where the account stands."),
            Column::new("decision", varchar(16)).required().described("What was decided."),
            Column::new("reason", varchar(255)).required().described("Why, in words."),
            Column::new("reason_code", CODE).required().described("Why, as a code."),
            Column::new("entitlement_id", Type::Uuid).described("The entitlement that bound it."),
            Column::new("rule_id", Type::Uuid).described("The rule it was enforced by."),
            Column::new("binding_account_id", Type::Uuid)
                .described("The account whose limit bound it, or whose level denied: the one asked about or one above it."),
            Column::new("quantity_allowed", QUANTITY).described("The limit, in the canonical unit; null is unlimited."),
            Column::new("quantity_used", QUANTITY).described("What was used, in the canonical unit."),
            Column::new("limits", Type::Json)
                .described("Every limit and level considered, as an explained answer shows them; null where no trace is kept."),
            Column::new("request_id", varchar(255)).described("The request that asked."),
            Column::new("decided_at", Type::Timestamp).required().described("When."),
        ],
    )
    .described("What was decided, kept for a while.")
    .primary_key("control_decisions_log_pkey", &["decision_id"])
    .references("control_decisions_log_account_id_fkey", "account_id", "accounts", "account_id")
    .references("control_decisions_log_resource_type_code_fkey", "resource_type_code", "resource_types", "resource_type_code")
    .references("control_decisions_log_entitlement_id_fkey", "entitlement_id", "entitlements", "entitlement_id")
    .references("control_decisions_log_rule_id_fkey", "rule_id", "control_rules", "rule_id")
    .one_of("control_decisions_log_decision_check", "decision", &decisions)
}
