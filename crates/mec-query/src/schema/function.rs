//! One function that `/rpc/{name}` calls.

use std::sync::Arc;

use super::{Table, Type};

/// A parameter, known by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The name in the request.
    pub name: &'static str,
    /// The type its argument is read as.
    pub ty: Type,
    /// Whether a call must name it.
    pub required: bool,
    /// One sentence for the API's documents.
    pub description: &'static str,
}

impl Param {
    /// A parameter every call must name.
    pub const fn required(name: &'static str, ty: Type) -> Self {
        Self {
            name,
            ty,
            required: true,
            description: "",
        }
    }

    /// A parameter a call may leave out.
    pub const fn optional(name: &'static str, ty: Type) -> Self {
        Self {
            name,
            ty,
            required: false,
            description: "",
        }
    }

    /// The same parameter with a description.
    #[must_use]
    pub const fn described(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }
}

/// What a call answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returns {
    /// One bare value.
    Scalar(Type),
    /// Rows, on which `select`, filters, order and pages work as on a table of this shape.
    Table(Arc<Table>),
    /// A JSON value as it is.
    Json,
}

/// A function of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The name in the URL.
    pub name: &'static str,
    /// Further names for the same function.
    pub aliases: Vec<&'static str>,
    /// One sentence for the API's documents.
    pub description: &'static str,
    /// The parameters, in the order of the arguments handed on.
    pub params: Vec<Param>,
    /// What it answers.
    pub returns: Returns,
    /// Whether GET may call it.
    pub read_only: bool,
}

impl Function {
    /// A function that writes, without aliases.
    pub fn new(name: &'static str, params: Vec<Param>, returns: Returns) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            description: "",
            params,
            returns,
            read_only: false,
        }
    }

    /// A function answering rows with these columns; they are ordered as the function returns them.
    pub fn returning_rows(
        name: &'static str,
        params: Vec<Param>,
        columns: Vec<super::Column>,
    ) -> Self {
        Self::new(
            name,
            params,
            Returns::Table(Arc::new(Table::new(name, columns))),
        )
    }

    /// The same function, callable by GET.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same function with one more name.
    #[must_use]
    pub fn alias(mut self, name: &'static str) -> Self {
        self.aliases.push(name);
        self
    }

    /// The same function with a description.
    #[must_use]
    pub fn described(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The value of the `Allow` header that OPTIONS answers.
    pub fn allow_header(&self) -> &'static str {
        if self.read_only {
            "OPTIONS,GET,HEAD,POST"
        } else {
            "OPTIONS,POST"
        }
    }

    /// The position of a parameter.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|param| param.name == name)
    }

    /// The row type, where the function answers rows.
    pub fn rows(&self) -> Option<&Arc<Table>> {
        match &self.returns {
            Returns::Table(table) => Some(table),
            Returns::Scalar(_) | Returns::Json => None,
        }
    }
}
