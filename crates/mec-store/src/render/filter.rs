//! Conditions of a resolved read as SQL, unknowns included.

use mec_query::{Comparison, Decimal, Expr, Filter, Pattern, Truth, Value, json_key};

use super::{From, Statement};
use crate::dialect::PatternKind;
use crate::stored::{Parameter, Place, Stored, place};

impl Statement {
    pub(super) fn filter(&mut self, from: From<'_>, filter: &Filter) {
        match filter {
            Filter::All(parts) => self.join(from, parts, " AND ", "TRUE"),
            Filter::Any(parts) => self.join(from, parts, " OR ", "FALSE"),
            Filter::Not(inner) => {
                self.push("NOT (");
                self.filter(from, inner);
                self.push(")");
            }
            Filter::Compare {
                left,
                comparison,
                right,
            } => self.compare(from, left, *comparison, right),
            Filter::In { values, .. } if values.is_empty() => self.push("FALSE"),
            Filter::In { left, values } => self.in_list(from, left, values),
            Filter::Distinct { left, right } => self.distinct(from, left, right),
            Filter::Is { left, truth } => self.is(from, left, *truth),
            Filter::Like { left, pattern } => self.pattern(PatternKind::Like, from, left, pattern),
            Filter::Matches { left, pattern } => {
                self.pattern(PatternKind::Regex, from, left, pattern)
            }
            Filter::Exists { relation, filter } => {
                let target = self.from(&relation.target);
                self.push("EXISTS (SELECT 1");
                self.related(relation, from, target, filter);
                self.push(")");
            }
        }
    }

    /// Halved again and again: SQLite bounds how deep an expression may be, not how long.
    fn join(&mut self, from: From<'_>, parts: &[Filter], word: &str, nothing: &str) {
        match parts {
            [] => self.push(nothing),
            [one] => self.filter(from, one),
            several => {
                let (left, right) = several.split_at(several.len() / 2);
                self.push("(");
                self.join(from, left, word, nothing);
                self.push(word);
                self.join(from, right, word, nothing);
                self.push(")");
            }
        }
    }

    fn compare(&mut self, from: From<'_>, left: &Expr, comparison: Comparison, right: &Value) {
        match (Stored::of(left.ty), right) {
            (Stored::Units(scale), Value::Numeric(number)) => {
                self.compare_number(from, left, comparison, *number, scale)
            }
            (Stored::Json, Value::Json(json)) => self.compare_json(from, left, comparison, json),
            (stored, right) => match stored.parameter(right) {
                Some(value) => {
                    self.ordered(from, left);
                    self.push(sign(comparison));
                    self.value(value, stored);
                }
                // Null, or a value of another type: neither true nor false.
                None => self.push("NULL"),
            },
        }
    }

    /// Compares among the numbers the column can hold so that the answer is that of the number
    /// given.
    fn compare_number(
        &mut self,
        from: From<'_>,
        left: &Expr,
        comparison: Comparison,
        right: Decimal,
        scale: u8,
    ) {
        use Comparison::{Eq, Gt, Gte, Lt, Lte, NotEq};
        let (comparison, units) = match (place(right, scale), comparison) {
            (Place::At(units), comparison) => (comparison, units),
            (Place::After(units), Gt | Gte) => (Gt, units),
            (Place::After(units), Lt | Lte) => (Lte, units),
            (Place::After(_) | Place::Below | Place::Above, Eq)
            | (Place::Below, Lt | Lte)
            | (Place::Above, Gt | Gte) => {
                return self.for_all(from, left, false);
            }
            (Place::After(_) | Place::Below | Place::Above, NotEq)
            | (Place::Below, Gt | Gte)
            | (Place::Above, Lt | Lte) => {
                return self.for_all(from, left, true);
            }
        };
        self.expr(from, left);
        self.push(sign(comparison));
        self.value(Parameter::Units(units, scale), Stored::Units(scale));
    }

    /// The same answer for every value, unknown for null.
    fn for_all(&mut self, from: From<'_>, left: &Expr, answer: bool) {
        self.push("(");
        self.expr(from, left);
        self.push(if answer {
            " IS NOT NULL OR NULL)"
        } else {
            " IS NULL AND NULL)"
        });
    }

