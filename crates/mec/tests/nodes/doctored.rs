//! Histories that the judge must find right, and others that it must find wrong. No node is needed
//! for them.

use crate::judge::{Attempt, judge};
use crate::model::{Accounts, Answer, Call, Instant, Level, Limits, Resource, SECOND};

/// A root that may use 5 and has 2 seats, a team that may use 4 and has 2, and one that has what
/// plans give it: the first 3 and 1, the second 5 and 2.
fn accounts() -> Accounts {
    let limits = |runs, seats| Limits { runs, seats };
    Accounts {
        parents: vec![None, Some(0), Some(0)],
        limits: vec![Some(limits(5, 2)), Some(limits(4, 2)), None],
        plans: vec![limits(3, 1), limits(5, 2)],
    }
}

/// From `sent` to `answered`, in tenths of a second.
fn told(sent: i64, answered: i64, call: Call, answer: Answer) -> Attempt {
    Attempt {
        client: 0,
        call,
        sent: sent * SECOND / 10,
        answered: answered * SECOND / 10,
        answer,
    }
}

fn untold(sent: i64, call: Call) -> Attempt {
    Attempt {
        client: 1,
        call,
        sent: sent * SECOND / 10,
        answered: (sent + 15) * SECOND / 10,
        answer: Answer::Unknown,
    }
}

fn consume(key: &str, account: usize, quantity: u64) -> Call {
    Call::Consume {
        key: key.to_owned(),
        account,
        quantity,
    }
}

/// The limit of an account as an answer tells of it.
fn level(account: usize, used: u64, reserved: u64) -> Level {
    Level {
        account,
        limit: [5, 4, 3][account],
        used,
        reserved,
    }
}

fn recorded(id: &str, account: usize, used: u64) -> Answer {
    Answer::Recorded {
        id: id.to_owned(),
        level: Some(level(account, used, 0)),
    }
}

fn refused(account: usize, used: u64, reserved: u64) -> Answer {
    Answer::Refused(level(account, used, reserved))
}

fn check() -> Call {
    Call::Check {
        account: 1,
        resource: Resource::Runs,
    }
}

/// What the team and the root have used.
fn checked(team: u64, root: u64) -> Answer {
    Answer::Checked {
        levels: vec![level(1, team, 0), level(0, root, 0)],
        is_allowed: team < 4 && root < 5,
    }
}

fn check_seats() -> Call {
    Call::Check {
        account: 1,
        resource: Resource::Seats,
    }
}

fn seated(seats: u64) -> Answer {
    let level = |account| Level {
        account,
        limit: 2,
        used: seats,
        reserved: 0,
    };
    Answer::Checked {
        levels: vec![level(1), level(0)],
        is_allowed: seats < 2,
    }
}

fn reserve(key: &str, quantity: u64) -> Call {
    Call::Reserve {
        key: key.to_owned(),
        account: 1,
        quantity,
        seconds: 2,
    }
}

fn held(id: &str, second: i64, reserved: u64) -> Answer {
    Answer::Held {
        id: id.to_owned(),
        expires: second * SECOND,
        is_held: true,
        level: Some(level(1, 0, reserved)),
    }
}

fn settle(key: &str, quantity: u64) -> Call {
    Call::Settle {
        key: key.to_owned(),
        quantity,
    }
}

fn give_back(key: &str) -> Call {
    Call::GiveBack {
        key: key.to_owned(),
    }
}

fn correct(key: &str, event: &str, quantity: u64) -> Call {
    Call::Correct {
        key: key.to_owned(),
        event: event.to_owned(),
        quantity,
    }
}

fn event(id: &str) -> Answer {
    Answer::Event(id.to_owned())
}

fn acquire(session: &str) -> Call {
    acquire_for(session, 1)
}

fn acquire_for(session: &str, account: usize) -> Call {
    Call::Acquire {
        session: session.to_owned(),
        account,
        seconds: 3,
    }
}

fn renew(session: &str) -> Call {
    Call::Renew {
        session: session.to_owned(),
        seconds: 3,
    }
}

fn release(session: &str) -> Call {
    Call::Release {
        session: session.to_owned(),
    }
}

fn leased(id: &str, fencing: i64, second: i64) -> Answer {
    Answer::Leased {
        id: id.to_owned(),
        fencing: Some(fencing),
        expires: second * SECOND,
    }
}

fn renewed(id: &str, second: i64) -> Answer {
    Answer::Leased {
        id: id.to_owned(),
        fencing: None,
        expires: second * SECOND,
    }
}

fn limit(limit: u64) -> Call {
    Call::Limit {
        account: 1,
        resource: Resource::Runs,
        limit,
    }
}

fn seats(limit: u64) -> Call {
    Call::Limit {
        account: 1,
        resource: Resource::Seats,
        limit,
    }
}

fn suspend(resource: Resource, is_suspended: bool) -> Call {
    Call::Suspend {
        account: 1,
        resource,
        is_suspended,
    }
}

fn denied(account: Option<usize>, kept: Option<Instant>) -> Answer {
    Answer::Denied { account, kept }
}

fn provision(plan: usize) -> Call {
    Call::Provision { account: 2, plan }
}

fn cancel(plan: usize) -> Call {
    Call::Cancel { account: 2, plan }
}

fn honest_use() -> Vec<(&'static str, Vec<Attempt>)> {
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

fn honest_seats() -> Vec<(&'static str, Vec<Attempt>)> {
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

fn doctored_use() -> Vec<(&'static str, Vec<Attempt>)> {
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

fn doctored_limits() -> Vec<(&'static str, Vec<Attempt>)> {
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

fn doctored_seats() -> Vec<(&'static str, Vec<Attempt>)> {
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
