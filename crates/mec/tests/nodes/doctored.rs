//! Histories that the judge must find right, and others that it must find wrong. No node is needed
//! for them.

mod attempts;
mod dishonest;
mod honest;

use crate::judge::judge;
use attempts::accounts;
use dishonest::{doctored_limits, doctored_seats, doctored_use};
use honest::{honest_seats, honest_use};

#[test]
fn an_honest_history_has_an_order() {
    for (name, history) in [honest_use(), honest_seats()].concat() {
        if let Err(why) = judge(&accounts(), &history) {
            panic!("{name}: {why}");
        }
    }
}

#[test]
fn a_doctored_history_has_none() {
    let cases = [doctored_use(), doctored_limits(), doctored_seats()].concat();
    assert!(cases.len() >= 15, "{}", cases.len());
    for (name, history) in cases {
        let why = judge(&accounts(), &history).expect_err(name);
        assert!(!why.starts_with("nobody knows"), "{name}: {why}");
    }
}

/// Without the last attempt each of them is right, so that it is the last one that is found wrong.
#[test]
fn a_doctored_history_was_right_until_then() {
    for (name, mut history) in [doctored_use(), doctored_limits(), doctored_seats()].concat() {
        drop(history.pop());
        if let Err(why) = judge(&accounts(), &history) {
            panic!("{name}: {why}");
        }
    }
}
