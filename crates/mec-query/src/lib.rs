//! The PostgREST language: a request's texts become a resolved request, its rows become an answer's
//! bytes.
//!
//! This crate reads query strings, bodies and headers, and resolves them against a [`Schema`] that
//! is data. What comes out names columns by their place in the schema and carries typed [`Value`]s,
//! so no identifier and no literal of a request travels further.
//!
//! **It never** writes SQL, knows what a table means to the product, waits, reads a clock or
//! touches HTTP types. The time is an argument (`now`, microseconds of UTC) because a request may
//! say `gt.now`.
//!
//! # The order of refusals
//!
//! A request with several mistakes is told the first in a fixed order. Each step is a call of its
//! own, so the edge calls them in this order and needs no further rule:
//!
//! | step | call | refuses with |
//! |---|---|---|
//! | query string | [`Query::parse`] | PGRST100 |
//! | page | [`Page::of_request`] | PGRST103 |
//! | body | [`Body::parse`], [`GivenArguments::of_body`] | PGRST102 |
//! | table, function | [`Schema::table`], [`Call::find`] | PGRST205, PGRST202 |
//! | embeds | [`Scope::relate`] | PGRST200, 201, 108, 118, 123 |
//! | body's columns | [`Body::against`] | PGRST204 |
//! | headers | [`Media::negotiate`], [`Preferences::check`] | PGRST107, PGRST122 |
//! | what a database would say | [`Scope::read`], [`Insert::resolve`], [`Update::resolve`], [`Delete::resolve`], [`Call::arguments`] | SQLSTATEs |
//! | result | [`Media::write`], [`Preferences::check_affected`], [`Page::answer`] | PGRST116, PGRST124, PGRST103 |
//!
//! # Example
//!
//! ```
//! use mec_query::{Budget, Schema, Column, Media, Page, Produces, Query, Scope, Table, Target, Type, Value};
//!
//! let plans = Table::new(
//!     "plans",
//!     vec![
//!         Column::new("plan_id", Type::Text { max: Some(64) }).required(),
//!         Column::new("trial_days", Type::Int4),
//!     ],
//! )
//! .primary_key("plans_pkey", &["plan_id"]);
//! let schema = Schema::new(vec![plans], vec![])?;
//!
//! let query = Query::parse("select=id:plan_id,trial_days&trial_days=gt.9&order=trial_days.desc", Target::Rows)?;
//! let page = Page::of_request(&query, None)?;
//! let table = schema.table("plans")?;
//! let media = Media::negotiate(Some("application/json"), Produces::Rows)?;
//! let read = Scope::relate(&schema, table, &query)?.read(page, 0)?;
//!
//! // A store fetches the columns of `read.fetch`; here the rows are in memory.
//! let rows = [
//!     vec![Value::text("trial-14d"), Value::Int(14)],
//!     vec![Value::text("trial-3d"), Value::Int(3)],
//!     vec![Value::text("pro"), Value::Null],
//! ];
//! let (fetched, total) = read.of_rows(&rows, &Budget::unlimited()).expect("there is no limit");
//! let shown = read.show(&fetched, 0);
//!
//! let parts = media.write(&shown, &Budget::unlimited())?;
//! assert_eq!(parts.concat(), r#"[{"id":"trial-14d","trial_days":14}]"#);
//! assert_eq!(page.answer(shown.len(), Some(total))?.content_range, "0-0/1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod args;
mod body;
mod budget;
mod error;
mod hint;
pub mod limits;
mod media;
mod memory;
mod parse;
mod pattern;
mod prefer;
mod range;
mod resolve;
mod rows;
mod schema;
mod value;

pub use args::{Call, GivenArguments};
pub use body::{Body, Sent};
pub use budget::{Budget, Excess};
pub use error::{EmbedCandidate, QueryError, status_of_sqlstate};
pub use hint::similar;
pub use media::{Media, Produces};
pub use memory::Tables;
pub use parse::{
    Condition, EmbedItem, Field, JsonKey, JsonStep, Logic, Operator, OrderItem, Placed, Quantifier,
    Query, SelectItem, Target, Test, Truth,
};
pub use pattern::Pattern;
pub use prefer::{Count, Done, Missing, Preferences, Resolution, Return};
pub use range::{Page, PageAnswer, content_range_of_total, content_range_of_update};
pub use resolve::{
    Cell, Comparison, Delete, Embed, Expr, Filter, Insert, Link, OnConflict, OrderBy, OrderTerm,
    Output, Read, Relation, Scope, Source, Update,
};
pub use rows::{Fetched, FetchedEmbed, Rows};
pub use schema::{
    Check, Column, DefaultOrder, ForeignKey, Function, Key, Param, Returns, Schema, SchemaFault,
    Table, Type, Verb,
};
pub use value::{
    Cast, Decimal, Value, checked_json_text, compare_json, follow_path, json_key, json_text,
};
