//! An entitlement's condition as a row of `entitlement_conditions`: what the table shows and takes,
//! both ways.
//!
//! | condition_type | attribute | operator | value |
//! |---|---|---|---|
//! | `attribute` | its name | `eq neq` | text, number or boolean |
//! | `attribute` | its name | `in not_in` | a list of them |
//! | `attribute` | its name | `gt gte lt lte` | a number |
//! | `time_of_day` | null | null | `{"from": "08:00", "to": "18:00"}`, half-open, may wrap midnight |
//! | `weekday` | null | null | a list of 1 (Monday) … 7 (Sunday) |

use mec_kernel::{Attribute, Code, Comparison, ConditionTest, Decimal, Refusal};
use serde_json::{Value, json};

const DAY_SECONDS: i64 = 86_400;

/// The columns of a condition, without its ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionRow {
    /// `attribute`, `time_of_day` or `weekday`.
    pub condition_type: String,
    /// Which attribute of the request.
    pub attribute: Option<String>,
    /// How it is compared.
    pub operator: Option<String>,
    /// What it is compared with.
    pub value: Value,
}

impl ConditionRow {
    /// The row of `test`. A list of one is shown as `eq` or `neq`, which mean the same.
    pub fn of(test: &ConditionTest) -> Self {
        let row = |condition_type: &str, value| Self {
            condition_type: condition_type.to_owned(),
            attribute: None,
            operator: None,
            value,
        };
        match test {
            ConditionTest::Attribute { name, comparison } => {
                let (operator, value) = operator_of(comparison);
                Self {
                    attribute: Some(name.as_str().to_owned()),
                    operator: Some(operator.to_owned()),
                    ..row("attribute", value)
                }
            }
            ConditionTest::TimeOfDay { from, to } => row(
                "time_of_day",
                json!({ "from": clock(*from), "to": clock(*to) }),
            ),
            ConditionTest::Weekday(days) => row("weekday", json!(days)),
        }
    }

    /// The test the row stands for.
    ///
    /// # Errors
    /// [`Refusal::BadValue`] names the column and what it must be.
    pub fn test(&self) -> Result<ConditionTest, Refusal> {
        match self.condition_type.as_str() {
            "attribute" => {
                let name = self.attribute.as_deref().filter(|name| !name.is_empty());
                let name =
                    name.ok_or_else(|| bad("attribute", "name an attribute of the request"))?;
                let operator = self.operator.as_deref().unwrap_or_default();
                Ok(ConditionTest::Attribute {
                    name: Code::from(name),
                    comparison: comparison_of(operator, &self.value)?,
                })
            }
            "time_of_day" => {
                self.has_no_attribute()?;
                let end = |name: &str| self.value.get(name)?.as_str().and_then(second_of_day);
                match (end("from"), end("to")) {
                    (Some(from), Some(to)) if from < DAY_SECONDS && from != to => {
                        Ok(ConditionTest::TimeOfDay { from, to })
                    }
                    _ => Err(bad(
                        "value",
                        "be two different times of day, such as {\"from\": \"08:00\", \"to\": \"18:00\"}",
                    )),
                }
            }
            "weekday" => {
                self.has_no_attribute()?;
                let day = |value: &Value| {
                    value
                        .as_i64()
                        .and_then(|day| i8::try_from(day).ok())
                        .filter(|day| (1..=7).contains(day))
                };
                let days = self
                    .value
                    .as_array()
                    .and_then(|days| days.iter().map(day).collect::<Option<Vec<_>>>());
                let days = days.filter(|days| !days.is_empty());
                days.map(ConditionTest::Weekday).ok_or_else(|| {
                    bad(
                        "value",
                        "be a list of weekdays, 1 (Monday) to 7 (Sunday), such as [1, 2, 3, 4, 5]",
                    )
                })
            }
            _ => Err(bad(
                "condition_type",
                "be one of attribute, time_of_day, weekday",
            )),
        }
    }

