//! What is judged by when entitlements begin and end: use that is told late, and limits that fall
//! by themselves. The installation is closed and opened again on the way, so everything is read
//! back from rows.

use std::sync::Arc;

use crate::installation::*;
use mec_engine::{Mec, NewAccount, Options, UsageQuestion};
use mec_kernel::*;

crate::place::on_both!(
    use_before_the_first_entitlement_bills_nothing,
    late_use_is_billed_by_the_limits_of_its_time,
    a_settlement_is_billed_by_the_limits_at_its_reserve,
    a_correction_upwards_is_billed_by_the_limits_of_its_event,
    a_rule_of_the_plan_there_was_bills_late_use,
    grace_runs_from_the_instant_at_which_a_limit_fell_by_itself,
    the_next_write_notes_when_the_limit_fell,
);

const RUNS: &str = "benchmark_runs";
const SEATS: &str = "concurrent_users";
const DAY: i64 = 86_400;

/// An installation that is opened again now and then.
struct Home<P> {
    place: P,
    hands: Hands,
    mec: Arc<Mec>,
    account: AccountId,
}

impl<P: Place> Home<P> {
    /// On 15 October, with an account that has nothing.
    async fn new(place: P) -> Self {
        let hands = Hands::at("2026-10-15T12:00:00Z");
        let mec = open_with(
            &place,
            Options {
                clock: hands.clock(),
                ..Options::default()
            },
        )
        .await;
        let account = mec
            .create_account(NewAccount::named("Acme Corp"), &caller())
            .await
            .unwrap()
            .id;
        Self {
            place,
            hands,
            mec,
            account,
        }
    }

    async fn reopen(self) -> Self {
        let Self {
            place,
            hands,
            mec,
            account,
        } = self;
        mec.close().await.unwrap();
        drop(mec);
        let options = Options {
            create: false,
            clock: hands.clock(),
            ..Options::default()
        };
        let mec = Arc::new(Mec::open(&url(&place), options).await.unwrap());
        Self {
            place,
            hands,
            mec,
            account,
        }
    }

    async fn rule(&self, resource: &str, action: LimitAction, plan: Option<&str>) {
        let limit_kind = if resource == SEATS {
            LimitKind::Concurrency
        } else {
            LimitKind::Cumulative
        };
        let is_billed = action == LimitAction::Overage;
        let rule = Rule {
            id: RuleId(0),
            resource: resource.into(),
            limit_kind,
            account: None,
            plan: plan.map(Code::from),
            window: None,
            action,
            warn_at: None,
            grace_quantity: None,
            grace_seconds: (action == LimitAction::Grace).then_some(3_600),
            overage_limit: None,
            overage_price: is_billed.then(|| Quantity::whole(1)),
            currency: is_billed.then(|| "USD".to_owned()),
            priority: 9,
            is_active: true,
            created_at: self.mec.now(),
            updated_at: self.mec.now(),
        };
        self.mec
            .change_catalog(&caller(), move |_| {
                vec![CatalogChange::PutRule(rule.clone())]
            })
            .await
            .unwrap();
    }

    /// So many runs a month from `from` days from now on, for `days` days.
    async fn month(&self, limit: i32, from: i64, days: Option<i64>) -> EntitlementId {
        let valid_from = self.mec.now().plus_seconds(from * DAY);
        let valid_until = days.map(|days| valid_from.plus_seconds(days * DAY));
        let window = Some(WindowRule::of(WindowKind::Month));
        let grant = Grant {
            window,
            valid_from: Some(valid_from),
            valid_until,
            ..grant_of(self.account, RUNS, limit)
        };
        self.mec.grant(grant, &caller()).await.unwrap().id
    }

    async fn plan(&self, plan: &str) {
        self.mec
            .provision(Provision::new(self.account, plan), &caller())
            .await
            .unwrap();
    }

    /// Runs that happened so many days ago.
    async fn meter(&self, quantity: i32, days_ago: i64, key: &str) -> EventId {
        let occurred_at = Some(self.mec.now().plus_seconds(-days_ago * DAY));
        let meter = Meter {
            quantity: Quantity::whole(quantity),
            occurred_at,
            ..event_of(self.account, RUNS, key)
        };
        self.mec.meter(meter, &caller()).await.unwrap().event
    }

    /// What of runs is billed by now.
    async fn billed(&self) -> i64 {
        let question = UsageQuestion {
            account: self.account,
            resource: RUNS.into(),
            scope: None,
            from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            to: None,
            group_by: None,
            own_only: false,
        };
        whole(self.mec.usage(question, &caller()).await.unwrap().buckets[0].overage)
    }

    async fn asked(&self, resource: &str, quantity: i32) -> (Decision, &'static str) {
        let check = Check::of(self.account, resource, Some(Quantity::whole(quantity)));
        let standing = self.mec.check(check, &caller()).await.unwrap();
        (standing.decision, standing.reason.code())
    }
}

async fn use_before_the_first_entitlement_bills_nothing(place: impl Place) {
    let home = Home::new(place).await;
    home.rule(RUNS, LimitAction::Overage, None).await;
    home.hands.forward(30 * DAY);
    home.month(10, 0, None).await;
    let home = home.reopen().await;
    home.meter(50, 20, "october").await;
    assert_eq!(home.billed().await, 0);
    home.meter(12, 0, "november").await;
    assert_eq!(home.billed().await, 2);
}

