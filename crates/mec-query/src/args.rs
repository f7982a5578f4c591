//! The arguments of a function, matched by name.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::body::{ContentType, form_row};
use crate::hint;
use crate::{Function, Param, Query, QueryError, Schema, Value};

/// Arguments as given, still untyped.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenArguments {
    values: Map<String, Json>,
    /// Whether a JSON body was sent, which the error of a wrong call mentions.
    json_body: bool,
}

/// A call of a function whose argument names fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    function: Arc<Function>,
    given: GivenArguments,
}

impl GivenArguments {
    /// The arguments in the body of a POST: a JSON object, a form, or nothing. A JSON value that is
    /// no object gives none.
    ///
    /// # Errors
    /// PGRST102 for broken JSON or another content type.
    pub fn of_body(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, QueryError> {
        let values = match ContentType::of_body(content_type, bytes)? {
            ContentType::Form => {
                return Ok(Self {
                    values: form_row(bytes),
                    json_body: false,
                });
            }
            ContentType::Csv => {
                return Err(QueryError::invalid_body(
                    "Content-Type not acceptable: text/csv",
                ));
            }
            ContentType::Json if bytes.is_empty() => Map::new(),
            ContentType::Json => match serde_json::from_slice(bytes) {
                Ok(Json::Object(values)) => values,
                Ok(_) => Map::new(),
                Err(_) => return Err(QueryError::invalid_body("Empty or invalid json")),
            },
        };
        Ok(Self {
            values,
            json_body: true,
        })
    }

    /// The arguments in the query string of a GET ([`crate::Target::Call`]); of equal names the
    /// last counts.
    pub fn of_query(query: &Query) -> Self {
        let values = query
            .arguments
            .iter()
            .map(|(name, text)| (name.clone(), Json::String(text.clone())));
        Self {
            values: values.collect(),
            json_body: false,
        }
    }
}

impl Call {
    /// The function of this name or alias that takes exactly these arguments: every required one is
    /// there and none is unknown.
    ///
    /// # Errors
    /// PGRST202 with what would fit.
    pub fn find(schema: &Schema, name: &str, given: GivenArguments) -> Result<Self, QueryError> {
        let function = schema.find_function(name);
        if let Some(function) = function {
            let known = given
                .values
                .keys()
                .all(|name| function.position(name).is_some());
            let complete = function
                .params
                .iter()
                .all(|param| !param.required || given.values.contains_key(param.name));
            if known && complete {
                return Ok(Self {
                    function: Arc::clone(function),
                    given,
                });
            }
        }
        let names: Vec<&str> = given.values.keys().map(String::as_str).collect();
        let error = QueryError::no_function(name, &names, given.json_body);
        Err(error.with_hint_if(match function {
            Some(function) => Some(what_fits(function, name, &names)),
            None => {
                let functions = schema.functions();
                let known = functions
                    .iter()
                    .flat_map(|of| std::iter::once(of.name).chain(of.aliases.iter().copied()));
                let meant = hint::similar(name, known)
                    .map(|meant| format!("Perhaps you meant POST /api/rpc/{meant}"));
                let all: Vec<&str> = functions.iter().map(|function| function.name).collect();
                meant.or_else(|| hint::all_of("The functions are", &all))
            }
        }))
    }

    /// The function called.
    pub fn function(&self) -> &Arc<Function> {
        &self.function
    }

    /// An argument as it was given, before it is typed; text where it came from a URL or a form.
    pub fn given(&self, name: &str) -> Option<&Json> {
        self.given.values.get(name)
    }

