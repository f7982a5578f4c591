//! Short sequences told in words: commands at seconds of a story, about one account.

use mec_oracle::{
    Action, Answer, Attribute, Attributes, Command, Condition, Grant, Id, Meter, Operator, Oracle,
    Patch, Provision, Question, Rule, SECOND, Step, Window,
};

use crate::compare;
use crate::driver::{self, Driver};

pub(crate) const WHOLE: i64 = 1_000_000;
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;
/// 2026-02-10T12:00:00Z: where every story begins.
pub(crate) const NOON: i64 = 1_770_724_800;
/// 2026-02-01T00:00:00Z, in seconds of a story.
pub(crate) const FIRST_OF_MONTH: i64 = -(9 * DAY + 12 * HOUR);

/// What both answer to commands at seconds of a story, with everything loaded and with nothing, and
/// the oracle after it. The command at place n makes the things `Id::new(n, 0)`, `Id::new(n, 1)`
/// and so on.
pub(crate) fn agree(story: impl IntoIterator<Item = (i64, Command)>) -> (Vec<Answer>, Oracle) {
    let catalog = driver::catalog();
    let (mut oracle, mut cold_oracle) = (Oracle::new(), Oracle::new());
    let (mut warm, mut cold) = (Driver::new(&catalog, false), Driver::new(&catalog, true));
    let answer = |(serial, (seconds, command))| {
        let step = Step {
            serial,
            at: instant(seconds),
            command,
        };
        compare(&step, &mut cold_oracle, &mut cold)
            .unwrap_or_else(|difference| panic!("with nothing loaded: {difference}"));
        compare(&step, &mut oracle, &mut warm).unwrap_or_else(|difference| panic!("{difference}"))
    };
    let answers = (0..).zip(story).map(answer).collect();
    (answers, oracle)
}

pub(crate) const fn instant(seconds: i64) -> i64 {
    (NOON + seconds) * SECOND
}

pub(crate) const fn made(place: u32) -> Id {
    Id::new(place, 0)
}

pub(crate) const ACCOUNT: Id = made(0);

pub(crate) fn account() -> Command {
    Command::CreateAccount {
        parent: None,
        zone: None,
    }
}

pub(crate) fn child() -> Command {
    Command::CreateAccount {
        parent: Some(ACCOUNT),
        zone: None,
    }
}

pub(crate) fn grant(resource: &'static str, quantity: i64, window: Window) -> Grant {
    Grant {
        account: ACCOUNT,
        resource,
        scope: None,
        quantity: Some(quantity * WHOLE),
        window: Some(window),
        is_override: false,
        priority: 0,
        valid_from: None,
        valid_until: None,
    }
}

pub(crate) fn provision(plan: &'static str) -> Provision {
    Provision {
        account: ACCOUNT,
        plan,
        start: None,
        quantity: None,
        reference: "",
        until: None,
        migrate: false,
    }
}

pub(crate) fn cancel(plan: &'static str) -> Command {
    Command::Cancel {
        account: ACCOUNT,
        plan,
        reference: None,
        at: None,
    }
}

pub(crate) fn question(resource: &'static str, quantity: i64) -> Question {
    Question {
        quantity: Some(quantity * WHOLE),
        ..Question::of(ACCOUNT, resource)
    }
}

pub(crate) fn check(resource: &'static str) -> Command {
    Command::Check(question(resource, 1))
}

pub(crate) fn consume(key: &str, question: Question) -> Command {
    Command::Consume {
        question,
        key: key.to_owned(),
        details: None,
    }
}

pub(crate) fn reserve(key: &str, quantity: i64) -> Command {
    Command::Reserve {
        question: question("runs", quantity),
        key: key.to_owned(),
        ttl_seconds: 3_600,
    }
}

pub(crate) fn meter(key: &str, quantity: i64) -> Meter {
    Meter {
        key: key.to_owned(),
        account: ACCOUNT,
        resource: "runs",
        scope: None,
        quantity: quantity * WHOLE,
        unit: None,
        occurred_at: None,
        details: None,
        is_correction: false,
        corrects: None,
        attributes: Attributes::new(),
    }
}

pub(crate) fn rule(
    resource: &'static str,
    action: Action,
    grace_period_seconds: Option<i64>,
) -> Command {
    Command::PutRule(Rule {
        resource,
        account: Some(ACCOUNT),
        plan: None,
        window: None,
        action,
        warn_at_percent: None,
        grace_quantity: None,
        grace_period_seconds,
        overage_limit: None,
        overage_unit_price: Some(WHOLE),
        priority: 0,
        is_active: true,
    })
}

pub(crate) fn patch(entitlement: Id, patch: Patch) -> Command {
    Command::PatchEntitlement { entitlement, patch }
}

pub(crate) fn of_beta(entitlement: Id) -> Command {
    let condition = Condition::Attribute {
        name: "beta",
        operator: Operator::In,
        values: vec![Attribute::Flag(true)],
    };
    patch(
        entitlement,
        Patch {
            conditions: Some(vec![condition]),
            ..Patch::default()
        },
    )
}

pub(crate) fn beta() -> Attributes {
    Attributes::from([("beta", Attribute::Flag(true))])
}

/// Decision and reason code of an answer, or what it was refused for.
pub(crate) fn told(answer: &Answer) -> String {
    match answer {
        Answer::Standing(standing)
        | Answer::Consumed { standing, .. }
        | Answer::Reserved { standing, .. } => {
            format!("{} {}", standing.decision, standing.reason_code)
        }
        Answer::Leased {
            decision,
            reason_code,
            ..
        } => format!("{decision} {reason_code}"),
        Answer::Refused(codes) => codes.join(" "),
        other => format!("{other:?}"),
    }
}

/// What is billed in all counters, in millionths.
pub(crate) fn billed(oracle: &Oracle) -> Vec<i64> {
    let amounts = oracle
        .overages()
        .into_values()
        .filter(|amount| *amount != 0.into());
    amounts
        .map(|amount| i64::try_from(amount).expect("small"))
        .collect()
}
