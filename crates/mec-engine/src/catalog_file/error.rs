//! Why a text is not a catalog file, and where.

/// Why a text is not a catalog file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}{place}: {problem}; {hint}", if place.is_empty() { "" } else { ", " })]
pub struct CatalogFileError {
    /// From 1.
    pub line: usize,
    /// Table and key (`plans.starter.price`, `rules[2].action`); empty where the text is not TOML.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub hint: String,
}