    /// The typed arguments, one for each parameter in the function's order; `None` where it was not
    /// given, which differs from null. `now` is what the literal `now` means.
    ///
    /// # Errors
    /// As [`crate::Type::read`] for a value that is no literal of its parameter's type.
    pub fn arguments(&self, now: i64) -> Result<Vec<Option<Value>>, QueryError> {
        self.function
            .params
            .iter()
            .map(|param| match self.given.values.get(param.name) {
                None => Ok(None),
                // In a URL or a form a JSON argument is its text.
                Some(Json::String(text)) if !self.given.json_body => {
                    param.ty.read(text, now).map(Some)
                }
                Some(json) => param.ty.read_json(json, now).map(Some),
            })
            .collect()
    }
}

/// Which arguments a call of `function` by `name` lacks, which it has that there are not, and what
/// it takes.
fn what_fits(function: &Function, name: &str, given: &[&str]) -> String {
    let is_missing = |param: &&Param| param.required && !given.contains(&param.name);
    let mut missing: Vec<&str> = function
        .params
        .iter()
        .filter(is_missing)
        .map(|param| param.name)
        .collect();
    let (mut instead, mut unknown) = (Vec::new(), Vec::new());
    for name in given
        .iter()
        .copied()
        .filter(|name| function.position(name).is_none())
    {
        let free = function
            .params
            .iter()
            .map(|param| param.name)
            .filter(|known| !given.contains(known));
        match hint::similar(name, free) {
            Some(meant) => {
                missing.retain(|missing| *missing != meant);
                instead.push(format!("write {meant} instead of {name}"));
            }
            None => unknown.push(name),
        }
    }
    unknown.sort_unstable();
    let mut steps = instead;
    if !missing.is_empty() {
        steps.push(format!("add {}", listed(&missing)));
    }
    if !unknown.is_empty() {
        steps.push(format!("leave out {}", listed(&unknown)));
    }
    let mut steps = steps.join("; ");
    if let Some(first) = steps.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let of = |required: bool| -> Vec<&str> {
        function
            .params
            .iter()
            .filter(|param| param.required == required)
            .map(|param| param.name)
            .collect()
    };
    let taken = match (of(true), of(false)) {
        (required, optional) if required.is_empty() && optional.is_empty() => {
            "no arguments".to_owned()
        }
        (required, optional) if optional.is_empty() => listed(&required),
        (required, optional) if required.is_empty() => format!("optionally {}", listed(&optional)),
        (required, optional) => format!(
            "{}, and optionally {}",
            listed(&required),
            listed(&optional)
        ),
    };
    format!("{steps}. POST /api/rpc/{name} takes {taken}")
}

fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, Param, Returns, Target, Type};

    const QUANTITY: Type = Type::Numeric {
        precision: 18,
        scale: 6,
    };

    fn schema() -> Schema {
        let check = Function::new(
            "check_entitlement",
            vec![
                Param::required("p_account_id", Type::Uuid),
                Param::required("p_resource_type", Type::TEXT),
                Param::optional("p_requested_qty", QUANTITY),
                Param::optional("p_attributes", Type::Json),
            ],
            Returns::Json,
        );
        Schema::new(
            vec![],
            vec![
                check.alias("fn_check_entitlement"),
                Function::new("ping", vec![], Returns::Json),
            ],
        )
        .expect("sound")
    }

    fn call(name: &str, body: &str) -> Result<Call, QueryError> {
        Call::find(
            &schema(),
            name,
            GivenArguments::of_body(None, body.as_bytes())?,
        )
    }

    #[test]
    fn arguments_are_matched_by_name_and_typed() {
        let body = r#"{"p_resource_type":"x","p_requested_qty":1.50,"p_account_id":"00000000-0000-0000-0000-000000000001","p_attributes":null}"#;
        let call = call("fn_check_entitlement", body).expect("fits");
        assert_eq!(call.function().name, "check_entitlement");
        assert_eq!(
            call.arguments(0),
            Ok(vec![
                Some(Value::Uuid(1)),
                Some(Value::text("x")),
                Some(Value::Numeric(Decimal::new(15, 1))),
                Some(Value::Null)
            ])
        );
    }

    #[test]
    fn arguments_come_from_a_query_string_too() {
        let text = "p_account_id=00000000-0000-0000-0000-000000000001&p_resource_type=is.odd&decision=eq.allow&p_attributes={\"a\":1}";
        let query = Query::parse(text, Target::Call).expect("a query");
        let call = Call::find(
            &schema(),
            "check_entitlement",
            GivenArguments::of_query(&query),
        )
        .expect("fits");
        let arguments = call.arguments(0).expect("typed");
        assert_eq!(arguments[1], Some(Value::text("is.odd")));
        assert_eq!(arguments[2], None);
        assert_eq!(arguments[3], Some(Value::Json("{\"a\": 1}".into())));
        assert_eq!(query.logic.len(), 1);
    }

    #[test]
    fn a_call_that_fits_nothing_is_404_and_says_what_would_fit() {
        for (name, body, message, details, hint) in [
            (
                "check_entitlement",
                r#"{"p_resource":"x","p_account_id":"y"}"#,
                "Could not find the function public.check_entitlement(p_account_id, p_resource) in the schema cache",
                "Searched for the function public.check_entitlement with parameters p_account_id, p_resource or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.",
                Some(
                    "Add p_resource_type; leave out p_resource. POST /api/rpc/check_entitlement takes p_account_id and p_resource_type, and optionally p_requested_qty and p_attributes",
                ),
            ),
            (
                "check_entitlemen",
                "",
                "Could not find the function public.check_entitlemen without parameters in the schema cache",
                "Searched for the function public.check_entitlemen without parameters or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.",
                Some("Perhaps you meant POST /api/rpc/check_entitlement"),
            ),
            (
                "zzz",
                r#"{"a":1}"#,
                "Could not find the function public.zzz(a) in the schema cache",
                "Searched for the function public.zzz with parameter a or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.",
                Some("The functions are: check_entitlement, ping"),
            ),
        ] {
            let error = call(name, body).expect_err("fits nothing");
            assert_eq!((error.status, error.code.as_ref()), (404, "PGRST202"));
            assert_eq!(error.message, message);
            assert_eq!(error.body()["details"], details);
            assert_eq!(error.hint.as_deref(), hint);
        }
        assert!(call("ping", "").is_ok());
        assert!(call("ping", "5").is_ok());
        assert_eq!(
            call("ping", "{").map(|_| ()).map_err(|error| error.code),
            Err("PGRST102".into())
        );
    }
}
