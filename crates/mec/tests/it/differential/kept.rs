//! Requests that the two stores would answer differently without care, each under the name of what
//! takes it.

use super::requests::Request;

/// A read of MEC's tables.
pub(crate) struct Kept {
    pub(crate) name: &'static str,
    target: &'static str,
}

const fn kept(name: &'static str, target: &'static str) -> Kept {
    Kept { name, target }
}

pub(crate) const KEPT: &[Kept] = &[
    kept(
        "a NUL in a path into JSON",
        "accounts?metadata-%3Ea%00b-%3E%3Ec=is.null",
    ),
    kept(
        "a NUL in a path of an embed's condition",
        "accounts?select=account_id,entitlements(*)&entitlements.metadata-%3E%00=is.null",
    ),
    kept(
        "rows of no day that has a part, asked for with what is never null beside an OR",
        "control_decisions_log?decision_id=not.is.null\
         &decision_id=not.lte(all).%7B01980000-0000-7000-8000-000000000007,01980000-0000-7000-8000-000000000002%7D",
    ),
    kept(
        "the lower-case sigma at a word's end",
        "accounts?or=(display_name.ilike.*%CF%82,email.ilike.*%CF%82)",
    ),
    kept(
        "the lower-case sigma elsewhere",
        "accounts?or=(display_name.ilike.*%CF%83,email.ilike.*%CF%83)",
    ),
    kept(
        "a letter whose lower-case form is two",
        "accounts?or=(display_name.ilike.i_*,email.ilike.i_*)",
    ),
    kept(
        "letters that are the same but for case in no alphabet's own words",
        "accounts?or=(email.imatch.k,email.imatch.s)",
    ),
    kept(
        "the edge of a word",
        "accounts?display_name=match.%5Cba%5Cb",
    ),
    kept(
        "a dot and the end of a line",
        "accounts?or=(display_name.match.e.b,email.match.e.b)",
    ),
    kept(
        "what is no letter, and the end of a line",
        "accounts?or=(display_name.match.%5B%5Ea%5Db,email.match.%5B%5Ea%5Db)",
    ),
    kept(
        "more repetitions than a server counts",
        "accounts?display_name=match.a%7B2,300%7D%7C%5Eb",
    ),
    kept(
        "what looks like a server's own options",
        "accounts?display_name=match.%28%3Fi%29A",
    ),
    kept(
        "the order of text inside of lists",
        "accounts?select=metadata&order=metadata-%3Etags,metadata",
    ),
    kept(
        "the order of objects by their keys",
        "accounts?select=metadata&order=metadata-%3Etier.desc.nullslast",
    ),
    kept(
        "a number beyond every float",
        "accounts?metadata-%3Etier-%3En=gt.1e399&order=metadata-%3Etier-%3En",
    ),
];

impl Kept {
    pub(crate) fn request(&self) -> Request {
        Request::get(format!("/api/{}", self.target))
    }
}
