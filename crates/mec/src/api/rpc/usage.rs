//! `get_usage`, `get_window_boundaries`: use over time, and where a window begins and ends.

use mec_engine::{Caller, GroupBy, Mec, UsageQuestion};
use mec_kernel::{ROLLING_SECONDS_MIN, WindowKind, WindowRule, Zone, window_at};
use mec_query::Value;

use crate::api::answers::{self, Answer};
use crate::api::arguments::Arguments;
use crate::api::refusal::{self, Failure};

pub(super) async fn get_usage(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let group_by = match arguments.text("group_by") {
        None => None,
        Some(name) => {
            let known = || refusal::not_one_of("group_by", &name, &["hour", "day", "week", "month"]);
            Some(GroupBy::from_code(&name).ok_or_else(known)?)
        }
    };
    let caller = arguments.staleness_of(caller)?;
    let question = UsageQuestion {
        account: arguments.account_asked_about(mec, &caller).await?,
        resource: arguments.required_code("resource_type")?,
        scope: arguments.code("resource_scope"),
        from: arguments.time("from"),
        to: arguments.time("to"),
        group_by,
        own_only: arguments.flag("own_only"),
    };
    Ok(Answer::rows(answers::usage_rows(&mec.usage(question, &caller).await?)))
}

pub(super) fn get_window_boundaries(mec: &Mec, mut arguments: Arguments) -> Result<Answer, Failure> {
    let name = arguments.required_text("window_type")?;
    let kinds: Vec<&str> = WindowKind::ALL.iter().map(|kind| kind.code()).collect();
    let kind = WindowKind::from_code(&name).ok_or_else(|| refusal::not_one_of("window_type", &name, &kinds))?;
    let zone = match arguments.text("time_zone") {
        None => Zone::UTC,
        Some(name) => {
            let unknown = || refusal::bad_argument("time_zone", "must be an IANA time zone such as Europe/Zurich");
            mec.catalogue().zones.get(name.as_str()).cloned().ok_or_else(unknown)?
        }
    };
    let anchor = arguments.time("anchor");
    if anchor.is_none() && matches!(kind, WindowKind::BillingMonth | WindowKind::BillingYear | WindowKind::Period) {
        return Err(refusal::missing_argument("anchor").into());
    }
    let seconds = arguments.integer("window_seconds");
    if kind == WindowKind::Rolling && seconds.is_none_or(|seconds| seconds < ROLLING_SECONDS_MIN) {
        return Err(refusal::bad_argument("window_seconds", "must be the length of the rolling window, at least 60").into());
    }
    let now = mec.now();
    let at = arguments.time("at").unwrap_or(now);
    let window = window_at(WindowRule { kind, anchor, seconds, period: None }, &zone, at, at);
    let (start, end) = window.shown(at);
    let shown = |at: Option<_>| at.map_or(Value::Null, answers::time);
    Ok(Answer::rows(vec![vec![shown(start), shown(end)]]))
}
