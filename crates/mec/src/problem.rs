//! What a caller is told when something is wrong: a status, a code, a sentence and a hint.
//!
//! `errors` is their one shape, `refusal` the one place that chooses them, `hints` where callers
//! commonly go astray, `sparing` keeps what goes wrong often from filling the log.

pub mod errors;
pub(crate) mod hints;
pub(crate) mod refusal;
mod sparing;
