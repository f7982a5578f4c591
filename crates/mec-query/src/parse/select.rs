//! `select`.

use winnow::combinator::{alt, delimited, not, opt, peek, preceded, separated, terminated};
use winnow::prelude::*;
use winnow::token::take_while;

use super::fault::{Fault, Parsed};
use super::grammar::{field, item_end, lenient_end, lexeme, name};
use super::syntax::{EmbedItem, SelectItem};
use crate::limits::MAX_EMBED_DEPTH;

/// A whole `select`, empty allowed.
pub(super) fn select(input: &mut &str) -> Parsed<Vec<SelectItem>> {
    let items = items(input, 0)?;
    lenient_end(input)?;
    Ok(items)
}

fn items(input: &mut &str, depth: usize) -> Parsed<Vec<SelectItem>> {
    if depth > MAX_EMBED_DEPTH {
        return Err(Fault::beyond(input, "8 levels of embedding"));
    }
    let mut probe = *input;
    if item_end(&mut probe).is_ok() {
        return Ok(Vec::new());
    }
    let item = |input: &mut &str| item(input, depth);
    separated(1.., item, lexeme(',')).parse_next(input)
}

fn item(input: &mut &str, depth: usize) -> Parsed<SelectItem> {
    let embed = |input: &mut &str| embed(input, depth);
    lexeme(alt((all, aggregate, embed, column))).parse_next(input)
}

fn all(input: &mut &str) -> Parsed<SelectItem> {
    ('*', item_end).value(SelectItem::All).parse_next(input)
}

fn alias(input: &mut &str) -> Parsed<String> {
    terminated(name, (':', not(':'))).parse_next(input)
}

fn cast(input: &mut &str) -> Parsed<String> {
    preceded(
        "::",
        take_while(1.., |c: char| {
            c.is_alphanumeric() || matches!(c, '_' | ' ' | '$')
        }),
    )
    .context("letter or digit")
    .map(|text: &str| text.trim().to_owned())
    .parse_next(input)
}

/// `[alias:]count()` and `[alias:]column[::cast].sum()[::cast]`.
fn aggregate(input: &mut &str) -> Parsed<SelectItem> {
    let function = alt(("sum", "avg", "count", "max", "min"));
    let of_column = (field, opt(cast), '.', function, "()").void();
    (
        opt(alias),
        alt(("count()".void(), of_column)),
        opt(cast),
        item_end,
    )
        .value(SelectItem::Aggregate)
        .parse_next(input)
}

fn column(input: &mut &str) -> Parsed<SelectItem> {
    let (alias, field, cast) =
        terminated((opt(alias), field, opt(cast)), item_end).parse_next(input)?;
    Ok(SelectItem::Column { field, alias, cast })
}

#[derive(Clone)]
enum EmbedParam {
    Inner(bool),
    Hint(String),
}

fn embed_param(input: &mut &str) -> Parsed<EmbedParam> {
    let join = |word, inner| terminated(word, not(name)).value(EmbedParam::Inner(inner));
    preceded(
        '!',
        alt((
            join("left", false),
            join("inner", true),
            name.map(EmbedParam::Hint),
        )),
    )
    .parse_next(input)
}

fn embed(input: &mut &str, depth: usize) -> Parsed<SelectItem> {
    let spread = opt("...").parse_next(input)?.is_some();
    let alias = if spread {
        None
    } else {
        opt(alias).parse_next(input)?
    };
    let relation = name(input)?;
    let (mut hint, mut inner) = (None, false);
    for _ in 0..2 {
        match opt(embed_param).parse_next(input)? {
            Some(EmbedParam::Inner(is_inner)) => inner = is_inner,
            Some(EmbedParam::Hint(name)) => hint = hint.or(Some(name)),
            None => break,
        }
    }
    peek('(').context("\"(\"").parse_next(input)?;
    let items = |input: &mut &str| items(input, depth + 1);
    let select = delimited('(', items, ')'.context("\",\" or \")\"")).parse_next(input)?;
    Ok(SelectItem::Embed(EmbedItem {
        relation,
        alias,
        hint,
        inner,
        spread,
        select,
    }))
}
