//! The log: lines on stderr, for people or as JSON.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat, Origin, wants_colours};
use crate::terminal::failure::{Exit, Failure};

/// Starts logging to stderr as `config` says; where it says nothing, at `level`.
///
/// # Errors
/// A filter that is not understood.
pub(super) fn start(config: &Config, level: &str) -> Result<(), Failure> {
    let is_default = config.origin("log") == Some(&Origin::Default);
    let filter = if is_default {
        level
    } else {
        &config.settings.log
    };
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::new(
            Exit::Config,
            format!("log is \"{}\": {error}", config.settings.log),
        )
        .with_hint("write error, warn, info, debug or trace")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let started = match config.settings.log_format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log
            .with_ansi(io::stderr().is_terminal() && wants_colours())
            .try_init(),
    };
    started
        .map_err(|error| Failure::new(Exit::Config, format!("the log cannot be started: {error}")))
}
