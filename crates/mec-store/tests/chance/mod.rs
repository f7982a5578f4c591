//! Chance in tests: fresh in every run, told, and the same again if the environment names its seed.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::collections::hash_map::RandomState;
use std::env::VarError;
use std::hash::BuildHasher as _;

/// A number that the environment gives.
///
/// # Panics
/// It is not one: a misread seed would test something else than was asked for.
pub(crate) fn number(name: &str) -> Option<u64> {
    match std::env::var(name) {
        Ok(text) => Some(
            text.parse()
                .unwrap_or_else(|error| panic!("{name}={text} is not a number: {error}")),
        ),
        Err(VarError::NotPresent) => None,
        Err(error) => panic!("{name}: {error}"),
    }
}

/// A fresh seed, or the one that the environment gives; it is printed, and shown where the test
/// fails.
pub(crate) fn seed(name: &str) -> u64 {
    let seed = number(name).unwrap_or_else(|| RandomState::new().hash_one(name));
    println!("{name}={seed}");
    seed
}

#[test]
fn a_number_that_is_none_is_an_error() {
    // The environment always has a path, which is no number.
    let said = std::panic::catch_unwind(|| number("PATH")).expect_err("it is not read as none");
    assert!(
        said.downcast_ref::<String>()
            .is_some_and(|said| said.starts_with("PATH="))
    );
    assert_eq!(number("MEC_NOBODY_SETS_THIS"), None);
    assert_ne!(seed("MEC_NOBODY_SETS_THIS"), seed("MEC_NOBODY_SETS_THIS"));
}
