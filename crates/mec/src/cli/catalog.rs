//! `mec catalog`: plans, resources, units and rules as a file: applied, written, compared.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use axum::http::Method;
use bytes::Bytes;
use mec_engine::catalog_file::DEMO;
use serde_json::Value;

use super::TargetArgs;
use crate::client::target::{Answer, Target};
use crate::config::Config;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};

/// What is done with the catalog.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make the catalog as a file says: shows the difference, then changes all of it in one
    /// transaction
    Apply {
        #[command(flatten)]
        file: FileArgs,
        /// Also remove what the file does not name and nothing refers to
        #[arg(long)]
        prune: bool,
        /// Only show the difference
        #[arg(long)]
        dry_run: bool,
        /// Do not ask; without a terminal nothing is asked anyway
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show what applying a file would change, and what stays that the file does not have; exit
    /// code 1: something
    Diff {
        #[command(flatten)]
        file: FileArgs,
        /// Show what the file does not name as removed, as `apply --prune` would remove it
        #[arg(long)]
        prune: bool,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Write the catalog as a file
    Export {
        /// Where to [default: stdout]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        target: TargetArgs,
    },
}

/// Which catalog file.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct FileArgs {
    /// A catalog file (TOML), or - for stdin
    file: Option<PathBuf>,
    /// The built-in demo catalog: trial, starter, pro, enterprise
    #[arg(long)]
    demo: bool,
}

impl Command {
    pub(super) fn target(&self) -> &TargetArgs {
        match self {
            Self::Apply { target, .. }
            | Self::Diff { target, .. }
            | Self::Export { target, .. } => target,
        }
    }

    pub(super) async fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        match self {
            Self::Apply {
                file,
                prune,
                dry_run,
                yes,
                ..
            } => {
                let text = file.read()?;
                // An empty store is the usual place for a first catalog.
                let target = Target::open(config, "mec catalog apply", true).await?;
                let done = apply(
                    &target,
                    text,
                    How {
                        prune,
                        dry_run,
                        yes,
                    },
                    print,
                )
                .await;
                target.close().await?;
                done
            }
            Self::Diff { file, prune, .. } => {
                let text = file.read()?;
                let target = Target::open(config, "mec catalog diff", false).await?;
                let answered = post(&target, text, prune, true).await;
                target.close().await?;
                let answer = answered?;
                show(&answer, print)?;
                if changes(&answer).is_empty() && stays(&answer).is_empty() {
                    Ok(())
                } else {
                    Err(Failure::Quiet(Exit::No))
                }
            }
            Self::Export { output: path, .. } => {
                let target = Target::open(config, "mec catalog export", false).await?;
                let answered = target
                    .call(Method::GET, "/admin/catalog", "text/plain", Bytes::new())
                    .await;
                target.close().await?;
                let Answer { body, .. } = answered?;
                let mut out = output::file_or_stdout(path.as_deref())?;
                out.write_all(&body)?;
                Ok(out.flush()?)
            }
        }
    }
}

impl FileArgs {
    fn read(&self) -> Result<String, Failure> {
        match &self.file {
            None => Ok(DEMO.to_owned()),
            Some(path) if path == Path::new("-") => {
                let mut text = String::new();
                io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Failure::io("stdin", &error))?;
                Ok(text)
            }
            Some(path) => {
                fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))
            }
        }
    }
}

/// How a file is applied.
#[derive(Clone, Copy)]
struct How {
    prune: bool,
    dry_run: bool,
    yes: bool,
}

async fn apply(target: &Target, text: String, how: How, print: Print) -> Result<(), Failure> {
    let asks = output::asks(how.yes, how.dry_run, print);
    if how.dry_run || asks {
        let answer = post(target, text.clone(), how.prune, true).await?;
        show(&answer, print)?;
        if how.dry_run || changes(&answer).is_empty() {
            return Ok(());
        }
        if !output::agreed("Apply?")? {
            return Err(Failure::new(Exit::No, "nothing was changed"));
        }
    }
    let answer = post(target, text, how.prune, false).await?;
    if !asks {
        show(&answer, print)?;
    }
    if print == Print::Table && !changes(&answer).is_empty() {
        output::line("applied")?;
    }
    Ok(())
}

async fn post(target: &Target, text: String, prune: bool, dry_run: bool) -> Result<Value, Failure> {
    let path = format!("/admin/catalog?prune={prune}&dry_run={dry_run}");
    target
        .call(Method::POST, &path, "application/toml", text.into())
        .await?
        .json()
}

fn changes(answer: &Value) -> &[Value] {
    answer["changes"].as_array().map_or(&[], Vec::as_slice)
}

/// What is in force although the file does not have it.
fn stays(answer: &Value) -> &[Value] {
    answer["stays"].as_array().map_or(&[], Vec::as_slice)
}

fn show(answer: &Value, print: Print) -> Result<(), Failure> {
    if print == Print::Json {
        return output::json(answer);
    }
    let (changes, stays) = (changes(answer), stays(answer));
    if changes.is_empty() && stays.is_empty() {
        return output::line("the catalog is as the file says");
    }
    if changes.is_empty() {
        output::line("everything in the file is in the catalog as the file says")?;
    }
    for change in changes {
        line(&output::cell(&change["sign"]), change)?;
    }
    let (kept, left): (Vec<&Value>, Vec<&Value>) =
        stays.iter().partition(|row| row["reason"].is_string());
    if !left.is_empty() {
        output::line("not in the file, and still in force (--prune removes it):")?;
    }
    for row in left {
        line("=", row)?;
    }
    if !kept.is_empty() {
        output::line("not in the file, and kept because something refers to it:")?;
    }
    for row in kept {
        output::line(format_args!(
            "= {}: {}",
            output::cell(&row["what"]),
            output::cell(&row["reason"])
        ))?;
    }
    Ok(())
}

fn line(sign: &str, row: &Value) -> Result<(), Failure> {
    let [what, detail] = ["what", "detail"].map(|key| output::cell(&row[key]));
    let detail = if detail.is_empty() {
        detail
    } else {
        format!(": {detail}")
    };
    output::line(format_args!("{sign} {what}{detail}"))
}
