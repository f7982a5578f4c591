//! Room: mec.

pub mod http;
