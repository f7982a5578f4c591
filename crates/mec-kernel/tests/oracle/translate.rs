//! From the oracle's words to the kernel's and back: codes, decimals, and which id stands for which
//! thing.

#[path = "shop.rs"]
mod shop;
#[path = "values.rs"]
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel as k;
use mec_kernel::{Code, Quantity, WindowKind};
use mec_oracle as o;
use mec_oracle::Id;

pub(crate) use self::shop::{changes, plan, resource};
pub(crate) use self::values::{attributes, quantity, scope};
use self::values::{instants, kind, test, window, window_kind};

/// Names of add-ons that the generator gives.
const REFERENCES: [&str; 3] = ["", "si_1", "si_2"];

/// Names of one kind of thing, both ways.
#[derive(Clone, Debug)]
pub(crate) struct Both<T> {
    there: BTreeMap<Id, T>,
    back: BTreeMap<T, Id>,
}

impl<T: Copy + Ord> Both<T> {
    const fn new() -> Self {
        Self {
            there: BTreeMap::new(),
            back: BTreeMap::new(),
        }
    }

    pub(crate) fn put(&mut self, id: Id, of: T) {
        self.there.insert(id, of);
        self.back.insert(of, id);
    }

    pub(crate) fn knows(&self, of: T) -> bool {
        self.back.contains_key(&of)
    }

    pub(crate) fn get(&self, id: Id) -> Option<T> {
        self.there.get(&id).copied()
    }

    pub(crate) fn id(&self, of: T) -> Id {
        self.back[&of]
    }

    /// The id of something that `serial` has made if nobody knows it yet, after what else it made.
    fn made(&mut self, of: T, serial: u32) -> Id {
        if !self.knows(of) {
            let free = (0..)
                .map(|place| Id::new(serial, place))
                .find(|id| !self.there.contains_key(id));
            self.put(free.expect("a step makes few things"), of);
        }
        self.id(of)
    }
}

/// Which id stands for which thing, in one sequence.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) accounts: Both<k::AccountId>,
    pub(crate) entitlements: Both<k::EntitlementId>,
    pub(crate) rules: Both<k::RuleId>,
    events: Both<k::EventId>,
    leases: Both<k::LeaseId>,
    holds: Both<k::ReservationId>,
    /// What nothing has, in the first tree.
    nothing: u128,
}

impl Names {
    pub(crate) const fn new() -> Self {
        Self {
            accounts: Both::new(),
            entitlements: Both::new(),
            rules: Both::new(),
            events: Both::new(),
            leases: Both::new(),
            holds: Both::new(),
            nothing: 0,
        }
    }

    /// A new account; the first one's tree is where unknown things are looked for.
    pub(crate) fn account_made(&mut self, serial: u32, account: k::AccountId) {
        if self.nothing == 0 {
            self.nothing = (0xdead << 64) | u128::from(account.tree().0);
        }
        self.accounts.put(Id::new(serial, 0), account);
    }

    pub(crate) fn account(&self, id: Id) -> k::AccountId {
        self.accounts.get(id).unwrap_or(k::AccountId(self.nothing))
    }

    pub(crate) fn entitlement(&self, id: Id) -> k::EntitlementId {
        self.entitlements
            .get(id)
            .unwrap_or(k::EntitlementId(self.nothing))
    }

    pub(crate) fn event(&self, id: Id) -> k::EventId {
        self.events.get(id).unwrap_or(k::EventId(self.nothing))
    }

    pub(crate) fn lease(&self, id: Id) -> k::LeaseId {
        self.leases.get(id).unwrap_or(k::LeaseId(self.nothing))
    }

    /// A key as it is sent: one that is a reservation's name is its real name.
    pub(crate) fn key(&self, key: &str) -> String {
        let hold = key
            .strip_prefix("reservation:")
            .map(|id| self.hold(Id(id.parse().expect("a number"))));
        hold.map_or_else(|| key.to_owned(), |hold| format!("reservation:{hold}"))
    }

