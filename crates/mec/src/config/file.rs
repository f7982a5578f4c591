//! The configuration file: found, read, and held against the settings there are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use toml::Spanned;

use super::settings::RECORDS;
use crate::terminal::failure::{Exit, Failure};

/// Read if it is there and nothing else is named.
const FILE: &str = "mec.toml";

/// What a file sets.
#[derive(Default)]
pub(super) struct ConfigFile {
    /// Where it is; `None`: there is none.
    pub(super) path: Option<PathBuf>,
    /// The values as text, by the names of their settings.
    pub(super) values: BTreeMap<&'static str, String>,
}

impl ConfigFile {
    /// The file at `named`, or the one in the working directory.
    ///
    /// # Errors
    /// A named file that is not there, one that cannot be read, and what [`parse`] says, with the
    /// line.
    pub(super) fn read(named: Option<PathBuf>) -> Result<Self, Failure> {
        let is_named = named.is_some();
        let path = named.unwrap_or_else(|| PathBuf::from(FILE));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {
                return Ok(Self::default());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::new(Exit::NoInput, format!("{}: there is no such file", path.display()))
                    .with_hint("name it with --config or MEC_CONFIG; `mec config --example` prints one to begin with"));
            }
            Err(error) => {
                return Err(
                    Failure::new(Exit::Config, format!("{}: {error}", path.display()))
                        .with_hint("it must be a text file that the user that runs mec can read"),
                );
            }
        };
        match parse(&text) {
            Ok(values) => Ok(Self {
                path: Some(path),
                values,
            }),
            Err(problem) => Err(Failure::new(
                Exit::Config,
                format!("{}, {problem}", path.display()),
            )
            .with_hint("`mec config --example` prints a file with every setting")),
        }
    }
}

/// The values of a file. A complaint never quotes a value: it may be a secret.
///
/// # Errors
/// No TOML, a name that is no setting's, a value of another type than the default has.
pub(super) fn parse(text: &str) -> Result<BTreeMap<&'static str, String>, String> {
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let found: BTreeMap<Spanned<String>, Spanned<toml::Value>> =
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            format!("line {}: {}", line(at), error.message())
        })?;
    let mut values = BTreeMap::new();
    for (name, value) in found {
        let Some(record) = RECORDS.iter().find(|record| record.name == name.get_ref()) else {
            return Err(format!(
                "line {}: there is no setting {}",
                line(name.span().start),
                name.get_ref()
            ));
        };
        let at = line(value.span().start);
        let value = match value.into_inner() {
            toml::Value::String(text) if record.default.starts_with('"') => text,
            toml::Value::Integer(number) if !record.default.starts_with('"') => number.to_string(),
            _ if record.default.starts_with('"') => {
                return Err(format!(
                    "line {at}: {} must be a text in quotes",
                    record.name
                ));
            }
            _ => {
                return Err(format!(
                    "line {at}: {} must be a whole number without quotes",
                    record.name
                ));
            }
        };
        values.insert(record.name, value);
    }
    Ok(values)
}
