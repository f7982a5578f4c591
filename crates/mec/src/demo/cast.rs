//! Who plays in the demo: accounts, plans, rules and habits, as data. One account per state a
//! customer can be in.
//!
//! Nothing here is done; `fill` does it. Rules are the accounts' own, so an account that a visitor
//! makes meets the catalog's rules alone.

use mec_kernel::{LimitAction, Quantity};

/// The account that is made last: where it is there, everything is.
pub(super) const LAST: &str = "demo_ivy_eve";
/// The account that is made first; the instant it was made at is the one the demo is told from.
pub(super) const FIRST: &str = "demo_alder";

/// One account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Player {
    /// How it is addressed; also its place in keys and session tokens.
    pub external_id: &'static str,
    pub name: &'static str,
    pub account_type: &'static str,
    /// The external id of the account above it; it comes earlier in the cast.
    pub parent: Option<&'static str>,
    /// Its plan, and how many days ago it began.
    pub plan: Option<(&'static str, i64)>,
    /// What happens beyond its limit of benchmark runs, where that is not the catalog's rule.
    pub beyond: Option<Beyond>,
    /// Limits of its own below its parent's: resource and quantity.
    pub caps: &'static [(&'static str, i32)],
    pub habit: Option<Habit>,
    /// Server configurations and server instances it owns.
    pub owns: (u32, u32),
    /// People signed in.
    pub signed_in: u32,
    pub is_suspended: bool,
    /// The resource its state shows at; `None`: it is a supporting role.
    pub shows_at: Option<&'static str>,
}

/// An account's own rule for benchmark runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beyond {
    pub action: LimitAction,
    pub grace_quantity: Option<Quantity>,
    pub grace_seconds: Option<i64>,
    pub overage_limit: Option<Quantity>,
    /// US dollars per run.
    pub overage_price: Option<Quantity>,
}

/// How an account runs benchmarks. Every run also takes some minutes on a GPU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    /// Events in a full month at today's pace.
    pub per_month: u32,
    /// Events in the present calendar month, however old it is; `None`: its share of `per_month`.
    pub this_month: Option<u32>,
    /// An event is 1 to this many runs.
    pub runs_max: u32,
    /// An event's GPU time is from the first to the second, in minutes.
    pub gpu_minutes: (u32, u32),
    /// Parts of the GPU resource it is spread over.
    pub regions: &'static [&'static str],
    /// When it stopped, in days ago; 0: it goes on.
    pub stopped_days_ago: i64,
}

const DAY: i64 = 86_400;

const CUSTOMER: Player = Player {
    external_id: "",
    name: "",
    account_type: "organization",
    parent: None,
    plan: None,
    beyond: None,
    caps: &[],
    habit: None,
    owns: (0, 0),
    signed_in: 0,
    is_suspended: false,
    shows_at: Some("benchmark_runs"),
};

const STEADY: Habit = Habit {
    per_month: 0,
    this_month: None,
    runs_max: 1,
    gpu_minutes: (4, 12),
    regions: &[],
    stopped_days_ago: 0,
};

const USER: Player = Player {
    account_type: "user",
    shows_at: None,
    ..CUSTOMER
};

const fn exactly(this_month: u32, per_month: u32) -> Option<Habit> {
    Some(Habit {
        per_month,
        this_month: Some(this_month),
        ..STEADY
    })
}

