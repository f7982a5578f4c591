//! The table API over HTTP: the guide's requests, PostgREST's answers, errors that say what to do.

mod api;
mod guide;
mod reads;
mod writes;

const REPRESENTATION: &str = "prefer: return=representation";
const OBJECT: &str = "accept: application/vnd.pgrst.object+json";
const NOBODY: &str = "00000000-0000-7000-8000-000000000007";
