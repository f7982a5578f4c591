//! The program as its users meet it: a started `mec`, spoken to over HTTP and the command line.
//!
//! One binary for the whole crate. Nothing here sleeps, uses a fixed port or leaves a process
//! behind.

mod api;
mod audit;
mod backup;
mod bad_input;
mod by_name;
#[path = "../../../mec-store/tests/chance/mod.rs"]
mod chance;
mod cli;
mod concepts;
mod copy;
mod cors;
mod database;
mod decision_log;
mod demo;
mod differential;
mod doors;
mod explain;
mod fuzz;
mod guide;
mod hints;
#[path = "../../../mec-store/tests/home/mod.rs"]
mod home;
mod import;
mod json;
mod jwt;
mod listen;
mod plan;
mod prune;
mod races;
mod readme;
mod reads;
mod rows;
mod rpc;
mod serve;
mod server;
mod shell;
mod table_api;
mod tables;
mod usage;

use home::Home;
