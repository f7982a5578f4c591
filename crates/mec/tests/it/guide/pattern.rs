//! What an answer must look like, written as the guide writes it: JSON in which `...` stands for
//! anything.
//!
//! Keys shown must be there with these values and further keys are allowed; arrays and streams of
//! documents must have the length shown unless a `...` opens them; a UUID or an instant stands for
//! any.

use std::fmt;

use serde_json::Value;

/// What one JSON value must look like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    /// `...` or `"..."`.
    Anything,
    /// A whole UUID, or its beginning: `"a1b2c3d4-..."`, where the letters need not be hexadecimal.
    AnyUuid,
    /// A whole RFC 3339 instant.
    AnyInstant,
    /// Text that ends in `...`.
    StartsWith(String),
    /// Null, a boolean, a number (compared as written: 100 is not 100.0) or other text.
    Exactly(Value),
    /// An array.
    Array(Sequence),
    /// An object: the keys that must be there.
    Object(Vec<(String, Pattern)>),
}

/// Values in order: an array's elements, or the documents of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sequence {
    before: Vec<Pattern>,
    /// What follows a `...`; without one the length is fixed.
    after_gap: Option<Vec<Pattern>>,
}

/// Where an answer differs from what was shown.
#[derive(Debug, PartialEq)]
pub(crate) struct Mismatch {
    /// As in jq, with the document's number in front: `[0].decision`.
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch {
            path,
            expected,
            got,
        } = self;
        write!(f, "at {path}: expected {expected}, got {got}")
    }
}

impl Sequence {
    /// Reads a block of the guide: one document or several, one after the other.
    pub(crate) fn parse(text: &str) -> Result<Sequence, String> {
        let mut reader = Reader { text, at: 0 };
        let documents = reader.sequence(None)?;
        if documents == Sequence::default() {
            return Err("no JSON in it".to_owned());
        }
        Ok(documents)
    }

    /// Compares with the documents of an answer.
    pub(crate) fn check(&self, answer: &[Value]) -> Result<(), Mismatch> {
        self.check_at("answer", answer)
    }

    fn check_at(&self, path: &str, got: &[Value]) -> Result<(), Mismatch> {
        let tail: &[Pattern] = self.after_gap.as_deref().unwrap_or_default();
        let least = self.before.len() + tail.len();
        let open = self.after_gap.is_some();
        if got.len() < least || (!open && got.len() > least) {
            let at_least = if open { "at least " } else { "" };
            return Err(Mismatch {
                path: path.to_owned(),
                expected: format!("{at_least}{least} values"),
                got: format!("{} values", got.len()),
            });
        }
        let tail_at = got.len() - tail.len();
        let places = (0..self.before.len()).chain(tail_at..got.len());
        for (pattern, index) in self.before.iter().chain(tail).zip(places) {
            pattern.check_at(&format!("{path}[{index}]"), &got[index])?;
        }
        Ok(())
    }
}

