//! One column and the type of its values.

/// The type of a column, a parameter or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `text`, or `varchar(max)`, counted in characters.
    Text {
        /// The most characters a stored text may have.
        max: Option<u32>,
    },
    /// `uuid`.
    Uuid,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `numeric(precision, scale)`: `precision` digits in all (at most 38), `scale` of them behind
    /// the point.
    Numeric {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// `boolean`.
    Bool,
    /// `timestamp with time zone`, in microseconds.
    Timestamp,
    /// `jsonb`.
    Json,
    /// `text[]`.
    TextArray,
}

impl Type {
    /// Unlimited text.
    pub const TEXT: Self = Self::Text { max: None };

    /// PostgreSQL's name of the type as its error messages write it, without length or precision.
    pub fn sql_name(self) -> &'static str {
        match self {
            Self::Text { max: None } => "text",
            Self::Text { max: Some(_) } => "character varying",
            Self::Uuid => "uuid",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Numeric { .. } => "numeric",
            Self::Bool => "boolean",
            Self::Timestamp => "timestamp with time zone",
            Self::Json => "jsonb",
            Self::TextArray => "text[]",
        }
    }

    /// Whether values are text, so that `like` and regular expressions apply.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text { .. })
    }
}

/// A column: by default nullable, without default, and writable by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, unique in the table.
    pub name: &'static str,
    /// The type of its values.
    pub ty: Type,
    /// Whether null is a value of it.
    pub nullable: bool,
    /// Whether an insert may leave it out although it is not nullable.
    pub has_default: bool,
    /// Whether an insert may name it.
    pub insertable: bool,
    /// Whether an update may name it.
    pub updatable: bool,
    /// One sentence for the API's documents.
    pub description: &'static str,
}

impl Column {
    /// A nullable column without default that nobody writes.
    pub const fn new(name: &'static str, ty: Type) -> Self {
        Self {
            name,
            ty,
            nullable: true,
            has_default: false,
            insertable: false,
            updatable: false,
            description: "",
        }
    }

    /// The same column, not nullable.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// The same column, not nullable and with a default.
    #[must_use]
    pub const fn defaulted(mut self) -> Self {
        self.nullable = false;
        self.has_default = true;
        self
    }

    /// The same column, named by inserts.
    #[must_use]
    pub const fn insertable(mut self) -> Self {
        self.insertable = true;
        self
    }

    /// The same column, named by inserts and updates.
    #[must_use]
    pub const fn writable(mut self) -> Self {
        self.insertable = true;
        self.updatable = true;
        self
    }

    /// The same column with a description.
    #[must_use]
    pub const fn described(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }
}
