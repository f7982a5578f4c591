//! What a tree of accounts does, as naive as can be: every sum is taken anew for every call. It
//! knows nothing of the program.

mod accounts;
mod call;
mod state;

pub(crate) use accounts::{Accounts, Instant, Limits, Resource, SECOND};
pub(crate) use call::{Answer, Call, Level, SETTLED};
pub(crate) use state::State;
