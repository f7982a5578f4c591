//! Decimal numbers of any length, for what callers state and nobody counts: attributes, and numbers
//! in details.

use std::cmp::Ordering;
use std::fmt;

/// A decimal number as JSON writes it, kept exactly: `0.digits × 10^exponent`. However it was
/// written, the same number is the same value: `1.50`, `15e-1` and `1.5` are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; empty is zero.
    digits: String,
    exponent: i64,
}

/// A text that is no decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADecimal;

impl std::str::FromStr for Decimal {
    type Err = NotADecimal;

    /// Reads a JSON number. A power of ten of more than 4 digits is none: databases know none
    /// either.
    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let (is_negative, rest) = text
            .strip_prefix('-')
            .map_or((false, text), |rest| (true, rest));
        let (mantissa, power) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = mantissa
            .split_once('.')
            .map_or((mantissa, None), |(whole, fraction)| {
                (whole, Some(fraction))
            });
        let is_number = !whole.is_empty()
            && is_digits(whole)
            && fraction.is_none_or(|part| !part.is_empty() && is_digits(part));
        if !is_number || unsigned.is_empty() || unsigned.len() > 4 || !is_digits(unsigned) {
            return Err(NotADecimal);
        }
        let power: i64 = power.parse().map_err(|_| NotADecimal)?;
        let all = [whole, fraction.unwrap_or_default()].concat();
        let significant = all.trim_start_matches('0');
        let zeros = all.len().saturating_sub(significant.len());
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Ok(Self {
                is_negative: false,
                digits,
                exponent: 0,
            });
        }
        let places = |length: usize| i64::try_from(length).map_err(|_| NotADecimal);
        let exponent = power
            .saturating_add(places(whole.len())?)
            .saturating_sub(places(zeros)?);
        Ok(Self {
            is_negative,
            digits,
            exponent,
        })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let magnitude = || {
            self.exponent
                .cmp(&other.exponent)
                .then_with(|| self.digits.cmp(&other.digits))
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            if self.is_negative {
                magnitude().reverse()
            } else {
                magnitude()
            }
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    /// The shortest plain number (`0.5`, `1500`); with a power of ten where that would be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ZEROS_MAX: usize = 20;
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        if self.is_negative {
            f.write_str("-")?;
        }
        let length = self.digits.len();
        match usize::try_from(self.exponent) {
            Ok(0) => write!(f, "0.{}", self.digits),
            Ok(whole) if whole < length => {
                let (whole, fraction) = self.digits.split_at(whole);
                write!(f, "{whole}.{fraction}")
            }
            Ok(whole) if whole.saturating_sub(length) <= ZEROS_MAX => {
                write!(
                    f,
                    "{}{}",
                    self.digits,
                    "0".repeat(whole.saturating_sub(length))
                )
            }
            Err(_) if self.exponent >= -20 => {
                let zeros = usize::try_from(self.exponent.saturating_neg()).unwrap_or_default();
                write!(f, "0.{}{}", "0".repeat(zeros), self.digits)
            }
            _ => write!(f, "0.{}e{}", self.digits, self.exponent),
        }
    }
}
