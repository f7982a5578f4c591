//! What can be asked and told: commands with every instant absolute and every thing named by the
//! step that made it, so that a sequence means the same after steps were dropped from it.

use std::collections::BTreeMap;

/// Microseconds since the epoch, in UTC.
pub type Time = i64;
/// A second in microseconds.
pub const SECOND: i64 = 1_000_000;

/// A thing: 64 × the step that made it + its place among what that step made. Grows in the order
/// things are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u32);

impl Id {
    /// The `place`th thing made by step `serial`.
    pub const fn new(serial: u32, place: u32) -> Self {
        Self(serial * 64 + place)
    }
}

/// A command at an instant; instants of a sequence only grow.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number at generation.
    pub serial: u32,
    /// When.
    pub at: Time,
    /// What.
    pub command: Command,
}

impl Command {
    /// As it is once it has entered: an empty scope is none.
    #[must_use]
    pub(crate) fn entered(&self) -> Self {
        let mut command = self.clone();
        let clear = |scope: &mut Option<Code>| *scope = scope.filter(|scope| !scope.is_empty());
        match &mut command {
            Self::Check(question)
            | Self::Consume { question, .. }
            | Self::Reserve { question, .. }
            | Self::Acquire { question, .. } => clear(&mut question.scope),
            Self::Usage(question) => clear(&mut question.scope),
            Self::Meter(meter) => clear(&mut meter.scope),
            Self::MeterBatch(meters) => meters.iter_mut().for_each(|meter| clear(&mut meter.scope)),
            Self::Grant(grant) => clear(&mut grant.scope),
            Self::PutPlan(plan) => plan
                .templates
                .iter_mut()
                .for_each(|template| clear(&mut template.scope)),
            _ => {}
        }
        command
    }
}

/// A closed list of names.
pub type Code = &'static str;

/// One thing a caller does.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the fields carry the design's names and meaning"
)]
pub enum Command {
    CreateAccount {
        parent: Option<Id>,
        zone: Option<Code>,
    },
    PatchAccount {
        account: Id,
        status: Option<Status>,
        zone: Option<Option<Code>>,
    },
    Grant(Grant),
    PatchEntitlement {
        entitlement: Id,
        patch: Patch,
    },
    PutRule(Rule),
    PutPlan(Plan),
    PutResource(&'static crate::shop::Resource),
    Provision(Provision),
    Cancel {
        account: Id,
        plan: Code,
        reference: Option<Code>,
        at: Option<Time>,
    },
    Check(Question),
    CheckAll {
        account: Id,
        resources: Option<Vec<Code>>,
        attributes: Attributes,
    },
    Usage(UsageQuestion),
    Consume {
        question: Question,
        key: String,
        details: Option<Code>,
    },
    Meter(Meter),
    MeterBatch(Vec<Meter>),
    Correct {
        event: Id,
        key: String,
        quantity: Option<i64>,
    },
    Reserve {
        question: Question,
        key: String,
        ttl_seconds: i64,
    },
    Settle {
        reservation: Id,
        quantity: i64,
        attributes: Attributes,
    },
    ReleaseReservation {
        reservation: Id,
    },
    Acquire {
        question: Question,
        token: Option<Code>,
        ttl_seconds: i64,
    },
    Renew {
        lease: Id,
        ttl_seconds: i64,
        attributes: Attributes,
    },
    ReleaseLease {
        lease: Id,
    },
}

/// Of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Status {
    Active,
    Suspended,
    Closed,
}

/// Of an entitlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum RowStatus {
    Active,
    Suspended,
    Expired,
}

/// May this account do this?
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the design's words; quantities in millionths of the unit"
)]
pub struct Question {
    pub account: Id,
    pub resource: Code,
    pub scope: Option<Code>,
    pub quantity: Option<i64>,
    pub unit: Option<Code>,
    pub attributes: Attributes,
}

/// How much was used over time?
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the design's words; buckets are calendar windows"
)]
pub struct UsageQuestion {
    pub account: Id,
    pub resource: Code,
    pub scope: Option<Code>,
    pub from: Option<Time>,
    pub to: Option<Time>,
    pub group_by: Option<Window>,
    pub own_only: bool,
}

