//! The store, on a file and on a server of the tests' own.

#[path = "../chance/mod.rs"]
mod chance;
mod coverage;
mod decisions;
mod distribution;
mod entitlements;
mod file;
mod instants;
mod json;
#[path = "../lane/mod.rs"]
mod lane;
mod look_up;
mod opening;
mod partitions;
mod postgres;
mod roles;
mod sqlite;
mod tables;
mod tree_filters;
mod usage;
mod verify;

use lane::home;
use lane::home::Home;
