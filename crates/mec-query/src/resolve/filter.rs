//! Conditions with typed values: what a database (or memory) can evaluate without knowing any
//! syntax.

use super::node::Node;
use super::relation::Relation;
use crate::parse::{Condition, Field, JsonKey, JsonStep, Logic, Operator, Quantifier, Test, Truth};
use crate::pattern::Patterns;
use crate::value::{Digits, largest, read_array};
use crate::{Decimal, Pattern, QueryError, Table, Type, Value};

/// A truth-valued expression over one row, three-valued as in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All hold; an empty list is true.
    All(Vec<Filter>),
    /// Any holds; an empty list is false.
    Any(Vec<Filter>),
    /// The opposite; unknown stays unknown.
    Not(Box<Filter>),
    /// A comparison; unknown when either side is null.
    Compare {
        /// What is compared.
        left: Expr,
        /// How.
        comparison: Comparison,
        /// With what: of the type of `left`. Null (from a list item `NULL`) makes it
        /// unknown for every row.
        right: Value,
    },
    /// Equal to one of the values; an empty list is false, also for null.
    In {
        /// What is compared.
        left: Expr,
        /// Of the type of `left`, never null.
        values: Vec<Value>,
    },
    /// Null or different from the value (`IS DISTINCT FROM`); never unknown.
    Distinct {
        /// What is compared.
        left: Expr,
        /// Of the type of `left`, never null.
        right: Value,
    },
    /// `IS NULL` and so on; never unknown.
    Is {
        /// What is asked about; a boolean unless `truth` is null or not null.
        left: Expr,
        /// What is asked.
        truth: Truth,
    },
    /// SQL's LIKE: `%` any text, `_` any character, backslash before a literal one.
    Like {
        /// A text.
        left: Expr,
        /// The pattern, made by [`Pattern::like`].
        pattern: Pattern,
    },
    /// A regular expression found anywhere in the text.
    Matches {
        /// A text.
        left: Expr,
        /// The expression, made by [`Pattern::regex`].
        pattern: Pattern,
    },
    /// Some related row passes; never unknown.
    Exists {
        /// The way to the related rows.
        relation: Relation,
        /// What one of them must pass; its expressions speak of the target's columns.
        filter: Box<Filter>,
    },
}

/// The comparisons of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `>`
    Gt,
    /// `>=`
    Gte,
    /// `<`
    Lt,
    /// `<=`
    Lte,
}

/// A column, or a value inside its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// Position in the table's columns.
    pub column: usize,
    /// Steps into its JSON; only the last may ask for text.
    pub path: Vec<JsonStep>,
    /// The type of the result: the column's, JSON behind `->`, text behind `->>`.
    pub ty: Type,
}

impl Filter {
    /// No condition at all.
    pub fn always() -> Self {
        Self::All(Vec::new())
    }

    /// Whether it holds for every row.
    pub fn is_always(&self) -> bool {
        matches!(self, Self::All(parts) if parts.iter().all(Self::is_always))
    }

    /// Both conditions.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All(mut left), Self::All(right)) => {
                left.extend(right);
                Self::All(left)
            }
            (Self::All(mut left), right) => {
                left.push(right);
                Self::All(left)
            }
            (left, right) => Self::All(vec![left, right]),
        }
    }

    fn negated_if(self, negated: bool) -> Self {
        if negated {
            Self::Not(Box::new(self))
        } else {
            self
        }
    }
}

impl Expr {
    /// A plain column.
    pub fn column(table: &Table, column: usize) -> Self {
        Self {
            column,
            path: Vec::new(),
            ty: table.columns[column].ty,
        }
    }

    /// The column a request names, with its JSON path.
    pub(super) fn resolve(table: &Table, field: &Field) -> Result<Self, QueryError> {
        let column = table.require(&field.name)?;
        let mut ty = table.columns[column].ty;
        for step in &field.path {
            if ty != Type::Json {
                let arrow = if step.as_text { "->>" } else { "->" };
                return Err(QueryError::no_operator(ty.sql_name(), arrow, "unknown"));
            }
            if matches!(&step.to, JsonKey::Key(key) if key.contains('\0')) {
                return Err(QueryError::nul_character());
            }
            if step.as_text {
                ty = Type::TEXT;
            }
        }
        Ok(Self {
            column,
            path: field.path.clone(),
            ty,
        })
    }
}

impl Node {
    /// The conditions written for this node.
    pub(super) fn own_filter(&self, now: i64) -> Result<Filter, QueryError> {
        let parts = self.logic.iter().map(|part| logic(self, part, now));
        parts.collect::<Result<Vec<_>, _>>().map(Filter::All)
    }

