//! `mec plan migrate`: account by account to the newest version of a plan. Whom something keeps
//! back keeps nobody else.

use axum::http::Method;
use serde_json::{Value, json};

use super::{encoded, get, holders, plan_of};
use crate::cli::TargetArgs;
use crate::client::target::Target;
use crate::config::Config;
use crate::server::admin::ACCOUNTS_MAX;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};
use crate::terminal::progress::Progress;

/// Who is moved.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Use, quantity, anchor and end of a plan are kept; its entitlements are those of the newest version from now on. An account
that leaves the plan meanwhile is not moved, nor one whose entitlements from it were all ended by hand.
Exit code 1: an account was refused.")]
pub(in crate::cli) struct Args {
    /// Which plan or add-on
    plan: String,
    /// Only this account: its id, or its external id
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; without a terminal nothing is asked anyway
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    target: TargetArgs,
}

impl Args {
    pub(in crate::cli) fn target(&self) -> &TargetArgs {
        &self.target
    }

    pub(in crate::cli) async fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        let target = Target::open(config, "mec plan migrate", false).await?;
        let done = self.migrate(&target, print).await;
        target.close().await?;
        let (version, already, results) = done?;
        show(&self.plan, version, self.dry_run, already, &results, print)?;
        if results.iter().any(|result| result["outcome"] == "refused") {
            Err(Failure::Quiet(Exit::No))
        } else {
            Ok(())
        }
    }

    /// The newest version, how many accounts have it without being asked for, and what became of
    /// the others.
    async fn migrate(
        &self,
        target: &Target,
        print: Print,
    ) -> Result<(i64, usize, Vec<Value>), Failure> {
        let version = plan_of(target, &self.plan).await?["version"]
            .as_i64()
            .unwrap_or_default();
        let (already, found) = match &self.account {
            // Also one that is on the newest already: it was asked for.
            Some(account) => (vec![], self.one(target, account).await?),
            None => {
                let all = holders(target, &self.plan, "").await?;
                all.into_iter().partition(|holder: &Value| {
                    holder["version"].as_i64().is_some_and(|of| of >= version)
                })
            }
        };
        let asks = output::asks(self.yes, self.dry_run, print);
        if asks && !found.is_empty() {
            let question = format!(
                "Move {} to version {version} of {}?",
                accounts(found.len()),
                self.plan
            );
            if !output::agreed(&question)? {
                return Err(Failure::new(Exit::No, "nobody was moved"));
            }
        }
        let mut progress = Progress::start(Some(found.len() as u64), "accounts");
        let mut results = Vec::with_capacity(found.len());
        for part in found.chunks(ACCOUNTS_MAX) {
            let named = part
                .iter()
                .map(|holder| json!({ "account_id": holder["account_id"], "ref": holder["ref"] }));
            let asked = json!({ "plan_id": self.plan, "accounts": named.collect::<Vec<_>>(), "dry_run": self.dry_run });
            let path = "/admin/plan/migrate";
            let answer = target
                .call(
                    Method::POST,
                    path,
                    "application/json",
                    asked.to_string().into(),
                )
                .await?
                .json()?;
            let told = answer["results"].as_array().cloned().unwrap_or_default();
            for (holder, mut result) in part.iter().zip(told) {
                result["external_id"] = holder["accounts"]["external_id"].clone();
                results.push(result);
            }
            progress.update(results.len() as u64, results.len() as u64, "");
        }
        progress.finish();
        Ok((version, already.len(), results))
    }

    /// What the account has of the plan, or else the account as if it had it: the answer then says
    /// that it has not.
    async fn one(&self, target: &Target, account: &str) -> Result<Vec<Value>, Failure> {
        let column = if account.parse::<mec_kernel::AccountId>().is_ok() {
            "account_id"
        } else {
            "external_id"
        };
        let query = format!(
            "accounts?select=account_id,external_id&{column}=eq.{}",
            encoded(account)
        );
        let Some(found) = get(target, &query).await?.into_iter().next() else {
            return Err(
                Failure::new(Exit::BadInput, format!("there is no account \"{account}\""))
                    .with_hint("give its account_id, or its external_id"),
            );
        };
        let held = holders(
            target,
            &self.plan,
            &format!("&account_id=eq.{}", output::cell(&found["account_id"])),
        )
        .await?;
        if held.is_empty() {
            return Ok(vec![
                json!({ "account_id": found["account_id"], "ref": "", "accounts": found }),
            ]);
        }
        Ok(held)
    }
}

fn accounts(count: usize) -> String {
    if count == 1 {
        "1 account".to_owned()
    } else {
        format!("{count} accounts")
    }
}

fn show(
    plan: &str,
    version: i64,
    dry_run: bool,
    already: usize,
    results: &[Value],
    print: Print,
) -> Result<(), Failure> {
    let count = |outcome: &str| {
        results
            .iter()
            .filter(|result| result["outcome"] == outcome)
            .count()
    };
    let (moved, newest, refused) = (count("moved"), already + count("newest"), count("refused"));
    if print == Print::Json {
        return output::json(&json!({
            "plan_id": plan,
            "version": version,
            "applied": !dry_run,
            "moved": moved,
            "newest": newest,
            "refused": refused,
            "accounts": results,
        }));
    }
    if !results.is_empty() {
        let row = |result: &Value| {
            let names = ["account_id", "external_id", "ref", "from", "to", "outcome"];
            let mut cells: Vec<String> = names
                .iter()
                .map(|name| output::cell(&result[*name]))
                .collect();
            cells.push(result["message"].as_str().unwrap_or_default().to_owned());
            cells
        };
        let head = ["ACCOUNT", "EXTERNAL ID", "REF", "FROM", "TO", "OUTCOME", ""];
        output::table(&head, results.iter().map(row).collect::<Vec<_>>())?;
    }
    let verb = if dry_run { "would be moved" } else { "moved" };
    output::line(format_args!(
        "{} {verb} to version {version}, {newest} already there, {refused} refused",
        accounts(moved)
    ))
}
