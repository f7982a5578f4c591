//! `mec meter`: something was used, write it down.

use mec_kernel::{Quantity, Time};
use serde_json::{Value, json};

use super::TargetArgs;
use super::check::{account, number};
use crate::client::target::Target;
use crate::config::Config;
use crate::terminal::failure::Failure;
use crate::terminal::output::{self, Print};
use crate::terminal::quantity;

/// What was used.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who: an account's id, or its external id
    account: String,
    /// What: a resource type
    resource: String,
    /// How much; below zero gives inventory back
    #[arg(value_parser = quantity::parse, allow_negative_numbers = true)]
    quantity: Quantity,
    /// The event's own name: the same key is the same event, however often it is sent
    #[arg(long, value_name = "KEY")]
    key: String,
    /// In which unit, if not the resource's own
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Which part of the resource (a region, a model)
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// When it happened (2026-01-30T12:00:00Z), if not now
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    occurred_at: Option<Time>,
    /// Anything worth keeping about it, as JSON
    #[arg(long, value_name = "JSON", value_parser = details)]
    details: Option<Value>,
    #[command(flatten)]
    target: TargetArgs,
}

impl Args {
    pub(super) fn target(&self) -> &TargetArgs {
        &self.target
    }

    pub(super) async fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        let mut arguments = account(&self.account);
        arguments.insert("p_resource_type".to_owned(), self.resource.into());
        arguments.insert("p_quantity".to_owned(), number(self.quantity));
        arguments.insert("p_idempotency_key".to_owned(), self.key.into());
        if let Some(unit) = self.unit {
            arguments.insert("p_unit_code".to_owned(), unit.into());
        }
        if let Some(scope) = self.scope {
            arguments.insert("p_resource_scope".to_owned(), scope.into());
        }
        if let Some(at) = self.occurred_at {
            arguments.insert("p_occurred_at".to_owned(), at.to_string().into());
        }
        if let Some(details) = self.details {
            arguments.insert("p_details".to_owned(), details);
        }
        let target = Target::open(config, "mec meter", false).await?;
        let answered = target.rpc("meter_consumption", &arguments.into()).await;
        target.close().await?;
        let answer = answered?;
        let (event, status) = (
            answer.json()?,
            if answer.is_replayed {
                "replayed"
            } else {
                "recorded"
            },
        );
        match print {
            Print::Json => output::json(&json!({ "event_id": event, "status": status })),
            Print::Table => output::line(format_args!("{status} {}", output::cell(&event))),
        }
    }
}

fn details(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
