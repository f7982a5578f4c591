//! Requests that the two stores once answered differently.

use super::requests::Request;

/// Whose tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Mec,
    Fixture,
}

/// One of them, under the name of what was wrong.
pub(crate) struct Kept {
    pub(crate) name: &'static str,
    pub(crate) on: On,
    method: &'static str,
    target: &'static str,
    body: &'static str,
}

pub(crate) const KEPT: &[Kept] = &[];

impl Kept {
    pub(crate) fn request(&self) -> Request {
        let headers = if self.body.is_empty() { vec![] } else { vec![("content-type", "application/json".to_owned())] };
        Request { method: self.method, target: self.target.to_owned(), headers, body: self.body.to_owned() }
    }
}
