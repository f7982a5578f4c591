//! How much was used over time: for charts and invoices. Decides nothing.

use mec_kernel::{
    AccountId, Amount, Code, Factor, Halt, LimitKind, Occupancy, Refusal, Time, Total, View,
    Window, WindowKind, WindowRule, Zone, occupancy, price_of, scope_of, window_at,
};
use mec_store::{UsageBucket, UsageQuery};

use crate::caller::Caller;
use crate::error::MecError;
use crate::mec::Mec;

/// Buckets of one answer.
const BUCKETS_MAX: usize = 10_000;

/// A question about use over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuestion {
    /// Whose use.
    pub account: AccountId,
    /// Of which resource.
    pub resource: Code,
    /// Of which part of it; `None` is every part.
    pub scope: Option<Code>,
    /// First instant; `None`: where the present calendar month begins.
    pub from: Option<Time>,
    /// First instant after it; `None`: where the present bucket (or month) ends.
    pub to: Option<Time>,
    /// How it is divided; `None`: not at all.
    pub group_by: Option<GroupBy>,
    /// The account alone, without its descendants.
    pub own_only: bool,
}

/// A calendar bucket, in the account's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Clock hours.
    Hour,
    /// Calendar days.
    Day,
    /// ISO weeks.
    Week,
    /// Calendar months.
    Month,
}

impl GroupBy {
    /// The bucket a request names.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            _ => None,
        }
    }

    const fn window(self) -> WindowRule {
        WindowRule::of(match self {
            Self::Hour => WindowKind::Hour,
            Self::Day => WindowKind::Day,
            Self::Week => WindowKind::Week,
            Self::Month => WindowKind::Month,
        })
    }
}

/// What was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The resource's canonical unit, which the quantities are in.
    pub unit: Code,
    /// From the earliest; what was not used is in it as zero.
    pub buckets: Vec<Bucket>,
}

/// The use in `[start, end)`, until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// First instant.
    pub start: Time,
    /// First instant after it.
    pub end: Time,
    /// What was used; of inventory what is owned at the bucket's end; of seats the most that were
    /// held at one instant.
    pub quantity: Total,
    /// Seats times hours they were held; `None` for what is not counted in seats.
    pub lease_hours: Option<Total>,
    /// What of it was overage in the account's pools.
    pub overage: Total,
    /// What that costs at the prices of its moments; `None` where nothing was billed.
    pub overage_cost: Option<Total>,
    /// Events summed.
    pub events: i64,
}

impl Mec {
    /// The use of a resource over time.
    ///
    /// # Errors
    /// An unknown account or resource; a range that is empty or has more than 10,000 buckets.
    pub async fn usage(&self, question: UsageQuestion, caller: &Caller) -> Result<Usage, MecError> {
        let question = UsageQuestion {
            scope: scope_of(question.scope.as_ref()).cloned(),
            ..question
        };
        let asked = question.clone();
        let (
            Report {
                unit,
                factor,
                limit_kind,
                buckets,
            },
            now,
        ) = self
            .look(question.account, caller, move |view| report(view, &asked))
            .await?;
        let catalog = self.catalog();
        let buckets = self
            .read_store(move |store| {
                let query = |buckets| UsageQuery {
                    account: question.account,
                    resource: &question.resource,
                    scope: question.scope.as_ref(),
                    buckets,
                    own_only: question.own_only,
                };
                match limit_kind {
                    LimitKind::Concurrency => {
                        let held = occupancy(&store.stays(&query(&buckets))?, &buckets, now);
                        Ok(buckets
                            .iter()
                            .zip(held)
                            .map(|(bucket, held)| Bucket::of_seats(*bucket, held))
                            .collect())
                    }
                    LimitKind::Inventory => {
                        let before = buckets.first().map(|(start, _)| (Time::BEGINNING, *start));
                        let all: Vec<_> = before.into_iter().chain(buckets).collect();
                        let mut owned = Amount::ZERO;
                        let found =
                            store
                                .usage(&query(&all), &catalog)?
                                .into_iter()
                                .map(|bucket| {
                                    owned = owned.plus(bucket.amount);
                                    Bucket::of_use(
                                        UsageBucket {
                                            amount: owned,
                                            ..bucket
                                        },
                                        factor,
                                    )
                                });
                        Ok(found.skip(1).collect())
                    }
                    LimitKind::Cumulative | LimitKind::TimeAccess => {
                        let found = store.usage(&query(&buckets), &catalog)?;
                        Ok(found
                            .into_iter()
                            .map(|bucket| Bucket::of_use(bucket, factor))
                            .collect())
                    }
                }
            })
            .await?;
        Ok(Usage { unit, buckets })
    }
}

impl Bucket {
    fn of_use(bucket: UsageBucket, factor: Factor) -> Self {
        Self {
            start: bucket.start,
            end: bucket.end,
            quantity: bucket.amount.rounded(factor),
            lease_hours: None,
            overage: bucket.overage.rounded(factor),
            overage_cost: ((bucket.overage, bucket.overage_cost) != (Amount::ZERO, Amount::ZERO))
                .then(|| price_of(bucket.overage_cost, factor)),
            events: bucket.events,
        }
    }

    /// Leases are no events of the ledger, and nothing beyond their limit is billed.
    fn of_seats((start, end): (Time, Time), held: Occupancy) -> Self {
        let Occupancy { peak, lease_hours } = held;
        Self {
            start,
            end,
            quantity: peak,
            lease_hours: Some(lease_hours),
            overage: Total::default(),
            overage_cost: None,
            events: 0,
        }
    }
}

/// What is to be reported, and how.
struct Report {
    unit: Code,
    factor: Factor,
    limit_kind: LimitKind,
    buckets: Vec<(Time, Time)>,
}

fn report(view: &View<'_>, question: &UsageQuestion) -> Result<Report, Halt> {
    let path = view.path(question.account)?;
    let resource = view.resource(&question.resource)?;
    let zone = view.zone(&path);
    let month = bounds(GroupBy::Month, &zone, view.now);
    let present = question
        .group_by
        .map_or(month, |group_by| bounds(group_by, &zone, view.now));
    let from = question.from.unwrap_or(month.0);
    let to = question.to.unwrap_or(present.1);
    if to <= from {
        return Err(Refusal::BadValue {
            column: "to",
            must: "be after from".to_owned(),
        }
        .into());
    }
    let buckets = match question.group_by {
        None => vec![(from, to)],
        Some(group_by) => cut(group_by, &zone, from, to)?,
    };
    let factor = view.catalog.canonical(resource);
    Ok(Report {
        unit: resource.unit.clone(),
        factor,
        limit_kind: resource.limit_kind,
        buckets,
    })
}

fn cut(group_by: GroupBy, zone: &Zone, from: Time, to: Time) -> Result<Vec<(Time, Time)>, Halt> {
    let mut cuts = Vec::new();
    let mut at = from;
    while at < to {
        if cuts.len() == BUCKETS_MAX {
            let must = format!(
                "give at most {BUCKETS_MAX} buckets: shorten the range or group by something longer"
            );
            return Err(Refusal::BadValue {
                column: "group_by",
                must,
            }
            .into());
        }
        let (start, end) = bounds(group_by, zone, at);
        cuts.push((start.max(from), end.min(to)));
        at = end;
    }
    Ok(cuts)
}

fn bounds(group_by: GroupBy, zone: &Zone, at: Time) -> (Time, Time) {
    match window_at(group_by.window(), zone, at, at) {
        Window::Fixed { start, end } => (start, end),
        Window::Rolling { .. } => (Time::BEGINNING, Time::FOREVER),
    }
}
