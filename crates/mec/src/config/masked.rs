//! Addresses and settings without the passwords in them.

use percent_encoding::percent_decode_str;

/// An address without its password, wherever in it that stands: `postgres://user:***@host`.
pub(crate) fn masked(value: &str) -> String {
    let after_scheme = value.find(':').map_or(0, |at| {
        at + 1
            + value[at + 1..]
                .bytes()
                .take_while(|byte| *byte == b'/')
                .count()
    });
    let (scheme, rest) = value.split_at(after_scheme);
    // A password may hold any character, so the host begins behind the last @.
    let credentials = (!scheme.starts_with("sqlite:"))
        .then(|| rest.rsplit_once('@'))
        .flatten();
    let shown = match credentials
        .and_then(|(credentials, host)| Some((credentials.split_once(':')?.0, host)))
    {
        Some((user, host)) => format!("{scheme}{user}:***@{host}"),
        None => value.to_owned(),
    };
    shown
        .split_inclusive(['?', '&', ' '])
        .map(without_password)
        .collect()
}

/// A parameter with the sign that ends it.
fn without_password(parameter: &str) -> String {
    let Some((name, value)) = parameter.split_once('=') else {
        return parameter.to_owned();
    };
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    if !["password", "sslpassword"]
        .into_iter()
        .any(|secret| decoded.eq_ignore_ascii_case(secret))
    {
        return parameter.to_owned();
    }
    let end = value.rfind(['?', '&', ' ']).map_or("", |at| &value[at..]);
    format!("{name}=***{end}")
}
