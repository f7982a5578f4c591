//! The room that shows: the HTTP floor (accept loop, limits, request ids, error bodies).

pub mod api;
pub mod cli;
mod config;
pub mod demo;
pub mod http;
mod import;
mod serve;
