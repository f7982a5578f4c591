//! What a setting is: its record, where its value comes from, and how a value is read.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::masked::masked;
use super::settings::RECORDS;
use crate::terminal::failure::{Exit, Failure};

/// What stands in the place of a value that is never shown.
const HIDDEN: &str = "***";

/// A setting as its table says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// What it means, in lines of a comment, each with a blank at its front.
    pub(super) about: &'static [&'static str],
    /// Its flag; empty: it has none.
    pub(super) flag: &'static str,
    /// Its default as the file would say it: a text in quotes, or a number.
    pub(super) default: &'static str,
    /// The type of its value.
    pub(super) of: &'static str,
}

impl Record {
    /// Its environment variable.
    pub(super) fn variable(&self) -> String {
        format!("MEC_{}", self.name.to_uppercase())
    }

    /// Whether its value is never shown.
    fn is_secret(&self) -> bool {
        self.of == "Secret"
    }

    /// Its default without quotes.
    pub(super) fn default_text(&self) -> &'static str {
        self.default.trim_matches('"')
    }
}

/// The file with every setting at its default.
pub(crate) fn example() -> String {
    let mut file = String::from(
        "# mec.toml: every setting with its default. Flags win over the environment,\n\
         # and the environment over this file.\n\
         # mec reads ./mec.toml if there is one, or the file that --config or MEC_CONFIG names.\n",
    );
    for record in RECORDS {
        let set_by = match record.flag {
            "" => record.variable(),
            flag => format!("{flag}, {}", record.variable()),
        };
        let about: String = record
            .about
            .iter()
            .map(|line| format!("#{line}\n"))
            .collect();
        file.push_str(&format!(
            "\n{about}# Also: {set_by}.\n{} = {}\n",
            record.name, record.default
        ));
    }
    file
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File(PathBuf),
    /// This variable.
    Environment(String),
    /// This flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting in effect, as people see it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Its name.
    pub(crate) name: &'static str,
    /// The value, or what hides it.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// Every setting's value as text, before it is read.
pub(super) struct Values(Vec<(&'static Record, String, Origin)>);

impl Values {
    /// Chooses each: a flag wins over the environment, the environment over the file, the file over
    /// the default.
    pub(super) fn choose(
        flag: impl Fn(&str) -> Option<String>,
        variable: impl Fn(&str) -> Option<String>,
        file: Option<(&Path, &BTreeMap<&'static str, String>)>,
    ) -> Self {
        let choose = |record: &'static Record| {
            let of_flag = || Some((flag(record.flag)?, Origin::Flag(record.flag)));
            let of_environment = || {
                Some((
                    variable(&record.variable())?,
                    Origin::Environment(record.variable()),
                ))
            };
            let of_file = || {
                let (path, values) = file?;
                Some((
                    values.get(record.name)?.clone(),
                    Origin::File(path.to_owned()),
                ))
            };
            let (value, origin) = of_flag()
                .or_else(of_environment)
                .or_else(of_file)
                .unwrap_or_else(|| (record.default_text().to_owned(), Origin::Default));
            (record, value, origin)
        };
        Self(RECORDS.iter().map(choose).collect())
    }

    /// Where the value of a setting comes from.
    pub(super) fn origin(&self, name: &str) -> Origin {
        let found = self.0.iter().find(|(record, _, _)| record.name == name);
        found.map_or(Origin::Default, |(_, _, origin)| origin.clone())
    }

    /// One value, read by `read`, whose error is the hint.
    ///
    /// # Errors
    /// It is none that the setting can have.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let value = self
            .0
            .iter()
            .find(|(record, _, _)| record.name == name)
            .map_or("", |(_, value, _)| value);
        read(value).map_err(|hint| {
            Failure::new(
                Exit::Config,
                format!("{name} is \"{value}\" ({})", self.origin(name)),
            )
            .with_hint(hint)
        })
    }

    /// All of them as people see them: no secret, no password.
    pub(super) fn shown(&self) -> Vec<Shown> {
        let show = |(record, value, origin): &(&'static Record, String, Origin)| {
            let is_hidden = record.is_secret() && !value.is_empty();
            let value = if is_hidden {
                HIDDEN.to_owned()
            } else {
                masked(value)
            };
            Shown {
                name: record.name,
                value,
                origin: origin.clone(),
            }
        };
        self.0.iter().map(show).collect()
    }
}

/// A text that is never shown.
#[derive(Clone, Default)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Any text.
pub(super) fn text(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

/// A text that is never shown.
pub(super) fn secret(value: &str) -> Result<Secret, String> {
    Ok(Secret(value.to_owned()))
}

/// A whole number in a range.
pub(super) fn number(range: RangeInclusive<u32>) -> impl FnOnce(&str) -> Result<u32, String> {
    move |value| {
        value
            .parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| match range.into_inner() {
                (1, u32::MAX) => "set it to a whole number above 0".to_owned(),
                (least, most) => format!("set it to a whole number from {least} to {most}"),
            })
    }
}

/// One of a few codes.
pub(super) fn one_of<T: Copy>(known: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, String> {
    move |value| match known.iter().find(|(code, _)| *code == value) {
        Some((_, found)) => Ok(*found),
        None => Err(format!(
            "set it to {}",
            known
                .iter()
                .map(|(code, _)| *code)
                .collect::<Vec<_>>()
                .join(" or ")
        )),
    }
}
