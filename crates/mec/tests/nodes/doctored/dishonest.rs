//! Histories that have none.

use super::attempts::{
    acquire, acquire_for, cancel, check, check_seats, checked, consume, correct, denied, event,
    give_back, held, leased, level, limit, provision, recorded, refused, release, renew, renewed,
    reserve, seated, seats, settle, suspend, told, untold,
};
use crate::judge::Attempt;
use crate::model::{Answer, Level, Resource};

pub(super) fn doctored_use() -> Vec<(&'static str, Vec<Attempt>)> {
    vec![
        (
            "two acknowledged beyond the limit",
            vec![
                told(1, 9, consume("a", 1, 3), recorded("e1", 1, 3)),
                told(2, 8, consume("b", 1, 3), recorded("e2", 1, 6)),
            ],
        ),
        (
            "beyond the limit of the level above",
            vec![
                told(1, 2, consume("a", 1, 3), recorded("e1", 1, 3)),
                told(1, 2, consume("b", 2, 3), recorded("e2", 0, 6)),
            ],
        ),
        (
            "a lost event",
            vec![
                told(1, 2, consume("a", 1, 1), recorded("e1", 1, 1)),
                told(3, 4, consume("b", 1, 1), recorded("e2", 1, 2)),
                told(5, 6, consume("c", 1, 1), recorded("e3", 1, 2)),
            ],
        ),
        (
            "one key, two events",
            vec![
                told(1, 2, consume("a", 1, 1), recorded("e1", 1, 1)),
                told(3, 4, consume("a", 1, 1), recorded("e2", 1, 2)),
            ],
        ),
        (
            "one id, two keys",
            vec![
                told(1, 2, consume("a", 1, 1), recorded("e1", 1, 1)),
                told(3, 4, consume("b", 1, 1), recorded("e1", 1, 2)),
            ],
        ),
        (
            "one key counted twice",
            vec![
                untold(1, consume("a", 1, 1)),
                told(3, 4, consume("a", 1, 1), recorded("e1", 1, 1)),
                told(5, 6, check(), checked(2, 2)),
            ],
        ),
        (
            "an old answer replayed with another id",
            vec![
                told(1, 2, reserve("h", 1), held("h1", 3, 1)),
                told(3, 4, reserve("h", 1), held("h2", 3, 1)),
            ],
        ),
        (
            "a stale read after an acknowledged write",
            vec![
                told(1, 2, consume("a", 1, 1), recorded("e1", 1, 1)),
                told(3, 4, check(), checked(0, 0)),
            ],
        ),
        (
            "a read that goes back behind another",
            vec![
                untold(1, consume("a", 1, 1)),
                told(3, 4, check(), checked(1, 1)),
                told(5, 6, check(), checked(0, 0)),
            ],
        ),
        (
            "a check of half an event",
            vec![
                told(1, 2, consume("a", 1, 1), recorded("e1", 1, 1)),
                told(3, 4, check(), checked(1, 0)),
            ],
        ),
        (
            "a check over all that was sent",
            vec![
                untold(1, consume("a", 1, 1)),
                told(3, 4, check(), checked(2, 2)),
            ],
        ),
        (
            "use visible before it was sent",
            vec![
                told(3, 4, consume("a", 1, 1), recorded("e1", 1, 1)),
                told(1, 2, check(), checked(1, 1)),
            ],
        ),
        (
            "use refused although there is room",
            vec![
                told(1, 2, consume("a", 1, 3), recorded("e1", 1, 3)),
                told(3, 4, consume("b", 1, 1), refused(1, 3, 0)),
            ],
        ),
        (
            "a hold that is room for others",
            vec![
                told(1, 2, reserve("h", 4), held("h1", 3, 4)),
                told(3, 4, consume("a", 1, 1), recorded("e1", 1, 1)),
            ],
        ),
        (
            "an expired hold that is still counted long after",
            vec![
                told(1, 2, reserve("h", 4), held("h1", 3, 4)),
                told(91, 92, consume("a", 1, 1), refused(1, 0, 4)),
            ],
        ),
        (
            "a hold settled twice, with two amounts",
            vec![
                told(1, 2, reserve("h", 4), held("h1", 3, 4)),
                told(3, 4, settle("h", 3), event("e1")),
                told(5, 6, settle("h", 2), event("e1")),
            ],
        ),
        (
            "a settled hold that is given back",
            vec![
                told(1, 2, reserve("h", 4), held("h1", 3, 4)),
                told(3, 4, settle("h", 3), event("e1")),
                told(5, 6, give_back("h"), Answer::Released(true)),
            ],
        ),
        (
            "a correction that is not counted",
            vec![
                told(1, 2, consume("a", 1, 2), recorded("e1", 1, 2)),
                told(3, 4, correct("c", "a", 1), event("e2")),
                told(5, 6, check(), checked(2, 2)),
            ],
        ),
    ]
}