async fn late_use_is_billed_by_the_limits_of_its_time(place: impl Place) {
    let home = Home::new(place).await;
    home.rule(RUNS, LimitAction::Overage, None).await;
    home.month(100, 0, Some(14)).await;
    home.month(10, 14, None).await;
    home.meter(95, 0, "in time").await;
    home.hands.forward(30 * DAY);
    let home = home.reopen().await;
    home.meter(5, 30, "within the limit of then").await;
    assert_eq!(home.billed().await, 0);
    home.meter(3, 30, "beyond it").await;
    assert_eq!(home.billed().await, 3);
}

async fn a_settlement_is_billed_by_the_limits_at_its_reserve(place: impl Place) {
    let home = Home::new(place).await;
    home.rule(RUNS, LimitAction::Overage, None).await;
    let row = home.month(5, 0, None).await;
    let check = Check::of(home.account, RUNS, Some(Quantity::whole(5)));
    let reserve = Reserve {
        check,
        key: "hold".into(),
        ttl_seconds: 600,
    };
    let held = home
        .mec
        .reserve(reserve, &caller())
        .await
        .unwrap()
        .reservation
        .unwrap()
        .id;
    home.hands.forward(60);
    // An end in place of the limit there was, and a greater one from now on.
    let account = home.account;
    let expired = EntitlementPatch {
        status: Some(EntitlementStatus::Expired),
        ..EntitlementPatch::default()
    };
    let expire = move |view: &View<'_>, making: &mut Making<'_>| {
        patch_entitlement(view, making, account, row, &expired)
    };
    home.mec.run(account, &caller(), expire).await.unwrap();
    home.month(50, 0, None).await;
    let home = home.reopen().await;
    let settle = Settle {
        reservation: held,
        quantity: Quantity::whole(7),
        attributes: Attributes::new(),
    };
    home.mec.settle(settle, &caller()).await.unwrap();
    assert_eq!(home.billed().await, 2);
}

async fn a_correction_upwards_is_billed_by_the_limits_of_its_event(place: impl Place) {
    let home = Home::new(place).await;
    home.rule(RUNS, LimitAction::Overage, None).await;
    home.month(5, 0, Some(14)).await;
    home.month(50, 14, None).await;
    let event = home.meter(4, 0, "in time").await;
    home.hands.forward(30 * DAY);
    let home = home.reopen().await;
    let correct = Correct {
        key: "more".into(),
        event,
        quantity: Some(Quantity::whole(7)),
        details: "{}".into(),
    };
    home.mec.correct(correct, &caller()).await.unwrap();
    assert_eq!(home.billed().await, 2);
    let correct = Correct {
        key: "less".into(),
        event,
        quantity: Some(Quantity::whole(6)),
        details: "{}".into(),
    };
    home.mec.correct(correct, &caller()).await.unwrap();
    assert_eq!(home.billed().await, 1);
}

async fn a_rule_of_the_plan_there_was_bills_late_use(place: impl Place) {
    let home = Home::new(place).await;
    home.rule(RUNS, LimitAction::Overage, Some("starter")).await;
    home.plan("starter").await;
    home.hands.forward(1);
    home.meter(99, 0, "in time").await;
    home.hands.forward(30 * DAY);
    home.plan("pro").await;
    let home = home.reopen().await;
    home.meter(3, 30, "late").await;
    assert_eq!(home.billed().await, 2);
}

async fn grace_runs_from_the_instant_at_which_a_limit_fell_by_itself(place: impl Place) {
    let home = Home::new(place).await;
    home.rule(RUNS, LimitAction::Grace, None).await;
    home.month(10, 0, None).await;
    home.month(10, 0, Some(1)).await;
    home.meter(15, 0, "in time").await;
    home.hands.forward(DAY + 3_599);
    let home = home.reopen().await;
    assert_eq!(home.asked(RUNS, 1).await, (Decision::Grace, "in_grace"));
    home.hands.forward(1);
    assert_eq!(
        home.asked(RUNS, 1).await,
        (Decision::Block, "grace_exhausted")
    );
}

async fn the_next_write_notes_when_the_limit_fell(place: impl Place) {
    let home = Home::new(place).await;
    home.rule(SEATS, LimitAction::Grace, None).await;
    let until = Some(home.mec.now().plus_seconds(600));
    allow(&home.mec, home.account, SEATS, 1).await;
    home.mec
        .grant(
            Grant {
                valid_until: until,
                ..grant_of(home.account, SEATS, 1)
            },
            &caller(),
        )
        .await
        .unwrap();
    for _ in 0..2 {
        home.mec
            .acquire(seat_of(home.account, 7_200), &caller())
            .await
            .unwrap()
            .lease
            .unwrap();
    }
    home.hands.forward(1_200);
    let third = home
        .mec
        .acquire(seat_of(home.account, 7_200), &caller())
        .await
        .unwrap();
    assert_eq!(
        (third.lease.is_some(), third.decision),
        (true, Decision::Grace)
    );
    // From now on only the note knows when it fell: the row that ended is of no other time.
    home.hands.forward(600 + 3_600 - 1_200 - 1);
    let home = home.reopen().await;
    assert_eq!(home.asked(SEATS, 1).await, (Decision::Grace, "in_grace"));
    home.hands.forward(1);
    assert_eq!(
        home.asked(SEATS, 1).await,
        (Decision::Block, "grace_exhausted")
    );
}
