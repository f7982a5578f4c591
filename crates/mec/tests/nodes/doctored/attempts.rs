//! Attempts of which histories are made, each said in a few words.

use crate::judge::Attempt;
use crate::model::{Accounts, Answer, Call, Instant, Level, Limits, Resource, SECOND};

/// A root that may use 5 and has 2 seats, a team that may use 4 and has 2, and one that has what
/// plans give it: the first 3 and 1, the second 5 and 2.
pub(super) fn accounts() -> Accounts {
    let limits = |runs, seats| Limits { runs, seats };
    Accounts {
        parents: vec![None, Some(0), Some(0)],
        limits: vec![Some(limits(5, 2)), Some(limits(4, 2)), None],
        plans: vec![limits(3, 1), limits(5, 2)],
    }
}

/// From `sent` to `answered`, in tenths of a second.
pub(super) fn told(sent: i64, answered: i64, call: Call, answer: Answer) -> Attempt {
    Attempt {
        client: 0,
        call,
        sent: sent * SECOND / 10,
        answered: answered * SECOND / 10,
        answer,
    }
}

pub(super) fn untold(sent: i64, call: Call) -> Attempt {
    Attempt {
        client: 1,
        call,
        sent: sent * SECOND / 10,
        answered: (sent + 15) * SECOND / 10,
        answer: Answer::Unknown,
    }
}

pub(super) fn consume(key: &str, account: usize, quantity: u64) -> Call {
    Call::Consume {
        key: key.to_owned(),
        account,
        quantity,
    }
}

/// The limit of an account as an answer tells of it.
pub(super) fn level(account: usize, used: u64, reserved: u64) -> Level {
    Level {
        account,
        limit: [5, 4, 3][account],
        used,
        reserved,
    }
}

pub(super) fn recorded(id: &str, account: usize, used: u64) -> Answer {
    Answer::Recorded {
        id: id.to_owned(),
        level: Some(level(account, used, 0)),
    }
}

pub(super) fn refused(account: usize, used: u64, reserved: u64) -> Answer {
    Answer::Refused(level(account, used, reserved))
}

pub(super) fn check() -> Call {
    Call::Check {
        account: 1,
        resource: Resource::Runs,
    }
}

/// What the team and the root have used.
pub(super) fn checked(team: u64, root: u64) -> Answer {
    Answer::Checked {
        levels: vec![level(1, team, 0), level(0, root, 0)],
        is_allowed: team < 4 && root < 5,
    }
}

pub(super) fn check_seats() -> Call {
    Call::Check {
        account: 1,
        resource: Resource::Seats,
    }
}

pub(super) fn seated(seats: u64) -> Answer {
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

pub(super) fn reserve(key: &str, quantity: u64) -> Call {
    Call::Reserve {
        key: key.to_owned(),
        account: 1,
        quantity,
        seconds: 2,
    }
}

pub(super) fn held(id: &str, second: i64, reserved: u64) -> Answer {
    Answer::Held {
        id: id.to_owned(),
        expires: second * SECOND,
        is_held: true,
        level: Some(level(1, 0, reserved)),
    }
}

pub(super) fn settle(key: &str, quantity: u64) -> Call {
    Call::Settle {
        key: key.to_owned(),
        quantity,
    }
}

pub(super) fn give_back(key: &str) -> Call {
    Call::GiveBack {
        key: key.to_owned(),
    }
}

pub(super) fn correct(key: &str, event: &str, quantity: u64) -> Call {
    Call::Correct {
        key: key.to_owned(),
        event: event.to_owned(),
        quantity,
    }
}

pub(super) fn event(id: &str) -> Answer {
    Answer::Event(id.to_owned())
}

pub(super) fn acquire(session: &str) -> Call {
    acquire_for(session, 1)
}

pub(super) fn acquire_for(session: &str, account: usize) -> Call {
    Call::Acquire {
        session: session.to_owned(),
        account,
        seconds: 3,
    }
}

pub(super) fn renew(session: &str) -> Call {
    Call::Renew {
        session: session.to_owned(),
        seconds: 3,
    }
}

pub(super) fn release(session: &str) -> Call {
    Call::Release {
        session: session.to_owned(),
    }
}

pub(super) fn leased(id: &str, fencing: i64, second: i64) -> Answer {
    Answer::Leased {
        id: id.to_owned(),
        fencing: Some(fencing),
        expires: second * SECOND,
    }
}

pub(super) fn renewed(id: &str, second: i64) -> Answer {
    Answer::Leased {
        id: id.to_owned(),
        fencing: None,
        expires: second * SECOND,
    }
}

pub(super) fn limit(limit: u64) -> Call {
    Call::Limit {
        account: 1,
        resource: Resource::Runs,
        limit,
    }
}

pub(super) fn seats(limit: u64) -> Call {
    Call::Limit {
        account: 1,
        resource: Resource::Seats,
        limit,
    }
}

pub(super) fn suspend(resource: Resource, is_suspended: bool) -> Call {
    Call::Suspend {
        account: 1,
        resource,
        is_suspended,
    }
}

pub(super) fn denied(account: Option<usize>, kept: Option<Instant>) -> Answer {
    Answer::Denied { account, kept }
}

pub(super) fn provision(plan: usize) -> Call {
    Call::Provision { account: 2, plan }
}

pub(super) fn cancel(plan: usize) -> Call {
    Call::Cancel { account: 2, plan }
}