    fn compare_json(&mut self, from: From<'_>, left: &Expr, comparison: Comparison, right: &str) {
        if matches!(comparison, Comparison::Eq | Comparison::NotEq) {
            return self.equal_json(from, left, sign(comparison), right);
        }
        self.ordered(from, left);
        self.push(sign(comparison));
        self.value(Parameter::Text(json_key(right)), Stored::Text);
    }

    fn equal_json(&mut self, from: From<'_>, left: &Expr, sign: &str, right: &str) {
        let expr = self.expr_text(from, left);
        let dialect = self.dialect;
        let (one, other) =
            dialect.equal_json(&expr, right, |value, stored| self.bound(value, stored));
        self.format(format_args!("{one}{sign}{other}"));
    }

    fn in_list(&mut self, from: From<'_>, left: &Expr, values: &[Value]) {
        let stored = Stored::of(left.ty);
        if stored == Stored::Json {
            let equal = |value: &Value| match value {
                Value::Json(_) => Some(Filter::Compare {
                    left: left.clone(),
                    comparison: Comparison::Eq,
                    right: value.clone(),
                }),
                _ => None,
            };
            let parts: Vec<Filter> = values.iter().filter_map(equal).collect();
            return if parts.is_empty() {
                self.for_all(from, left, false)
            } else {
                self.join(from, &parts, " OR ", "FALSE")
            };
        }
        // What the column cannot hold is left out: as a null it would make the answer unknown where
        // it is false.
        let values: Vec<Parameter> = values
            .iter()
            .filter_map(|value| stored.parameter(value))
            .collect();
        if values.is_empty() {
            return self.for_all(from, left, false);
        }
        self.ordered(from, left);
        if self.dialect.has_arrays() {
            let array = self.array(stored, values.into_iter().map(Some).collect());
            return self.format(format_args!(" = ANY({array})"));
        }
        self.push(" IN (");
        for (at, value) in values.into_iter().enumerate() {
            self.separator(at, ", ");
            self.value(value, stored);
        }
        self.push(")");
    }

    fn distinct(&mut self, from: From<'_>, left: &Expr, right: &Value) {
        match (Stored::of(left.ty), right) {
            (Stored::Json, Value::Json(json)) => {
                self.equal_json(from, left, " IS DISTINCT FROM ", json)
            }
            (stored, right) => match stored.parameter(right) {
                Some(value) => {
                    self.ordered(from, left);
                    self.push(" IS DISTINCT FROM ");
                    self.value(value, stored);
                }
                None => self.push("TRUE"),
            },
        }
    }

    fn is(&mut self, from: From<'_>, left: &Expr, truth: Truth) {
        let asks_for_null = matches!(truth, Truth::Null | Truth::Unknown);
        if left.path.is_empty()
            && !from.table.columns[left.column].nullable
            && (asks_for_null || truth == Truth::NotNull)
        {
            // Said rather than asked: PostgreSQL forgets the default part of a partitioned table
            // where such a question about its key stands beside an OR.
            return self.push(if asks_for_null { "FALSE" } else { "TRUE" });
        }
        let test = match truth {
            Truth::Null | Truth::Unknown => " IS NULL",
            Truth::NotNull => " IS NOT NULL",
            _ if Stored::of(left.ty) != Stored::Flag => return self.push("FALSE"),
            Truth::True => " IS TRUE",
            Truth::False => " IS FALSE",
        };
        self.expr(from, left);
        self.push(test);
    }

    fn pattern(&mut self, kind: PatternKind, from: From<'_>, left: &Expr, pattern: &Pattern) {
        if Stored::of(left.ty) != Stored::Text {
            return self.push("NULL");
        }
        let expr = self.expr_text(from, left);
        let ignore_case = pattern.ignores_case();
        let pattern = self.dialect.pattern_text(kind, pattern.text(), ignore_case);
        let place = self.bound(Parameter::Text(pattern), Stored::Text);
        let test = self.dialect.matches(kind, &expr, &place, ignore_case);
        self.push(&test);
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => " = ",
        Comparison::NotEq => " <> ",
        Comparison::Gt => " > ",
        Comparison::Gte => " >= ",
        Comparison::Lt => " < ",
        Comparison::Lte => " <= ",
    }
}
