//! The engine on both stores, a subject a module.

#[path = "../../../mec-store/tests/chance/mod.rs"]
mod chance;
mod installation;
#[path = "../place/mod.rs"]
mod place;
mod world;

mod cache;
mod catalog_file;
mod endings;
mod failures;
mod late;
mod log;
mod many_rows;
mod nodes;
mod queue;
mod races;
mod rounds;
mod simulate;
mod tables;
mod trace;
