//! `get_window_boundaries`: where a window begins and ends.

use mec_engine::window_boundaries;
use mec_kernel::{ROLLING_SECONDS_MIN, Time, WindowKind, WindowRule, Zone};
use mec_query::{Param, Type, Value};

use crate::api::answers::{Answer, time};
use crate::api::verb::{self, Call, Field, Returns, Verb, Work};
use crate::problem::refusal::{self, Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "get_window_boundaries",
    aliases: &["fn_get_window_boundaries"],
    about: "Where the window that holds an instant begins and ends.",
    params: || {
        vec![
            Param::required("p_window_type", Type::TEXT)
                .described("How the window is cut, such as month; see the table window_types."),
            Param::optional("p_at", Type::Timestamp)
                .described("An instant within the window; now by default."),
            Param::optional("p_anchor", Type::Timestamp).described(
                "Where billing windows and periods are counted from, and where a lifetime begins.",
            ),
            Param::optional("p_window_seconds", Type::Int8)
                .described("The length of a rolling window, at least 60."),
            Param::optional("p_time_zone", Type::TEXT)
                .described("The IANA time zone calendar windows are cut in; UTC by default."),
        ]
    },
    returns: Returns::Rows(|| verb::columns(FIELDS)),
    repeat: Repeat::Question,
    work: Work::Once(|call| Box::pin(std::future::ready(answer(call)))),
};

/// Where a window begins and ends.
type Boundaries = (Option<Time>, Option<Time>);

const FIELDS: &[Field<Boundaries>] = &[
    Field::new(
        "window_start",
        Type::Timestamp,
        "First instant; null: from the beginning.",
        |(start, _)| start.map_or(Value::Null, time),
    ),
    Field::new(
        "window_end",
        Type::Timestamp,
        "First instant after it; null: without end.",
        |(_, end)| end.map_or(Value::Null, time),
    ),
];

fn answer(
    Call {
        mec, mut arguments, ..
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let name = arguments.required_text("window_type")?;
    let kinds: Vec<&str> = WindowKind::ALL.iter().map(|kind| kind.code()).collect();
    let kind = WindowKind::from_code(&name)
        .ok_or_else(|| refusal::not_one_of("window_type", &name, &kinds))?;
    let zone = match arguments.text("time_zone") {
        None => Zone::UTC,
        Some(name) => {
            let unknown = || {
                refusal::bad_argument(
                    "time_zone",
                    "must be an IANA time zone such as Europe/Zurich",
                )
            };
            mec.catalog()
                .zones
                .get(name.as_str())
                .cloned()
                .ok_or_else(unknown)?
        }
    };
    let anchor = arguments.time("anchor");
    if anchor.is_none()
        && matches!(
            kind,
            WindowKind::BillingMonth | WindowKind::BillingYear | WindowKind::Period
        )
    {
        return Err(refusal::missing_argument("anchor").into());
    }
    let seconds = arguments.integer("window_seconds");
    if kind == WindowKind::Rolling && seconds.is_none_or(|seconds| seconds < ROLLING_SECONDS_MIN) {
        return Err(refusal::bad_argument(
            "window_seconds",
            "must be the length of the rolling window, at least 60",
        )
        .into());
    }
    let at = arguments.time("at").unwrap_or_else(|| mec.now());
    let rule = WindowRule {
        kind,
        anchor,
        seconds,
        period: None,
    };
    let boundaries = window_boundaries(rule, &zone, at);
    Ok(Answer::rows(vec![verb::row(FIELDS, &boundaries)]))
}
