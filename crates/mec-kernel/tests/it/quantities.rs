//! Exact numbers, against plain arithmetic on decimal digits that shares nothing with the kernel's.

use mec_kernel::*;
use proptest::prelude::*;

use crate::table::rows;

/// The same number as plain digits: `-`, digits before and after the point, the exponent worked in.
fn plain(
    is_negative: bool,
    whole: &str,
    fraction: &str,
    exponent: i32,
) -> (bool, Vec<u8>, Vec<u8>) {
    let mut before: Vec<u8> = whole.bytes().map(|digit| digit - b'0').collect();
    let mut after: Vec<u8> = fraction.bytes().map(|digit| digit - b'0').collect();
    for _ in 0..exponent.max(0) {
        before.push(if after.is_empty() { 0 } else { after.remove(0) });
    }
    for _ in 0..(-exponent).max(0) {
        after.insert(0, before.pop().unwrap_or(0));
    }
    (is_negative, before, after)
}

/// Rounds to six decimals, half away from zero, by hand, and writes the shortest number.
fn rounded(is_negative: bool, before: &[u8], after: &[u8]) -> Result<String, QuantityError> {
    let is_zero = before.iter().chain(after).all(|digit| *digit == 0);
    let mut digits: Vec<u8> = before.to_vec();
    digits.extend((0..6).map(|place| after.get(place).copied().unwrap_or(0)));
    if after.get(6).is_some_and(|digit| *digit >= 5) {
        let mut place = digits.len();
        loop {
            if place == 0 {
                digits.insert(0, 1);
                break;
            }
            place -= 1;
            if digits[place] < 9 {
                digits[place] += 1;
                break;
            }
            digits[place] = 0;
        }
    }
    let whole: Vec<u8> = digits[..digits.len() - 6]
        .iter()
        .copied()
        .skip_while(|digit| *digit == 0)
        .collect();
    let mut fraction: Vec<u8> = digits[digits.len() - 6..].to_vec();
    while fraction.last() == Some(&0) {
        fraction.pop();
    }
    if whole.len() > 12 {
        return Err(QuantityError::TooLarge);
    }
    if whole.is_empty() && fraction.is_empty() {
        return if is_zero {
            Ok("0".to_owned())
        } else {
            Err(QuantityError::RoundsToZero)
        };
    }
    let text = |digits: &[u8]| {
        digits
            .iter()
            .map(|digit| char::from(digit + b'0'))
            .collect::<String>()
    };
    let sign = if is_negative { "-" } else { "" };
    let whole = if whole.is_empty() {
        "0".to_owned()
    } else {
        text(&whole)
    };
    Ok(if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{}", text(&fraction))
    })
}

#[test]
fn numbers_are_read_as_the_table_says() {
    let table = "
        | text                       | read as               |
        | 0                          | 0                     |
        | -0                         | 0                     |
        | 0.000000                   | 0                     |
        | 0e999999999999             | 0                     |
        | 100                        | 100                   |
        | +1                         | 1                     |
        | 0.5                        | 0.5                   |
        | .5                         | 0.5                   |
        | 5.                         | 5                     |
        | 007.50                     | 7.5                   |
        | 1e3                        | 1000                  |
        | 1E+3                       | 1000                  |
        | 1e-3                       | 0.001                 |
        | 12345.678e-2               | 123.45678             |
        | 0.0000005                  | 0.000001              |
        | -0.0000005                 | -0.000001             |
        | 0.0000004999               | rounds to zero        |
        | -0.0000001                 | rounds to zero        |
        | 1e-400                     | rounds to zero        |
        | 1e-999999999999            | rounds to zero        |
        | 1.0000015                  | 1.000002              |
        | -1.0000015                 | -1.000002             |
        | 1.00000149999              | 1.000001              |
        | 999999999999.999999        | 999999999999.999999   |
        | -999999999999.999999       | -999999999999.999999  |
        | 999999999999.9999995       | too large             |
        | 999999999999.9999994       | 999999999999.999999   |
        | 1000000000000              | too large             |
        | 1e12                       | too large             |
        | -1e300                     | too large             |
        | 1e999999999999             | too large             |
        | 000000000000000000001      | 1                     |
        | NaN                        | no number             |
        | Infinity                   | no number             |
        | -                          | no number             |
        | 1e                         | no number             |
        | 1e+                        | no number             |
        | 1e1.5                      | no number             |
        | e5                         | no number             |
        | .                          | no number             |
        | 1.2.3                      | no number             |
        | --1                        | no number             |
        | +-1                        | no number             |
        | 1_000                      | no number             |
        | 1,5                        | no number             |
        | 0x10                       | no number             |
        | ١                          | no number             |
    ";
    for row in rows(table) {
        let read = row.cell("text").parse::<Quantity>().map_or_else(
            |error| match error {
                QuantityError::NotANumber => "no number".to_owned(),
                QuantityError::RoundsToZero => "rounds to zero".to_owned(),
                QuantityError::TooLarge => "too large".to_owned(),
                QuantityError::NotWhole => "not whole".to_owned(),
            },
            |quantity| quantity.to_string(),
        );
        assert_eq!(read, row.cell("read as"), "{row}");
    }
    for text in ["", " ", " 1", "1 ", "1 000"] {
        assert_eq!(
            text.parse::<Quantity>(),
            Err(QuantityError::NotANumber),
            "{text:?}"
        );
    }
}

