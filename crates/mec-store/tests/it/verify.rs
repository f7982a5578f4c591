//! What follows from the ledger is recomputed and compared: a healthy store is clean, a damaged one
//! is told apart.

use mec_kernel::*;
use mec_store::{EventCursor, EventFilter, Progress, Report, StoreError};

use crate::lane::{Home, Lane, TREE, at, busy, used};

crate::lane::home::on_both!(
    a_healthy_store_is_clean,
    a_key_that_reads_like_a_settlements_is_another_one,
    every_kind_of_damage_is_found_where_it_is,
    a_row_that_cannot_be_read_is_a_finding_and_the_rest_is_still_compared,
    erased_details_are_no_finding,
    findings_are_capped_and_counted_beyond,
    a_scan_shows_the_ledger_in_order_and_what_the_filter_lets_through,
    a_scan_ends_when_its_caller_says_so,
);

pub(crate) fn verify(lane: &Lane) -> Report {
    lane.store
        .verify(&lane.catalog, lane.now, &mut |_| {})
        .unwrap()
}

fn a_healthy_store_is_clean(home: fn() -> Home) {
    let (lane, ..) = busy(home);
    let mut last = Progress::default();
    let report = lane
        .store
        .verify(&lane.catalog, lane.now, &mut |progress| last = progress)
        .unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.trees, report.events), (1, 7));
    assert!(
        report.windows >= 3 && report.counters > report.windows,
        "{report:?}"
    );
    assert_eq!(
        last,
        Progress {
            trees: 1,
            trees_total: 1,
            events: 7,
            events_total: 7
        }
    );
    // Months later its windows are closed or have forgotten everything: nothing is held against
    // them.
    let later = lane
        .store
        .verify(&lane.catalog, at("2026-06-01T00:00:00Z"), &mut |_| {})
        .unwrap();
    assert_eq!(later.findings, []);
    assert!(later.windows < report.windows);
}

fn a_key_that_reads_like_a_settlements_is_another_one(home: fn() -> Home) {
    let (mut lane, _, team) = busy(home);
    let check = Check::of(team, "minutes", Some(Quantity::whole(1)));
    let hold = Reserve {
        check,
        key: "hold".into(),
        ttl_seconds: 3_600,
    };
    let held = lane
        .run(|view, making| reserve(view, making, &hold))
        .reservation
        .unwrap()
        .id;
    lane.meter(&used(&format!("reservation:{held}"), team, "1", None));
    let amount = Settle {
        reservation: held,
        quantity: Quantity::whole(2),
        attributes: Attributes::new(),
    };
    lane.run(|view, making| settle(view, making, &amount));
    let report = verify(&lane);
    assert_eq!((report.findings, report.events), (vec![], 9));
}

