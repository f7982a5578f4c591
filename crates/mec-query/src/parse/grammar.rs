//! The smallest rules: names, quoted texts, JSON paths.

use winnow::combinator::{
    alt, delimited, eof, not, opt, peek, preceded, repeat, separated, terminated,
};
use winnow::prelude::*;
use winnow::token::{any, none_of, one_of, take_while};

use super::fault::{Fault, Parsed};
use super::syntax::{Field, JsonKey, JsonStep};
use crate::limits::MAX_ITEMS;

/// Spaces and tabs.
pub(super) fn blank(input: &mut &str) -> Parsed<()> {
    take_while(0.., [' ', '\t']).void().parse_next(input)
}

/// `rule` with blanks around it.
pub(super) fn lexeme<'a, T>(
    rule: impl Parser<&'a str, T, Fault>,
) -> impl Parser<&'a str, T, Fault> {
    delimited(blank, rule, blank)
}

/// `"…"` with `\"` and `\\` for the two special characters.
pub(super) fn quoted(input: &mut &str) -> Parsed<String> {
    let character = alt((preceded('\\', any), none_of(['"', '\\'])));
    let inner = repeat(0.., character).fold(String::new, |mut text, character| {
        text.push(character);
        text
    });
    delimited('"', inner, '"').parse_next(input)
}

/// A name: letters, digits, `_`, `$`, spaces and inner `-`, trimmed; or anything in quotes.
pub(super) fn name(input: &mut &str) -> Parsed<String> {
    let identifier = || {
        take_while(1.., |c: char| {
            c.is_alphanumeric() || matches!(c, '_' | '$' | ' ')
        })
    };
    let dashed = separated::<_, _, (), _, _, _, _>(1.., identifier(), ('-', not('>')));
    alt((
        quoted,
        dashed.take().map(|text: &str| text.trim().to_owned()),
    ))
    .context("field name (* or [a..z0..9_$])")
    .parse_next(input)
}

/// `->key`, `->>key`, `->0`, `->-1`, any number of them.
pub(super) fn json_path(input: &mut &str) -> Parsed<Vec<JsonStep>> {
    let start = *input;
    let path: Vec<JsonStep> = repeat(0.., json_step).parse_next(input)?;
    if path.len() > MAX_ITEMS {
        return Err(Fault::beyond(start, "256 steps in one JSON path"));
    }
    Ok(path)
}

fn json_step(input: &mut &str) -> Parsed<JsonStep> {
    let as_text = alt(("->>".value(true), "->".value(false))).parse_next(input)?;
    let to = alt((json_index.map(JsonKey::Index), json_key.map(JsonKey::Key)))
        .context("any non reserved character different from: .,>()")
        .parse_next(input)?;
    Ok(JsonStep { as_text, to })
}

fn json_index(input: &mut &str) -> Parsed<i64> {
    let digits = (opt('-'), take_while(1.., '0'..='9'))
        .take()
        .verify_map(|text: &str| text.parse().ok());
    let end = alt(("->".void(), one_of([':', '.', ',', ')']).void(), eof.void()));
    terminated(digits, peek(end)).parse_next(input)
}

fn json_key(input: &mut &str) -> Parsed<String> {
    let part = || {
        take_while(1.., |c: char| {
            !matches!(c, '(' | '-' | ':' | '.' | ',' | '>' | ')')
        })
    };
    let dashed = separated::<_, _, (), _, _, _, _>(1.., part(), ('-', not('>')));
    alt((
        quoted,
        dashed.take().map(|text: &str| text.trim().to_owned()),
    ))
    .parse_next(input)
}

/// A column with its JSON path, blanks around allowed.
pub(super) fn field(input: &mut &str) -> Parsed<Field> {
    lexeme((name, json_path))
        .map(|(name, path)| Field { name, path })
        .parse_next(input)
}

/// The end of an item: a comma, a closing parenthesis or the end, which is not consumed.
pub(super) fn item_end(input: &mut &str) -> Parsed<()> {
    peek(alt((one_of([',', ')']).void(), eof.void())))
        .context("\")\", \",\" or end of input")
        .parse_next(input)
}

/// The end of the text.
pub(super) fn end(input: &mut &str) -> Parsed<()> {
    eof.void().context("end of input").parse_next(input)
}

/// The end of the text, one stray closing parenthesis tolerated as PostgREST tolerates it.
pub(super) fn lenient_end(input: &mut &str) -> Parsed<()> {
    (opt(')'), end).void().parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bare_or_quoted() {
        for (text, parsed, rest) in [
            ("plan_id", "plan_id", ""),
            (" a b ", "a b", ""),
            ("a-b->c", "a-b", "->c"),
            ("é1$", "é1$", ""),
            ("\"a.b\\\"\\\\\"", "a.b\"\\", ""),
            ("col[0]", "col", "[0]"),
        ] {
            let mut input = text;
            assert_eq!(
                (name(&mut input).as_deref(), input),
                (Ok(parsed), rest),
                "{text}"
            );
        }
        assert!(name.parse_next(&mut "").is_err());
        assert!(name.parse_next(&mut "\"open").is_err());
    }

    #[test]
    fn json_paths_step_by_key_or_index() {
        let mut input = "->a-b->>0->-1->9x->\"q.\"";
        let path = json_path(&mut input).expect("a path");
        let steps: Vec<_> = path.iter().map(|step| (step.as_text, &step.to)).collect();
        let key = |text: &str| JsonKey::Key(text.to_owned());
        assert_eq!(
            steps,
            [
                (false, &key("a-b")),
                (true, &JsonKey::Index(0)),
                (false, &JsonKey::Index(-1)),
                (false, &key("9x")),
                (false, &key("q.")),
            ]
        );
        assert_eq!(input, "");
    }
}