    /// The conditions written for this node, and one existing row of every `!inner` embed.
    pub(super) fn filter(&self, now: i64) -> Result<Filter, QueryError> {
        let mut filter = self.own_filter(now)?;
        for child in self.children.iter().filter(|child| child.inner) {
            filter = filter.and(child.exists(now)?);
        }
        Ok(filter)
    }

    /// That the parent has a row here.
    pub(super) fn exists(&self, now: i64) -> Result<Filter, QueryError> {
        let filter = Box::new(self.filter(now)?);
        Ok(match &self.relation {
            Some(relation) => Filter::Exists {
                relation: relation.clone(),
                filter,
            },
            None => *filter,
        })
    }
}

/// The conditions of one node and, for `is.null` on an embed, of its children.
fn logic(node: &Node, logic_tree: &Logic, now: i64) -> Result<Filter, QueryError> {
    match logic_tree {
        Logic::Condition(one) => condition(node, one, now),
        Logic::Group {
            negated,
            any,
            parts,
        } => {
            let parts = parts
                .iter()
                .map(|part| logic(node, part, now))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(if *any {
                Filter::Any(parts)
            } else {
                Filter::All(parts)
            }
            .negated_if(*negated))
        }
    }
}

fn condition(node: &Node, condition: &Condition, now: i64) -> Result<Filter, QueryError> {
    let Condition {
        field,
        negated,
        test,
    } = condition;
    if field.path.is_empty()
        && let Some(child) = node.child_named(&field.name)
    {
        let missing = match test {
            Test::Is(Truth::Null) => !negated,
            Test::Is(Truth::NotNull) => *negated,
            _ if node.table.position(&field.name).is_some() => return typed(node, condition, now),
            _ => return Err(QueryError::embed_operator(&field.name)),
        };
        return Ok(child.exists(now)?.negated_if(missing));
    }
    typed(node, condition, now)
}

fn typed(node: &Node, condition: &Condition, now: i64) -> Result<Filter, QueryError> {
    let left = Expr::resolve(&node.table, &condition.field)?;
    Ok(test(left, &condition.test, now, &node.patterns)?.negated_if(condition.negated))
}

fn test(left: Expr, test: &Test, now: i64, patterns: &Patterns) -> Result<Filter, QueryError> {
    match test {
        Test::Compare {
            operator,
            quantifier: None,
            value,
        } => compare(left, *operator, value, now, patterns),
        Test::Compare {
            operator,
            quantifier: Some(quantifier),
            value,
        } => {
            let items = read_array(value).ok_or_else(|| QueryError::invalid_array(value))?;
            if items.len() > crate::limits::MAX_CONDITIONS {
                return Err(QueryError::too_complex(
                    "more than 512 values in one any/all list",
                ));
            }
            let parts = items.iter().map(|item| match item {
                Some(text) => compare(left.clone(), *operator, text, now, patterns),
                None => Ok(unknown(&left)),
            });
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            Ok(match quantifier {
                Quantifier::Any => Filter::Any(parts),
                Quantifier::All => Filter::All(parts),
            })
        }
        // `in.()` and `in.("")` are one empty item, which PostgREST reads as an empty list.
        Test::In(items) if items.iter().all(String::is_empty) && items.len() == 1 => {
            Ok(Filter::In {
                left,
                values: Vec::new(),
            })
        }
        Test::In(items) => {
            let values = items
                .iter()
                .map(|item| equality_comparand(&left, item, now));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            Ok(Filter::In { left, values })
        }
        Test::Is(truth) => is(left, *truth),
        Test::Distinct(value) => {
            let right = equality_comparand(&left, value, now)?;
            Ok(Filter::Distinct { left, right })
        }
        Test::Unsupported(operator) => Err(QueryError::not_implemented(format!(
            "The operator \"{operator}\" is not available here: arrays, ranges and full text are not searched."
        ))),
    }
}

/// A condition that is neither true nor false for any row.
fn unknown(left: &Expr) -> Filter {
    Filter::Compare {
        left: left.clone(),
        comparison: Comparison::Eq,
        right: Value::Null,
    }
}

fn is(left: Expr, truth: Truth) -> Result<Filter, QueryError> {
    let word = match truth {
        Truth::Null | Truth::NotNull => return Ok(Filter::Is { left, truth }),
        Truth::True => "TRUE",
        Truth::False => "FALSE",
        Truth::Unknown => "UNKNOWN",
    };
    if left.ty == Type::Bool {
        Ok(Filter::Is { left, truth })
    } else {
        Err(QueryError::not_boolean(word, left.ty.sql_name()))
    }
}

