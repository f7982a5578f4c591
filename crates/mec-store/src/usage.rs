//! How much was used in which stretch of time.

use mec_kernel::{AccountId, Amount, Code, Time};

/// What is to be summed.
#[derive(Clone, Copy, Debug)]
pub struct UsageQuery<'a> {
    /// Whose use.
    pub account: AccountId,
    /// Of which resource.
    pub resource: &'a Code,
    /// Of which part of it; `None` is every part.
    pub scope: Option<&'a Code>,
    /// Half-open stretches `[start, end)`, each answered by one [`UsageBucket`]. They need not touch or be in order.
    pub buckets: &'a [(Time, Time)],
    /// The account alone, without its descendants.
    pub own_only: bool,
}

/// The use in `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageBucket {
    /// First instant.
    pub start: Time,
    /// First instant after it.
    pub end: Time,
    /// What was used, in base units of the resource's dimension.
    pub amount: Amount,
    /// Overage accrued in the account's own pools, in base units, net of what corrections took back.
    pub overage: Amount,
    /// How many events were summed.
    pub events: i64,
}
