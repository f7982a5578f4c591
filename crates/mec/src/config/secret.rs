//! A setting that is never shown: not when it is printed, and not in the complaint about its line.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// What stands in its place.
pub(super) const HIDDEN: &str = "***";

/// A text of the configuration file that nobody but the program reads.
#[derive(Clone, Default)]
pub(super) struct Secret(String);

impl Secret {
    /// The text itself.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(from)? {
            toml::Value::String(text) => Ok(Self(text)),
            // The usual complaint would quote what it found.
            _ => Err(de::Error::custom("a secret is a text in quotes")),
        }
    }
}
