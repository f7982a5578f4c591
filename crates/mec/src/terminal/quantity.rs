//! A quantity as a person writes it.

use mec_kernel::{Quantity, QuantityError};

/// A decimal number with at most 12 digits before the point, read exactly.
pub(crate) fn parse(text: &str) -> Result<Quantity, String> {
    text.parse().map_err(|error| match error {
        QuantityError::NotANumber => "not a decimal number".to_owned(),
        QuantityError::RoundsToZero => "rounds to 0; the smallest quantity is 0.000001".to_owned(),
        QuantityError::TooLarge => "has more than 12 digits before the point".to_owned(),
        QuantityError::NotWhole => "is a part of what is only had whole".to_owned(),
    })
}
