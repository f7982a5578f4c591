//! What a simulation found, as a table for people and as JSON for programs.

use mec_engine::simulate::Tally;
use mec_kernel::{Code, Decision, Time, Total};
use serde_json::{Map, Value, json};

use super::{Found, TotalOf};
use crate::terminal::failure::Failure;
use crate::terminal::output::{self, Print};

/// What a line tells of both answers.
const FIGURES: [&str; 9] = [
    "ALLOW", "WARN", "GRACE", "OVERAGE", "BLOCK", "DENY", "REFUSED", "BILLED", "COST",
];

/// Tells it.
pub(super) fn show(
    found: &Found,
    since: Option<Time>,
    unit: &dyn Fn(&Code) -> String,
    print: Print,
) -> Result<(), Failure> {
    match print {
        Print::Json => output::json(&as_json(found, since, unit)),
        Print::Table => tables(found, unit),
    }
}

fn tables(found: &Found, unit: &dyn Fn(&Code) -> String) -> Result<(), Failure> {
    output::line(format_args!(
        "{} events replayed; \"a → b\": a by the present catalog, b by the changed one; one figure: both the same",
        found.events
    ))?;
    if found.totals.is_empty() {
        return output::line("nothing was used in that time");
    }
    output::line("")?;
    if found.outcomes.is_empty() {
        output::line("every request was simply allowed, by both")?;
    } else {
        let head: Vec<&str> = ["ACCOUNT", "RESOURCE"]
            .into_iter()
            .chain(FIGURES)
            .chain(["FIRST"])
            .collect();
        let rows = found.outcomes.iter().map(|(outcome, name)| {
            let account = name.clone().unwrap_or_else(|| outcome.account.to_string());
            let mut cells = vec![account, outcome.resource.to_string()];
            cells.extend(figures(&outcome.present, &outcome.changed));
            cells.push(both(first(&outcome.present), first(&outcome.changed)));
            cells
        });
        output::table(&head, rows.collect::<Vec<_>>())?;
    }
    output::line("")?;
    let head: Vec<&str> = ["TOTAL", "UNIT", "ACCOUNTS"]
        .into_iter()
        .chain(FIGURES)
        .chain(["FIRST"])
        .collect();
    let rows = found.totals.iter().map(|total| {
        let accounts = both(
            total.accounts_present.to_string(),
            total.accounts_changed.to_string(),
        );
        let mut cells = vec![total.resource.to_string(), unit(&total.resource), accounts];
        cells.extend(figures(&total.present, &total.changed));
        cells.push(both(first(&total.present), first(&total.changed)));
        cells
    });
    output::table(&head, rows.collect::<Vec<_>>())?;
    let rejected = |of: fn(&TotalOf) -> &Tally| {
        found
            .totals
            .iter()
            .map(|total| of(total).rejected)
            .sum::<u64>()
    };
    let (present, changed) = (
        rejected(|total| &total.present),
        rejected(|total| &total.changed),
    );
    if present + changed > 0 {
        output::line(format_args!(
            "not understood (an unknown resource or unit): {} events",
            both(present, changed)
        ))?;
    }
    Ok(())
}

fn both(present: impl ToString, changed: impl ToString) -> String {
    let (present, changed) = (present.to_string(), changed.to_string());
    if present == changed {
        present
    } else {
        format!("{present} → {changed}")
    }
}

fn figures(present: &Tally, changed: &Tally) -> Vec<String> {
    let mut cells: Vec<String> = Decision::ALL
        .iter()
        .map(|decision| both(present.events(*decision), changed.events(*decision)))
        .collect();
    cells.push(both(present.refused(), changed.refused()));
    cells.push(both(present.overage, changed.overage));
    cells.push(both(cost(present), cost(changed)));
    cells
}

fn cost(tally: &Tally) -> String {
    if tally.cost.is_empty() {
        return "0".to_owned();
    }
    let amounts = tally
        .cost
        .iter()
        .map(|(currency, amount)| format!("{amount} {currency}").trim_end().to_owned());
    amounts.collect::<Vec<_>>().join(" + ")
}

fn first(tally: &Tally) -> String {
    let Some(at) = tally.first_notable_at() else {
        return "-".to_owned();
    };
    // To the second; as JSON it is exact.
    let text = at.to_string();
    text.split_once('.')
        .map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn as_json(found: &Found, since: Option<Time>, unit: &dyn Fn(&Code) -> String) -> Value {
    let accounts = found.outcomes.iter().map(|(outcome, name)| {
        json!({
            "account_id": outcome.account.to_string(),
            "external_id": name,
            "resource_type": outcome.resource.as_str(),
            "unit_code": unit(&outcome.resource),
            "present": tally(&outcome.present),
            "changed": tally(&outcome.changed),
        })
    });
    let totals = found.totals.iter().map(|total| {
        json!({
            "resource_type": total.resource.as_str(),
            "unit_code": unit(&total.resource),
            "accounts_present": total.accounts_present,
            "accounts_changed": total.accounts_changed,
            "present": tally(&total.present),
            "changed": tally(&total.changed),
        })
    });
    json!({
        "events": found.events,
        "since": since.map(|since| since.to_string()),
        "accounts": accounts.collect::<Vec<_>>(),
        "totals": totals.collect::<Vec<_>>(),
    })
}

fn tally(tally: &Tally) -> Value {
    let decisions = tally.told.iter().map(|(decision, told)| {
        let told = json!({ "events": told.events, "quantity": number(told.quantity), "first_at": told.first_at.to_string() });
        (decision.code().to_owned(), told)
    });
    let cost = tally
        .cost
        .iter()
        .map(|(currency, amount)| (currency.clone(), number(*amount)));
    json!({
        "decisions": decisions.collect::<Map<_, _>>(),
        "rejected": tally.rejected,
        "refused_quantity": number(tally.refused()),
        "overage_quantity": number(tally.overage),
        "overage_cost": cost.collect::<Map<_, _>>(),
        "first_at": tally.first_notable_at().map(|at| at.to_string()),
    })
}

/// The number with its own digits, never by way of a float.
fn number(total: Total) -> Value {
    let digits = total.to_string();
    digits
        .parse::<serde_json::Number>()
        .map_or(Value::String(digits), Value::Number)
}
