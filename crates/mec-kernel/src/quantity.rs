//! Exact amounts. A [`Quantity`] is what a caller says, an [`Amount`] is what a counter holds, a
//! [`Total`] is what an answer shows. No float ever touches one of them; arithmetic saturates
//! instead of wrapping, and a saturated counter is over every limit.

use std::fmt;

/// Millionths per whole unit: quantities are `NUMERIC(18,6)`.
pub const SCALE: i64 = 1_000_000;
/// The largest quantity a caller may state: 12 integer digits, 6 decimals.
pub const QUANTITY_MAX: i64 = 999_999_999_999_999_999;

/// A stated quantity in millionths of its unit, `NUMERIC(18,6)`: |q| < 10¹².
///
/// ```
/// use mec_kernel::Quantity;
/// assert_eq!("0.5".parse::<Quantity>().unwrap().millionths(), 500_000);
/// assert_eq!(Quantity::whole(100).to_string(), "100");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i64);

/// Why a text is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a decimal number (`NaN` and `Infinity` included).
    NotANumber,
    /// Not zero, but nearer to 0 than half a millionth.
    RoundsToZero,
    /// More than 12 integer digits.
    TooLarge,
    /// A fraction of what is only had whole.
    NotWhole,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The smallest amount there is: one millionth.
    pub const SMALLEST: Self = Self(1);

    /// From millionths; `None` beyond 12 integer digits.
    pub const fn from_millionths(millionths: i64) -> Option<Self> {
        if millionths.unsigned_abs() > QUANTITY_MAX.unsigned_abs() {
            None
        } else {
            Some(Self(millionths))
        }
    }

    /// A whole number of units.
    pub const fn whole(units: i32) -> Self {
        Self((units as i64).saturating_mul(SCALE))
    }

    /// The quantity in millionths.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// Whether it is below zero (something given back).
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether it is exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The same quantity with the other sign.
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// This quantity `times` over; `None` beyond 12 integer digits.
    pub fn times(self, times: Self) -> Option<Self> {
        let product = i128::from(self.0).saturating_mul(i128::from(times.0));
        i64::try_from(divide_half_away(product, i128::from(SCALE)))
            .ok()
            .and_then(Self::from_millionths)
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;

    /// Reads a decimal number (`12`, `-0.5`, `1e3`), rounding half away from zero to six decimals
    /// as PostgreSQL's `NUMERIC(18,6)` does.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, text.get(1..).unwrap_or("")),
            [b'+', ..] => (false, text.get(1..).unwrap_or("")),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (
                mantissa,
                read_exponent(exponent).ok_or(QuantityError::NotANumber)?,
            ),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || digits.len() > 1_000 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(QuantityError::NotANumber);
        }
        let nonzero = digits.iter().any(|digit| *digit != b'0');
        // How many digits stand before the sixth decimal is cut.
        let keep = i64::try_from(whole.len())
            .unwrap_or(i64::MAX)
            .saturating_add(i64::from(exponent))
            .saturating_add(6);
        let mut value: i128 = 0;
        let mut round_up = false;
        for position in 0..keep.clamp(0, 2_000) {
            let index = usize::try_from(position).unwrap_or(usize::MAX);
            let digit = digits
                .get(index)
                .map_or(0, |digit| digit.saturating_sub(b'0'));
            value = value.saturating_mul(10).saturating_add(i128::from(digit));
        }
        if keep >= 0
            && let Some(next) = digits.get(usize::try_from(keep).unwrap_or(usize::MAX))
        {
            round_up = *next >= b'5';
        }
        if keep > 2_000 && nonzero {
            return Err(QuantityError::TooLarge);
        }
        if round_up {
            value = value.saturating_add(1);
        }
        if value == 0 && nonzero {
            return Err(QuantityError::RoundsToZero);
        }
        let millionths = i64::try_from(value).map_err(|_| QuantityError::TooLarge)?;
        Self::from_millionths(if negative {
            millionths.saturating_neg()
        } else {
            millionths
        })
        .ok_or(QuantityError::TooLarge)
    }
}