fn every_kind_of_damage_is_found_where_it_is(home: fn() -> Home) {
    // What is done to the file, and which tables the findings are in, with a part of what each
    // says.
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "UPDATE consumption_ledger SET quantity = quantity + 1000000 WHERE tree_seq = 1",
            &[
                ("consumption_ledger", "chain: expected"),
                // At 09:15 it is out of the last two hours; the team's lifetime and both of the
                // organization's hold it.
                (
                    "usage_windows",
                    "lifetime: used: expected 900, found 840; own: expected 900, found 840",
                ),
                ("usage_windows", "lifetime: used: expected 1020, found 960"),
                (
                    "usage_windows",
                    "2026-02-01T00:00:00Z): used: expected 1020, found 960",
                ),
                ("usage_hours", "own: expected 300, found 240"),
                ("usage_hours", "subtree: expected 300, found 240"),
            ],
        ),
        (
            "UPDATE consumption_ledger SET reason = 'Unlimited' WHERE idempotency_key = 'f'",
            &[("consumption_ledger", "chain: expected")],
        ),
        (
            "DELETE FROM consumption_ledger WHERE tree_seq = 2",
            &[
                ("consumption_ledger", "tree_seq: expected 2, found 3"),
                (
                    "usage_windows",
                    "lifetime: used: expected 510, found 840; own",
                ),
                ("usage_windows", "lifetime: used: expected 630, found 960"),
                (
                    "usage_windows",
                    "2026-02-01T00:00:00Z): used: expected 630, found 960",
                ),
                ("usage_windows", "the last 7200 s: step"),
                ("usage_hours", "row: expected none, found own 330"),
                (
                    "usage_hours",
                    "row: expected none, found own 0, subtree 330",
                ),
                (
                    "ledger_keys",
                    "event: expected one in the ledger, found none",
                ),
                (
                    "consumption_event_details",
                    "event: expected one in the ledger, found none",
                ),
            ],
        ),
        (
            "UPDATE usage_hours SET own = CAST(own + 1000000 AS TEXT) WHERE unit_code = 'second' AND own <> '0'",
            &[("usage_hours", "own: expected 90, found 91")],
        ),
        (
            "UPDATE usage_hours SET events = 9 WHERE unit_code = 'second' AND own <> '0'",
            &[("usage_hours", "events: expected 1, found 9")],
        ),
        (
            "UPDATE usage_hours SET overage = '5' WHERE unit_code = 'second' AND own = '0'",
            &[("usage_hours", "overage: expected")],
        ),
        (
            "DELETE FROM usage_hours WHERE unit_code = 'second' AND own <> '0'",
            &[("usage_hours", "row: expected own 90")],
        ),
        (
            "UPDATE usage_hours SET own = 'many' WHERE unit_code = 'second' AND own <> '0'",
            &[
                ("usage_hours", "cannot be read"),
                ("usage_hours", "found none"),
            ],
        ),
        (
            "UPDATE usage_windows SET used = '7000000' WHERE own <> '0' AND overage <> '0'",
            &[("usage_windows", "found 7")],
        ),
        (
            "UPDATE usage_windows SET overage = '0' WHERE overage <> '0'",
            &[("usage_windows", "overage: expected")],
        ),
        (
            "UPDATE usage_windows SET steps = NULL WHERE steps IS NOT NULL",
            &[("usage_windows", "step")],
        ),
        (
            "DELETE FROM ledger_keys WHERE event_id = (SELECT event_id FROM consumption_ledger WHERE tree_seq = 3)",
            &[("ledger_keys", "found no row")],
        ),
        (
            "UPDATE ledger_keys SET key_hash = 5 WHERE event_id = (SELECT event_id FROM consumption_ledger WHERE tree_seq = 3)",
            &[
                ("ledger_keys", "found no row"),
                ("ledger_keys", "key_hash: expected"),
            ],
        ),
        (
            "INSERT INTO ledger_keys VALUES (5, 7, zeroblob(16))",
            &[("ledger_keys", "event: expected one")],
        ),
        (
            "UPDATE consumption_event_details SET details = '{\"job\":2}' WHERE details LIKE '%job%'",
            &[("consumption_ledger", "details_hash: expected")],
        ),
        (
            "UPDATE account_trees SET next_seq = 3 WHERE tree = 7",
            &[("account_trees", "next_seq: expected 8, found 3")],
        ),
        (
            "UPDATE account_trees SET chain = zeroblob(16) WHERE tree = 7",
            &[("account_trees", "chain: expected")],
        ),
        (
            "DELETE FROM account_trees WHERE tree = 7",
            &[("account_trees", "row: expected one, found none")],
        ),
        (
            "DELETE FROM accounts WHERE parent_account_id IS NULL",
            &[("accounts", "found none")],
        ),
        (
            "UPDATE reservations SET event_id = NULL WHERE status = 'settled'",
            &[("reservations", "event_id: expected an event, found none")],
        ),
        (
            "UPDATE reservations SET event_id = zeroblob(16) WHERE status = 'settled'",
            &[("reservations", "event_id: expected an event in the ledger")],
        ),
        (
            "UPDATE reservations SET amount = '1' WHERE status = 'open'",
            &[("reservations", "amount: expected 60000000, found 1")],
        ),
        (
            "UPDATE concurrency_leases SET amount = '2' WHERE released_at IS NULL",
            &[("concurrency_leases", "amount: expected 1000000, found 2")],
        ),
        (
            "UPDATE entitlements SET quantity_allowed = 11000000 WHERE quantity_allowed = 10000000",
            &[("entitlements", "quantity_allowed: expected 10, found 11")],
        ),
        (
            "UPDATE entitlements SET valid_until = 0 WHERE quantity_allowed = 10000000",
            &[(
                "entitlements",
                "valid_until: expected null, found \"1970-01-01T00:00:00Z\"",
            )],
        ),
        (
            "DELETE FROM entitlements WHERE quantity_allowed = 10000000",
            &[("entitlements", "row: expected one")],
        ),
        (
            "DELETE FROM entitlements_audit WHERE new_row LIKE '%\"quantity_allowed\": 10,%'",
            &[("entitlements", "audit row: expected one")],
        ),
    ];
    for (damage, expected) in cases {
        let (lane, ..) = busy(home);
        lane.home.damage(damage);
        let report = verify(&lane);
        let mut unexplained = report.findings.clone();
        for (table, problem) in *expected {
            let found = unexplained.iter().position(|finding| {
                finding.table == *table
                    && format!("{}: {}", finding.key, finding.problem).contains(problem)
            });
            let found = found
                .unwrap_or_else(|| panic!("{damage}: no {table}: {problem} in {unexplained:#?}"));
            unexplained.remove(found);
        }
        // A team without the organization above it takes its sums with it.
        unexplained.retain(|finding| {
            !(damage.starts_with("DELETE FROM accounts") && finding.table.starts_with("usage_"))
        });
        assert_eq!(unexplained, [], "{damage}");
    }
}

