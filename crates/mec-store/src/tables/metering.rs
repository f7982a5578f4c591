//! Layer 1: use, as it was recorded and as it is held.

use mec_kernel::{Decision, ReservationStatus};
use mec_query::{Column, Table, Type};

use super::{CODE, MEMBER, QUANTITY, SCOPE, varchar};

pub(super) fn tables() -> Vec<Table> {
    vec![
        consumption_ledger(),
        consumption_event_details(),
        reservations(),
    ]
}

fn consumption_ledger() -> Table {
    let decisions: Vec<&str> = Decision::ALL
        .iter()
        .map(|decision| decision.code())
        .collect();
    Table::new(
        "consumption_ledger",
        vec![
            Column::new("event_id", Type::Uuid).required().described("The event's id; ids of one tree grow with time."),
            Column::new("idempotency_key", varchar(255)).required().described(
                "The caller's name for it, unique in its tree for ever; of a settlement reservation: and its id, which no \
                     caller's key collides with.",
            ),
            Column::new("account_id", Type::Uuid).required().described("Who used."),
            Column::new("resource_type_code", CODE).required().described("What was used."),
            Column::new("resource_scope", SCOPE).described("Which part of the resource."),
            Column::new("quantity", QUANTITY)
                .required()
                .described("How much, in unit_code; below zero for what is given back or corrected."),
            Column::new("unit_code", MEMBER).required().described("The unit of quantity."),
            Column::new("occurred_at", Type::Timestamp).required().described("When it happened: the windows it counts in."),
            Column::new("recorded_at", Type::Timestamp).required().described("When it was written down."),
            Column::new("is_correction", Type::Bool).required().described("Whether it corrects another event."),
            Column::new("corrects_event_id", Type::Uuid).described("The event it corrects."),
            Column::new("source", CODE).required().described("The door it came through, for example api."),
            Column::new("decision", varchar(16)).described("The decision a consume was let through with."),
            Column::new("reason", varchar(255)).described("That decision's reason in words."),
            Column::new("reason_code", CODE).described("That decision's reason as a code."),
            Column::new("entitlement_id", Type::Uuid).described("The entitlement that bound that decision."),
            Column::new("recorded_by", varchar(255)).required().described("Who recorded it."),
            Column::new("reservation_id", Type::Uuid).described("The reservation it settled."),
            Column::new("overage_quantity", QUANTITY)
                .described("What of quantity was beyond a limit and is billed, in unit_code; added up over the accounts billed."),
            Column::new("overage_cost", QUANTITY).described("What that costs at the price of its moment."),
            Column::new("tree_seq", Type::Int8)
                .required()
                .described("1, 2, 3 and so on without gaps in its tree: the cursor of a feed."),
        ],
    )
    .described("Every use, for ever: rows are added and never changed.")
    .primary_key("consumption_ledger_pkey", &["event_id"])
    .references("consumption_ledger_account_id_fkey", "account_id", "accounts", "account_id")
    .references("consumption_ledger_resource_type_code_fkey", "resource_type_code", "resource_types", "resource_type_code")
    .references("consumption_ledger_unit_code_fkey", "unit_code", "units", "unit_code")
    .references("consumption_ledger_corrects_event_id_fkey", "corrects_event_id", "consumption_ledger", "event_id")
    .references("consumption_ledger_entitlement_id_fkey", "entitlement_id", "entitlements", "entitlement_id")
    .one_of("consumption_ledger_decision_check", "decision", &decisions)
}

fn consumption_event_details() -> Table {
    Table::new(
        "consumption_event_details",
        vec![
            Column::new("event_id", Type::Uuid)
                .required()
                .described("The event."),
            Column::new("details", Type::Json)
                .required()
                .described("What the caller told about it; may be erased."),
        ],
    )
    .described("What callers told about an event, apart from it so that it can be erased.")
    .primary_key("consumption_event_details_pkey", &["event_id"])
    .references(
        "consumption_event_details_event_id_fkey",
        "event_id",
        "consumption_ledger",
        "event_id",
    )
}

fn reservations() -> Table {
    let statuses: Vec<&str> = ReservationStatus::ALL
        .iter()
        .map(|status| status.code())
        .collect();
    Table::new("reservations", reservation_columns())
        .described("Quantities held until they are settled, released or expire.")
        .primary_key("reservations_pkey", &["reservation_id"])
        .references(
            "reservations_account_id_fkey",
            "account_id",
            "accounts",
            "account_id",
        )
        .references(
            "reservations_resource_type_code_fkey",
            "resource_type_code",
            "resource_types",
            "resource_type_code",
        )
        .references(
            "reservations_unit_code_fkey",
            "unit_code",
            "units",
            "unit_code",
        )
        .references(
            "reservations_event_id_fkey",
            "event_id",
            "consumption_ledger",
            "event_id",
        )
        .one_of("reservations_status_check", "status", &statuses)
}

fn reservation_columns() -> Vec<Column> {
    vec![
        Column::new("reservation_id", Type::Uuid)
            .required()
            .described("The reservation's id."),
        Column::new("idempotency_key", varchar(255))
            .required()
            .described("The caller's name for it, unique in its tree."),
        Column::new("account_id", Type::Uuid)
            .required()
            .described("For whom it is held."),
        Column::new("resource_type_code", CODE)
            .required()
            .described("What is held."),
        Column::new("resource_scope", SCOPE).described("Which part of the resource."),
        Column::new("quantity", QUANTITY)
            .required()
            .described("How much is held, in unit_code."),
        Column::new("unit_code", MEMBER)
            .required()
            .described("The unit of quantity."),
        Column::new("status", varchar(16))
            .required()
            .described("open, settled or released; an open one holds nothing after expires_at."),
        Column::new("reserved_at", Type::Timestamp)
            .required()
            .described("When it was made: the windows it counts in."),
        Column::new("expires_at", Type::Timestamp)
            .required()
            .described("First instant it holds nothing."),
        Column::new("decision", varchar(16))
            .required()
            .described("The decision it was made with."),
        Column::new("reason", varchar(255))
            .required()
            .described("That decision's reason in words."),
        Column::new("reason_code", CODE)
            .required()
            .described("That decision's reason as a code."),
        Column::new("entitlement_id", Type::Uuid)
            .described("The entitlement that bound that decision."),
        Column::new("event_id", Type::Uuid).described("The event it was settled with."),
    ]
}
