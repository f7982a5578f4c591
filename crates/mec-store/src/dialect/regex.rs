//! A regular expression as PostgreSQL's server takes it, which means the same there as in the query
//! crate: every set of characters is written out, so that no collation, no word boundary and no
//! letter case of the server's own plays a part.

use std::fmt::Write as _;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// What no text matches: the server's texts hold no other character.
const NOTHING: &str = r"[^\u0001-\U0010FFFF]";
/// The most repetitions the server counts.
const COUNT_MAX: u32 = 255;

/// The expression in the server's own language. One that is none matches nothing; requests with one
/// were refused.
pub(crate) fn translated(pattern: &str, ignore_case: bool) -> String {
    let mut parser = ParserBuilder::new()
        .case_insensitive(ignore_case)
        .dot_matches_new_line(true)
        .build();
    // It never begins with what the server takes for an option.
    let mut text = "(?:".to_owned();
    match parser.parse(pattern) {
        Ok(hir) => push(&hir, &mut text),
        Err(_) => text.push_str(NOTHING),
    }
    text.push(')');
    text
}

fn push(hir: &Hir, text: &mut String) {
    match hir.kind() {
        HirKind::Empty => text.push_str("(?:)"),
        HirKind::Literal(literal) => {
            String::from_utf8_lossy(&literal.0)
                .chars()
                .for_each(|letter| push_letter(letter, text));
        }
        HirKind::Class(class) => push_class(class, text),
        HirKind::Look(look) => text.push_str(&boundary(*look)),
        HirKind::Capture(capture) => group(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| group_if_several(part, text)),
        HirKind::Alternation(parts) => {
            for (at, part) in parts.iter().enumerate() {
                text.push_str(if at > 0 { "|" } else { "" });
                push(part, text);
            }
        }
        HirKind::Repetition(repetition) => {
            repeated(&repetition.sub, repetition.min, repetition.min, text);
            match repetition.max {
                None => {
                    group(&repetition.sub, text);
                    text.push('*');
                }
                Some(max) => repeated(&repetition.sub, 0, max.saturating_sub(repetition.min), text),
            }
        }
    }
}

fn group(hir: &Hir, text: &mut String) {
    text.push_str("(?:");
    push(hir, text);
    text.push(')');
}

/// A choice binds less than a sequence.
fn group_if_several(hir: &Hir, text: &mut String) {
    if matches!(hir.kind(), HirKind::Alternation(_)) {
        group(hir, text)
    } else {
        push(hir, text)
    }
}

/// Exactly `max` times, or from none to `max`, in portions that the server counts.
fn repeated(hir: &Hir, min: u32, max: u32, text: &mut String) {
    let mut left = max;
    while left > 0 {
        let count = left.min(COUNT_MAX);
        group(hir, text);
        let least = if min == 0 { 0 } else { count };
        write!(text, "{{{least},{count}}}").expect("a string takes any text");
        left -= count;
    }
}

fn push_class(class: &Class, text: &mut String) {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class
            .iter()
            .map(|range| (range.start(), range.end()))
            .collect(),
        Class::Bytes(class) => class
            .iter()
            .map(|range| (char::from(range.start()), char::from(range.end())))
            .collect(),
    };
    if ranges.is_empty() {
        return text.push_str(NOTHING);
    }
    text.push('[');
    for (start, end) in ranges {
        push_letter(start, text);
        if start < end {
            text.push('-');
            push_letter(end, text);
        }
    }
    text.push(']');
}

fn push_letter(letter: char, text: &mut String) {
    let number = u32::from(letter);
    let written = if letter.is_ascii_alphanumeric() {
        text.push(letter);
        Ok(())
    } else if number <= 0xffff {
        write!(text, "\\u{number:04x}")
    } else {
        write!(text, "\\U{number:08x}")
    };
    written.expect("a string takes any text");
}

fn boundary(look: Look) -> String {
    let word = |perl: &str| {
        let mut class = String::new();
        let parsed = ParserBuilder::new().build().parse(perl);
        push(&parsed.expect("it is an expression"), &mut class);
        class
    };
    let (ascii, unicode) = (r"(?-u:\w)", r"\w");
    match look {
        Look::Start => r"\A".to_owned(),
        Look::End => r"\Z".to_owned(),
        Look::StartLF => r"(?:\A|(?<=\u000a))".to_owned(),
        Look::EndLF => r"(?:\Z|(?=\u000a))".to_owned(),
        Look::StartCRLF => r"(?:\A|(?<=\u000a)|(?<=\u000d)(?!\u000a))".to_owned(),
        Look::EndCRLF => r"(?:\Z|(?=\u000d)|(?<!\u000d)(?=\u000a))".to_owned(),
        Look::WordAscii => at_edge(&word(ascii)),
        Look::WordUnicode => at_edge(&word(unicode)),
        Look::WordAsciiNegate => off_edge(&word(ascii)),
        Look::WordUnicodeNegate => off_edge(&word(unicode)),
        Look::WordStartAscii => begins(&word(ascii)),
        Look::WordStartUnicode => begins(&word(unicode)),
        Look::WordEndAscii => ends(&word(ascii)),
        Look::WordEndUnicode => ends(&word(unicode)),
        Look::WordStartHalfAscii => format!("(?<!{})", word(ascii)),
        Look::WordStartHalfUnicode => format!("(?<!{})", word(unicode)),
        Look::WordEndHalfAscii => format!("(?!{})", word(ascii)),
        Look::WordEndHalfUnicode => format!("(?!{})", word(unicode)),
    }
}

fn begins(word: &str) -> String {
    format!("(?<!{word})(?={word})")
}

fn ends(word: &str) -> String {
    format!("(?<={word})(?!{word})")
}

fn at_edge(word: &str) -> String {
    format!("(?:{}|{})", begins(word), ends(word))
}

fn off_edge(word: &str) -> String {
    format!("(?:(?<={word})(?={word})|(?<!{word})(?!{word}))")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_written_out() {
        for (pattern, ignore_case, wanted) in [
            ("a.b", false, r"(?:a[\u0000-\U0010ffff]b)"),
            ("^ab|c$", false, r"(?:\Aab|c\Z)"),
            ("k", true, r"(?:[Kk\u212a])"),
            ("(a|b)*?", false, r"(?:(?:(?:[a-b]))*)"),
            ("a{300}", false, r"(?:(?:a){255,255}(?:a){45,45})"),
            ("a{1,3}", false, r"(?:(?:a){1,1}(?:a){0,2})"),
            ("[^a-z]", false, r"(?:[\u0000-\u0060\u007b-\U0010ffff])"),
            ("***=", false, r"(?:[^\u0001-\U0010FFFF])"),
            (
                r"\b",
                false,
                &format!("(?:{})", boundary(Look::WordUnicode)),
            ),
            (r"(?m)^", false, r"(?:(?:\A|(?<=\u000a)))"),
            ("", false, "(?:(?:))"),
            (r"[a&&b]", false, r"(?:[^\u0001-\U0010FFFF])"),
        ] {
            assert_eq!(translated(pattern, ignore_case), wanted, "{pattern}");
        }
    }
}