impl Pattern {
    fn check_at(&self, path: &str, got: &Value) -> Result<(), Mismatch> {
        let fits = match (self, got) {
            (Pattern::Anything, _) => true,
            (Pattern::AnyUuid, Value::String(got)) => is_uuid(got),
            (Pattern::AnyInstant, Value::String(got)) => is_instant(got),
            (Pattern::StartsWith(start), Value::String(got)) => got.starts_with(start.as_str()),
            (Pattern::Exactly(value), got) => value == got,
            (Pattern::Array(elements), Value::Array(got)) => return elements.check_at(path, got),
            (Pattern::Object(fields), Value::Object(got)) => {
                for (key, pattern) in fields {
                    let path = format!("{path}.{key}");
                    match got.get(key) {
                        Some(got) => pattern.check_at(&path, got)?,
                        None => {
                            return Err(Mismatch {
                                path,
                                expected: pattern.to_string(),
                                got: "no such key".to_owned(),
                            });
                        }
                    }
                }
                true
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(Mismatch {
            path: path.to_owned(),
            expected: self.to_string(),
            got: got.to_string(),
        })
    }

    fn of_text(text: &str) -> Pattern {
        if let Some(start) = text.strip_suffix("...") {
            return match start.strip_suffix('-') {
                _ if start.is_empty() => Pattern::Anything,
                Some(id) if id.len() == 8 && id.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                    Pattern::AnyUuid
                }
                _ => Pattern::StartsWith(start.to_owned()),
            };
        }
        if is_uuid(text) {
            Pattern::AnyUuid
        } else if is_instant(text) {
            Pattern::AnyInstant
        } else {
            Pattern::Exactly(Value::from(text))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Anything => f.write_str("anything"),
            Pattern::AnyUuid => f.write_str("a UUID"),
            Pattern::AnyInstant => f.write_str("an RFC 3339 instant"),
            Pattern::StartsWith(start) => write!(f, "text that starts with {start:?}"),
            Pattern::Exactly(value) => write!(f, "{value}"),
            Pattern::Array(_) => f.write_str("an array"),
            Pattern::Object(_) => f.write_str("an object"),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// Values up to `end`, or up to the end of the text. Commas may be missing or trail: the guide
    /// writes `...` on a line of its own.
    fn sequence(&mut self, end: Option<&str>) -> Result<Sequence, String> {
        let mut sequence = Sequence::default();
        loop {
            self.skip_separators(end.is_some());
            match end {
                Some(end) if self.take(end) => return Ok(sequence),
                None if self.at == self.text.len() => return Ok(sequence),
                _ => {}
            }
            if self.take("...") {
                if sequence.after_gap.replace(Vec::new()).is_some() {
                    return Err(self.says("a second `...` in one list"));
                }
                continue;
            }
            let value = self.value()?;
            match &mut sequence.after_gap {
                Some(tail) => tail.push(value),
                None => sequence.before.push(value),
            }
        }
    }

    fn value(&mut self) -> Result<Pattern, String> {
        self.skip_separators(false);
        if self.take("...") {
            return Ok(Pattern::Anything);
        }
        if self.take("[") {
            return Ok(Pattern::Array(self.sequence(Some("]"))?));
        }
        if self.take("{") {
            return self.object();
        }
        if self.rest().starts_with('"') {
            return Ok(Pattern::of_text(&self.string()?));
        }
        let length = self
            .rest()
            .find(|c: char| c.is_whitespace() || ",]}".contains(c))
            .unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let value = serde_json::from_str(word)
            .map_err(|_| self.says(&format!("{word:?} is not a JSON value")))?;
        self.at += length;
        Ok(Pattern::Exactly(value))
    }

    fn object(&mut self) -> Result<Pattern, String> {
        let mut fields = Vec::new();
        loop {
            self.skip_separators(true);
            if self.take("}") {
                return Ok(Pattern::Object(fields));
            }
            if self.take("...") {
                continue;
            }
            if !self.rest().starts_with('"') {
                return Err(self.says("expected a key in quotes, `...` or `}`"));
            }
            let key = self.string()?;
            self.skip_separators(false);
            if !self.take(":") {
                return Err(self.says(&format!("expected `:` after {key:?}")));
            }
            fields.push((key, self.value()?));
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let mut escaped = false;
        let inside = &self.rest()[1..];
        let length = inside.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(length) = length else {
            return Err(self.says("a string without its end"));
        };
        let literal = &self.rest()[..length + 2];
        let text = serde_json::from_str(literal)
            .map_err(|why| self.says(&format!("{literal} is not a JSON string ({why})")))?;
        self.at += literal.len();
        Ok(text)
    }

    fn skip_separators(&mut self, commas: bool) {
        let rest = self.rest();
        let kept = rest.trim_start_matches(|c: char| c.is_whitespace() || (commas && c == ','));
        self.at += rest.len() - kept.len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn says(&self, what: &str) -> String {
        let line = self.text[..self.at].lines().count().max(1);
        format!("line {line} of the JSON: {what}")
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `2026-01-30T12:00:00Z`, with or without a fraction, with `Z` or an offset.
fn is_instant(text: &str) -> bool {
    let Some((date_and_time, zone)) = text.split_at_checked(19) else {
        return false;
    };
    let zone = match zone.strip_prefix('.') {
        None => zone,
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() == fraction.len() {
                return false;
            }
            rest
        }
    };
    let offset = zone.strip_prefix(['+', '-']);
    has_shape(date_and_time, "9999-19-39T29:59:69")
        && (zone == "Z" || offset.is_some_and(|offset| has_shape(offset, "29:59")))
}

/// Same length; a digit of the shape is the greatest digit allowed there, the rest is literal.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(got, shape)| {
            if shape.is_ascii_digit() {
                (b'0'..=shape).contains(&got)
            } else {
                got == shape
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = r#""0193a5c2-7b1e-7c3d-8e4f-0123456789ab""#;

    fn verdict(shown: &str, answer: &str) -> Result<(), Mismatch> {
        let answer: Vec<Value> = serde_json::Deserializer::from_str(answer)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        Sequence::parse(shown).unwrap().check(&answer)
    }

    #[test]
    fn these_answers_fit_what_is_shown() {
        let instant = r#""2026-11-24T05:06:07.123456Z""#;
        let rows: [(&str, &str); 24] = [
            ("5", "5"),
            ("true", "true"),
            ("null", "null"),
            (r#"{"status": "healthy"}"#, r#"{"status":"healthy"}"#),
            (r#"{"a": 1}"#, r#"{"b": 2, "a": 1}"#),
            (r#"{"a": 1, ...}"#, r#"{"a": 1}"#),
            ("{\n  \"a\": 1,\n  ...\n}", r#"{"a": 1, "b": 2}"#),
            ("{\"a\": 1\n,\n ...}", r#"{"a": 1, "b": 2}"#),
            (r#"{"a": ...}"#, r#"{"a": {"b": []}}"#),
            (r#"{"a": "..."}"#, r#"{"a": null}"#),
            (
                r#"{"a": "Usage at ..."}"#,
                r#"{"a": "Usage at 100.0% of limit"}"#,
            ),
            (r#""e1f2g3h4-...""#, ID),
            (r#""l1m2n3o4-...""#, ID),
            (ID, r#""ffffffff-ffff-4fff-bfff-ffffffffffff""#),
            (r#""2026-01-30T12:00:00Z""#, instant),
            (
                r#""2026-01-30T12:00:00Z""#,
                r#""2026-11-24T05:06:07+00:00""#,
            ),
            ("[1, 2]", "[1, 2]"),
            ("[1, ...]", "[1]"),
            ("[1, ...]", "[1, 2, 3]"),
            ("[1,\n  ...\n  3\n]", "[1, 2, 3]"),
            ("[]", "[]"),
            ("{\"n\": 1}\n{\"n\": 2}", "{\n \"n\": 1\n}\n{\n \"n\": 2\n}"),
            ("{\"n\": 1}\n...", r#"{"n": 1} {"n": 2} {"n": 3}"#),
            (
                r#"{"a": "say \"...\" twice"}"#,
                r#"{"a": "say \"...\" twice"}"#,
            ),
        ];
        for (shown, answer) in rows {
            assert_eq!(verdict(shown, answer), Ok(()), "{shown} and {answer}");
        }
    }

    #[test]
    fn these_answers_do_not_fit_what_is_shown() {
        let rows: [(&str, &str, &str); 30] = [
            ("5", "4", "answer[0]"),
            ("5", "\"5\"", "answer[0]"),
            ("5", "", "answer"),
            ("5", "5 5", "answer"),
            ("true", "false", "answer[0]"),
            ("100", "100.0", "answer[0]"),
            ("100", "null", "answer[0]"),
            ("null", "0", "answer[0]"),
            (r#"{"a": 1}"#, r#"{"b": 1}"#, "answer[0].a"),
            (r#"{"a": 1}"#, r#"{"a": 2}"#, "answer[0].a"),
            (r#"{"a": 1, ...}"#, r#"{"b": 1}"#, "answer[0].a"),
            (r#"{"a": ...}"#, r#"{"b": 1}"#, "answer[0].a"),
            (r#"{"a": "..."}"#, "{}", "answer[0].a"),
            (r#"{"a": 1}"#, r#"[{"a": 1}]"#, "answer[0]"),
            (r#"[{"a": 1}]"#, r#"{"a": 1}"#, "answer[0]"),
            ("[1, 2]", "[1, 2, 3]", "answer[0]"),
            ("[1, 2]", "[1]", "answer[0]"),
            ("[1, 2]", "[2, 1]", "answer[0][0]"),
            ("[]", "[1]", "answer[0]"),
            ("[1, ..., 3]", "[1, 2]", "answer[0][1]"),
            ("[1, ..., 1]", "[1]", "answer[0]"),
            ("{\"n\": 1}\n{\"n\": 2}", r#"{"n": 1}"#, "answer"),
            (
                "{\"n\": 1}\n{\"n\": 2}",
                r#"{"n": 2} {"n": 1}"#,
                "answer[0].n",
            ),
            ("{\"n\": 1}\n...", r#"{"n": 2} {"n": 1}"#, "answer[0].n"),
            (r#""e1f2g3h4-...""#, r#""e1f2g3h4-more""#, "answer[0]"),
            (r#""e1f2g3h4-...""#, "null", "answer[0]"),
            (ID, r#""0193a5c2-7b1e-7c3d-8e4f-0123456789ag""#, "answer[0]"),
            (
                r#""2026-01-30T12:00:00Z""#,
                r#""2026-01-30 12:00:00Z""#,
                "answer[0]",
            ),
            (
                r#""2026-01-30T12:00:00Z""#,
                r#""2026-01-30T12:00:00""#,
                "answer[0]",
            ),
            (r#""Usage at ...""#, r#""Within entitlement""#, "answer[0]"),
        ];
        for (shown, answer, path) in rows {
            match verdict(shown, answer) {
                Ok(()) => panic!("{shown} must not accept {answer}"),
                Err(mismatch) => assert_eq!(mismatch.path, path, "{shown} and {answer}"),
            }
        }
    }

    #[test]
    fn a_mismatch_says_where_what_and_what_instead() {
        let mismatch = verdict(
            r#"[{"reason": "Limit reached"}]"#,
            r#"[{"reason": "Unlimited"}]"#,
        );
        assert_eq!(
            mismatch.unwrap_err().to_string(),
            r#"at answer[0][0].reason: expected "Limit reached", got "Unlimited""#
        );
    }

    #[test]
    fn what_is_not_json_with_dots_is_refused() {
        let rows = [
            "",
            "  \n",
            "healthy",
            r#"{"a": 1"#,
            r#"{"a" 1}"#,
            r#"{a: 1}"#,
            "[1, 2",
            r#""no end"#,
            "[..., ...]",
            "(Number of entitlements created)",
            "5)",
        ];
        for text in rows {
            assert!(Sequence::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn instants_have_a_date_a_time_and_a_zone() {
        for text in ["2026-02-28T23:59:59.5Z", "2026-11-24T00:00:00-05:30"] {
            assert!(is_instant(text), "{text}");
        }
        let not = [
            "2026-11-24",
            "2026-11-24T00:00:00",
            "2026-11-24T00:00:00.Z",
            "2026-11-24T00:00:00Zz",
            "2026-11-24T00:00:00+0",
            "2026-11-44T00:00:00Z",
            "2026-11-24T77:00:00Z",
            "twenty twenty-six!!",
        ];
        for text in not {
            assert!(!is_instant(text), "{text}");
        }
    }
}