fn a_row_that_cannot_be_read_is_a_finding_and_the_rest_is_still_compared(home: fn() -> Home) {
    for (damage, table, key) in [
        (
            "UPDATE consumption_ledger SET decision = 'maybe' WHERE tree_seq = 6",
            "consumption_ledger",
            "tree_seq 6",
        ),
        (
            "UPDATE usage_windows SET steps = 'none' WHERE steps IS NOT NULL",
            "usage_windows",
            "tree 7",
        ),
        (
            "UPDATE account_trees SET chain = x'00' WHERE tree = 7",
            "account_trees",
            "tree 7",
        ),
        (
            "UPDATE reservations SET amount = 'much' WHERE status = 'open'",
            "reservations",
            "-",
        ),
        (
            "UPDATE concurrency_leases SET amount = 'much' WHERE released_at IS NULL",
            "concurrency_leases",
            "-",
        ),
        (
            "UPDATE entitlements SET metadata = '{' WHERE quantity_allowed = 10000000",
            "entitlements",
            "entitlement",
        ),
    ] {
        let (lane, ..) = busy(home);
        lane.home.damage(damage);
        let report = verify(&lane);
        let found = report
            .findings
            .iter()
            .filter(|finding| finding.problem.starts_with("cannot be read: "));
        let found: Vec<_> = found
            .map(|finding| (finding.table, finding.key.contains(key)))
            .collect();
        assert_eq!(found, [(table, true)], "{damage}: {report:#?}");
        assert_eq!(report.events, 7);
    }
}

fn erased_details_are_no_finding(home: fn() -> Home) {
    let (lane, ..) = busy(home);
    lane.home.damage("DELETE FROM consumption_event_details");
    assert_eq!(verify(&lane).findings, []);
}

fn findings_are_capped_and_counted_beyond(home: fn() -> Home) {
    let (lane, ..) = busy(home);
    lane.home.damage(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         INSERT INTO ledger_keys SELECT i, 7, zeroblob(16) FROM n",
    );
    let report = verify(&lane);
    assert_eq!(
        (report.findings.len(), report.findings_more),
        (Report::FINDINGS_MAX, 1_500)
    );
    assert!(!report.is_clean());
}

fn a_scan_shows_the_ledger_in_order_and_what_the_filter_lets_through(home: fn() -> Home) {
    let (lane, acme, team) = busy(home);
    let scan = |filter: EventFilter| {
        let mut seen = Vec::new();
        let each = &mut |event: &LedgerEvent| {
            seen.push((event.tree_seq, event.details.is_some()));
            Ok(())
        };
        lane.store.each_event(&filter, &lane.catalog, each).unwrap();
        seen
    };
    let seqs = |filter| {
        scan(filter)
            .into_iter()
            .map(|(seq, _)| seq)
            .collect::<Vec<_>>()
    };
    let all = EventFilter::default();
    assert_eq!(scan(all)[..3], [(1, false), (2, true), (3, false)]);
    assert_eq!(seqs(all), [1, 2, 3, 4, 5, 6, 7]);
    let after = |tree, tree_seq| Some(EventCursor { tree, tree_seq });
    assert_eq!(
        seqs(EventFilter {
            after: after(TREE, 5),
            ..all
        }),
        [6, 7]
    );
    assert_eq!(
        seqs(EventFilter {
            after: after(TreeId(8), 0),
            ..all
        }),
        [0; 0]
    );
    assert_eq!(
        seqs(EventFilter {
            account: Some(acme),
            ..all
        }),
        [4, 5]
    );
    assert_eq!(
        seqs(EventFilter {
            account: Some(team),
            after: after(TREE, 2),
            ..all
        }),
        [3, 6, 7]
    );
    assert_eq!(
        seqs(EventFilter {
            account: Some(team),
            after: after(TreeId(8), 0),
            ..all
        }),
        [0; 0]
    );
    let (from, to) = (
        Some(at("2026-01-30T09:15:00Z")),
        Some(at("2026-01-30T11:59:59Z")),
    );
    assert_eq!(seqs(EventFilter { from, to, ..all }), [1]);
    assert_eq!(seqs(EventFilter { from: to, ..all }), [2, 3, 4, 5, 6, 7]);
}

fn a_scan_ends_when_its_caller_says_so(home: fn() -> Home) {
    let (lane, ..) = busy(home);
    let mut seen = 0;
    let each = &mut |_: &LedgerEvent| {
        seen += 1;
        if seen < 3 {
            Ok(())
        } else {
            Err(StoreError::Stopped("the reader went away".to_owned()))
        }
    };
    let ended = lane
        .store
        .each_event(&EventFilter::default(), &lane.catalog, each);
    assert!(matches!(ended, Err(StoreError::Stopped(why)) if why == "the reader went away"));
    assert_eq!(seen, 3);
}
