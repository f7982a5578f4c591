//! `mec plan`: what is sold, who is on which version of it, moving them to the newest, and what a
//! changed catalog would have said to the use there was.

mod migrate;
mod simulate;

use axum::http::Method;
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{StoreArgs, TargetArgs};
use crate::client::target::Target;
use crate::config::Config;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};

/// Rows asked for at once.
const PAGE: usize = 1_000;

/// What is done with plans.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List plans and add-ons with their versions
    List {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show what a plan grants, and how many accounts are on which version
    Show {
        /// Which plan
        plan: String,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Move the accounts that are on an older version of a plan to its newest; exit code 1: one was
    /// refused
    Migrate(migrate::Args),
    /// Replay the ledger against a changed catalog: who would have been warned, blocked, in grace
    /// or billed
    Simulate(simulate::Args),
}

/// What a command needs before it runs.
pub(super) enum Needs {
    /// The API.
    Target(TargetArgs),
    /// The store's file.
    Store(StoreArgs),
}

impl Command {
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::List { target } | Self::Show { target, .. } => Needs::Target(target.clone()),
            Self::Migrate(args) => Needs::Target(args.target().clone()),
            Self::Simulate(args) => Needs::Store(args.store()),
        }
    }

    pub(super) async fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        match self {
            Self::List { .. } => {
                let target = Target::open(config, "mec plan list", false).await?;
                let plans = get(&target, "plans?select=*").await;
                target.close().await?;
                list(&plans?, print)
            }
            Self::Show { plan, .. } => {
                let target = Target::open(config, "mec plan show", false).await?;
                let shown = show(&target, &plan).await;
                target.close().await?;
                let (plan, accounts) = shown?;
                print_plan(&plan, &accounts, print)
            }
            Self::Migrate(args) => args.run(config, print).await,
            Self::Simulate(args) => args.run(config, print),
        }
    }
}

/// Rows of the table API.
async fn get(target: &Target, query: &str) -> Result<Vec<Value>, Failure> {
    let answer = target
        .call(
            Method::GET,
            &format!("/api/{query}"),
            "application/json",
            Bytes::new(),
        )
        .await?
        .json()?;
    match answer {
        Value::Array(rows) => Ok(rows),
        other => Err(Failure::new(
            Exit::Unavailable,
            format!("the answer is no list of rows: {other}"),
        )),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The plan with its templates.
async fn plan_of(target: &Target, plan: &str) -> Result<Value, Failure> {
    let query = format!(
        "plans?select=*,plan_entitlement_templates(resource_type_code,resource_scope,limit_kind_code,quantity_allowed,\
         window_type_code,window_seconds,per_quantity)&plan_entitlement_templates.order=sort_order&plan_id=eq.{}",
        encoded(plan)
    );
    get(target, &query)
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| {
            Failure::new(Exit::BadInput, format!("there is no plan \"{plan}\""))
                .with_hint("`mec plan list` shows them")
        })
}

/// Which rows of `account_plans` are in force now, by the store's clock, for `plan`, further
/// narrowed by `more`; in the order of accounts.
async fn holders(target: &Target, plan: &str, more: &str) -> Result<Vec<Value>, Failure> {
    let mut found: Vec<Value> = vec![];
    loop {
        let after = found.last().map_or_else(String::new, |last| {
            format!("&account_id=gte.{}", output::cell(&last["account_id"]))
        });
        let query = format!(
            "account_plans?select=account_id,ref,version,quantity,starts_at,accounts(external_id,display_name)\
             &plan_id=eq.{}&starts_at=lte.now&or=(ends_at.is.null,ends_at.gt.now){more}{after}\
             &order=account_id,ref,starts_at&limit={PAGE}",
            encoded(plan)
        );
        let page = get(target, &query).await?;
        let is_full = page.len() >= PAGE;
        // A page begins with the account the last one ended with: it may have more of them.
        let seen = found.len();
        let overlap = found.iter().rev().take(PAGE).cloned().collect::<Vec<_>>();
        found.extend(page.into_iter().filter(|row| !overlap.contains(row)));
        if !is_full || found.len() == seen {
            return Ok(found);
        }
    }
}

async fn show(target: &Target, plan: &str) -> Result<(Value, Vec<(i64, u64)>), Failure> {
    let shown = plan_of(target, plan).await?;
    let mut accounts: Vec<(i64, u64)> = vec![];
    for holder in holders(target, plan, "").await? {
        let version = holder["version"].as_i64().unwrap_or_default();
        match accounts.iter_mut().find(|(known, _)| *known == version) {
            Some((_, count)) => *count += 1,
            None => accounts.push((version, 1)),
        }
    }
    accounts.sort_unstable();
    Ok((shown, accounts))
}

/// What a line about a plan shows.
const LISTED: [(&str, &str); 9] = [
    ("PLAN", "plan_id"),
    ("NAME", "plan_name"),
    ("VERSION", "version"),
    ("ADD-ON", "is_addon"),
    ("TRIAL DAYS", "trial_days"),
    ("PRICE", "price_amount"),
    ("CURRENCY", "price_currency"),
    ("PERIOD", "price_period"),
    ("ACTIVE", "is_active"),
];

/// What a line about a template shows.
const GRANTED: [(&str, &str); 7] = [
    ("RESOURCE", "resource_type_code"),
    ("SCOPE", "resource_scope"),
    ("KIND", "limit_kind_code"),
    ("ALLOWED", "quantity_allowed"),
    ("WINDOW", "window_type_code"),
    ("SECONDS", "window_seconds"),
    ("PER QUANTITY", "per_quantity"),
];

fn list(plans: &[Value], print: Print) -> Result<(), Failure> {
    match print {
        Print::Json => output::json(&Value::Array(plans.to_vec())),
        Print::Table => rows(&LISTED, plans),
    }
}

fn rows(columns: &[(&str, &str)], values: &[Value]) -> Result<(), Failure> {
    let head: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    let cells = |value: &Value| {
        columns
            .iter()
            .map(|(_, name)| output::cell(&value[*name]))
            .collect()
    };
    output::table(
        &head,
        values.iter().map(cells).collect::<Vec<Vec<String>>>(),
    )
}

fn print_plan(plan: &Value, accounts: &[(i64, u64)], print: Print) -> Result<(), Failure> {
    let newest = plan["version"].as_i64();
    if print == Print::Json {
        let accounts = accounts
            .iter()
            .map(|(version, count)| json!({ "version": version, "accounts": count }));
        let mut shown = plan.clone();
        shown["accounts"] = accounts.collect();
        return output::json(&shown);
    }
    rows(&LISTED, std::slice::from_ref(plan))?;
    output::line("")?;
    rows(
        &GRANTED,
        plan["plan_entitlement_templates"]
            .as_array()
            .map_or(&[][..], Vec::as_slice),
    )?;
    output::line("")?;
    if accounts.is_empty() {
        return output::line("no account is on it");
    }
    for (version, count) in accounts {
        let note = if newest == Some(*version) {
            ", the newest"
        } else {
            ""
        };
        output::line(format_args!("{count} on version {version}{note}"))?;
    }
    if accounts.iter().any(|(version, _)| Some(*version) != newest) {
        output::line(format_args!(
            "`mec plan migrate {}` moves all of them to the newest",
            output::cell(&plan["plan_id"])
        ))?;
    }
    Ok(())
}
