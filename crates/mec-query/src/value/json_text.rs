//! JSON values as text, as PostgreSQL's `jsonb` writes them: whatever the spelling, a value has one
//! text on every store.

use serde_json::Value as Json;

use super::push_json_string;

/// The text of a JSON value: a blank behind commas and colons, the shorter names of an object first
/// and then by their bytes, of members of one name the last, numbers with the digits they have and
/// without an exponent.
pub fn json_text(json: &Json) -> String {
    let mut out = String::new();
    push(json, &mut out);
    out
}

fn push(json: &Json, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Json::Number(number) => push_plain(&number.to_string(), out),
        Json::String(text) => push_json_string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                push(item, out);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            let mut entries: Vec<(&String, &Json)> = entries.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| (name.len(), *name));
            out.push('{');
            for (at, (name, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                push_json_string(name, out);
                out.push_str(": ");
                push(value, out);
            }
            out.push('}');
        }
    }
}

/// A JSON number without its exponent; digits behind the point stay, also zeros.
fn push_plain(number: &str, out: &mut String) {
    let (sign, magnitude) = number
        .strip_prefix('-')
        .map_or(("", number), |magnitude| ("-", magnitude));
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    // What is read as JSON here has exponents that were looked at.
    let exponent = exponent.parse::<i64>().unwrap_or(0);
    let point = i64::try_from(whole.len())
        .unwrap_or(i64::MAX)
        .saturating_add(exponent);
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let (before, behind) = match usize::try_from(point) {
        Err(_) | Ok(0) => (String::new(), zeros(point.saturating_neg()) + &digits),
        Ok(place) if place < digits.len() => {
            (digits[..place].to_owned(), digits[place..].to_owned())
        }
        Ok(place) => (
            digits.clone() + &"0".repeat(place - digits.len()),
            String::new(),
        ),
    };
    if digits.bytes().any(|digit| digit != b'0') {
        out.push_str(sign);
    }
    let before = before.trim_start_matches('0');
    out.push_str(if before.is_empty() { "0" } else { before });
    if !behind.is_empty() {
        out.push('.');
        out.push_str(&behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_text() {
        for (given, wanted) in [
            (
                r#" { "bb" : 1 , "a":[ 1,2 ,{}],"b": null , "é":[] } "#,
                r#"{"a": [1, 2, {}], "b": null, "bb": 1, "é": []}"#,
            ),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a": 3, "b": 2}"#),
            (r#""\u00e9\/\u0001\n\"\\""#, r#""é/\u0001\n\"\\""#),
            ("1", "1"),
            ("-12.50", "-12.50"),
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("1e2", "100"),
            ("1.50E+1", "15.0"),
            ("1.5e3", "1500"),
            ("1e-5", "0.00001"),
            ("-2.5e-1", "-0.25"),
            ("0.001e2", "0.1"),
            ("0e5", "0"),
            ("0e-5", "0.00000"),
            ("12.34e-2", "0.1234"),
            ("12.34e-1", "1.234"),
            ("12345678901234567890.10", "12345678901234567890.10"),
        ] {
            let text = json_text(&serde_json::from_str(given).expect(given));
            assert_eq!(text, wanted, "{given}");
            assert_eq!(
                json_text(&serde_json::from_str(&text).expect(given)),
                text,
                "{given}"
            );
        }
    }
}
