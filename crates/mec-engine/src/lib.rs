//! The room that does. So far: the catalogue file.

pub mod catalog_file;
