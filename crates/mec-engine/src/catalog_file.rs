//! The catalog as a TOML file: read, written, and compared with a catalog.
//!
//! A row in the file is the whole row: a key left out has its default, not what the catalog holds.
//! Rows the file does not name are left alone unless it is applied with `prune`. Numbers are taken
//! from the file's own digits and never pass through a float. Nothing here decides: the kernel
//! judges the changes.

mod diff;
mod error;
mod fields;
mod file;
mod read;
mod render;

pub use diff::{DiffLine, diff};
pub use error::CatalogFileError;
pub use file::CatalogFile;
pub use read::parse;
pub use render::render;

/// The catalog of the guide, which `mec demo` sells from.
pub const DEMO: &str = include_str!("../catalogs/demo.toml");
/// A commented catalog that shows everything a catalog can say.
pub const EXAMPLE: &str = include_str!("../catalogs/example.toml");
