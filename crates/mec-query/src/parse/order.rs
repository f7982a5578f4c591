//! `order`, and the comma lists of names in `columns` and `on_conflict`.

use winnow::combinator::{alt, delimited, opt, preceded, separated, terminated};
use winnow::prelude::*;

use super::fault::{Fault, Parsed};
use super::grammar::{end, field, item_end, lexeme, name};
use super::syntax::OrderItem;
use crate::limits::MAX_ITEMS;

/// A whole `order`.
pub(super) fn order(input: &mut &str) -> Parsed<Vec<OrderItem>> {
    let start = *input;
    let items: Vec<OrderItem> = separated(1.., lexeme(item), ',').parse_next(input)?;
    end(input)?;
    if items.len() > MAX_ITEMS {
        return Err(Fault::beyond(start, "256 order terms"));
    }
    Ok(items)
}

fn item(input: &mut &str) -> Parsed<OrderItem> {
    let related = (name.map(Some), delimited('(', field, ')'));
    let own = field.map(|field| (None, field));
    let (relation, field) = alt((related, own)).parse_next(input)?;
    let direction = preceded('.', alt(("asc".value(false), "desc".value(true))));
    let nulls = preceded(
        '.',
        alt(("nullsfirst".value(true), "nullslast".value(false))),
    );
    let (descending, nulls_first) = terminated((opt(direction), opt(nulls)), item_end)
        .context("\"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"")
        .parse_next(input)?;
    Ok(OrderItem {
        relation,
        field,
        descending: descending.unwrap_or(false),
        nulls_first,
    })
}

/// A comma list of names, quoted or not.
pub(super) fn names(input: &mut &str) -> Parsed<Vec<String>> {
    let names = separated(1.., lexeme(name), ',').parse_next(input)?;
    end(input)?;
    Ok(names)
}