    fn has_no_attribute(&self) -> Result<(), Refusal> {
        match (&self.attribute, &self.operator) {
            (None, None) => Ok(()),
            (Some(_), _) => Err(bad("attribute", "be null for this condition_type")),
            (None, Some(_)) => Err(bad("operator", "be null for this condition_type")),
        }
    }
}

fn bad(column: &'static str, must: &str) -> Refusal {
    Refusal::BadValue {
        column,
        must: must.to_owned(),
    }
}

fn operator_of(comparison: &Comparison) -> (&'static str, Value) {
    let number = |bound: &Decimal| attribute_value(&Attribute::Number(bound.clone()));
    let list = |list: &[Attribute]| Value::Array(list.iter().map(attribute_value).collect());
    match comparison {
        Comparison::In(values) => match values.as_slice() {
            [one] => ("eq", attribute_value(one)),
            values => ("in", list(values)),
        },
        Comparison::NotIn(values) => match values.as_slice() {
            [one] => ("neq", attribute_value(one)),
            values => ("not_in", list(values)),
        },
        Comparison::Above(bound) => ("gt", number(bound)),
        Comparison::AtLeast(bound) => ("gte", number(bound)),
        Comparison::Below(bound) => ("lt", number(bound)),
        Comparison::AtMost(bound) => ("lte", number(bound)),
    }
}

fn comparison_of(operator: &str, value: &Value) -> Result<Comparison, Refusal> {
    let one = || attribute_of(value).ok_or_else(|| bad("value", "be text, a number or a boolean"));
    let list = || {
        let list = value
            .as_array()
            .and_then(|list| list.iter().map(attribute_of).collect::<Option<Vec<_>>>());
        list.ok_or_else(|| bad("value", "be a list of texts, numbers or booleans"))
    };
    let number = || match attribute_of(value) {
        Some(Attribute::Number(number)) => Ok(number),
        _ => Err(bad("value", "be a number")),
    };
    Ok(match operator {
        "eq" => Comparison::In(vec![one()?]),
        "neq" => Comparison::NotIn(vec![one()?]),
        "in" => Comparison::In(list()?),
        "not_in" => Comparison::NotIn(list()?),
        "gt" => Comparison::Above(number()?),
        "gte" => Comparison::AtLeast(number()?),
        "lt" => Comparison::Below(number()?),
        "lte" => Comparison::AtMost(number()?),
        _ => {
            return Err(bad(
                "operator",
                "be one of eq, neq, in, not_in, gt, gte, lt, lte",
            ));
        }
    })
}

fn attribute_value(attribute: &Attribute) -> Value {
    match attribute {
        Attribute::Text(text) => Value::String(text.clone()),
        Attribute::Number(number) => crate::json::decimal(number),
        Attribute::Flag(flag) => Value::Bool(*flag),
    }
}

fn attribute_of(value: &Value) -> Option<Attribute> {
    match value {
        Value::String(text) => Some(Attribute::Text(text.clone())),
        Value::Bool(flag) => Some(Attribute::Flag(*flag)),
        Value::Number(number) => number.to_string().parse().ok().map(Attribute::Number),
        _ => None,
    }
}

/// `08:00`, or `08:00:30` where the seconds say something.
fn clock(second: i64) -> String {
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    if second == 0 {
        format!("{hour:02}:{minute:02}")
    } else {
        format!("{hour:02}:{minute:02}:{second:02}")
    }
}

/// 0 … 86,400; the last one, `24:00`, is the end of the day.
fn second_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut part = |max: i64| {
        let digits = parts.next()?;
        let number = (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())??;
        (0..=max).contains(&number).then_some(number)
    };
    let (hour, minute) = (part(24)?, part(59)?);
    let second = if text.len() > 5 { part(59)? } else { 0 };
    let all = hour * 3_600 + minute * 60 + second;
    (parts.next().is_none() && all <= DAY_SECONDS).then_some(all)
}
