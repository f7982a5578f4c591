//! How long a lease or a reservation lasts.

use crate::need::Halt;
use crate::refusal::Refusal;
use crate::time::Time;

/// The longest time to live of a lease or a reservation, in seconds: 24 hours.
pub const TTL_SECONDS_MAX: i64 = 86_400;

/// When something taken now for `ttl_seconds` expires: the next full second.
pub(crate) fn expiry(now: Time, ttl_seconds: i64) -> Result<Time, Halt> {
    if (1..=TTL_SECONDS_MAX).contains(&ttl_seconds) {
        Ok(now.plus_seconds(ttl_seconds).full_second_up())
    } else {
        Err(Refusal::BadTtl.into())
    }
}
