//! `mec config`: the settings in effect, and where each comes from.

use serde_json::{Value, json};

use super::{ListenArgs, StoreArgs};
use crate::config::{self, Config, Flags};
use crate::terminal::failure::Failure;
use crate::terminal::output::{self, Print};

/// What is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print a configuration file with every setting, its default and what it means, instead
    #[arg(long)]
    example: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    listen: ListenArgs,
}

impl Args {
    pub(super) fn run(self, flags: Flags, print: Print) -> Result<(), Failure> {
        if self.example {
            return output::line(config::example().trim_end());
        }
        let config = Config::gather(Flags {
            store: self.store.store,
            listen: self.listen.listen,
            ..flags
        })?;
        let settings = config.shown().iter();
        match print {
            Print::Table => output::table(
                &["SETTING", "VALUE", "FROM"],
                settings.map(|setting| {
                    vec![
                        setting.name.to_owned(),
                        setting.value.clone(),
                        setting.origin.to_string(),
                    ]
                }),
            ),
            Print::Json => {
                let shown = settings
                    .map(|setting| json!({ "name": setting.name, "value": setting.value, "from": setting.origin.to_string() }));
                output::json(&Value::Array(shown.collect()))
            }
        }
    }
}
