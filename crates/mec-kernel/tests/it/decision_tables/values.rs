//! Values in a table's cells: quantities, windows, instants, attributes.

use mec_kernel::*;

pub(super) fn window(text: &str) -> Result<WindowRule, String> {
    if let Some(length) = text.strip_prefix("in any ") {
        return Ok(WindowRule {
            seconds: Some(seconds(length)?),
            ..WindowRule::of(WindowKind::Rolling)
        });
    }
    if let Some(start) = text.strip_prefix("in all from ") {
        return Ok(WindowRule {
            anchor: Some(time(start)?),
            ..WindowRule::LIFETIME
        });
    }
    if let Some((start, end)) = text
        .strip_prefix("from ")
        .and_then(|span| span.split_once(" to "))
    {
        return Ok(WindowRule {
            period: Some((time(start)?, time(end)?)),
            ..WindowRule::of(WindowKind::Period)
        });
    }
    let kind = match text {
        "in all" => WindowKind::Lifetime,
        "an hour" => WindowKind::Hour,
        "a day" => WindowKind::Day,
        "a week" => WindowKind::Week,
        "a month" => WindowKind::Month,
        "a quarter" => WindowKind::Quarter,
        "a year" => WindowKind::Year,
        "a billing month" => WindowKind::BillingMonth,
        "a billing year" => WindowKind::BillingYear,
        _ => return Err(format!("{text:?} is no window")),
    };
    Ok(WindowRule::of(kind))
}

pub(super) fn decimal(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// `yes` and `no` are flags, digits a number; everything else, and what stands in quotes, is text.
pub(super) fn value(text: &str) -> Attribute {
    match text.parse::<Decimal>() {
        Ok(number) => Attribute::Number(number),
        Err(_) if text == "yes" || text == "no" => Attribute::Flag(text == "yes"),
        Err(_) => Attribute::Text(text.trim_matches('"').to_owned()),
    }
}

pub(super) fn quantity(text: &str) -> Result<Quantity, String> {
    text.parse().map_err(|_| format!("{text:?} is no quantity"))
}

pub(super) fn whole<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no whole number"))
}

/// An instant, or a date for its first one.
pub(super) fn time(text: &str) -> Result<Time, String> {
    let instant = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{text}T00:00:00Z")
    };
    instant.parse().map_err(|_| format!("{text:?} is no time"))
}

pub(super) fn second_of_day(text: &str) -> Result<i64, String> {
    let (hour, minute) = text
        .split_once(':')
        .ok_or(format!("{text:?} is no time of day"))?;
    Ok(whole::<i64>(hour)? * 3_600 + whole::<i64>(minute)? * 60)
}

pub(super) fn seconds(text: &str) -> Result<i64, String> {
    let (number, unit) = text.split_once(' ').unwrap_or(("1", text));
    let unit = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return Err(format!("{text:?} is no length of time")),
    };
    Ok(whole::<i64>(number)? * unit)
}

/// How long a lease or a hold is taken where nothing is said.
pub(super) const AN_HOUR_SECONDS: i64 = 3_600;
