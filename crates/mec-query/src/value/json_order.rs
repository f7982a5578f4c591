//! The order of JSON values: that of PostgreSQL's `jsonb`, with text by its bytes at every depth.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::Digits;

/// An array without items, which stands before everything else, though not inside of something.
const EMPTY: &str = "0";
/// No text that is JSON.
const UNREADABLE: &str = "7";
/// The end of a text; it comes before every character.
const END: char = '\u{1}';
/// Before an [`END`] or an [`ESCAPE`] that is part of a text.
const ESCAPE: char = '\u{2}';
/// What exponents are counted from, so that they are never negative.
const EXPONENTS_FROM: i64 = 5_000_000;
/// Digits of a number of items, or of an exponent.
const WIDTH: usize = 10;

/// A text whose order by bytes is the order of JSON values: by kind (null, string, number, boolean,
/// array, object, from small to large), then by value. Of two arrays or objects the longer is
/// larger; else the first item (or key, or value) that differs decides, the shorter keys of an
/// object coming first. Equal values have equal keys.
pub fn json_key(text: &str) -> String {
    let mut key = String::new();
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Array(items)) if items.is_empty() => key.push_str(EMPTY),
        Ok(json) => push(&json, &mut key),
        Err(_) => {
            key.push_str(UNREADABLE);
            key.push_str(text);
        }
    }
    key
}

/// The order of two JSON texts.
pub fn compare_json(left: &str, right: &str) -> Ordering {
    json_key(left).cmp(&json_key(right))
}

fn push(json: &Json, key: &mut String) {
    match json {
        Json::Null => key.push('1'),
        Json::String(text) => {
            key.push('2');
            push_text(text, key);
        }
        Json::Number(number) => {
            key.push('3');
            push_number(&number.to_string(), key);
        }
        Json::Bool(flag) => key.push_str(if *flag { "4t" } else { "4f" }),
        Json::Array(items) => {
            key.push('5');
            key.push_str(&format!("{:0WIDTH$}", items.len()));
            items.iter().for_each(|item| push(item, key));
        }
        Json::Object(object) => {
            key.push('6');
            key.push_str(&format!("{:0WIDTH$}", object.len()));
            let mut entries: Vec<(&String, &Json)> = object.iter().collect();
            entries.sort_by_key(|(name, _)| (name.len(), *name));
            for (name, value) in entries {
                push_text(name, key);
                push(value, key);
            }
        }
    }
}

fn push_text(text: &str, key: &mut String) {
    for letter in text.chars() {
        if matches!(letter, END | ESCAPE) {
            key.push(ESCAPE);
        }
        key.push(letter);
    }
    key.push(END);
}

/// A sign, where the first digit stands, the digits; of a number below zero both with every digit's
/// complement to nine.
fn push_number(number: &str, key: &mut String) {
    // What is no number here has an exponent beyond every number that is kept.
    let Some(digits) = Digits::read(number) else {
        return key.push('1');
    };
    let (sign, point, digits) = digits.parts();
    let magnitude = format!(
        "{:0WIDTH$}{digits}",
        EXPONENTS_FROM.saturating_add(point).max(0)
    );
    match sign {
        Ordering::Equal => key.push('1'),
        Ordering::Greater => {
            key.push('2');
            key.push_str(&magnitude);
            key.push(END);
        }
        Ordering::Less => {
            key.push('0');
            key.extend(
                magnitude
                    .bytes()
                    .map(|digit| char::from(b'0' + (b'9' - digit))),
            );
            // After every digit, so that more of them make less.
            key.push('~');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_one_order() {
        let rising = [
            "[]",
            "null",
            r#""""#,
            r#""A""#,
            r#""a""#,
            r#""a\u0001""#,
            r#""a\u0002""#,
            r#""a\u0003""#,
            r#""ab""#,
            r#""b""#,
            "-1e400",
            "-10",
            "-2.5",
            "-2.05",
            "-2",
            "-1",
            "-0.5",
            "-1e-400",
            "0",
            "1e-400",
            "0.05",
            "0.5",
            "1",
            "2",
            "2.05",
            "2.5",
            "10",
            "1e2",
            "1e400",
            "false",
            "true",
            "[null]",
            r#"["a"]"#,
            "[1]",
            "[2]",
            "[true]",
            "[[]]",
            "[{}]",
            "[0,0]",
            "{}",
            r#"{"a":null}"#,
            r#"{"a":[]}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{}}"#,
            r#"{"aa":0}"#,
            r#"{"b":1}"#,
            r#"{"b":2}"#,
            r#"{"zz":1}"#,
            r#"{"é":1}"#,
            r#"{"bb":1,"a":2}"#,
            r#"{"c":0,"b":0}"#,
            r#"{"b":1,"aa":2}"#,
        ];
        for (at, left) in rising.iter().enumerate() {
            for (other, right) in rising.iter().enumerate() {
                assert_eq!(compare_json(left, right), at.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn equal_values_are_equal_however_they_are_written() {
        for (left, right) in [
            ("1.0", "1"),
            ("0", "-0.0"),
            ("1e2", "100"),
            (r#"{"a":[1.0],"b":2}"#, r#"{"b":2.0,"a":[1]}"#),
            (r#""\u0061""#, r#""a""#),
            (" [ ] ", "[]"),
        ] {
            assert_eq!(compare_json(left, right), Ordering::Equal, "{left} {right}");
        }
    }
}
