//! The room that shows: the HTTP floor (accept loop, limits, request ids, error bodies).

pub mod http;
