//! The API: what a product asks over HTTP, as functions and tables.
//!
//! `root` describes all of it, `rpc` has a file for every function, `verb` says what a function is,
//! `arguments` and `answers` are the two sides of a call. Nothing here decides, and nothing here
//! speaks SQL.

pub(crate) mod answers;
pub(crate) mod arguments;
pub mod context;
mod parameters;
pub(crate) mod root;
pub(crate) mod rpc;
pub(crate) mod tables;
mod verb;

use std::sync::Arc;

use mec_engine::Mec;
use mec_query::Schema;

use self::context::AppState;
pub use self::rpc::functions;

impl AppState {
    /// The API of `mec`, open to everybody.
    pub fn new(mec: Arc<Mec>) -> Self {
        let schema = Schema::new(mec_store::tables::tables(), functions())
            .expect("the program's own tables and functions do not contradict each other, as its tests show");
        Self::of(mec, schema)
    }
}
