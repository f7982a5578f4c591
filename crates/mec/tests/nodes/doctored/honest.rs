//! Histories that have an order.

use super::attempts::{
    acquire, cancel, check, check_seats, checked, consume, correct, denied, event, give_back, held,
    leased, level, limit, provision, recorded, refused, release, renew, renewed, reserve, seated,
    seats, settle, suspend, told, untold,
};
use crate::judge::Attempt;
use crate::model::{Answer, Level, Resource, SECOND};

pub(super) fn honest_use() -> Vec<(&'static str, Vec<Attempt>)> {
    vec![
        (
            "two at once, in the order that their figures tell",
            vec![
                told(1, 9, consume("a", 1, 1), recorded("e1", 1, 3)),
                told(2, 5, consume("b", 1, 2), recorded("e2", 1, 2)),
            ],
        ),
        (
            "what was not answered is there, and its replay is it",
            vec![
                untold(1, consume("a", 1, 2)),
                told(5, 6, check(), checked(0, 0)),
                told(7, 8, check(), checked(2, 2)),
                told(9, 10, consume("a", 1, 2), recorded("e1", 1, 2)),
            ],
        ),
        (
            "what was not answered never happens",
            vec![
                untold(1, consume("a", 1, 4)),
                told(5, 6, consume("b", 1, 4), recorded("e2", 1, 4)),
            ],
        ),
        (
            "a hold is room for nobody until it expires",
            vec![
                told(1, 2, reserve("h", 4), held("h1", 3, 4)),
                told(3, 4, consume("a", 1, 1), refused(1, 0, 4)),
                told(31, 32, consume("b", 1, 4), recorded("e1", 1, 4)),
            ],
        ),
        (
            "a repeated hold that has expired holds nothing",
            vec![
                told(1, 2, reserve("h", 4), held("h1", 3, 4)),
                told(
                    31,
                    32,
                    reserve("h", 4),
                    Answer::Held {
                        id: "h1".into(),
                        expires: 3 * SECOND,
                        is_held: false,
                        level: Some(level(1, 0, 0)),
                    },
                ),
                told(33, 34, give_back("h"), Answer::Released(false)),
            ],
        ),
        (
            "a hold is settled with less, told twice, and corrected events count as they are",
            vec![
                told(1, 2, reserve("h", 4), held("h1", 3, 4)),
                told(3, 4, settle("h", 3), event("e1")),
                told(5, 6, settle("h", 3), event("e1")),
                told(7, 8, settle("h", 2), Answer::Closed),
                told(9, 10, consume("a", 1, 1), recorded("e2", 1, 4)),
                told(11, 12, correct("c", "a", 0), event("e3")),
                told(13, 14, check(), checked(3, 3)),
                told(15, 16, correct("d", "settled h", 1), event("e4")),
                told(17, 18, check(), checked(1, 1)),
            ],
        ),
        (
            "a plan is given, changed, and ended",
            vec![
                told(1, 2, consume("a", 2, 1), recorded("e1", 0, 1)),
                told(3, 4, provision(0), Answer::Changed(2)),
                told(5, 6, provision(0), Answer::Changed(2)),
                told(7, 8, consume("b", 2, 3), refused(2, 1, 0)),
                told(9, 10, cancel(1), Answer::Changed(0)),
                told(11, 12, provision(1), Answer::Changed(2)),
                told(13, 14, consume("b", 2, 3), recorded("e2", 0, 4)),
                told(15, 16, cancel(1), Answer::Changed(2)),
                told(17, 18, cancel(1), Answer::Changed(0)),
            ],
        ),
        (
            "a plan is given again, and that counts after it was ended",
            vec![
                told(1, 2, provision(0), Answer::Changed(2)),
                told(3, 6, cancel(0), Answer::Changed(2)),
                told(4, 5, provision(0), Answer::Changed(2)),
                told(7, 8, consume("a", 2, 4), refused(2, 0, 0)),
            ],
        ),
        (
            "a limit is set to what it is, after it was another",
            vec![
                told(1, 5, limit(5), Answer::Done),
                told(2, 4, limit(4), Answer::Done),
                told(6, 7, check(), checked(0, 0)),
            ],
        ),
        (
            "a suspended team is denied until it is suspended no more, and what it held is settled",
            vec![
                told(1, 2, reserve("h", 1), held("h1", 3, 1)),
                told(3, 4, suspend(Resource::Runs, true), Answer::Done),
                told(5, 6, consume("a", 1, 1), denied(Some(1), None)),
                told(7, 8, check(), denied(Some(1), None)),
                told(9, 10, settle("h", 1), event("e1")),
                told(11, 12, suspend(Resource::Runs, false), Answer::Done),
                told(13, 14, consume("a", 1, 1), recorded("e2", 1, 2)),
            ],
        ),
        (
            "a limit is raised while it is asked for",
            vec![
                told(1, 2, consume("a", 1, 4), recorded("e1", 1, 4)),
                told(3, 9, limit(5), Answer::Done),
                told(4, 5, consume("b", 1, 1), refused(1, 4, 0)),
                told(
                    6,
                    7,
                    consume("c", 1, 1),
                    Answer::Recorded {
                        id: "e2".into(),
                        level: Some(Level {
                            limit: 5,
                            ..level(1, 5, 0)
                        }),
                    },
                ),
            ],
        ),
    ]
}

pub(super) fn honest_seats() -> Vec<(&'static str, Vec<Attempt>)> {
    vec![
        (
            "a seat is free when its lease expires between the bounds of a call",
            vec![
                told(1, 2, acquire("s"), leased("l1", 1, 4)),
                told(1, 2, acquire("t"), leased("l2", 2, 4)),
                told(3, 4, acquire("u"), Answer::Full { kept: None }),
                told(39, 41, acquire("u"), leased("l3", 3, 8)),
                told(42, 43, check_seats(), seated(1)),
            ],
        ),
        (
            "a renewed lease lives on and a dead one does not",
            vec![
                told(1, 2, acquire("s"), leased("l1", 1, 4)),
                told(31, 32, renew("s"), renewed("l1", 7)),
                told(71, 72, renew("s"), Answer::Over),
                told(73, 74, release("s"), Answer::Released(false)),
            ],
        ),
        (
            "a lease nobody was told of keeps its seat while it lives",
            vec![
                untold(1, acquire("s")),
                told(1, 2, acquire("t"), leased("l1", 1, 4)),
                told(3, 4, acquire("u"), Answer::Full { kept: None }),
            ],
        ),
        (
            "of two seats one too many runs out, and the other is renewed",
            vec![
                told(1, 2, acquire("s"), leased("l1", 1, 4)),
                told(11, 12, acquire("t"), leased("l2", 2, 5)),
                told(13, 14, seats(1), Answer::Done),
                told(
                    15,
                    16,
                    renew("s"),
                    Answer::Full {
                        kept: Some(4 * SECOND),
                    },
                ),
                told(17, 18, renew("t"), renewed("l2", 5)),
                told(51, 52, renew("t"), Answer::Over),
            ],
        ),
        (
            "a suspended seat is not renewed, and is given back",
            vec![
                told(1, 2, acquire("s"), leased("l1", 1, 4)),
                told(3, 4, suspend(Resource::Seats, true), Answer::Done),
                told(5, 6, renew("s"), denied(None, Some(4 * SECOND))),
                told(7, 8, acquire("t"), denied(None, None)),
                told(9, 10, release("s"), Answer::Released(true)),
            ],
        ),
    ]
}
