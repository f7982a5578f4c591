//! Rows as CSV in PostgreSQL's composite-literal style.

use super::json::push_shown;
use crate::rows::{Shape, Shown};
use crate::{Rows, Value};

/// A header line and a line for each row, without a newline at the end.
pub(super) fn write(rows: &Rows) -> String {
    let mut out = String::new();
    for (at, (key, _)) in rows.shape.keys.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(key);
    }
    for record in &rows.records {
        out.push('\n');
        for (at, ((_, inner), shown)) in rows.shape.keys.iter().zip(record).enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_field(inner.as_ref(), shown, &mut out);
        }
    }
    out
}

fn push_field(inner: Option<&Shape>, shown: &Shown, out: &mut String) {
    let text = match shown {
        // Null is an empty field, an empty text is quoted.
        Shown::Value(Value::Null) | Shown::One(None) => return,
        Shown::Value(Value::Bool(flag)) => if *flag { "t" } else { "f" }.to_owned(),
        Shown::Value(value) => value.to_text().unwrap_or_default(),
        Shown::One(Some(_)) | Shown::Many(_) => {
            let mut json = String::new();
            push_shown(inner, shown, false, &mut json);
            json
        }
    };
    let special = |character: char| matches!(character, '"' | '\\' | '(' | ')' | ',') || character.is_whitespace();
    if text.is_empty() || text.contains(special) {
        out.push('"');
        out.push_str(&text.replace('\\', "\\\\").replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decimal;

    #[test]
    fn fields_are_quoted_only_where_a_composite_literal_needs_it() {
        let keys = ["a", "b", "c"].map(|key| (key.to_owned(), None)).to_vec();
        let record = |values: [Value; 3]| values.map(Shown::Value).to_vec();
        let rows = Rows {
            shape: Shape { keys },
            records: vec![
                record([Value::text("trial-14d"), Value::text("14-Day Free Trial"), Value::Bool(true)]),
                record([Value::Null, Value::text(""), Value::Numeric(Decimal::new(5, 1))]),
                record([Value::text("q\"\\"), Value::Timestamp(880_000), Value::Json("{\"a\":1}".into())]),
            ],
        };
        assert_eq!(
            write(&rows),
            "a,b,c\ntrial-14d,\"14-Day Free Trial\",t\n,\"\",0.5\n\"q\"\"\\\\\",\"1970-01-01 00:00:00.88+00\",\"{\"\"a\"\":1}\""
        );
    }
}
