//! How a grammar says where and why it stopped.

use winnow::error::{AddContext, ParserError};
use winnow::stream::Stream;

use crate::QueryError;

/// A place where the text left the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes left of the text where it stopped; the fewer, the further it got.
    rest: usize,
    /// What would have been accepted there.
    expected: Option<&'static str>,
    /// No other reading is tried: a bound was passed.
    fatal: bool,
}

/// What a rule of the grammar answers.
pub(super) type Parsed<T> = Result<T, Fault>;

impl Fault {
    /// Stopped at `rest` because something else was expected.
    pub(super) fn expected(rest: &str, expected: &'static str) -> Self {
        Self {
            rest: rest.len(),
            expected: Some(expected),
            fatal: false,
        }
    }

    /// Stopped at `rest` for good because `bound` is passed.
    pub(super) fn beyond(rest: &str, bound: &'static str) -> Self {
        Self {
            rest: rest.len(),
            expected: Some(bound),
            fatal: true,
        }
    }

    /// The error for the caller. `what` names the part of the query string, `text` is all of it.
    pub(super) fn error(&self, what: &str, text: &str) -> QueryError {
        self.error_within(what, text, text)
    }

    /// The same where the caller wrote `shown` and `text` is what was parsed for it.
    pub(super) fn error_within(&self, what: &str, shown: &str, text: &str) -> QueryError {
        let mut at = text.len().saturating_sub(self.rest);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let column = text[..at].chars().count() + 1;
        let unexpected = match text[at..].chars().next() {
            Some(character) => format!("unexpected \"{character}\""),
            None => "unexpected end of input".to_owned(),
        };
        let details = match (self.fatal, self.expected) {
            (true, bound) => format!("More than {} are not accepted.", bound.unwrap_or_default()),
            (false, Some(expected)) => format!("{unexpected} expecting {expected}"),
            (false, None) => unexpected,
        };
        QueryError::unparsable(what, shown, column, details)
    }
}

impl<'a> ParserError<&'a str> for Fault {
    type Inner = Self;

    fn from_input(input: &&'a str) -> Self {
        Self {
            rest: input.len(),
            expected: None,
            fatal: false,
        }
    }

    /// Of two readings that failed, the one that got further explains more; of equals the later,
    /// which a grammar puts last because it is the more general one.
    fn or(self, other: Self) -> Self {
        let keep_self = self.fatal
            || (!other.fatal
                && (self.rest < other.rest
                    || (self.rest == other.rest && other.expected.is_none())));
        if keep_self { self } else { other }
    }

    fn is_backtrack(&self) -> bool {
        !self.fatal
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }
}

impl<'a> AddContext<&'a str, &'static str> for Fault {
    fn add_context(
        mut self,
        _input: &&'a str,
        _token_start: &<&'a str as Stream>::Checkpoint,
        expected: &'static str,
    ) -> Self {
        self.expected.get_or_insert(expected);
        self
    }
}
