//! The room that shows: the API over HTTP, the command line, the demo.
//!
//! Its floors, each of which uses only those before it: `problem` (errors and hints), `terminal`
//! (what a command prints, and how it fails), `http` (sockets, limits, who calls), `config`, `api`
//! (functions and tables), `server` (routes and a server's life), `client` (calls of commands),
//! `import` and `demo`, `cli`.

pub mod api;
pub mod cli;
mod client;
mod config;
pub mod demo;
pub mod http;
mod import;
pub mod problem;
pub mod server;
mod terminal;
