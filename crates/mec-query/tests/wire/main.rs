//! Requests as clients send them, against a small schema held in memory: what is answered, and what
//! is refused.

mod fixture;
mod panics;
mod parsing;
mod reads;
mod refusals;
mod writes;
