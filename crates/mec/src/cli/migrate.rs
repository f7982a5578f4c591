//! `mec migrate`: makes the store, or brings it to this version's schema.

use mec_store::postgres::{self, MigrateOptions, Migrated};
use mec_store::{OpenOptions, Store, sqlite};
use serde_json::json;

use super::StoreArgs;
use crate::config::{self, Config, Kept};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};

/// What is made of the store.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
On PostgreSQL the store's role has to own the schema. Nodes need no such role: --app-role gives another one what they
need, so that it can neither change the schema nor a row of the ledger, the audit and the decision log:

  CREATE ROLE mec_app LOGIN PASSWORD '…';
  mec migrate --store postgres://owner@host/mec --app-role mec_app
  mec serve --store postgres://mec_app@host/mec")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArgs,
    /// Give the PostgreSQL role NAME, which must be there, what `mec serve` needs and nothing else
    #[arg(long, value_name = "NAME")]
    app_role: Option<String>,
    /// Spread the tables over the nodes of a Citus database
    #[arg(long)]
    distributed: bool,
}

impl Args {
    pub(super) fn store(&self) -> StoreArgs {
        self.store.clone()
    }

    pub(super) fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        let options = MigrateOptions {
            app_role: self.app_role,
            is_distributed: self.distributed,
        };
        let Migrated { from, to } = migrate(config, &options)?;
        let store = config::masked(&config.settings.store);
        if print == Print::Json {
            return output::json(&json!({
                "store": store, "from": from, "to": to, "app_role": options.app_role, "distributed": options.is_distributed,
            }));
        }
        if from == to {
            output::line(format_args!("{store} has schema {to} already"))?;
        } else {
            output::line(format_args!("{store} migrated from schema {from} to {to}"))?;
        }
        match &options.app_role {
            Some(role) => output::line(format_args!("{role} may do what mec serve needs")),
            None => Ok(()),
        }
    }
}

fn migrate(config: &Config, options: &MigrateOptions) -> Result<Migrated, Failure> {
    let Kept::File(path) = config.kept()? else {
        return Ok(postgres::migrate(&config.settings.store, options)?);
    };
    if options.app_role.is_some() || options.is_distributed {
        return Err(Failure::new(
            Exit::Config,
            "--app-role and --distributed are for a PostgreSQL store",
        )
        .with_hint("name one with --store postgres://USER@HOST/DATABASE"));
    }
    let from = if path.exists() {
        sqlite::inspect(path)?.schema_version
    } else {
        0
    };
    let opening = OpenOptions {
        note: "mec migrate".to_owned(),
        ..OpenOptions::default()
    };
    drop(Store::open(&config.settings.store, &opening)?);
    Ok(Migrated {
        from,
        to: sqlite::inspect(path)?.schema_version,
    })
}
