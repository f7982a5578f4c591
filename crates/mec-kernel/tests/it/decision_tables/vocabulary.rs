//! The words that cells are written in: what an account has, the rules, what happened and what is
//! asked.
//!
//! `docs/decisions/README.md` lists them for people. A word that is not in the list is an error,
//! never ignored.

use mec_kernel::*;

use super::document::NOTHING;
pub(super) use super::values::quantity;
use super::values::{AN_HOUR_SECONDS, decimal, second_of_day, seconds, time, value, whole, window};

/// One thing an account has.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// An entitlement.
    Row(RowOf),
    /// A state of the account itself, reached after everything else.
    Account(AccountStatus),
    /// Its time zone.
    Zone(String),
}

/// An entitlement, as the tables write it.
#[derive(Clone, Debug)]
pub(super) struct RowOf {
    pub(super) source: Source,
    /// `None` is unlimited.
    pub(super) quantity: Option<Quantity>,
    pub(super) window: Option<WindowRule>,
    pub(super) scope: Option<Code>,
    pub(super) is_suspended: bool,
    pub(super) is_expired: bool,
    pub(super) conditions: Vec<ConditionTest>,
    pub(super) from: Option<Time>,
    pub(super) until: Option<Time>,
    pub(super) priority: i32,
}

/// A rule, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct RuleOf {
    pub(super) whose: Whose,
    pub(super) action: LimitAction,
    pub(super) warn_at: Option<Percent>,
    /// Of grace or of overage.
    pub(super) quantity: Option<Quantity>,
    pub(super) seconds: Option<i64>,
    pub(super) price: Option<Quantity>,
    pub(super) priority: i32,
    pub(super) is_active: bool,
    /// Only for limits counted in windows of this kind.
    pub(super) window: Option<WindowKind>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Whose {
    Resource,
    Plan,
    AnotherPlan,
    Account(String),
}

/// So much of the resource, with what may be said about it.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// Who used it; `None`: the account that asks.
    pub(super) who: Option<String>,
    pub(super) quantity: Quantity,
    pub(super) unit: Option<Code>,
    pub(super) scope: Option<Code>,
    pub(super) attributes: Attributes,
    /// For how long a lease or a hold is taken.
    pub(super) seconds: i64,
    /// When it happened; `None`: when it is told.
    pub(super) at: Option<Time>,
}

/// Something that happens before the question.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Use(Use),
    Hold(Use),
    Wait(i64),
    ItIs(Time),
    CorrectTo(Quantity),
    LimitBecomes {
        who: Option<String>,
        quantity: Option<Quantity>,
    },
    PlanCancelled {
        who: Option<String>,
    },
}

/// What is asked, and how.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) verb: Verb,
    /// `None`: where does the account stand?
    pub(super) used: Option<Use>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verb {
    Check,
    Consume,
    Reserve,
    Lease,
    Renew,
}

/// Accounts a table may have, from the root down.
pub(super) const LEVELS: [&str; LEVELS_MAX] = [
    "org",
    "region",
    "division",
    "department",
    "team",
    "project",
    "group",
    "user",
];

/// `plan 100 a month, manual 20 a month (suspended)`.
pub(super) fn items(cell: &str) -> Result<Vec<Item>, String> {
    each(cell, ',', item)
}

fn item(text: &str) -> Result<Item, String> {
    if let Some(status) = text.strip_prefix("account ") {
        return AccountStatus::from_code(status)
            .map(Item::Account)
            .ok_or(format!("{status:?} is no state of an account"));
    }
    if let Some(zone) = text.strip_prefix("zone ") {
        return Ok(Item::Zone(zone.to_owned()));
    }
    let (text, modifiers) = modifiers(text)?;
    let (source, text) = match text.split_once(' ') {
        Some(("plan", rest)) => (Source::Plan, rest),
        Some(("manual", rest)) => (Source::Manual, rest),
        Some(("add-on", rest)) => (Source::Addon, rest),
        Some(("override", rest)) => (Source::Override, rest),
        _ => (Source::Manual, text),
    };
    let (amount, span) = text.split_once(' ').unwrap_or((text, ""));
    let mut row = RowOf {
        source,
        quantity: if ["unlimited", "access"].contains(&amount) {
            None
        } else {
            Some(quantity(amount)?)
        },
        window: if span.is_empty() {
            None
        } else {
            Some(window(span)?)
        },
        scope: None,
        is_suspended: false,
        is_expired: false,
        conditions: Vec::new(),
        from: None,
        until: None,
        priority: 0,
    };
    for modifier in modifiers {
        match modifier.split_once(' ') {
            None if modifier == "suspended" => row.is_suspended = true,
            None if modifier == "expired" => row.is_expired = true,
            Some(("scope", scope)) => row.scope = Some(scope.into()),
            Some(("from", at)) => row.from = Some(time(at)?),
            Some(("until", at)) => row.until = Some(time(at)?),
            Some(("priority", number)) => row.priority = whole(number)?,
            Some(("if", test)) => row.conditions.push(condition(test)?),
            _ => return Err(format!("{modifier:?} says nothing about an entitlement")),
        }
    }
    Ok(Item::Row(row))
}

