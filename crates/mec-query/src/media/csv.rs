//! Rows as CSV in PostgreSQL's composite-literal style.

use super::json::push_shown;
use super::sheet::Sheet;
use crate::rows::{Rows, Shown};
use crate::{QueryError, Value};

/// A header line and a line for each row, without a newline at the end.
pub(super) fn write<'a>(rows: &'a Rows<'a>, out: &mut Sheet<'_>) -> Result<(), QueryError> {
    out.text.push_str(&rows.keys().join(","));
    for row in &rows.fetched.rows {
        out.text.push('\n');
        let mut is_first = true;
        rows.each_shown(Some(row), &mut |_, shown| {
            if !is_first {
                out.text.push(',');
            }
            is_first = false;
            push_shown_field(shown, out)
        })?;
    }
    out.check()
}

fn push_shown_field(shown: Shown<'_>, out: &mut Sheet<'_>) -> Result<(), QueryError> {
    match shown {
        Shown::Value(value) => push_value(&value, &mut out.text),
        Shown::One(None) => {}
        Shown::One(Some(_)) | Shown::Many(..) => {
            let mut inner = out.inner();
            push_shown(shown, false, &mut inner)?;
            let parts = inner.parts();
            let is_quoted = parts.iter().any(|part| is_special(part));
            if is_quoted {
                out.text.push('"');
            }
            for part in parts {
                push_escaped(&part, &mut out.text);
                out.check()?;
            }
            if is_quoted {
                out.text.push('"');
            }
        }
    }
    out.check()
}

/// The field of one value.
pub(super) fn push_value(value: &Value, out: &mut String) {
    let text = match value {
        // Null is an empty field, an empty text is quoted.
        Value::Null => return,
        Value::Bool(flag) => if *flag { "t" } else { "f" }.to_owned(),
        value => value.to_text().unwrap_or_default(),
    };
    if text.is_empty() || is_special(&text) {
        out.push('"');
        push_escaped(&text, out);
        out.push('"');
    } else {
        out.push_str(&text);
    }
}

fn is_special(text: &str) -> bool {
    text.contains(|character: char| {
        matches!(character, '"' | '\\' | '(' | ')' | ',') || character.is_whitespace()
    })
}

fn push_escaped(text: &str, out: &mut String) {
    for piece in text.split_inclusive(['"', '\\']) {
        out.push_str(piece);
        if let Some(last @ ('"' | '\\')) = piece.chars().last() {
            out.push(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decimal;

    #[test]
    fn fields_are_quoted_only_where_a_composite_literal_needs_it() {
        for (value, field) in [
            (Value::text("trial-14d"), "trial-14d"),
            (Value::text("14-Day Free Trial"), "\"14-Day Free Trial\""),
            (Value::Bool(true), "t"),
            (Value::Null, ""),
            (Value::text(""), "\"\""),
            (Value::Numeric(Decimal::new(5, 1)), "0.5"),
            (Value::text("q\"\\"), "\"q\"\"\\\\\""),
            (Value::Timestamp(880_000), "\"1970-01-01 00:00:00.88+00\""),
            (Value::Json("{\"a\":1}".into()), "\"{\"\"a\"\":1}\""),
        ] {
            let mut out = String::new();
            push_value(&value, &mut out);
            assert_eq!(out, field);
        }
    }
}
