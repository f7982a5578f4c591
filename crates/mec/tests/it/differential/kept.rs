//! Requests that the two stores would answer differently without care, each under the name of what takes it.

use super::requests::Request;

/// Whose tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Mec,
    Fixture,
}

/// A read of them.
pub(crate) struct Kept {
    pub(crate) name: &'static str,
    pub(crate) on: On,
    target: &'static str,
}

const fn kept(name: &'static str, on: On, target: &'static str) -> Kept {
    Kept { name, on, target }
}

pub(crate) const KEPT: &[Kept] = &[
    kept("a NUL in a path into JSON", On::Fixture, "trash_details?jsonb_col-%3Ea%00b-%3E%3Ec=is.null"),
    kept(
        "a NUL in a path of an embed's condition",
        On::Fixture,
        "trash?select=id,trash_details(*)&trash_details.jsonb_col-%3E%00=is.null",
    ),
    kept(
        "rows of no day that has a part, asked for with what is never null beside an OR",
        On::Mec,
        "control_decisions_log?decision_id=not.is.null\
         &decision_id=not.lte(all).%7B01980000-0000-7000-8000-000000000007,01980000-0000-7000-8000-000000000002%7D",
    ),
    kept("the lower-case sigma at a word's end", On::Mec, "accounts?or=(display_name.ilike.*%CF%82,email.ilike.*%CF%82)"),
    kept("the lower-case sigma elsewhere", On::Mec, "accounts?or=(display_name.ilike.*%CF%83,email.ilike.*%CF%83)"),
    kept("a letter whose lower-case form is two", On::Mec, "accounts?or=(display_name.ilike.i_*,email.ilike.i_*)"),
    kept(
        "letters that are the same but for case in no alphabet's own words",
        On::Mec,
        "accounts?or=(email.imatch.k,email.imatch.s)",
    ),
    kept("the edge of a word", On::Mec, "accounts?display_name=match.%5Cba%5Cb"),
    kept("a dot and the end of a line", On::Mec, "accounts?or=(display_name.match.e.b,email.match.e.b)"),
    kept(
        "what is no letter, and the end of a line",
        On::Mec,
        "accounts?or=(display_name.match.%5B%5Ea%5Db,email.match.%5B%5Ea%5Db)",
    ),
    kept("more repetitions than a server counts", On::Mec, "accounts?display_name=match.a%7B2,300%7D%7C%5Eb"),
    kept("what looks like a server's own options", On::Mec, "accounts?display_name=match.%28%3Fi%29A"),
    kept("the order of text inside of lists", On::Mec, "accounts?select=metadata&order=metadata-%3Etags,metadata"),
    kept("the order of objects by their keys", On::Mec, "accounts?select=metadata&order=metadata-%3Etier.desc.nullslast"),
    kept("a number beyond every float", On::Mec, "accounts?metadata-%3Etier-%3En=gt.1e399&order=metadata-%3Etier-%3En"),
];

impl Kept {
    pub(crate) fn request(&self) -> Request {
        Request::get(format!("/api/{}", self.target))
    }
}
