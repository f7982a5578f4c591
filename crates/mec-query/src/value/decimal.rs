//! Exact decimal numbers: an `i128` count of `10^-scale`, never a float.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// An exact decimal: `units · 10^-scale`. Equality, order and hash are those of the number, so `1.0
/// == 1.00`.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// The count of the smallest unit.
    pub units: i128,
    /// Digits behind the point, 0–38.
    pub scale: u8,
}

impl Decimal {
    /// `units · 10^-scale`.
    pub const fn new(units: i128, scale: u8) -> Self {
        Self { units, scale }
    }

    /// The same number counted in `10^-scale`, rounded half away from zero; `None` beyond `i128`.
    pub fn units_at(self, scale: u8) -> Option<i128> {
        if scale >= self.scale {
            self.units.checked_mul(power_of_ten(scale - self.scale)?)
        } else {
            let Some(divisor) = power_of_ten(self.scale - scale) else {
                return Some(0);
            };
            let (whole, rest) = (self.units / divisor, self.units % divisor);
            let up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
            Some(if up {
                whole + self.units.signum()
            } else {
                whole
            })
        }
    }

    /// The number without trailing zeros behind the point.
    #[must_use]
    pub fn shortest(self) -> Self {
        let Self {
            mut units,
            mut scale,
        } = self;
        while scale > 0 && units % 10 == 0 {
            units /= 10;
            scale -= 1;
        }
        Self { units, scale }
    }
}

fn power_of_ten(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.shortest(), other.shortest());
        let scale = left.scale.max(right.scale);
        match (left.units_at(scale), right.units_at(scale)) {
            (Some(left), Some(right)) => left.cmp(&right),
            // Only a number too large to be counted in the other's unit gets here: its sign
            // decides.
            (None, _) => left.units.cmp(&0),
            (_, None) => 0.cmp(&right.units),
        }
    }
}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { units, scale } = self.shortest();
        (units, scale).hash(state);
    }
}

impl fmt::Display for Decimal {
    /// The shortest exact form: `100`, `0.5`, `-12.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { units, scale } = self.shortest();
        if scale == 0 {
            return write!(f, "{units}");
        }
        let digits = units.unsigned_abs().to_string();
        let width = usize::from(scale);
        let sign = if units < 0 { "-" } else { "" };
        if digits.len() > width {
            let (whole, fraction) = digits.split_at(digits.len() - width);
            write!(f, "{sign}{whole}.{fraction}")
        } else {
            write!(f, "{sign}0.{digits:0>width$}")
        }
    }
}

/// A decimal literal taken apart, of any size: `±0.digits · 10^point`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    negative: bool,
    /// Decimal digits without leading or trailing zeros; empty is zero.
    digits: String,
    /// Where the point stands, counted from the first digit.
    point: i64,
}

/// The nearest representable numbers around a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rounded {
    /// Units at the scale asked for, rounded towards negative infinity.
    pub(crate) floor: i128,
    /// Whether `floor` is the number itself.
    pub(crate) exact: bool,
    /// Units rounded half away from zero.
    pub(crate) nearest: i128,
}

