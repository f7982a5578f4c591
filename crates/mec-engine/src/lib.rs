//! Room: engine.

pub mod catalog_file;