fn quantities() -> impl Strategy<Value = Quantity> {
    prop_oneof![-QUANTITY_MAX..=QUANTITY_MAX, -10_000_000..=10_000_000_i64]
        .prop_map(|millionths| Quantity::from_millionths(millionths).expect("within 12 digits"))
}

fn factors() -> impl Strategy<Value = Factor> {
    prop_oneof![Just(1), Just(60), Just(3_600), 1..=1_000_000_000_i64]
        .prop_map(|factor| Factor::new(factor).unwrap())
}

proptest! {
    #[test]
    fn any_number_is_read_rounded_and_printed_as_by_hand(
        is_negative: bool, whole in "[0-9]{0,14}", fraction in "[0-9]{0,12}", exponent in -20..20_i32, has_exponent: bool,
    ) {
        prop_assume!(!whole.is_empty() || !fraction.is_empty());
        let exponent = if has_exponent { exponent } else { 0 };
        let mut text = format!("{}{whole}.{fraction}", if is_negative { "-" } else { "" });
        if has_exponent {
            text = format!("{text}e{exponent}");
        }
        let (is_negative, before, after) = plain(is_negative, &whole, &fraction, exponent);
        let read = text.parse::<Quantity>().map(|quantity| quantity.to_string());
        prop_assert_eq!(read, rounded(is_negative, &before, &after), "{}", text);
    }

    #[test]
    fn what_is_printed_reads_the_same_and_is_the_shortest(quantity in quantities()) {
        let text = quantity.to_string();
        prop_assert_eq!(text.parse::<Quantity>(), Ok(quantity));
        prop_assert!(!text.contains('.') || !text.ends_with(['0', '.']));
        prop_assert!(text != "-0");
    }

    #[test]
    fn no_text_makes_the_reader_fail_otherwise(text in ".{0,40}") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            prop_assert!(quantity.millionths().abs() <= QUANTITY_MAX);
        }
    }

    #[test]
    fn sums_of_a_unit_are_exact_in_every_other(quantities in prop::collection::vec(quantities(), 0..50), factor in factors()) {
        let sum = quantities.iter().fold(Amount::ZERO, |sum, quantity| sum.plus(Amount::of(*quantity, factor)));
        let millionths: i128 = quantities.iter().map(|quantity| i128::from(quantity.millionths())).sum();
        prop_assert_eq!(sum.0, millionths * i128::from(factor.get()));
        prop_assert_eq!(sum.rounded(factor), Total(millionths));
        prop_assert_eq!(sum.cut(factor), Total(millionths));
        prop_assert_eq!(sum.minus(sum), Amount::ZERO);
        prop_assert_eq!(sum.negated().plus(sum), Amount::ZERO);
    }

    #[test]
    fn an_amount_is_shown_to_the_nearest_millionth_and_what_remains_never_more(
        amount in -1_000_000_000_000_000_000_000_000_000_i128..1_000_000_000_000_000_000_000_000_000, factor in factors(),
    ) {
        let size = i128::from(factor.get());
        let rest = amount - Amount(amount).rounded(factor).0 * size;
        prop_assert!(rest.abs() * 2 <= size);
        prop_assert!(rest.abs() * 2 < size || rest.signum() != amount.signum(), "a half goes away from zero");
        let cut = Amount(amount).cut(factor).0 * size;
        prop_assert!(cut.abs() <= amount.abs() && amount.abs() - cut.abs() < size);
    }

    #[test]
    fn a_percentage_is_cut_so_that_a_hundred_never_shows_early(
        part in 0..2_000_000_000_000_000_000_000_000_000_i128, whole in 1..2_000_000_000_000_000_000_000_000_000_i128,
    ) {
        let Percent(hundredths) = Percent::of(Amount(part), Amount(whole));
        let hundredths = i128::from(hundredths);
        if hundredths < i128::from(i64::MAX) {
            prop_assert!(hundredths * whole <= part * 10_000 && part * 10_000 < (hundredths + 1) * whole);
        }
        prop_assert_eq!(hundredths >= 10_000, part >= whole);
    }

    #[test]
    fn a_multiple_is_exact_or_too_large(each in quantities(), times in 0..1_000_000_i64) {
        let product = i128::from(each.millionths()) * i128::from(times);
        let expected = i64::try_from(product).ok().and_then(Quantity::from_millionths);
        prop_assert_eq!(each.times(Quantity::from_millionths(times * SCALE).unwrap()), expected);
    }
}

#[test]
fn percentages_print_one_decimal_cut() {
    let table = [
        (0, "0.0"),
        (9, "0.0"),
        (10, "0.1"),
        (8_500, "85.0"),
        (9_999, "99.9"),
        (10_000, "100.0"),
        (10_509, "105.0"),
    ];
    for (hundredths, text) in table {
        assert_eq!(Percent(hundredths).one_decimal(), text);
    }
    assert_eq!(Percent::of(Amount(0), Amount(0)), Percent::HUNDRED);
    assert_eq!(Percent(8_050).total().to_string(), "80.5");
}

#[test]
fn the_ends_of_what_a_counter_holds_stay_where_they_are() {
    let (most, least) = (Amount(i128::MAX), Amount(i128::MIN));
    assert_eq!(
        (most.plus(most), least.plus(least), least.negated()),
        (most, least, most)
    );
    assert!(
        most.plus(Amount(1))
            > Amount::of(
                Quantity::from_millionths(QUANTITY_MAX).unwrap(),
                Factor::new(1_000_000_000).unwrap()
            )
    );
    assert_eq!(
        Total(i128::MIN).to_string(),
        "-170141183460469231731687303715884.105728"
    );
}
