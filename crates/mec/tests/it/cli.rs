//! The command line as a shell meets it: what it prints, where, and its exit codes.

mod catalog;
mod check;
mod config;
mod help;
mod output;
mod serve;
mod server;
mod store;