/// `tier = gold`, `size >= 5`, `time 09:00 to 17:00`, `weekday 1/2/3`.
fn condition(text: &str) -> Result<ConditionTest, String> {
    let words: Vec<&str> = text.splitn(3, ' ').collect();
    let list = |text: &str| text.split('/').map(value).collect::<Vec<_>>();
    let comparison = match words[..] {
        ["weekday", days] => {
            return days
                .split('/')
                .map(whole)
                .collect::<Result<_, _>>()
                .map(ConditionTest::Weekday);
        }
        ["time", from, to] => {
            let to = to
                .strip_prefix("to ")
                .ok_or("a time of day goes `from` … `to`")?;
            return Ok(ConditionTest::TimeOfDay {
                from: second_of_day(from)?,
                to: second_of_day(to)?,
            });
        }
        [_, "=", values] => Comparison::In(list(values)),
        [_, "not", values] => Comparison::NotIn(list(values)),
        [_, ">", bound] => Comparison::Above(decimal(bound)?),
        [_, ">=", bound] => Comparison::AtLeast(decimal(bound)?),
        [_, "<", bound] => Comparison::Below(decimal(bound)?),
        [_, "<=", bound] => Comparison::AtMost(decimal(bound)?),
        _ => return Err(format!("{text:?} is no condition")),
    };
    Ok(ConditionTest::Attribute {
        name: words[0].into(),
        comparison,
    })
}

/// `account: grace 10 for 1 hour; plan: overage up to 10 at 2.5 (priority 1)`.
pub(super) fn rules(cell: &str) -> Result<Vec<RuleOf>, String> {
    each(cell, ';', rule)
}

fn rule(text: &str) -> Result<RuleOf, String> {
    let (text, modifiers) = modifiers(text)?;
    let (whose, text) = match text.split_once(": ") {
        Some(("plan", rest)) => (Whose::Plan, rest),
        Some(("another plan", rest)) => (Whose::AnotherPlan, rest),
        Some(("resource", rest)) => (Whose::Resource, rest),
        Some((account, rest)) => (Whose::Account(level(account)?), rest),
        None => (Whose::Resource, text),
    };
    let (action, rest) = text.split_once(' ').unwrap_or((text, ""));
    let action = LimitAction::from_code(action).ok_or(format!("{action:?} is no action"))?;
    let mut rule = RuleOf {
        whose,
        action,
        warn_at: None,
        quantity: None,
        seconds: None,
        price: None,
        priority: 0,
        is_active: true,
        window: None,
    };
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let after = |word: Option<&str>| word.map(str::to_owned).ok_or("the rule does not end");
    while let Some(word) = words.next() {
        match (action, word) {
            (_, "warned") if words.next() == Some("at") => {
                let percent = after(words.next())?;
                let percent = percent
                    .strip_suffix('%')
                    .ok_or(format!("{percent:?} is no percentage"))?;
                rule.warn_at = Some(Percent(quantity(percent)?.millionths() / 10_000));
            }
            (LimitAction::Grace, "for") => {
                rule.seconds = Some(seconds(&format!(
                    "{} {}",
                    after(words.next())?,
                    after(words.next())?
                ))?);
            }
            (LimitAction::Grace, amount) => rule.quantity = Some(quantity(amount)?),
            (LimitAction::Overage, "up") if words.next() == Some("to") => {
                rule.quantity = Some(quantity(&after(words.next())?)?)
            }
            (LimitAction::Overage, "at") => rule.price = Some(quantity(&after(words.next())?)?),
            _ => return Err(format!("{word:?} says nothing about {action}")),
        }
    }
    for modifier in modifiers {
        match modifier.split_once(' ') {
            None if modifier == "inactive" => rule.is_active = false,
            Some(("priority", number)) => rule.priority = whole(number)?,
            Some(("window", kind)) => {
                rule.window =
                    Some(WindowKind::from_code(kind).ok_or(format!("{kind:?} is no window"))?)
            }
            _ => return Err(format!("{modifier:?} says nothing about a rule")),
        }
    }
    Ok(rule)
}

/// `80`, `org 50, user 20 minute (scope eu)`.
pub(super) fn uses(cell: &str) -> Result<Vec<Use>, String> {
    each(cell, ',', used)
}

