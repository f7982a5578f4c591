//! What a function of the API is: one record says its name, parameters, answer, and work.
//!
//! Every record is a file in `rpc/`, and `rpc::VERBS` lists them. From the records calls are
//! matched, `OPTIONS` is answered, and the API's documents are made.

use std::borrow::Cow;
use std::pin::Pin;

use mec_engine::{Caller, Mec};
use mec_query::{Column, Function, Param, Type, Value};
use serde_json::Value as Json;

use super::answers::Answer;
use super::arguments::Arguments;
use super::context::AppState;
use crate::problem::refusal::{Failure, Repeat};

/// A function of the API.
pub(crate) struct Verb {
    /// Its name in URLs.
    pub(crate) name: &'static str,
    /// Its other names.
    pub(crate) aliases: &'static [&'static str],
    /// What it does, in a sentence.
    pub(crate) about: &'static str,
    /// Its parameters, in the order of the documents.
    pub(crate) params: fn() -> Vec<Param>,
    /// What it returns.
    pub(crate) returns: Returns,
    /// How it is sent again if nobody knows whether it was done.
    pub(crate) repeat: Repeat,
    /// Does it.
    pub(crate) work: Work,
}

/// What a function returns.
pub(crate) enum Returns {
    /// One bare value.
    Value(Type),
    /// Rows with these columns.
    Rows(fn() -> Vec<Column>),
}

/// How a function is called.
pub(crate) enum Work {
    /// Once, with its arguments.
    Once(for<'a> fn(Call<'a>) -> Answering<'a>),
    /// With the events of a batch, which it reads one by one, so that one does not spoil the
    /// others.
    Batch(for<'a> fn(Batch<'a>) -> Answering<'a>),
}

/// An answer under way.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

/// One call.
pub(crate) struct Call<'a> {
    /// The engine.
    pub(crate) mec: &'a Mec,
    /// Who calls.
    pub(crate) caller: &'a Caller,
    /// With what.
    pub(crate) arguments: Arguments,
}

/// One call with a batch of events.
pub(crate) struct Batch<'a> {
    /// What every request is handled with.
    pub(crate) state: &'a AppState,
    /// Who calls.
    pub(crate) caller: &'a Caller,
    /// The events, as they were sent.
    pub(crate) events: Cow<'a, [Json]>,
    /// What `now` means (microseconds of UTC).
    pub(crate) now: i64,
}

impl Verb {
    /// Whether it changes nothing, so that GET can call it.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self.repeat, Repeat::Question)
    }

    /// The same for the query language, which knows nothing of what it does.
    pub(crate) fn function(&self) -> Function {
        let params = (self.params)();
        let function = match self.returns {
            Returns::Value(ty) => Function::new(self.name, params, mec_query::Returns::Scalar(ty)),
            Returns::Rows(columns) => Function::returning_rows(self.name, params, columns()),
        };
        let function = self
            .aliases
            .iter()
            .fold(function.described(self.about), |function, alias| {
                function.alias(alias)
            });
        if self.reads() {
            function.read_only()
        } else {
            function
        }
    }
}

/// A column of an answer, and what stands in it.
pub(crate) struct Field<T> {
    column: Column,
    value: fn(&T) -> Value,
}

impl<T> Field<T> {
    pub(crate) const fn new(
        name: &'static str,
        ty: Type,
        about: &'static str,
        value: fn(&T) -> Value,
    ) -> Self {
        Self {
            column: Column::new(name, ty).described(about),
            value,
        }
    }
}

/// The columns of an answer.
pub(crate) fn columns<T>(fields: &[Field<T>]) -> Vec<Column> {
    fields.iter().map(|field| field.column.clone()).collect()
}

/// A row of an answer, its values in the order of the columns.
pub(crate) fn row<T>(fields: &[Field<T>], of: &T) -> Vec<Value> {
    fields.iter().map(|field| (field.value)(of)).collect()
}
