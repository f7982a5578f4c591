//! The arguments of a call as the kernel's types: read by name, judged one by one.
//!
//! Decides nothing about them; what one value alone cannot show to be wrong is for the kernel.

use std::sync::Arc;
use std::time::Duration;

use mec_engine::{Caller, Mec};
use mec_kernel::{AccountId, Attribute, Attributes, Code, Quantity, Refusal, Time};
use mec_query::{Call, Function, Type, Value};
use serde_json::{Map, Value as Json};

use crate::config::STALENESS_MS_MAX;
use crate::problem::errors::ApiError;
use crate::problem::refusal::{self, Failure};

/// What parameters are called within an event of a batch: the same without this.
const PREFIX: &str = "p_";

/// Typed arguments, known by their names without `p_`. One that is null counts as not given.
#[derive(Debug)]
pub(crate) struct Arguments {
    function: Arc<Function>,
    /// One for each parameter.
    values: Vec<Value>,
}

impl Arguments {
    /// The arguments of a call. `now` (microseconds of UTC) is what the literal `now` means.
    ///
    /// # Errors
    /// The first value that is none of its parameter's type.
    pub(crate) fn of_call(call: &Call, now: i64) -> Result<Self, ApiError> {
        let function = call.function();
        for param in &function.params {
            check_quantity(param.name, param.ty, call.given(param.name))?;
        }
        let values = call
            .arguments(now)?
            .into_iter()
            .map(|value| value.unwrap_or(Value::Null))
            .collect();
        Ok(Self {
            function: Arc::clone(function),
            values,
        })
    }

    /// The arguments of `function` in an event of a batch, their names without `p_`.
    ///
    /// # Errors
    /// A name that is none of them, a required one that is missing, a value that is none of its
    /// type.
    pub(crate) fn of_event(
        function: &Arc<Function>,
        event: &Map<String, Json>,
        now: i64,
    ) -> Result<Self, ApiError> {
        let mut values = vec![Value::Null; function.params.len()];
        for (name, given) in event {
            let place = function
                .params
                .iter()
                .position(|param| bare(param.name) == name);
            let Some(place) = place else {
                let names: Vec<&str> = function
                    .params
                    .iter()
                    .map(|param| bare(param.name))
                    .collect();
                return Err(refusal::unknown_key(name, &names));
            };
            let param = &function.params[place];
            check_quantity(param.name, param.ty, Some(given))?;
            values[place] = param.ty.read_json(given, now)?;
        }
        let missing = function
            .params
            .iter()
            .zip(&values)
            .find(|(param, value)| param.required && value.is_null());
        match missing {
            Some((param, _)) => Err(refusal::missing_argument(bare(param.name))),
            None => Ok(Self {
                function: Arc::clone(function),
                values,
            }),
        }
    }