pub(super) fn doctored_limits() -> Vec<(&'static str, Vec<Attempt>)> {
    vec![
        (
            "a limit that was raised later",
            vec![
                told(1, 2, consume("a", 1, 4), recorded("e1", 1, 4)),
                told(5, 6, limit(5), Answer::Done),
                told(
                    3,
                    4,
                    consume("b", 1, 2),
                    Answer::Refused(Level {
                        limit: 5,
                        ..level(1, 4, 0)
                    }),
                ),
            ],
        ),
        (
            "a plan that was given and does not count",
            vec![
                told(1, 2, provision(0), Answer::Changed(2)),
                told(3, 4, consume("a", 2, 4), recorded("e1", 0, 4)),
            ],
        ),
        (
            "a plan that was lost",
            vec![
                told(1, 2, provision(0), Answer::Changed(2)),
                told(3, 4, cancel(0), Answer::Changed(0)),
            ],
        ),
        (
            "a plan that ended and still counts",
            vec![
                told(1, 2, provision(0), Answer::Changed(2)),
                told(3, 4, cancel(0), Answer::Changed(2)),
                told(5, 6, consume("a", 2, 4), refused(2, 0, 0)),
            ],
        ),
        (
            "half a plan: the limit of the second, the seats of the first",
            vec![
                told(1, 2, provision(0), Answer::Changed(2)),
                untold(3, provision(1)),
                told(
                    5,
                    6,
                    consume("a", 2, 4),
                    Answer::Recorded {
                        id: "e1".into(),
                        level: Some(Level {
                            limit: 5,
                            ..level(2, 4, 0)
                        }),
                    },
                ),
                told(7, 8, acquire_for("s", 2), leased("l1", 1, 4)),
                told(9, 10, acquire_for("t", 2), Answer::Full { kept: None }),
            ],
        ),
        (
            "use by a suspended team",
            vec![
                told(1, 2, suspend(Resource::Runs, true), Answer::Done),
                told(3, 4, consume("a", 1, 1), recorded("e1", 1, 1)),
            ],
        ),
        (
            "a team denied that is suspended no more",
            vec![
                told(1, 2, suspend(Resource::Runs, true), Answer::Done),
                told(3, 4, suspend(Resource::Runs, false), Answer::Done),
                told(5, 6, consume("a", 1, 1), denied(Some(1), None)),
            ],
        ),
    ]
}

pub(super) fn doctored_seats() -> Vec<(&'static str, Vec<Attempt>)> {
    let two = || {
        vec![
            told(1, 2, acquire("s"), leased("l1", 1, 4)),
            told(1, 2, acquire("t"), leased("l2", 2, 4)),
        ]
    };
    let and = |mut history: Vec<Attempt>, more: Vec<Attempt>| {
        history.extend(more);
        history
    };
    let one = || vec![told(1, 2, acquire("s"), leased("l1", 1, 4))];
    let full = || Answer::Full { kept: None };
    vec![
        (
            "a lease over the limit",
            and(two(), vec![told(3, 4, acquire("u"), leased("l3", 3, 4))]),
        ),
        (
            "a refused lease with a free seat",
            and(one(), vec![told(3, 4, acquire("t"), full())]),
        ),
        (
            "a refused lease after the others expired",
            and(two(), vec![told(41, 42, acquire("u"), full())]),
        ),
        (
            "a renewed dead lease",
            and(one(), vec![told(41, 42, renew("s"), renewed("l1", 8))]),
        ),
        (
            "a live lease that is told dead",
            and(one(), vec![told(11, 12, renew("s"), Answer::Over)]),
        ),
        (
            "a lease that is shorter than it was asked for",
            vec![told(1, 2, acquire("s"), leased("l1", 1, 3))],
        ),
        (
            "a lease that a renewal made shorter",
            and(one(), vec![told(3, 4, renew("s"), renewed("l1", 3))]),
        ),
        (
            "a fencing token that runs back",
            vec![
                told(1, 2, acquire("s"), leased("l1", 7, 4)),
                told(3, 4, acquire("t"), leased("l2", 6, 4)),
            ],
        ),
        (
            "a release acknowledged, and the seat held",
            and(
                two(),
                vec![
                    told(3, 4, release("s"), Answer::Released(true)),
                    told(5, 6, acquire("u"), full()),
                ],
            ),
        ),
        (
            "a seat released twice",
            and(
                one(),
                vec![
                    told(3, 4, release("s"), Answer::Released(true)),
                    told(5, 6, release("s"), Answer::Released(true)),
                ],
            ),
        ),
        (
            "a live lease that is not counted",
            and(one(), vec![told(3, 4, check_seats(), seated(0))]),
        ),
        (
            "a dead lease that is counted",
            and(one(), vec![told(41, 42, check_seats(), seated(1))]),
        ),
        (
            "a renewal above a lowered limit",
            and(
                one(),
                vec![
                    told(11, 12, acquire("t"), leased("l2", 2, 5)),
                    told(13, 14, seats(1), Answer::Done),
                    told(21, 22, renew("s"), renewed("l1", 6)),
                ],
            ),
        ),
    ]
}
