//! Exact amounts: big whole numbers of millionths of a base unit. Sums never round; only what is
//! shown does.

use num_bigint::BigInt;

/// Millionths of a dimension's base unit.
pub type Amount = BigInt;

/// `millionths` of a unit that is `factor` base units large.
pub fn amount(millionths: i64, factor: i64) -> Amount {
    BigInt::from(millionths) * factor
}

/// Millionths of a unit of `factor`, rounded half away from zero.
pub fn rounded(amount: &Amount, factor: i64) -> BigInt {
    let twice: BigInt = amount * 2;
    let half = if twice < BigInt::ZERO {
        -BigInt::from(factor)
    } else {
        BigInt::from(factor)
    };
    (twice + half) / (2 * factor)
}

/// Millionths of a unit of `factor`, cut towards zero.
pub fn cut(amount: &Amount, factor: i64) -> BigInt {
    amount / factor
}

/// Hundredths of a percent that `part` is of `whole`, cut, and never more than 64 bits hold; 100 %
/// of nothing.
pub fn percent(part: &Amount, whole: &Amount) -> BigInt {
    if *whole <= BigInt::ZERO {
        return BigInt::from(10_000);
    }
    let cut: BigInt = part * 10_000 / whole;
    cut.min(BigInt::from(i64::MAX))
}

/// The shortest decimal of a number of `10^-places`.
pub fn decimal(number: &BigInt, places: usize) -> String {
    let (sign, digits) = if *number < BigInt::ZERO {
        ("-", (-number).to_string())
    } else {
        ("", number.to_string())
    };
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// A percentage with exactly one decimal, cut.
pub fn one_decimal(hundredths: &BigInt) -> String {
    let tenths: BigInt = hundredths / 10;
    let shown = decimal(&tenths, 1);
    if shown.contains('.') {
        shown
    } else {
        format!("{shown}.0")
    }
}
