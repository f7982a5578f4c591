//! Filters and `and`/`or` trees.

use winnow::combinator::{alt, delimited, eof, opt, peek, preceded, separated, terminated};
use winnow::prelude::*;
use winnow::token::{one_of, rest, take_till, take_while};

use super::fault::{Fault, Parsed};
use super::grammar::{blank, end, field, lenient_end, lexeme, quoted};
use super::syntax::{Condition, Logic, Operator, Quantifier, Test, Truth};
use crate::limits::{MAX_LIST, MAX_LOGIC_DEPTH};

const OPERATOR: &str = "operator (eq, gt, ...)";
const NOT_OR_OPERATOR: &str = "\"not\" or operator (eq, gt, ...)";

/// How the value of an operator is read where it stands.
type ValueRule = fn(&mut &str) -> Parsed<String>;

/// `[not.]operator.value`, the value being everything to the end as it is.
pub(super) fn filter(input: &mut &str) -> Parsed<(bool, Test)> {
    let everything: ValueRule = |input| rest.map(str::to_owned).parse_next(input);
    let parsed = negatable(input, everything)?;
    end(input)?;
    Ok(parsed)
}

/// `and(…)` or `or(…)`, possibly with `not.` before it, to the end.
pub(super) fn tree(input: &mut &str) -> Parsed<Logic> {
    let tree = logic(input, 1)?;
    lenient_end(input)?;
    Ok(tree)
}

fn logic(input: &mut &str, depth: usize) -> Parsed<Logic> {
    if depth > MAX_LOGIC_DEPTH {
        return Err(Fault::beyond(input, "16 levels of and/or"));
    }
    alt((condition.map(Logic::Condition), |input: &mut &str| {
        group(input, depth)
    }))
    .parse_next(input)
}

fn condition(input: &mut &str) -> Parsed<Condition> {
    let field = terminated(field, '.').parse_next(input)?;
    let (negated, test) = negatable(input, listed_value)?;
    Ok(Condition {
        field,
        negated,
        test,
    })
}

fn group(input: &mut &str, depth: usize) -> Parsed<Logic> {
    blank(input)?;
    let negated = opt("not.").parse_next(input)?.is_some();
    let any = alt(("and".value(false), "or".value(true)))
        .context(
            "field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)",
        )
        .parse_next(input)?;
    let part = |input: &mut &str| logic(input, depth + 1);
    let parts = delimited(
        lexeme('(').context("\"(\""),
        separated(1.., part, lexeme(',')),
        lexeme(')').context("\",\" or \")\""),
    )
    .parse_next(input)?;
    Ok(Logic::Group {
        negated,
        any,
        parts,
    })
}

/// A value inside `and`/`or`: quoted, an array, or raw up to `,` or `)`.
fn listed_value(input: &mut &str) -> Parsed<String> {
    let array = ('{', take_till(0.., ['{', '}']), '}')
        .take()
        .map(|text: &str| text.to_owned());
    alt((item_quoted, array, item_raw)).parse_next(input)
}

fn item_quoted(input: &mut &str) -> Parsed<String> {
    terminated(quoted, peek(alt((one_of([',', ')']).void(), eof.void())))).parse_next(input)
}

fn item_raw(input: &mut &str) -> Parsed<String> {
    take_till(0.., [',', ')'])
        .map(|text: &str| text.to_owned())
        .parse_next(input)
}

fn negatable(input: &mut &str, value: ValueRule) -> Parsed<(bool, Test)> {
    let negated = opt("not.").parse_next(input)?.is_some();
    let expected = if negated { OPERATOR } else { NOT_OR_OPERATOR };
    Ok((negated, test(input, value, expected)?))
}

fn test(input: &mut &str, value: ValueRule, expected: &'static str) -> Parsed<Test> {
    let start = *input;
    let unknown = || Fault::expected(start, expected);
    let word = take_while(1.., 'a'..='z')
        .parse_next(input)
        .map_err(|_: Fault| unknown())?;
    match word {
        "in" => {
            '.'.context("delimiter (.)").parse_next(input)?;
            return list.map(Test::In).parse_next(input);
        }
        "is" => {
            '.'.context("delimiter (.)").parse_next(input)?;
            return truth.map(Test::Is).parse_next(input);
        }
        "isdistinct" => {
            return preceded('.'.context("delimiter (.)"), value)
                .map(Test::Distinct)
                .parse_next(input);
        }
        _ => {}
    }
    if let Some(name) = unsupported(word) {
        let language = (
            one_of('('),
            take_while(1.., |c: char| c.is_alphanumeric() || c == '_'),
            one_of(')'),
        );
        opt(language).parse_next(input)?;
        preceded('.'.context("delimiter (.)"), value).parse_next(input)?;
        return Ok(Test::Unsupported(name));
    }
    let operator = operator(word).ok_or_else(unknown)?;
    let quantifier = if operator == Operator::NotEq {
        None
    } else {
        opt(alt((
            "(any)".value(Quantifier::Any),
            "(all)".value(Quantifier::All),
        )))
        .parse_next(input)?
    };
    let value = preceded('.'.context("delimiter (.)"), value).parse_next(input)?;
    Ok(Test::Compare {
        operator,
        quantifier,
        value,
    })
}

fn operator(word: &str) -> Option<Operator> {
    Some(match word {
        "eq" => Operator::Eq,
        "neq" => Operator::NotEq,
        "gt" => Operator::Gt,
        "gte" => Operator::Gte,
        "lt" => Operator::Lt,
        "lte" => Operator::Lte,
        "like" => Operator::Like,
        "ilike" => Operator::ILike,
        "match" => Operator::Match,
        "imatch" => Operator::IMatch,
        _ => return None,
    })
}

fn unsupported(word: &str) -> Option<&'static str> {
    [
        "cs", "cd", "ov", "sl", "sr", "nxl", "nxr", "adj", "fts", "plfts", "phfts", "wfts",
    ]
    .into_iter()
    .find(|name| *name == word)
}

/// `(a,"b",…)`.
fn list(input: &mut &str) -> Parsed<Vec<String>> {
    let start = *input;
    let item = alt((item_quoted, item_raw));
    let items: Vec<String> = delimited(
        lexeme('(').context("\"(\""),
        separated(1.., item, ','),
        lexeme(')').context("\",\" or \")\""),
    )
    .parse_next(input)?;
    if items.len() > MAX_LIST {
        return Err(Fault::beyond(start, "5000 values in one list"));
    }
    Ok(items)
}

fn truth(input: &mut &str) -> Parsed<Truth> {
    let start = *input;
    let word = take_while(0.., |c: char| c.is_ascii_alphabetic() || c == '_').parse_next(input)?;
    Ok(match word.to_ascii_lowercase().as_str() {
        "null" => Truth::Null,
        "not_null" => Truth::NotNull,
        "true" => Truth::True,
        "false" => Truth::False,
        "unknown" => Truth::Unknown,
        _ => {
            return Err(Fault::expected(
                start,
                "isVal: (null, not_null, true, false, unknown)",
            ));
        }
    })
}
