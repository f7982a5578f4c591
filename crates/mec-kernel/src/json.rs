//! When two JSON texts say the same: order of members, spelling of numbers and texts, and blanks
//! are no part of a value.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use crate::decimal::Decimal;

/// Deeper than any JSON reader of the program goes.
const DEPTH_MAX: u32 = 200;

/// One text for every JSON value: equal values give equal texts, others do not. `None`: it is no
/// JSON.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
    };
    let value = reader.value(0)?;
    reader.blanks();
    reader.rest.next().is_none().then_some(value)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        while self
            .rest
            .next_if(|next| matches!(next, ' ' | '\t' | '\n' | '\r'))
            .is_some()
        {}
    }

    /// Whether `wanted` comes next; it is taken.
    fn takes(&mut self, wanted: char) -> bool {
        self.blanks();
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn value(&mut self, depth: u32) -> Option<String> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blanks();
        match self.rest.peek()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.text().map(|text| of_text(&text)),
            't' | 'f' | 'n' => self.word(),
            _ => self.number(),
        }
    }

    /// Of members of one name the last counts.
    fn object(&mut self, depth: u32) -> Option<String> {
        let mut members: BTreeMap<String, String> = BTreeMap::new();
        self.rest.next()?;
        if !self.takes('}') {
            loop {
                self.blanks();
                let name = self.text()?;
                if !self.takes(':') {
                    return None;
                }
                members.insert(name, self.value(depth.saturating_add(1))?);
                if self.takes('}') {
                    break;
                }
                if !self.takes(',') {
                    return None;
                }
            }
        }
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| [&*of_text(name), value].concat())
            .collect();
        Some(["{", &members.concat(), "}"].concat())
    }

    fn array(&mut self, depth: u32) -> Option<String> {
        let mut items = vec![];
        self.rest.next()?;
        if !self.takes(']') {
            loop {
                items.push(self.value(depth.saturating_add(1))?);
                if self.takes(']') {
                    break;
                }
                if !self.takes(',') {
                    return None;
                }
            }
        }
        Some(["[", &items.concat(), "]"].concat())
    }

    fn word(&mut self) -> Option<String> {
        let mut word = String::new();
        while let Some(letter) = self.rest.next_if(char::is_ascii_lowercase) {
            word.push(letter);
        }
        matches!(&*word, "true" | "false" | "null").then_some(word)
    }

    fn number(&mut self) -> Option<String> {
        let mut number = String::new();
        while let Some(part) = self
            .rest
            .next_if(|next| next.is_ascii_digit() || matches!(next, '+' | '-' | '.' | 'e' | 'E'))
        {
            number.push(part);
        }
        number
            .parse::<Decimal>()
            .ok()
            .map(|number| format!("#{number};"))
    }

    fn text(&mut self) -> Option<String> {
        if self.rest.next() != Some('"') {
            return None;
        }
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                other => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit()?;
                let units = if (0xd800..0xdc00).contains(&first) {
                    if (self.rest.next(), self.rest.next()) != (Some('\\'), Some('u')) {
                        return None;
                    }
                    vec![first, self.unit()?]
                } else {
                    vec![first]
                };
                char::decode_utf16(units).next()?.ok()?
            }
            other @ ('"' | '\\' | '/') => other,
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = u16::try_from(self.rest.next()?.to_digit(16)?).ok()?;
            unit = unit.checked_mul(16)?.checked_add(digit)?;
        }
        Some(unit)
    }
}

/// A text with its length, so that nothing in it reads as something else.
fn of_text(text: &str) -> String {
    format!("\"{}:{text}", text.len())
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn equal_values_are_equal_however_they_are_written() {
        for (one, other) in [
            (
                r#"{"a":1,"b":[true,null]}"#,
                " { \"b\" : [ true , null ], \"a\" : 1.0 } ",
            ),
            ("1.50", "15e-1"),
            ("100", "1E+2"),
            ("-0", "0.00"),
            (r#""\u00e9\ud83d\ude00\/""#, "\"é😀/\""),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("12345678901234567890.10", "12345678901234567890.1"),
        ] {
            assert!(canonical(one).is_some());
            assert_eq!(canonical(one), canonical(other), "{one} {other}");
        }
    }

    #[test]
    fn other_values_are_other() {
        let values = [
            "0",
            "1",
            "-1",
            "10",
            "0.1",
            "1e400",
            "\"1\"",
            "\"\"",
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "[[]]",
            "[{}]",
            "[1,2]",
            "[2,1]",
            "[12]",
            "[\"1\",\"2\"]",
            "[\"12\"]",
            "{\"a\":1}",
            "{\"a\":\"1\"}",
            "{\"a\":{\"b\":1}}",
            "{\"a\":1,\"b\":1}",
            "\"\\\"1:a\"",
            "[\"a\"]",
            "12345678901234567890.1",
            "12345678901234567890.2",
        ];
        for (place, one) in values.iter().enumerate() {
            assert!(canonical(one).is_some(), "{one}");
            for other in values.iter().take(place) {
                assert_ne!(canonical(one), canonical(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_json_has_no_canonical_text() {
        let deep = "[".repeat(300);
        for text in [
            "",
            "{",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "tru",
            "nulll",
            "01x",
            "1.",
            ".5",
            "\"\\ud800\"",
            "1 2",
            "\"",
            &deep,
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
