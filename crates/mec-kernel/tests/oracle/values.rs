//! Values of both sides in the words of the other: quantities, windows, attributes, conditions.

use mec_kernel as k;
use mec_kernel::{Code, Quantity, WindowKind, WindowRule};
use mec_oracle as o;

pub(crate) fn scope(code: &Code) -> &'static str {
    ["eu", "us"]
        .into_iter()
        .find(|scope| *scope == code.as_str())
        .expect("a scope of the generator")
}

pub(crate) fn instants(
    (start, end): (Option<k::Time>, Option<k::Time>),
) -> (Option<i64>, Option<i64>) {
    (start.map(k::Time::micros), end.map(k::Time::micros))
}

pub(crate) fn quantity(millionths: i64) -> Quantity {
    Quantity::from_millionths(millionths).expect("the generator stays within a quantity")
}

pub(crate) const fn kind(of: o::Kind) -> k::LimitKind {
    match of {
        o::Kind::Cumulative => k::LimitKind::Cumulative,
        o::Kind::Concurrency => k::LimitKind::Concurrency,
        o::Kind::Inventory => k::LimitKind::Inventory,
        o::Kind::TimeAccess => k::LimitKind::TimeAccess,
    }
}

pub(crate) fn window_kind(name: &str) -> WindowKind {
    WindowKind::from_code(name).expect("a kind of window")
}

pub(crate) fn window(of: o::Window) -> WindowRule {
    let anchored = |kind, anchor: Option<i64>| WindowRule {
        anchor: anchor.map(k::Time::from_micros),
        ..WindowRule::of(kind)
    };
    match of {
        o::Window::Hour => WindowRule::of(WindowKind::Hour),
        o::Window::Day => WindowRule::of(WindowKind::Day),
        o::Window::Week => WindowRule::of(WindowKind::Week),
        o::Window::Month => WindowRule::of(WindowKind::Month),
        o::Window::Quarter => WindowRule::of(WindowKind::Quarter),
        o::Window::Year => WindowRule::of(WindowKind::Year),
        o::Window::BillingMonth(anchor) => anchored(WindowKind::BillingMonth, anchor),
        o::Window::BillingYear(anchor) => anchored(WindowKind::BillingYear, anchor),
        o::Window::Lifetime(anchor) => anchored(WindowKind::Lifetime, anchor),
        o::Window::Rolling(seconds) => WindowRule {
            seconds: Some(seconds),
            ..WindowRule::of(WindowKind::Rolling)
        },
        o::Window::Period(start, end) => {
            let period = Some((k::Time::from_micros(start), k::Time::from_micros(end)));
            WindowRule {
                period,
                ..WindowRule::of(WindowKind::Period)
            }
        }
    }
}

/// Facts stated with a request.
pub(crate) fn attributes(of: &o::Attributes) -> k::Attributes {
    of.iter()
        .map(|(name, attribute)| ((*name).to_owned(), attribute_of(attribute)))
        .collect()
}

pub(crate) fn attribute_of(of: &o::Attribute) -> k::Attribute {
    match of {
        o::Attribute::Text(text) => k::Attribute::Text((*text).to_owned()),
        o::Attribute::Number(number) => k::Attribute::Number(decimal(*number)),
        o::Attribute::Flag(flag) => k::Attribute::Flag(*flag),
    }
}

pub(crate) fn test(of: &o::Condition) -> k::ConditionTest {
    match of {
        o::Condition::TimeOfDay { from, to } => k::ConditionTest::TimeOfDay {
            from: *from,
            to: *to,
        },
        o::Condition::Weekday(days) => k::ConditionTest::Weekday(days.clone()),
        o::Condition::Attribute {
            name,
            operator,
            values,
        } => {
            let number = || match values.first() {
                Some(o::Attribute::Number(number)) => decimal(*number),
                other => panic!("{other:?} is no number"),
            };
            let comparison = match operator {
                o::Operator::In => k::Comparison::In(values.iter().map(attribute_of).collect()),
                o::Operator::NotIn => {
                    k::Comparison::NotIn(values.iter().map(attribute_of).collect())
                }
                o::Operator::Gt => k::Comparison::Above(number()),
                o::Operator::Gte => k::Comparison::AtLeast(number()),
                o::Operator::Lt => k::Comparison::Below(number()),
                o::Operator::Lte => k::Comparison::AtMost(number()),
            };
            k::ConditionTest::Attribute {
                name: (*name).into(),
                comparison,
            }
        }
    }
}

/// A stated number as attributes have it.
pub(crate) fn decimal(millionths: i64) -> k::Decimal {
    quantity(millionths)
        .to_string()
        .parse()
        .expect("a quantity is a number")
}
