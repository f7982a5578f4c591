//! A raw query string to decoded pairs, and back to the sorted form that `Content-Location` shows.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is when a parameter is written again.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The parameters in the order written. Plus is a space; a broken escape stays as it is; bytes that
/// are no UTF-8 become replacement characters. The value is `None` where there is no `=`.
pub(crate) fn pairs(query: &str) -> Vec<(String, Option<String>)> {
    let query = query.strip_prefix('?').unwrap_or(query);
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((key, value)) => (decoded(key), Some(decoded(value))),
            None => (decoded(part), None),
        })
        .collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// The parameters sorted by key (equal keys keep their order) and encoded.
pub(super) fn canonical(pairs: &[(String, Option<String>)]) -> String {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    let encoded = sorted.into_iter().map(|(key, value)| {
        let value = value.as_deref().unwrap_or_default();
        format!(
            "{}={}",
            utf8_percent_encode(key, UNRESERVED),
            utf8_percent_encode(value, UNRESERVED)
        )
    });
    encoded.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_plus_first() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            pairs("?a=1+2%2B3&b&&select=plan_id%2Cname%3Aplan_name&x=%zz&y=%ff"),
            vec![
                ("a".to_owned(), some("1 2+3")),
                ("b".to_owned(), None),
                ("select".to_owned(), some("plan_id,name:plan_name")),
                ("x".to_owned(), some("%zz")),
                ("y".to_owned(), some("\u{fffd}")),
            ]
        );
    }

    #[test]
    fn the_canonical_form_is_sorted_by_key() {
        assert_eq!(canonical(&pairs("b=2&a=x%20y,z&c")), "a=x%20y%2Cz&b=2&c=");
    }
}