impl Digits {
    /// Reads what PostgreSQL reads as `numeric`: optional sign, digits with an optional point,
    /// optional exponent.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], read_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return None;
        }
        let mut digits = String::with_capacity(mantissa.len());
        digits.push_str(whole);
        digits.push_str(fraction);
        let leading = digits.len() - digits.trim_start_matches('0').len();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? + exponent;
        let digits = digits.trim_matches('0').to_owned();
        Some(Self {
            negative,
            digits,
            point,
        })
    }

    /// The literal in units of `10^-scale`, `None` when that needs more than 38 digits.
    pub(crate) fn at_scale(&self, scale: u8) -> Option<Rounded> {
        let kept = self.point + i64::from(scale);
        if self.digits.is_empty() {
            return Some(Rounded {
                floor: 0,
                exact: true,
                nearest: 0,
            });
        }
        if kept > 38 {
            return None;
        }
        let length = i64::try_from(self.digits.len()).ok()?;
        let (whole, rest) = if kept <= 0 {
            ("", self.digits.as_str())
        } else {
            self.digits
                .split_at(usize::try_from(kept.min(length)).ok()?)
        };
        let mut magnitude: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        for _ in length..kept {
            magnitude = magnitude.checked_mul(10)?;
        }
        // `rest` has no trailing zeros, so it is a true remainder; below the first dropped place it
        // is under a half.
        let exact = rest.is_empty();
        let half_or_more = kept >= 0 && rest.bytes().next().is_some_and(|digit| digit >= b'5');
        let nearest = magnitude.checked_add(i128::from(half_or_more))?;
        Some(if self.negative {
            Rounded {
                floor: -magnitude - i128::from(!exact),
                exact,
                nearest: -nearest,
            }
        } else {
            Rounded {
                floor: magnitude,
                exact,
                nearest,
            }
        })
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// Where it stands to zero, where its point stands counted from the first digit, and its digits
    /// without zeros before the first and after the last.
    pub(crate) fn parts(&self) -> (Ordering, i64, &str) {
        let sign = match (self.digits.is_empty(), self.negative) {
            (true, _) => Ordering::Equal,
            (false, true) => Ordering::Less,
            (false, false) => Ordering::Greater,
        };
        (sign, self.point, &self.digits)
    }
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // PostgreSQL refuses larger exponents as well; the bound also keeps the arithmetic small.
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_prints_in_its_shortest_exact_form() {
        for (units, scale, text) in [
            (100_000_000, 6, "100"),
            (500_000, 6, "0.5"),
            (-12_000_001, 6, "-12.000001"),
            (-1, 6, "-0.000001"),
            (0, 6, "0"),
            (7, 0, "7"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
        ] {
            assert_eq!(Decimal::new(units, scale).to_string(), text);
        }
    }

    #[test]
    fn literals_round_half_away_from_zero() {
        for (text, scale, floor, exact, nearest) in [
            ("1", 6, 1_000_000, true, 1_000_000),
            ("0.0000005", 6, 0, false, 1),
            ("-0.0000005", 6, -1, false, -1),
            ("0.00000049999", 6, 0, false, 0),
            ("0.00000005", 6, 0, false, 0),
            ("1.5", 0, 1, false, 2),
            ("-1.5", 0, -2, false, -2),
            ("2.5", 0, 2, false, 3),
            ("1e3", 0, 1000, true, 1000),
            ("1.25E-1", 3, 125, true, 125),
            (" .5 ", 1, 5, true, 5),
            ("5.", 0, 5, true, 5),
            ("00012.3400", 2, 1234, true, 1234),
            ("0", 6, 0, true, 0),
            ("-0", 6, 0, true, 0),
            ("9", 0, 9, true, 9),
            ("0.9", 0, 0, false, 1),
            ("0.09", 0, 0, false, 0),
        ] {
            let rounded = Digits::read(text).and_then(|digits| digits.at_scale(scale));
            assert_eq!(
                rounded,
                Some(Rounded {
                    floor,
                    exact,
                    nearest
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in [
            "",
            " ",
            ".",
            "-",
            "1e",
            "1e+",
            "e5",
            "1.2.3",
            "NaN",
            "Infinity",
            "0x10",
            "1_000",
            "1 2",
            "1e9999999",
        ] {
            assert_eq!(Digits::read(text), None, "{text}");
        }
        assert_eq!(
            Digits::read("1e40").and_then(|digits| digits.at_scale(0)),
            None
        );
        assert_eq!(
            Digits::read("1e-999999")
                .and_then(|digits| digits.at_scale(6))
                .map(|r| r.nearest),
            Some(0)
        );
    }

    #[test]
    fn equal_numbers_of_different_scale_are_equal() {
        assert_eq!(Decimal::new(10, 1), Decimal::new(1_000_000, 6));
        assert!(Decimal::new(i128::MAX, 0) > Decimal::new(1, 38));
        assert!(Decimal::new(i128::MIN, 0) < Decimal::new(1, 38));
        assert_eq!(Decimal::new(15, 1).units_at(0), Some(2));
        assert_eq!(Decimal::new(-15, 1).units_at(0), Some(-2));
        assert_eq!(Decimal::new(14, 1).units_at(0), Some(1));
    }
}
