//! The syntax tree of a query string: what was written, before any name was looked up.

/// A whole query string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `select`, `[*]` when it is absent or empty.
    pub select: Vec<SelectItem>,
    /// Filters and logic trees, ANDed, each at the embed it addresses.
    pub logic: Vec<Placed<Logic>>,
    /// `order` of the rows and of each embed.
    pub order: Vec<Placed<Vec<OrderItem>>>,
    /// `limit`s of the rows and of each embed; negative ones are refused when pages are made.
    pub limits: Vec<Placed<i64>>,
    /// `offset`s of the rows and of each embed, never negative.
    pub offsets: Vec<Placed<u64>>,
    /// `columns`: the keys of a body that are read.
    pub columns: Option<Vec<String>>,
    /// `on_conflict`: the columns an upsert looks at.
    pub on_conflict: Option<Vec<String>>,
    /// On a GET of a function: the arguments, in the order written.
    pub arguments: Vec<(String, String)>,
    /// The parameters sorted by key and encoded again, for `Content-Location`.
    pub canonical: String,
}

/// Something addressed to the rows (`path` empty) or to an embed (`path` its names from the outside
/// in).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// Names of embeds, outermost first.
    pub path: Vec<String>,
    /// What is placed there.
    pub item: T,
}

/// A column, possibly with a way into its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// Steps into its JSON.
    pub path: Vec<JsonStep>,
}

/// One `->` or `->>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonStep {
    /// `->>`: the result is text.
    pub as_text: bool,
    /// Where to step.
    pub to: JsonKey,
}

/// A key of an object or a place in an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JsonKey {
    /// A key of an object.
    Key(String),
    /// A place in an array, from the end when negative.
    Index(i64),
}

/// One item of `select`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectItem {
    /// `*`.
    All,
    /// `[alias:]column[->path][::cast]`.
    Column {
        /// The column.
        field: Field,
        /// Its name in the answer.
        alias: Option<String>,
        /// The type's name.
        cast: Option<String>,
    },
    /// `count()`, `column.sum()` and the like, which are not offered.
    Aggregate,
    /// `[alias:]relation[!hint][!inner](…)`.
    Embed(EmbedItem),
}

/// An embedded resource as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedItem {
    /// A table, a foreign key's name or a foreign key's column.
    pub relation: String,
    /// Its name in the answer.
    pub alias: Option<String>,
    /// Which of several relationships is meant.
    pub hint: Option<String>,
    /// `!inner`: rows without it are left out.
    pub inner: bool,
    /// `...`: its columns become the row's.
    pub spread: bool,
    /// Its own `select`.
    pub select: Vec<SelectItem>,
}

/// A tree of conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logic {
    /// One condition.
    Condition(Condition),
    /// `and(…)` or `or(…)`.
    Group {
        /// `not.` before it.
        negated: bool,
        /// `or` rather than `and`.
        any: bool,
        /// Its parts, never empty.
        parts: Vec<Logic>,
    },
}

impl Logic {
    /// Whether there is a regular expression in it.
    pub fn has_regular_expression(&self) -> bool {
        match self {
            Self::Condition(Condition {
                test: Test::Compare { operator, .. },
                ..
            }) => {
                matches!(operator, Operator::Match | Operator::IMatch)
            }
            Self::Condition(_) => false,
            Self::Group { parts, .. } => parts.iter().any(Self::has_regular_expression),
        }
    }
}

/// `column.[not.]operator.value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is tested.
    pub field: Field,
    /// `not.` before the operator.
    pub negated: bool,
    /// The test.
    pub test: Test,
}

/// An operator with its value, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `eq neq gt gte lt lte like ilike match imatch`.
    Compare {
        /// Which.
        operator: Operator,
        /// `(any)` or `(all)`: the value is a list `{a,b}`.
        quantifier: Option<Quantifier>,
        /// The value as written.
        value: String,
    },
    /// `in.(a,b)`.
    In(Vec<String>),
    /// `is.null` and so on.
    Is(Truth),
    /// `isdistinct.value`.
    Distinct(String),
    /// An operator PostgREST has and this product does not.
    Unsupported(&'static str),
}

/// The operators that compare with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `eq`
    Eq,
    /// `neq`
    NotEq,
    /// `gt`
    Gt,
    /// `gte`
    Gte,
    /// `lt`
    Lt,
    /// `lte`
    Lte,
    /// `like`: `*` and `%` are any text, `_` any character.
    Like,
    /// `ilike`: the same in any letter case.
    ILike,
    /// `match`: a regular expression.
    Match,
    /// `imatch`: the same in any letter case.
    IMatch,
}

/// Whether a comparison must hold for some or for every item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// `(any)`
    Any,
    /// `(all)`
    All,
}

/// What `is` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// `is.null`
    Null,
    /// `is.not_null`
    NotNull,
    /// `is.true`
    True,
    /// `is.false`
    False,
    /// `is.unknown`
    Unknown,
}

/// One term of `order`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderItem {
    /// The to-one embed whose column it is, if not the row's own.
    pub relation: Option<String>,
    /// The column.
    pub field: Field,
    /// `.desc`.
    pub descending: bool,
    /// `.nullsfirst` (true) or `.nullslast` (false), if said.
    pub nulls_first: Option<bool>,
}
