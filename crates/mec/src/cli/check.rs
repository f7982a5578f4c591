//! `mec check`: may this account use this?

use std::collections::BTreeMap;

use mec_kernel::Quantity;
use serde_json::{Map, Value, json};

use super::TargetArgs;
use crate::client::target::Target;
use crate::config::Config;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};
use crate::terminal::quantity;

/// What is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who: an account's id, or its external id
    account: String,
    /// What: a resource type
    resource: String,
    /// How much; without it the answer says where the account stands
    #[arg(long, value_name = "N", value_parser = quantity::parse, allow_negative_numbers = true)]
    quantity: Option<Quantity>,
    /// In which unit, if not the resource's own
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Which part of the resource (a region, a model)
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// What conditions look at; may be repeated. A value that is a number or true/false is sent as
    /// such
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    attributes: Vec<(String, Value)>,
    /// Also show every limit that was considered
    #[arg(long)]
    explain: bool,
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
        if let Some(quantity) = self.quantity {
            arguments.insert("p_requested_qty".to_owned(), number(quantity));
        }
        if let Some(unit) = self.unit {
            arguments.insert("p_unit_code".to_owned(), unit.into());
        }
        if let Some(scope) = self.scope {
            arguments.insert("p_resource_scope".to_owned(), scope.into());
        }
        if !self.attributes.is_empty() {
            let attributes: BTreeMap<String, Value> = self.attributes.into_iter().collect();
            arguments.insert("p_attributes".to_owned(), json!(attributes));
        }
        if self.explain {
            arguments.insert("p_explain".to_owned(), true.into());
        }
        let target = Target::open(config, "mec check", false).await?;
        let answered = target.rpc("check_entitlement", &arguments.into()).await;
        target.close().await?;
        let answer = answered?.json()?;
        let row = match &answer {
            Value::Array(rows) => rows.first().cloned().unwrap_or_default(),
            other => other.clone(),
        };
        match print {
            Print::Json => output::json(&row)?,
            Print::Table => show(&row)?,
        }
        if row["allowed"] == Value::Bool(true) {
            Ok(())
        } else {
            Err(Failure::Quiet(Exit::No))
        }
    }
}

/// The argument that names an account: by its id where it is one, else by the name another system
/// has for it.
pub(super) fn account(text: &str) -> Map<String, Value> {
    let name = if text.parse::<mec_kernel::AccountId>().is_ok() {
        "p_account_id"
    } else {
        "p_external_id"
    };
    Map::from_iter([(name.to_owned(), text.into())])
}

/// A quantity as a JSON number with all its digits.
pub(super) fn number(quantity: Quantity) -> Value {
    let digits = quantity.to_string();
    digits
        .parse::<serde_json::Number>()
        .map_or(Value::String(digits), Value::Number)
}

fn attribute(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = match serde_json::from_str(value) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(value.to_owned()),
    };
    Ok((name.to_owned(), value))
}

/// What a line about a limit shows; `-o json` shows all of it.
const EXPLAINED: [(&str, &str); 10] = [
    ("LEVEL", "level"),
    ("ACCOUNT", "account_id"),
    ("SCOPE", "resource_scope"),
    ("RULE", "limit_action"),
    ("ALLOWED", "quantity_allowed"),
    ("USED", "quantity_used"),
    ("RESERVED", "quantity_reserved"),
    ("UNTIL", "window_end"),
    ("DECISION", "decision"),
    ("REASON", "reason"),
];

fn show(row: &Value) -> Result<(), Failure> {
    let Value::Object(fields) = row else {
        return output::json(row);
    };
    let told = fields
        .iter()
        .filter(|(name, value)| *name != "limits" && !value.is_null());
    output::table(
        &[],
        told.map(|(name, value)| vec![name.clone(), output::cell(value)]),
    )?;
    let Some(Value::Array(limits)) = fields.get("limits") else {
        return Ok(());
    };
    output::line("")?;
    let cells = |limit: &Value| {
        EXPLAINED
            .iter()
            .map(|(_, name)| output::cell(&limit[*name]))
            .collect()
    };
    let head = EXPLAINED.map(|(title, _)| title);
    output::table(&head, limits.iter().map(cells).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_keep_the_kind_of_their_value() {
        let cases = [
            ("region=eu", "region", json!("eu")),
            ("seats=3", "seats", json!(3)),
            ("beta=true", "beta", json!(true)),
            ("empty=", "empty", json!("")),
            ("note=a=b", "note", json!("a=b")),
            ("none=null", "none", json!("null")),
        ];
        for (text, name, value) in cases {
            assert_eq!(attribute(text), Ok((name.to_owned(), value)));
        }
        assert!(attribute("region").is_err());
    }

    #[test]
    fn a_quantity_is_sent_with_all_its_digits() {
        for digits in ["1", "0.000001", "999999999999.999999", "-2.5"] {
            assert_eq!(
                number(quantity::parse(digits).expect("a quantity")).to_string(),
                digits
            );
        }
        assert!(quantity::parse("1.5e-9").is_err() && quantity::parse("NaN").is_err());
    }
}
