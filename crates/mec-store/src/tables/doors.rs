//! What came in and goes out by webhooks, and who may call. Secrets and hashes of keys are not
//! columns here.

use mec_query::{Column, Table, Type};

use super::{CODE, MEMBER, created_at, varchar};

pub(super) fn tables() -> Vec<Table> {
    vec![
        webhook_inbox(),
        webhook_endpoints(),
        webhook_deliveries(),
        api_keys(),
    ]
}

fn webhook_inbox() -> Table {
    Table::new(
        "webhook_inbox",
        vec![
            Column::new("source", CODE)
                .required()
                .described("The system that sent it."),
            Column::new("external_id", varchar(255))
                .required()
                .described("The message's id there."),
            Column::new("event_type", varchar(128))
                .required()
                .described("What it tells."),
            Column::new("received_at", Type::Timestamp)
                .required()
                .described("When it came in."),
            Column::new("occurred_at", Type::Timestamp)
                .described("When it happened, as the sender says."),
            Column::new("status", MEMBER)
                .required()
                .described("What became of it."),
            Column::new("attempts", Type::Int4)
                .required()
                .described("How often it was tried."),
            Column::new("error", Type::TEXT).described("Why the last try failed."),
            Column::new("body", Type::Json)
                .required()
                .described("What it said."),
        ],
    )
    .described("Messages from billing and identity systems.")
    .primary_key("webhook_inbox_pkey", &["source", "external_id"])
    .ordered_by("received_at", false)
}

fn webhook_endpoints() -> Table {
    Table::new(
        "webhook_endpoints",
        vec![
            Column::new("endpoint_id", Type::Uuid)
                .required()
                .described("The endpoint's id."),
            Column::new("url", Type::TEXT)
                .required()
                .described("Where notices are sent."),
            Column::new("event_types", Type::TextArray)
                .required()
                .described("Which notices are sent there."),
            Column::new("is_active", Type::Bool)
                .required()
                .described("Whether any are sent."),
            created_at(),
        ],
    )
    .described("Where notices are sent.")
    .primary_key("webhook_endpoints_pkey", &["endpoint_id"])
}

fn webhook_deliveries() -> Table {
    Table::new(
        "webhook_deliveries",
        vec![
            Column::new("delivery_id", Type::Uuid)
                .required()
                .described("The delivery's id."),
            Column::new("endpoint_id", Type::Uuid)
                .required()
                .described("Where it is sent."),
            Column::new("event_type", varchar(128))
                .required()
                .described("What it tells."),
            Column::new("payload", Type::Json)
                .required()
                .described("What it says."),
            Column::new("status", MEMBER)
                .required()
                .described("What became of it."),
            Column::new("attempts", Type::Int4)
                .required()
                .described("How often it was tried."),
            Column::new("next_attempt_at", Type::Timestamp).described("When it is tried next."),
            Column::new("last_error", Type::TEXT).described("Why the last try failed."),
            created_at(),
        ],
    )
    .described("Notices sent and to be sent.")
    .primary_key("webhook_deliveries_pkey", &["delivery_id"])
    .references(
        "webhook_deliveries_endpoint_id_fkey",
        "endpoint_id",
        "webhook_endpoints",
        "endpoint_id",
    )
}

fn api_keys() -> Table {
    Table::new(
        "api_keys",
        vec![
            Column::new("key_id", Type::Uuid)
                .required()
                .described("The key's id; the key itself is shown once and not kept."),
            Column::new("name", varchar(128))
                .required()
                .described("Its name for people."),
            Column::new("role", MEMBER)
                .required()
                .described("What it may do: admin, service, reader or tenant."),
            Column::new("account_id", Type::Uuid)
                .described("The account whose tree it is limited to; null is none."),
            Column::new("scopes", Type::TextArray)
                .required()
                .described("What else limits it."),
            created_at(),
            Column::new("expires_at", Type::Timestamp)
                .described("First instant it is not accepted; null is open."),
            Column::new("revoked_at", Type::Timestamp).described("When it was taken back."),
        ],
    )
    .described("Keys that callers authenticate with.")
    .primary_key("api_keys_pkey", &["key_id"])
    .references(
        "api_keys_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    )
}