    pub(crate) fn hold(&self, id: Id) -> k::ReservationId {
        self.holds.get(id).unwrap_or(k::ReservationId(self.nothing))
    }

    /// Rows that a command made, in the order of their ids.
    pub(crate) fn entitlements_made(
        &mut self,
        serial: u32,
        rows: impl IntoIterator<Item = k::EntitlementId>,
    ) {
        let mut new: Vec<_> = rows
            .into_iter()
            .filter(|row| !self.entitlements.knows(*row))
            .collect();
        new.sort();
        new.dedup();
        for (place, row) in (0..).zip(new) {
            self.entitlements.put(Id::new(serial, place), row);
        }
    }

    pub(crate) fn question(&self, of: &o::Question, explain: bool) -> k::Check {
        k::Check {
            account: self.account(of.account),
            resource: of.resource.into(),
            scope: of.scope.map(Code::from),
            quantity: of.quantity.map(quantity),
            unit: of.unit.map(Code::from),
            attributes: attributes(&of.attributes),
            explain,
        }
    }

    pub(crate) fn meter(&self, of: &o::Meter) -> k::Meter {
        k::Meter {
            key: self.key(&of.key).as_str().into(),
            account: self.account(of.account),
            resource: of.resource.into(),
            scope: of.scope.map(Code::from),
            quantity: quantity(of.quantity),
            unit: of.unit.map(Code::from),
            occurred_at: of.occurred_at.map(k::Time::from_micros),
            details: of.details.map(Arc::from),
            is_correction: of.is_correction,
            corrects: of.corrects.map(|id| self.event(id)),
            attributes: attributes(&of.attributes),
        }
    }

    pub(crate) fn grant(&self, of: &o::Grant) -> k::Grant {
        k::Grant {
            account: self.account(of.account),
            resource: of.resource.into(),
            scope: of.scope.map(Code::from),
            limit_kind: None,
            quantity: of.quantity.map(quantity),
            window: of.window.map(window),
            source: if of.is_override {
                k::Source::Override
            } else {
                k::Source::Manual
            },
            priority: of.priority,
            valid_from: of.valid_from.map(k::Time::from_micros),
            valid_until: of.valid_until.map(k::Time::from_micros),
            metadata: None,
        }
    }

    pub(crate) fn provision(&self, of: &o::Provision) -> k::Provision {
        k::Provision {
            account: self.account(of.account),
            plan: of.plan.into(),
            start: of.start.map(k::Time::from_micros),
            quantity: of.quantity.map(quantity),
            reference: of.reference.into(),
            until: of.until.map(k::Time::from_micros),
            migrate: of.migrate,
        }
    }

