//! The PostgREST query language.

mod args;
mod body;
mod catalogue;
mod error;
mod hint;
pub mod limits;
mod parse;
mod prefer;
mod range;
mod resolve;
mod value;

pub use args::{Call, GivenArguments};
pub use body::{Body, Sent};
pub use catalogue::{
    Catalogue, CatalogueFault, Check, Column, DefaultOrder, ForeignKey, Function, Key, Param, Returns, Table, Type,
    Verb,
};
pub use error::{EmbedCandidate, QueryError, status_of_sqlstate};
pub use parse::{
    Condition, EmbedItem, Field, JsonKey, JsonStep, Logic, Operator, OrderItem, Placed, Quantifier, Query,
    SelectItem, Target, Test, Truth,
};
pub use prefer::{Count, Done, Missing, Preferences, Resolution, Return};
pub use range::{Page, PageAnswer, content_range_of_total, content_range_of_update};
pub use resolve::{
    Cell, Comparison, Delete, Embed, Expr, Filter, Insert, Link, OnConflict, OrderBy, OrderTerm, Output, Read, Relation, Scope, Source, Update,
};
pub use value::{Cast, Decimal, Value};
