//! A query string to its syntax tree: total, so that any input is a [`Query`] or a [`QueryError`].
//!
//! The grammar is PostgREST's. No name is looked up here and no value is read; [`crate::limits`]
//! bounds what is accepted.

mod condition;
pub(crate) mod decode;
mod fault;
mod grammar;
mod order;
mod select;
mod syntax;

pub use syntax::{
    Condition, EmbedItem, Field, JsonKey, JsonStep, Logic, Operator, OrderItem, Placed, Quantifier,
    Query, SelectItem, Test, Truth,
};

use winnow::combinator::separated;
use winnow::prelude::*;

use crate::QueryError;
use crate::limits::{MAX_CONDITIONS, MAX_EMBEDS, MAX_ITEMS, MAX_PARAMETERS};
use fault::{Fault, Parsed};

/// What the query string belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A table, or a function called by POST: every parameter that is not reserved is a filter.
    Rows,
    /// A function called by GET or HEAD: a parameter whose value has no operator is an argument.
    Call,
}

impl Query {
    /// Parses the text behind the `?` of a URL (still percent-encoded; a leading `?` is allowed).
    ///
    /// # Errors
    /// PGRST100, naming the part that is not in the grammar or the bound that is passed.
    pub fn parse(text: &str, target: Target) -> Result<Self, QueryError> {
        if text.is_empty() {
            // As most calls of functions have it.
            return Ok(Self {
                select: vec![SelectItem::All],
                ..Self::default()
            });
        }
        let all = decode::pairs(text);
        if all.len() > MAX_PARAMETERS {
            return Err(too_many("query string", "256 parameters"));
        }
        let mut query = Self {
            canonical: decode::canonical(&all),
            ..Self::default()
        };
        let pairs: Vec<(String, String)> = all
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key, value)))
            .collect();
        let of_kind = |kinds: &'static [&'static str]| {
            pairs
                .iter()
                .filter(|(key, _)| kinds.contains(&last_word(key)))
        };
        let first = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };

        // PostgREST's order, so that of several mistakes the same one is told.
        for (key, value) in of_kind(&["order"]) {
            let path = embed_path(key)?;
            query.order.push(Placed {
                path,
                item: whole(order::order, "order", value)?,
            });
        }
        for (key, value) in of_kind(&["and", "or"]) {
            query.logic.push(logic_parameter(key, value)?);
        }
        query.columns = first("columns")
            .map(|value| whole(order::names, "columns parameter", value))
            .transpose()?;
        query.select = whole(
            select::select,
            "select parameter",
            first("select").unwrap_or("*"),
        )?;
        if query.select.is_empty() {
            query.select = vec![SelectItem::All];
        }
        for (key, value) in &pairs {
            if !is_reserved(key) {
                query.filter_parameter(key, value, target)?;
            }
        }
        query.on_conflict = first("on_conflict")
            .map(|value| whole(order::names, "on_conflict parameter", value))
            .transpose()?;
        query.page_parameters(&pairs)?;
        query.bounded()
    }

    fn page_parameters(&mut self, pairs: &[(String, String)]) -> Result<(), QueryError> {
        let of_word =
            |word: &'static str| pairs.iter().filter(move |(key, _)| last_word(key) == word);
        for (key, value) in of_word("limit") {
            if let Some(limit) = integer(value) {
                self.limits.push(Placed {
                    path: embed_path(key)?,
                    item: limit,
                });
            }
        }
        for (key, value) in of_word("offset") {
            if let Some(offset) = integer(value).and_then(|offset| u64::try_from(offset).ok()) {
                self.offsets.push(Placed {
                    path: embed_path(key)?,
                    item: offset,
                });
            }
        }
        Ok(())
    }

    /// Whether any filter or logic tree addresses the rows themselves.
    pub fn has_row_filter(&self) -> bool {
        self.logic.iter().any(|placed| placed.path.is_empty())
    }

    /// Whether there is a regular expression in it, which takes time to compile.
    pub fn has_regular_expression(&self) -> bool {
        self.logic
            .iter()
            .any(|placed| placed.item.has_regular_expression())
    }

    fn filter_parameter(
        &mut self,
        key: &str,
        value: &str,
        target: Target,
    ) -> Result<(), QueryError> {
        let (path, field) = whole(place, "tree path", key)?;
        match whole(condition::filter, "filter", value) {
            Ok((negated, test)) => {
                self.logic.push(Placed {
                    path,
                    item: Logic::Condition(Condition {
                        field,
                        negated,
                        test,
                    }),
                });
                Ok(())
            }
            Err(_) if target == Target::Call => {
                self.arguments.push((field.name, value.to_owned()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn bounded(self) -> Result<Self, QueryError> {
        let conditions: usize = self
            .logic
            .iter()
            .map(|placed| conditions_in(&placed.item))
            .sum();
        if conditions > MAX_CONDITIONS {
            return Err(too_many("filter", "512 conditions"));
        }
        let (columns, embeds) = counted(&self.select);
        if columns > MAX_ITEMS {
            return Err(too_many("select parameter", "256 columns"));
        }
        if embeds > MAX_EMBEDS {
            return Err(too_many("select parameter", "32 embedded resources"));
        }
        Ok(self)
    }
}

fn too_many(what: &str, bound: &str) -> QueryError {
    QueryError::unparsable(
        what,
        "...",
        1,
        format!("More than {bound} are not accepted."),
    )
}

fn conditions_in(logic: &Logic) -> usize {
    match logic {
        Logic::Condition(_) => 1,
        Logic::Group { parts, .. } => parts.iter().map(conditions_in).sum(),
    }
}

/// Columns and embeds in a `select`, all levels.
fn counted(items: &[SelectItem]) -> (usize, usize) {
    items
        .iter()
        .fold((0, 0), |(columns, embeds), item| match item {
            SelectItem::Embed(embed) => {
                let (inner_columns, inner_embeds) = counted(&embed.select);
                (columns + inner_columns, embeds + inner_embeds + 1)
            }
            SelectItem::All | SelectItem::Column { .. } | SelectItem::Aggregate => {
                (columns + 1, embeds)
            }
        })
}

fn last_word(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn is_reserved(key: &str) -> bool {
    matches!(key, "select" | "columns" | "on_conflict")
        || matches!(last_word(key), "order" | "limit" | "offset" | "and" | "or")
}

/// Runs one grammar over a whole text; `what` names the text in the error.
fn whole<T>(
    rule: impl Fn(&mut &str) -> Parsed<T>,
    what: &str,
    text: &str,
) -> Result<T, QueryError> {
    let mut input = text;
    rule(&mut input).map_err(|fault| fault.error(what, text))
}

/// `[embed.]*column[->path]`; what follows is ignored, so that `column[0]` addresses `column`.
fn place(input: &mut &str) -> Parsed<(Vec<String>, Field)> {
    let mut path: Vec<String> = separated(1.., grammar::name, '.').parse_next(input)?;
    let steps = grammar::json_path(input)?;
    let name = path
        .pop()
        .ok_or_else(|| Fault::expected(input, "field name (* or [a..z0..9_$])"))?;
    Ok((path, Field { name, path: steps }))
}

/// The embeds that the key of `order`, `limit` or `offset` addresses.
fn embed_path(key: &str) -> Result<Vec<String>, QueryError> {
    whole(place, "tree path", key).map(|(path, _)| path)
}

fn logic_parameter(key: &str, value: &str) -> Result<Placed<Logic>, QueryError> {
    let (mut path, field) = whole(place, "logic path", key)?;
    let named = path.len();
    path.retain(|name| name != "not");
    let not = if path.len() < named { "not." } else { "" };
    let text = format!("{not}{}{value}", field.name);
    let mut input = text.as_str();
    let item = condition::tree(&mut input)
        .map_err(|fault| fault.error_within("logic tree", value, &text))?;
    Ok(Placed { path, item })
}

/// An integer, clamped where it is too large; anything else is ignored as PostgREST ignores it.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    }))
}
