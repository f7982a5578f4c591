//! The HTTP side of the program: the accept loop and what every answer has in common.
//!
//! `listen` turns sockets into requests within `limits`, `browsers` and `operator` refuse those
//! that come from where they must not, `cors` says which pages may, `auth` learns who calls,
//! `request_id` names every request, `parts` sends large answers. Nothing here decides, and nothing
//! here speaks SQL.

pub mod auth;
pub mod browsers;
pub mod cors;
pub mod limits;
pub mod listen;
pub mod operator;
pub(crate) mod parts;
pub mod request_id;