/// Everybody, parents before their children, [`FIRST`] first and [`LAST`] last.
pub(super) const CAST: &[Player] = &[
    // Plenty left.
    Player {
        external_id: FIRST,
        name: "Alder Robotics",
        plan: Some(("pro", 120)),
        habit: Some(Habit {
            per_month: 190,
            ..STEADY
        }),
        owns: (4, 18),
        signed_in: 4,
        ..CUSTOMER
    },
    // Near the limit.
    Player {
        external_id: "demo_birch",
        name: "Birch Analytics",
        plan: Some(("starter", 120)),
        habit: exactly(87, 92),
        owns: (1, 6),
        signed_in: 2,
        ..CUSTOMER
    },
    // At the limit.
    Player {
        external_id: "demo_cedar",
        name: "Cedar Labs",
        plan: Some(("starter", 120)),
        habit: exactly(100, 96),
        owns: (2, 9),
        signed_in: 3,
        ..CUSTOMER
    },
    // Over the limit, in grace.
    Player {
        external_id: "demo_dogwood",
        name: "Dogwood Health",
        plan: Some(("pro", 120)),
        beyond: Some(Beyond {
            action: LimitAction::Grace,
            grace_quantity: Some(Quantity::whole(25)),
            grace_seconds: Some(14 * DAY),
            overage_limit: None,
            overage_price: None,
        }),
        habit: exactly(512, 470),
        owns: (7, 31),
        signed_in: 6,
        ..CUSTOMER
    },
    // Over the limit, billed.
    Player {
        external_id: "demo_elm",
        name: "Elm Media",
        plan: Some(("pro", 120)),
        beyond: Some(Beyond {
            action: LimitAction::Overage,
            grace_quantity: None,
            grace_seconds: None,
            overage_limit: Some(Quantity::whole(250)),
            // 0.6 in millionths.
            overage_price: Quantity::from_millionths(600_000),
        }),
        habit: exactly(540, 490),
        owns: (6, 24),
        signed_in: 5,
        ..CUSTOMER
    },
    // A trial that runs, and one that is over.
    Player {
        external_id: "demo_fir",
        name: "Fir Studio",
        plan: Some(("trial-14d", 9)),
        habit: Some(Habit {
            per_month: 60,
            ..STEADY
        }),
        owns: (1, 1),
        signed_in: 1,
        shows_at: Some("platform_access"),
        ..CUSTOMER
    },
    Player {
        external_id: "demo_ginkgo",
        name: "Ginkgo Games",
        plan: Some(("trial-14d", 30)),
        habit: Some(Habit {
            per_month: 80,
            stopped_days_ago: 16,
            gpu_minutes: (3, 8),
            ..STEADY
        }),
        owns: (1, 2),
        shows_at: Some("platform_access"),
        ..CUSTOMER
    },
    // Has not paid.
    Player {
        external_id: "demo_hazel",
        name: "Hazel Logistics",
        plan: Some(("starter", 120)),
        habit: Some(Habit {
            per_month: 70,
            stopped_days_ago: 6,
            ..STEADY
        }),
        owns: (2, 5),
        is_suspended: true,
        ..CUSTOMER
    },
    // No limits.
    Player {
        external_id: "demo_juniper",
        name: "Juniper Cloud",
        plan: Some(("enterprise", 120)),
        habit: Some(Habit {
            per_month: 2_000,
            runs_max: 4,
            gpu_minutes: (10, 45),
            regions: &["eu-west", "us-east", "ap-south"],
            ..STEADY
        }),
        owns: (38, 210),
        signed_in: 12,
        ..CUSTOMER
    },
    // A tree: the plan is the organization's and everybody draws on it; two teams have limits of
    // their own below it.
    Player {
        external_id: "demo_ivy",
        name: "Ivy University",
        plan: Some(("pro", 120)),
        owns: (3, 12),
        ..CUSTOMER
    },
    Player {
        external_id: "demo_ivy_research",
        name: "Research",
        account_type: "team",
        parent: Some("demo_ivy"),
        caps: &[("benchmark_runs", 200)],
        ..CUSTOMER
    },
    Player {
        external_id: "demo_ivy_teaching",
        name: "Teaching",
        account_type: "team",
        parent: Some("demo_ivy"),
        caps: &[("concurrent_users", 3)],
        shows_at: Some("concurrent_users"),
        ..CUSTOMER
    },
    Player {
        external_id: "demo_ivy_ada",
        name: "Ada",
        parent: Some("demo_ivy_research"),
        habit: exactly(112, 104),
        signed_in: 2,
        ..USER
    },
    Player {
        external_id: "demo_ivy_bo",
        name: "Bo",
        parent: Some("demo_ivy_research"),
        habit: exactly(68, 61),
        signed_in: 1,
        ..USER
    },
    Player {
        external_id: "demo_ivy_chen",
        name: "Chen",
        parent: Some("demo_ivy_teaching"),
        habit: exactly(81, 75),
        signed_in: 1,
        ..USER
    },
    Player {
        external_id: "demo_ivy_dita",
        name: "Dita",
        parent: Some("demo_ivy_teaching"),
        habit: exactly(49, 52),
        signed_in: 2,
        ..USER
    },
    // Just invited.
    Player {
        external_id: LAST,
        name: "Eve",
        parent: Some("demo_ivy_teaching"),
        ..USER
    },
];

#[cfg(test)]
mod tests {
    use super::{CAST, FIRST, LAST};

    #[test]
    fn parents_come_before_their_children_and_the_last_account_needs_nothing_more() {
        for (place, player) in CAST.iter().enumerate() {
            let earlier = &CAST[..place];
            assert!(
                earlier
                    .iter()
                    .all(|other| other.external_id != player.external_id),
                "{}",
                player.external_id
            );
            assert!(
                player
                    .parent
                    .is_none_or(|parent| earlier.iter().any(|other| other.external_id == parent))
            );
        }
        assert_eq!(CAST.first().map(|player| player.external_id), Some(FIRST));
        let last = CAST.last().expect("somebody plays");
        assert_eq!(last.external_id, LAST);
        // Where it is there, the demo counts as whole.
        assert!(
            last.plan.is_none()
                && last.habit.is_none()
                && last.owns == (0, 0)
                && last.signed_in == 0
                && last.caps.is_empty()
        );
    }
}