    /// No arguments at all, for a call whose only one is read in another way.
    pub(crate) fn none(function: &Arc<Function>) -> Self {
        Self {
            function: Arc::clone(function),
            values: vec![Value::Null; function.params.len()],
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.function
            .params
            .iter()
            .position(|param| bare(param.name) == name)
    }

    fn get(&self, name: &str) -> &Value {
        self.position(name)
            .and_then(|place| self.values.get(place))
            .unwrap_or(&Value::Null)
    }

    fn take(&mut self, name: &str) -> Value {
        let place = self.position(name);
        place
            .and_then(|place| self.values.get_mut(place))
            .map_or(Value::Null, |value| std::mem::replace(value, Value::Null))
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_text(&mut self, name: &'static str) -> Result<String, ApiError> {
        self.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| refusal::missing_argument(name))
    }

    /// A name of something.
    pub(crate) fn code(&mut self, name: &str) -> Option<Code> {
        self.text(name).map(Code::from)
    }

    /// A name of something that must be there.
    pub(crate) fn required_code(&mut self, name: &'static str) -> Result<Code, ApiError> {
        self.required_text(name).map(Code::from)
    }

    /// Several texts.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        match self.take(name) {
            Value::TextArray(texts) => Some(texts),
            _ => None,
        }
    }

    /// The text of a JSON value.
    pub(crate) fn json(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Value::Json(text) => Some(text),
            _ => None,
        }
    }

    /// An id.
    pub(crate) fn id(&self, name: &str) -> Option<u128> {
        match self.get(name) {
            Value::Uuid(id) => Some(*id),
            _ => None,
        }
    }

    /// An id that must be there.
    pub(crate) fn required_id(&self, name: &'static str) -> Result<u128, ApiError> {
        self.id(name).ok_or_else(|| refusal::missing_argument(name))
    }

    /// A quantity.
    pub(crate) fn quantity(&self, name: &str) -> Option<Quantity> {
        match self.get(name) {
            Value::Numeric(number) => number
                .units_at(6)
                .and_then(|units| i64::try_from(units).ok())
                .and_then(Quantity::from_millionths),
            _ => None,
        }
    }

    /// A quantity that must be there.
    pub(crate) fn required_quantity(&self, name: &'static str) -> Result<Quantity, ApiError> {
        self.quantity(name)
            .ok_or_else(|| refusal::missing_argument(name))
    }

    /// An integer.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Yes or no; no where it is not given.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Value::Bool(true))
    }

    /// An instant.
    pub(crate) fn time(&self, name: &str) -> Option<Time> {
        match self.get(name) {
            Value::Timestamp(micros) => Some(Time::from_micros(*micros)),
            _ => None,
        }
    }

    /// Whose call it is: `account_id` or `external_id`, exactly one of them.
    pub(crate) async fn account(&mut self, mec: &Mec) -> Result<AccountId, Failure> {
        match self.named_account()? {
            Named::Id(id) => Ok(id),
            Named::External(external_id) => Ok(mec.account_of(&external_id).await?),
        }
    }

    /// The same of a call that changes nothing, whose `caller` says how old the answer may be.
    pub(crate) async fn account_asked_about(
        &mut self,
        mec: &Mec,
        caller: &Caller,
    ) -> Result<AccountId, Failure> {
        match self.named_account()? {
            Named::Id(id) => Ok(id),
            Named::External(external_id) => {
                Ok(mec.account_asked_about(&external_id, caller).await?)
            }
        }
    }

    fn named_account(&mut self) -> Result<Named, ApiError> {
        match (self.id("account_id"), self.text("external_id")) {
            (Some(_), Some(_)) => Err(refusal::conflicting_arguments("account_id", "external_id")),
            (None, None) => Err(refusal::missing_account()),
            (Some(id), None) => Ok(Named::Id(AccountId(id))),
            // What a caller's unset variable sends.
            (None, Some(external_id)) if external_id.is_empty() => Err(refusal::bad_argument(
                "external_id",
                "must have at least one character",
            )),
            (None, Some(external_id)) => Ok(Named::External(external_id)),
        }
    }

    /// The facts of the request: an object of texts, numbers and booleans. A null in it is a fact
    /// that is missing.
    pub(crate) fn attributes(&mut self) -> Result<Attributes, ApiError> {
        let Some(text) = self.json("attributes") else {
            return Ok(Attributes::new());
        };
        let Ok(Json::Object(entries)) = serde_json::from_str(&text) else {
            return Err(refusal::bad_argument(
                "attributes",
                "must be a JSON object, such as {\"region\": \"eu\"}",
            ));
        };
        let mut attributes = Attributes::new();
        for (name, value) in entries {
            let attribute = match value {
                Json::Null => continue,
                Json::String(text) => Attribute::Text(text),
                Json::Bool(flag) => Attribute::Flag(flag),
                Json::Number(number) => match number.to_string().parse() {
                    Ok(number) => Attribute::Number(number),
                    Err(_) => {
                        return Err(refusal::bad_argument(
                            "attributes",
                            "holds a number whose power of ten has more than 4 digits",
                        ));
                    }
                },
                Json::Array(_) | Json::Object(_) => {
                    return Err(refusal::bad_argument(
                        "attributes",
                        "must hold texts, numbers and booleans only",
                    ));
                }
            };
            attributes.insert(name, attribute);
        }
        Ok(attributes)
    }

    /// How long something lasts: `ttl_seconds` or `ttl_minutes`, an hour where neither is given.
    /// Its range is for the kernel to judge.
    pub(crate) fn ttl_seconds(&self) -> Result<i64, ApiError> {
        match (self.integer("ttl_seconds"), self.integer("ttl_minutes")) {
            (Some(_), Some(_)) => Err(refusal::conflicting_arguments("ttl_minutes", "ttl_seconds")),
            (Some(seconds), None) => Ok(seconds),
            (None, minutes) => Ok(minutes.unwrap_or(60).saturating_mul(60)),
        }
    }

    /// `caller`, content with an answer as old as the call says.
    ///
    /// # Errors
    /// Below zero, or more than a minute.
    pub(crate) fn staleness_of(&self, caller: &Caller) -> Result<Caller, ApiError> {
        let Some(asked) = self.integer("max_staleness_ms") else {
            return Ok(caller.clone());
        };
        match u64::try_from(asked) {
            Ok(most) if most <= STALENESS_MS_MAX.into() => {
                Ok(caller.clone().with_staleness(Duration::from_millis(most)))
            }
            _ => {
                let must = format!("must be 0 to {STALENESS_MS_MAX} milliseconds");
                Err(refusal::bad_argument("max_staleness_ms", &must))
            }
        }
    }
}

/// How a call names its account.
enum Named {
    Id(AccountId),
    External(String),
}

/// A parameter's name without `p_`.
fn bare(name: &'static str) -> &'static str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// A quantity is judged by its own digits: one that is rounded to 0 would be another question.
fn check_quantity(name: &'static str, ty: Type, given: Option<&Json>) -> Result<(), ApiError> {
    if !matches!(ty, Type::Numeric { .. }) {
        return Ok(());
    }
    let read = match given {
        None | Some(Json::Null) => return Ok(()),
        Some(Json::String(text)) => text.trim_ascii().parse::<Quantity>(),
        Some(other) => other.to_string().parse::<Quantity>(),
    };
    match read {
        Ok(_) => Ok(()),
        Err(error) => Err(refusal::of_refusal(
            &Refusal::BadQuantity {
                argument: bare(name),
                error,
            },
            None,
        )),
    }
}