/// Facts stated with a request, by name.
pub type Attributes = BTreeMap<Code, Attribute>;

/// A fact stated with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Attribute {
    Text(Code),
    Number(i64),
    Flag(bool),
}

/// What must hold for a row to count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Condition {
    Attribute {
        name: Code,
        operator: Operator,
        values: Vec<Attribute>,
    },
    TimeOfDay {
        from: i64,
        to: i64,
    },
    Weekday(Vec<i8>),
}

/// How an attribute is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Operator {
    In,
    NotIn,
    Gt,
    Gte,
    Lt,
    Lte,
}

/// What cuts a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Window {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    BillingMonth(Option<Time>),
    BillingYear(Option<Time>),
    Period(Time, Time),
    Rolling(i64),
    Lifetime(Option<Time>),
}

impl Window {
    /// Its kind, as rules and answers name it.
    pub const fn kind(self) -> Code {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::BillingMonth(_) => "billing_month",
            Self::BillingYear(_) => "billing_year",
            Self::Period(..) => "period",
            Self::Rolling(_) => "rolling",
            Self::Lifetime(_) => "lifetime",
        }
    }
}

/// A grant by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Grant {
    pub account: Id,
    pub resource: Code,
    pub scope: Option<Code>,
    pub quantity: Option<i64>,
    pub window: Option<Window>,
    pub is_override: bool,
    pub priority: i32,
    pub valid_from: Option<Time>,
    pub valid_until: Option<Time>,
}

/// What to change of an entitlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Patch {
    pub quantity: Option<Option<i64>>,
    pub window: Option<Window>,
    pub status: Option<RowStatus>,
    pub priority: Option<i32>,
    pub valid_from: Option<Time>,
    pub valid_until: Option<Option<Time>>,
    pub conditions: Option<Vec<Condition>>,
}

/// What happens at and beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Action {
    Block,
    Warn,
    Grace,
    Overage,
}

/// How limits of a resource are enforced; without an account it is the catalog's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words; percent in hundredths")]
pub struct Rule {
    pub resource: Code,
    pub account: Option<Id>,
    pub plan: Option<Code>,
    /// The kind of window whose pools it reaches; else all but rolling ones.
    pub window: Option<Code>,
    pub action: Action,
    pub warn_at_percent: Option<i64>,
    pub grace_quantity: Option<i64>,
    pub grace_period_seconds: Option<i64>,
    pub overage_limit: Option<i64>,
    pub overage_unit_price: Option<i64>,
    pub priority: i32,
    pub is_active: bool,
}

/// A commercial package.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Plan {
    pub id: Code,
    pub trial_days: Option<i32>,
    pub is_addon: bool,
    pub is_active: bool,
    pub version: i32,
    pub templates: Vec<Template>,
}

/// One grant of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the design's words; a billing window's anchor is left open"
)]
pub struct Template {
    pub resource: Code,
    pub scope: Option<Code>,
    pub quantity: Option<i64>,
    pub window: Option<Window>,
    pub per_quantity: bool,
}

/// Give an account a plan or an add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Provision {
    pub account: Id,
    pub plan: Code,
    pub start: Option<Time>,
    /// None: what it has, or one.
    pub quantity: Option<i64>,
    pub reference: Code,
    pub until: Option<Time>,
    pub migrate: bool,
}

/// Record what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Meter {
    pub key: String,
    pub account: Id,
    pub resource: Code,
    pub scope: Option<Code>,
    pub quantity: i64,
    pub unit: Option<Code>,
    pub occurred_at: Option<Time>,
    pub details: Option<Code>,
    pub is_correction: bool,
    pub corrects: Option<Id>,
    pub attributes: Attributes,
}

impl Question {
    /// Where does the account stand?
    pub const fn of(account: Id, resource: Code) -> Self {
        Self {
            account,
            resource,
            scope: None,
            quantity: None,
            unit: None,
            attributes: BTreeMap::new(),
        }
    }
}

/// The next full second.
pub(crate) fn full_second(at: Time) -> Time {
    at + (-at).rem_euclid(SECOND)
}
