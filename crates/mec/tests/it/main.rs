//! The program as its users meet it: a started `mec`, spoken to over HTTP and the command line.
//!
//! One binary for the whole crate. Nothing here sleeps, uses a fixed port or leaves a process behind.

mod listen;
