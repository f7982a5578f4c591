//! `mec migrate`: makes the store, or brings it to this version's schema.

use mec_store::{OpenOptions, Store, sqlite};
use serde_json::json;

use super::failure::Failure;
use super::output::{self, Print};
use crate::config::Config;

pub(super) fn run(config: &Config, print: Print) -> Result<(), Failure> {
    let path = config.store_path()?;
    let before = if path.exists() { sqlite::inspect(path)?.schema_version } else { 0 };
    let options = OpenOptions { note: "mec migrate".to_owned(), ..OpenOptions::default() };
    drop(Store::open(&config.store, &options)?);
    let after = sqlite::inspect(path)?.schema_version;
    match print {
        Print::Json => output::json(&json!({ "store": config.store, "from": before, "to": after })),
        Print::Table if before == after => output::line(format_args!("{} has schema {after} already", config.store)),
        Print::Table => output::line(format_args!("{} migrated from schema {before} to {after}", config.store)),
    }
}