/// A power of ten; one beyond an `i32` is as good as the largest.
fn read_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') {
        i32::MIN
    } else {
        i32::MAX
    }))
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Total(i128::from(self.0)).fmt(f)
    }
}

/// A counter or a limit: millionths of the dimension's base unit (second, count, byte …).
///
/// Sums, products and comparisons happen here, so 60 × 1 minute is exactly 1 hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `quantity` of a unit that is `factor` base units large.
    pub fn of(quantity: Quantity, factor: Factor) -> Self {
        Self(i128::from(quantity.0).saturating_mul(i128::from(factor.get())))
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This amount, or zero where it is below.
    #[must_use]
    pub fn or_zero(self) -> Self {
        self.max(Self::ZERO)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// In units of `factor`, rounded half away from zero: what an answer shows as used or allowed.
    pub fn rounded(self, factor: Factor) -> Total {
        Total(divide_half_away(self.0, i128::from(factor.get())))
    }

    /// In units of `factor`, cut towards zero: what an answer shows as remaining, so that it can be
    /// had in full.
    pub fn cut(self, factor: Factor) -> Total {
        Total(self.0.checked_div(i128::from(factor.get())).unwrap_or(0))
    }
}

/// How many base units of its dimension a unit holds (second 1, minute 60): 1 … 10⁹.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(i64);

impl Factor {
    /// The base unit itself.
    pub const ONE: Self = Self(1);

    /// A factor in 1 … 10⁹, else `None`.
    pub const fn new(factor: i64) -> Option<Self> {
        if factor >= 1 && factor <= 1_000_000_000 {
            Some(Self(factor))
        } else {
            None
        }
    }

    /// The number of base units.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// A number as answers show it: millionths, wide enough for any sum. Prints the shortest exact
/// decimal (`100`, `0.5`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Total(pub i128);

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = SCALE.unsigned_abs().into();
        let magnitude = self.0.unsigned_abs();
        let whole = magnitude.checked_div(scale).unwrap_or(0);
        let fraction = magnitude.checked_rem(scale).unwrap_or(0);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// A percentage in hundredths (`8050` is 80.50 %), always cut and never rounded, so 100 never shows
/// early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub i64);

impl Percent {
    /// All of it.
    pub const HUNDRED: Self = Self(10_000);

    /// `100 · part / whole`; 100 % where `whole` is not above zero.
    pub fn of(part: Amount, whole: Amount) -> Self {
        if whole.0 <= 0 {
            return Self::HUNDRED;
        }
        let hundredths = match part.0.checked_mul(10_000) {
            Some(product) => product.checked_div(whole.0).unwrap_or(0),
            None => part
                .0
                .checked_div(whole.0.checked_div(10_000).unwrap_or(0).max(1))
                .unwrap_or(0),
        };
        Self(i64::try_from(hundredths).unwrap_or(i64::MAX))
    }

    /// With exactly one decimal, cut: how reasons print it (`Usage at 85.0% of limit`).
    pub fn one_decimal(self) -> String {
        let tenths = self.0.checked_div(10).unwrap_or(0);
        format!(
            "{}.{}",
            tenths.checked_div(10).unwrap_or(0),
            tenths.checked_rem(10).unwrap_or(0).unsigned_abs()
        )
    }

    /// As a number of percent for an answer (`80.5`).
    pub fn total(self) -> Total {
        Total(i128::from(self.0).saturating_mul(10_000))
    }
}

/// Division rounding half away from zero, as PostgreSQL's numeric does; 0 for a divisor that is not
/// positive.
pub(crate) fn divide_half_away(value: i128, divisor: i128) -> i128 {
    if divisor <= 0 {
        return 0;
    }
    let quotient = value.checked_div(divisor).unwrap_or(0);
    let rest = value.checked_rem(divisor).unwrap_or(0);
    if rest.unsigned_abs().saturating_mul(2) >= divisor.unsigned_abs() {
        quotient.saturating_add(value.signum())
    } else {
        quotient
    }
}
