//! The program as its users meet it: a started `mec`, spoken to over HTTP and the command line.
//!
//! `guide.rs`, `guide/` and `server.rs` start the binary and are declared here once it serves; until then they are not run.
//! One binary for the whole crate. Nothing here sleeps, uses a fixed port or leaves a process behind.

mod listen;
