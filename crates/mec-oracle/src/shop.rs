//! The catalog of every sequence: all four limit kinds, units that convert, plans, a trial,
//! add-ons.

use crate::command::{Code, Plan, Template, Window};

/// Zones accounts live in: half hours, half-hour turns, the date line.
pub const ZONES: &[Code] = &[
    "Europe/Zurich",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Australia/Lord_Howe",
];

/// How a resource is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Kind {
    Cumulative,
    Concurrency,
    Inventory,
    TimeAccess,
}

/// A unit of measure.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Unit {
    pub code: Code,
    pub dimension: Code,
    pub factor: i64,
}

/// Something that is counted.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Resource {
    pub code: Code,
    pub kind: Kind,
    pub unit: Code,
    pub allowed_units: &'static [Code],
}

/// What is sold.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Shop {
    pub units: &'static [Unit],
    pub resources: Vec<&'static Resource>,
    pub plans: Vec<Plan>,
}

const UNITS: &[Unit] = &[
    Unit {
        code: "count",
        dimension: "count",
        factor: 1,
    },
    Unit {
        code: "second",
        dimension: "time",
        factor: 1,
    },
    Unit {
        code: "minute",
        dimension: "time",
        factor: 60,
    },
    Unit {
        code: "hour",
        dimension: "time",
        factor: 3_600,
    },
];

const RESOURCES: &[Resource] = &[
    Resource {
        code: "runs",
        kind: Kind::Cumulative,
        unit: "count",
        allowed_units: &[],
    },
    Resource {
        code: "hours",
        kind: Kind::Cumulative,
        unit: "hour",
        allowed_units: &["minute", "second"],
    },
    Resource {
        code: "seats",
        kind: Kind::Concurrency,
        unit: "count",
        allowed_units: &[],
    },
    Resource {
        code: "servers",
        kind: Kind::Inventory,
        unit: "count",
        allowed_units: &[],
    },
    Resource {
        code: "access",
        kind: Kind::TimeAccess,
        unit: "count",
        allowed_units: &[],
    },
];

/// What may become of hours: units come and go.
pub const HOURS: &[Resource] = &[
    Resource {
        code: "hours",
        kind: Kind::Cumulative,
        unit: "hour",
        allowed_units: &["minute", "second"],
    },
    Resource {
        code: "hours",
        kind: Kind::Cumulative,
        unit: "hour",
        allowed_units: &["second"],
    },
    Resource {
        code: "hours",
        kind: Kind::Cumulative,
        unit: "hour",
        allowed_units: &["minute"],
    },
    Resource {
        code: "hours",
        kind: Kind::Cumulative,
        unit: "hour",
        allowed_units: &[],
    },
];

impl Shop {
    /// The one there is at the beginning.
    pub fn new() -> Self {
        let of = |resource, quantity: Option<i64>, window| Template {
            resource,
            scope: None,
            quantity: quantity.map(|whole| whole * 1_000_000),
            window,
            per_quantity: false,
        };
        let plan = |id, templates| Plan {
            id,
            trial_days: None,
            is_addon: false,
            is_active: true,
            version: 1,
            templates,
        };
        let month = Some(Window::Month);
        let five = |runs, hours, seats, servers| {
            vec![
                of("runs", runs, month),
                of("hours", hours, month),
                of("seats", seats, None),
                of("servers", servers, None),
            ]
        };
        let mut trial = five(Some(20), Some(2), Some(2), Some(2));
        trial.push(of("access", None, None));
        let billing = Some(Window::BillingMonth(None));
        let mut team = vec![
            of("seats", Some(1), None),
            of("runs", Some(40), billing),
            of("hours", Some(3), Some(Window::Day)),
        ];
        team[0].per_quantity = true;
        team[1].per_quantity = true;
        team.push(Template {
            scope: Some("eu"),
            ..of("runs", Some(15), Some(Window::Rolling(3_600)))
        });
        let plans = vec![
            Plan {
                trial_days: Some(14),
                ..plan("trial", trial)
            },
            plan("starter", five(Some(50), Some(10), Some(3), Some(5))),
            plan("pro", five(Some(200), Some(40), Some(6), Some(20))),
            plan("enterprise", five(None, None, None, None)),
            plan("team", team),
            Plan {
                is_active: false,
                ..plan("retired", five(Some(1), Some(1), Some(1), Some(1)))
            },
            Plan {
                is_addon: true,
                ..plan("more-runs", vec![of("runs", Some(25), month)])
            },
            Plan {
                is_addon: true,
                ..plan(
                    "more-all",
                    vec![
                        of("hours", Some(5), None),
                        of("seats", Some(2), None),
                        of("servers", Some(3), None),
                    ],
                )
            },
        ];
        Self {
            units: UNITS,
            resources: RESOURCES.iter().collect(),
            plans,
        }
    }

    /// The resource `code`.
    pub fn resource(&self, code: &str) -> Option<&'static Resource> {
        self.resources
            .iter()
            .copied()
            .find(|resource| resource.code == code)
    }

    /// How large a unit is.
    pub fn factor(&self, unit: &str) -> Option<i64> {
        self.units
            .iter()
            .find(|of| of.code == unit)
            .map(|of| of.factor)
    }

    /// The plan `id`.
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == id)
    }
}

impl Default for Shop {
    fn default() -> Self {
        Self::new()
    }
}