fn used(text: &str) -> Result<Use, String> {
    let (text, modifiers) = modifiers(text)?;
    let mut words: Vec<&str> = text.split(' ').collect();
    let who = level(words[0]).ok();
    if who.is_some() {
        words.remove(0);
    }
    let (amount, unit) = match words[..] {
        [amount] => (amount, None),
        [amount, unit] => (amount, Some(Code::from(unit))),
        _ => return Err(format!("{text:?} is no amount")),
    };
    let quantity = quantity(amount)?;
    let mut used = Use {
        who,
        quantity,
        unit,
        scope: None,
        attributes: Attributes::new(),
        seconds: AN_HOUR_SECONDS,
        at: None,
    };
    for modifier in modifiers {
        match modifier.split_once(' ') {
            Some(("scope", scope)) => used.scope = Some(scope.into()),
            Some(("for", length)) => used.seconds = seconds(length)?,
            Some(("at", instant)) => used.at = Some(time(instant)?),
            Some((name, said)) if said.starts_with("= ") => {
                used.attributes
                    .insert(name.to_owned(), value(said.trim_start_matches("= ")));
            }
            _ => return Err(format!("{modifier:?} says nothing about an amount")),
        }
    }
    Ok(used)
}

/// `use 101; wait 59 seconds; limit becomes 80`.
pub(super) fn steps(cell: &str) -> Result<Vec<Step>, String> {
    each(cell, ';', step)
}

fn step(text: &str) -> Result<Step, String> {
    let (who, what) = match text.split_once(": ") {
        Some((account, rest)) => (Some(level(account)?), rest),
        None => (None, text),
    };
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    match (verb, rest) {
        ("use", amount) => Ok(Step::Use(Use {
            who,
            ..used(amount)?
        })),
        ("hold", amount) => Ok(Step::Hold(Use {
            who,
            ..used(amount)?
        })),
        ("wait", length) => Ok(Step::Wait(seconds(length)?)),
        ("it", rest) => rest
            .strip_prefix("is ")
            .ok_or(format!("{text:?} is no time"))
            .and_then(time)
            .map(Step::ItIs),
        ("correct", rest) => rest
            .strip_prefix("to ")
            .ok_or(format!("{text:?} corrects nothing"))
            .and_then(quantity)
            .map(Step::CorrectTo),
        ("limit", rest) => {
            let limit = rest
                .strip_prefix("becomes ")
                .ok_or(format!("{text:?} changes nothing"))?;
            let quantity = if limit == "unlimited" {
                None
            } else {
                Some(quantity(limit)?)
            };
            Ok(Step::LimitBecomes { who, quantity })
        }
        ("plan", "cancelled") => Ok(Step::PlanCancelled { who }),
        _ => Err(format!("{text:?} is nothing that happens")),
    }
}

/// `1`, `90 minute`, `consume 5 (scope eu)`, `renew`, `renew (tier = gold)`, or nothing.
pub(super) fn question(cell: &str) -> Result<Question, String> {
    let (verb, rest) = match cell.split_once(' ').unwrap_or((cell, "")) {
        ("consume", rest) => (Verb::Consume, rest.to_owned()),
        ("reserve", rest) => (Verb::Reserve, rest.to_owned()),
        ("lease", rest) => (Verb::Lease, rest.to_owned()),
        ("renew", rest) => (
            Verb::Renew,
            format!("{NOTHING} {rest}").trim_end().to_owned(),
        ),
        _ => (Verb::Check, cell.to_owned()),
    };
    let is_nothing = rest == NOTHING || rest.starts_with("— (");
    let mut asked = if rest == NOTHING {
        None
    } else {
        Some(used(&rest.replacen(NOTHING, "0", 1))?)
    };
    if let Some(asked) = asked.as_mut().filter(|_| is_nothing) {
        asked.quantity = Quantity::ZERO;
    }
    Ok(Question { verb, used: asked })
}

/// Cuts a cell at `separator` outside parentheses; nothing is no part.
fn each<T>(
    cell: &str,
    separator: char,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    if cell == NOTHING {
        return Ok(Vec::new());
    }
    let mut depth = 0_i32;
    let parts = cell.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == separator && depth == 0
    });
    parts.map(|part| read(part.trim())).collect()
}

/// `10 (scope eu; suspended)`: what comes before the parentheses and what stands in them.
fn modifiers(text: &str) -> Result<(&str, Vec<&str>), String> {
    let Some((before, inside)) = text.split_once(" (") else {
        return Ok((text, Vec::new()));
    };
    let inside = inside
        .strip_suffix(')')
        .ok_or(format!("{text:?} does not close its parenthesis"))?;
    Ok((before, inside.split(';').map(str::trim).collect()))
}

fn level(name: &str) -> Result<String, String> {
    if LEVELS.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("{name:?} is no account of a table"))
    }
}