fn compare(
    left: Expr,
    operator: Operator,
    text: &str,
    now: i64,
    patterns: &Patterns,
) -> Result<Filter, QueryError> {
    let comparison = match operator {
        Operator::Eq => Comparison::Eq,
        Operator::NotEq => Comparison::NotEq,
        Operator::Gt => Comparison::Gt,
        Operator::Gte => Comparison::Gte,
        Operator::Lt => Comparison::Lt,
        Operator::Lte => Comparison::Lte,
        Operator::Like => return pattern(left, text, "~~", false),
        Operator::ILike => return pattern(left, text, "~~*", true),
        Operator::Match => return regex(left, text, "~", patterns),
        Operator::IMatch => return regex(left, text, "~*", patterns),
    };
    if let Type::Numeric { precision, scale } = left.ty {
        return compare_numeric(left, comparison, text, precision, scale);
    }
    let right = equality_comparand(&left, text, now)?;
    Ok(Filter::Compare {
        left,
        comparison,
        right,
    })
}

fn pattern(
    left: Expr,
    text: &str,
    operator: &str,
    ignore_case: bool,
) -> Result<Filter, QueryError> {
    let pattern = Pattern::like(
        &text_pattern(&left, text, operator)?.replace('*', "%"),
        ignore_case,
    )?;
    Ok(Filter::Like { left, pattern })
}

fn regex(
    left: Expr,
    text: &str,
    operator: &str,
    patterns: &Patterns,
) -> Result<Filter, QueryError> {
    let pattern = patterns.regex(text_pattern(&left, text, operator)?, operator == "~*")?;
    Ok(Filter::Matches { left, pattern })
}

fn text_pattern<'a>(left: &Expr, text: &'a str, operator: &str) -> Result<&'a str, QueryError> {
    if !left.ty.is_text() {
        return Err(QueryError::no_operator(
            left.ty.sql_name(),
            operator,
            "unknown",
        ));
    }
    if text.contains('\0') {
        return Err(QueryError::nul_character());
    }
    Ok(text)
}

/// A value to be equal to: read as the column's type. A number that the column cannot hold becomes
/// one that no row holds, so that equality fails and nothing overflows.
fn equality_comparand(left: &Expr, text: &str, now: i64) -> Result<Value, QueryError> {
    match left.ty {
        Type::Numeric { precision, scale } => {
            let (units, exact) = placed(text, precision, scale)?;
            let units = if exact { units } else { beyond(precision) };
            Ok(Value::Numeric(Decimal::new(units, scale)))
        }
        Type::TextArray => Err(QueryError::not_implemented("Arrays are not compared.")),
        ty => ty.read_comparand(text, now),
    }
}

/// Compares among the storable numbers so that the answer is that of the number written: `> 0.5` is
/// `> 0` in units.
fn compare_numeric(
    left: Expr,
    comparison: Comparison,
    text: &str,
    precision: u8,
    scale: u8,
) -> Result<Filter, QueryError> {
    let (floor, exact) = placed(text, precision, scale)?;
    let (comparison, units) = match comparison {
        _ if exact => (comparison, floor),
        Comparison::Eq | Comparison::NotEq => (comparison, beyond(precision)),
        Comparison::Gt | Comparison::Gte => (Comparison::Gt, floor),
        Comparison::Lt | Comparison::Lte => (Comparison::Lte, floor),
    };
    Ok(Filter::Compare {
        left,
        comparison,
        right: Value::Numeric(Decimal::new(units, scale)),
    })
}

/// The largest storable number not above the one written, and whether it is that number. Numbers
/// out of range come out just beyond the range, where they compare as they should.
fn placed(text: &str, precision: u8, scale: u8) -> Result<(i128, bool), QueryError> {
    let digits = Digits::read(text).ok_or_else(|| QueryError::invalid_literal("numeric", text))?;
    let bound = beyond(precision);
    Ok(match digits.at_scale(scale) {
        Some(rounded) if rounded.floor >= bound => (bound, true),
        Some(rounded) if rounded.floor <= -bound => (-bound, true),
        Some(rounded) => (rounded.floor, rounded.exact),
        None if digits.is_negative() => (-bound, true),
        None => (bound, true),
    })
}

/// The first number of units that the column cannot hold.
fn beyond(precision: u8) -> i128 {
    i128::try_from(largest(precision)).unwrap_or(i128::MAX)
}