    /// A rule whose id and times are those given.
    pub(crate) fn rule(
        &self,
        of: &o::Rule,
        id: k::RuleId,
        now: k::Time,
        shop: &o::Shop,
    ) -> k::Rule {
        k::Rule {
            id,
            resource: of.resource.into(),
            limit_kind: kind(
                shop.resource(of.resource)
                    .expect("a resource of the shop")
                    .kind,
            ),
            account: of.account.map(|account| self.account(account)),
            plan: of.plan.map(Code::from),
            window: of.window.map(window_kind),
            action: match of.action {
                o::Action::Block => k::LimitAction::Block,
                o::Action::Warn => k::LimitAction::Warn,
                o::Action::Grace => k::LimitAction::Grace,
                o::Action::Overage => k::LimitAction::Overage,
            },
            warn_at: of.warn_at_percent.map(k::Percent),
            grace_quantity: of.grace_quantity.map(quantity),
            grace_seconds: of.grace_period_seconds,
            overage_limit: of.overage_limit.map(quantity),
            overage_price: of.overage_unit_price.map(quantity),
            currency: of.overage_unit_price.map(|_| "USD".to_owned()),
            priority: of.priority,
            is_active: of.is_active,
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn standing(&self, of: &k::Standing) -> o::Standing {
        let shown = |total: Option<k::Total>| total.map(|total| total.to_string());
        let limit = |of: &k::Limit| o::Limit {
            level: of.level,
            account: self.accounts.id(of.account),
            entitlements: of
                .entitlements
                .iter()
                .map(|id| self.entitlements.id(*id))
                .collect(),
            scope: of.scope.as_ref().map(ToString::to_string),
            action: of.action.to_string(),
            rule: of.rule.map(|id| self.rules.id(id)),
            used: shown(of.figures.used),
            reserved: shown(of.figures.reserved),
            allowed: shown(of.figures.allowed),
            window: instants(of.figures.window),
            window_type: of.figures.window_kind.map_or("", WindowKind::code),
            decision: of.decision.code(),
            reason: of.reason.to_string(),
        };
        let mut limits: Vec<o::Limit> = of.trace.limits.iter().map(limit).collect();
        limits.sort();
        o::Standing {
            decision: of.decision.code(),
            allowed: of.allowed,
            reason: of.reason.to_string(),
            reason_code: of.reason.code().to_owned(),
            entitlement: of.entitlement.map(|id| self.entitlements.id(id)),
            rule: of.rule.map(|id| self.rules.id(id)),
            // Whose level denied is told by the decision tables alone.
            account: of
                .account
                .filter(|_| of.decision != k::Decision::Deny)
                .map(|id| self.accounts.id(id)),
            figures: of.figures.as_ref().map(|figures| o::Figures {
                allowed: shown(figures.allowed),
                used: shown(figures.used),
                reserved: shown(figures.reserved),
                remaining: shown(figures.remaining),
                percent: figures.percent.map(|percent| percent.total().to_string()),
                window: instants(figures.window),
            }),
            overage: of
                .overage
                .as_ref()
                .map(|(quantity, cost)| (quantity.to_string(), shown(*cost))),
            retry_after_seconds: of.retry_after_seconds,
            limits,
        }
    }

    pub(crate) fn consumed(&mut self, of: &k::Consumed, serial: u32) -> o::Answer {
        o::Answer::Consumed {
            standing: self.standing(&of.standing),
            event: of.event.map(|id| self.events.made(id, serial)),
            replayed: of.replayed.is_some(),
            told: of
                .replayed
                .as_ref()
                .and_then(Option::as_ref)
                .map(|told| self.told(told)),
        }
    }

    fn told(&self, of: &k::RecordedRuling) -> o::Told {
        o::Told {
            decision: of.decision.code(),
            reason: of.reason.to_string(),
            reason_code: of.reason_code.to_string(),
            entitlement: of.entitlement.map(|id| self.entitlements.id(id)),
        }
    }

    pub(crate) fn recorded(&mut self, of: k::Recorded, serial: u32) -> o::Answer {
        o::Answer::Recorded {
            event: self.events.made(of.event, serial),
            replayed: of.replayed,
        }
    }

    pub(crate) fn reserved(&mut self, of: &k::Reserved, serial: u32) -> o::Answer {
        let hold = of
            .reservation
            .as_ref()
            .map(|hold| (self.holds.made(hold.id, serial), hold.expires_at.micros()));
        o::Answer::Reserved {
            success: of.is_held,
            standing: self.standing(&of.standing),
            reservation: hold,
            replayed: of.replayed,
            told: of
                .reservation
                .as_ref()
                .filter(|_| of.replayed)
                .map(|hold| self.told(&hold.ruling)),
        }
    }

    pub(crate) fn settled(&mut self, of: k::Settled, serial: u32) -> o::Answer {
        o::Answer::Settled {
            event: of.event.map(|id| self.events.made(id, serial)),
            replayed: of.replayed,
        }
    }

    pub(crate) fn leased(&mut self, of: &k::Leased, serial: u32) -> o::Answer {
        let seat = of.lease.as_ref().map(|lease| o::Seat {
            lease: self.leases.made(lease.id, serial),
            expires_at: lease.expires_at.micros(),
            fencing_token: lease.fencing_token,
        });
        o::Answer::Leased {
            lease: seat,
            decision: of.decision.code(),
            reason: of.reason.to_string(),
            reason_code: of.reason.code().to_owned(),
            retry_after_seconds: of.retry_after_seconds,
            standing: of.standing.as_ref().map(|standing| self.standing(standing)),
        }
    }
}

/// A row as everybody shows it.
pub(crate) fn row_in_words(of: &k::Entitlement, shop: &o::Shop) -> o::RowInWords {
    let plan = of.plan.as_ref().map(|plan| {
        let reference = of.source_ref.as_ref().map_or("", |reference| {
            REFERENCES
                .into_iter()
                .find(|of| *of == reference.as_str())
                .expect("a reference of the generator")
        });
        (
            shop.plan(plan).expect("a plan of the shop").id,
            reference,
            of.plan_version.unwrap_or(0),
        )
    });
    o::RowInWords {
        resource: shop
            .resource(&of.resource)
            .expect("a resource of the shop")
            .code,
        scope: of.scope.as_ref().map(scope),
        quantity: of.quantity.map(Quantity::millionths),
        status: of.status.code(),
        source: of.source.code(),
        plan,
        priority: of.priority,
        valid_from: of.valid_from.micros(),
        valid_until: of.valid_until.map(k::Time::micros),
        conditions: of.conditions.len(),
    }
}

/// The JSON text that says what a correction is about.
pub(crate) fn correction_details(quantity: Option<i64>) -> Arc<str> {
    let quantity = quantity.map_or_else(|| "null".to_owned(), |quantity| quantity.to_string());
    format!("{{\"quantity\":{quantity}}}").into()
}

pub(crate) fn refused(code: &str) -> o::Answer {
    o::Answer::Refused(vec![code.to_owned()])
}

pub(crate) fn patch(of: &o::Patch) -> k::EntitlementPatch {
    let condition = |of: &o::Condition| k::Condition {
        id: k::ConditionId(0),
        test: test(of),
    };
    k::EntitlementPatch {
        quantity: of.quantity.map(|limit| limit.map(quantity)),
        window: of.window.map(window),
        status: of.status.map(|status| match status {
            o::RowStatus::Active => k::EntitlementStatus::Active,
            o::RowStatus::Suspended => k::EntitlementStatus::Suspended,
            o::RowStatus::Expired => k::EntitlementStatus::Expired,
        }),
        priority: of.priority,
        valid_from: of.valid_from.map(k::Time::from_micros),
        valid_until: of.valid_until.map(|until| until.map(k::Time::from_micros)),
        conditions: of
            .conditions
            .as_ref()
            .map(|conditions| conditions.iter().map(condition).collect()),
        metadata: None,
    }
}

pub(crate) fn account_patch(
    status: Option<o::Status>,
    zone: Option<Option<&'static str>>,
) -> k::AccountPatch {
    k::AccountPatch {
        status: status.map(|status| match status {
            o::Status::Active => k::AccountStatus::Active,
            o::Status::Suspended => k::AccountStatus::Suspended,
            o::Status::Closed => k::AccountStatus::Closed,
        }),
        time_zone: zone.map(|zone| zone.map(Code::from)),
        ..k::AccountPatch::default()
    }
}

pub(crate) fn new_account(
    parent: Option<k::AccountId>,
    zone: Option<&'static str>,
) -> k::CreateAccount {
    k::CreateAccount {
        parent,
        account_type: "organization".into(),
        external_id: None,
        display_name: "Acme Corp".into(),
        email: None,
        time_zone: zone.map(Code::from),
        metadata: None,
        status: k::AccountStatus::Active,
    }
}

/// What a kernel's counter is to the oracle.
pub(crate) fn counter(account: Id, key: &k::WindowKey, shop: &o::Shop) -> o::Counter {
    let cut = match key.window {
        k::Window::Fixed { start, end } => o::window::Cut::Span(start.micros(), end.micros()),
        k::Window::Rolling { seconds } => o::window::Cut::Rolling(seconds),
    };
    let resource = shop
        .resource(&key.resource)
        .expect("a resource of the shop")
        .code;
    o::Counter {
        account,
        resource,
        scope: key.scope.as_ref().map(scope),
        cut,
    }
}
