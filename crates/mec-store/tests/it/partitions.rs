//! The decision log in parts, one a UTC day: old ones go whole, new ones are made ahead, and no row
//! is ever refused.

mod on_postgres {
    use mec_kernel::*;
    use mec_store::{Commit, DecisionRow, OpenOptions, Operation, Store};

    use crate::lane::home::cluster::{Cluster, name_of};
    use crate::lane::{Home, Lane, TREE, at, wait};

    const DAYS_AHEAD: usize = 8;

    fn row(account: AccountId, decided_at: Time, seed: u16) -> DecisionRow {
        DecisionRow {
            id: DecisionId(IdSource::new(TREE, decided_at, seed).draw()),
            account,
            resource: "minutes".into(),
            scope: None,
            operation: Operation::Check,
            requested: None,
            decision: Decision::Allow,
            reason: "Within entitlement".to_owned(),
            reason_code: "within",
            entitlement: None,
            rule: None,
            binding: None,
            allowed: None,
            used: None,
            trace: Trace::default(),
            request_id: None,
            decided_at,
        }
    }

    /// A lane on a new database with an account, and what runs the server.
    fn lane() -> (Lane, AccountId, std::sync::Arc<Cluster>, String) {
        let mut lane = Lane::new(Home::postgres());
        let acme = lane.account(None, "Acme Corp");
        let Home::Postgres(cluster, url) = &lane.home else {
            unreachable!()
        };
        let (cluster, name) = (cluster.clone(), name_of(url).to_owned());
        (lane, acme, cluster, name)
    }

    fn log(lane: &mut Lane, account: AccountId, instants: &[Time]) {
        let decisions = instants
            .iter()
            .zip(0..)
            .map(|(at, seed)| row(account, *at, seed))
            .collect();
        wait(lane.writer.commit(&Commit {
            decisions,
            ..Commit::default()
        }))
        .unwrap();
    }

    /// Makes parts of three days that are long over, with these numbers of rows, as nodes of that
    /// time would have.
    fn three_days(rows: [i64; 3]) -> (Lane, std::sync::Arc<Cluster>, String) {
        let (mut lane, acme, cluster, name) = lane();
        cluster.sql(&name, "DROP TABLE control_decisions_log_earlier");
        for day in 28..31 {
            let bounds = format!(
                "SELECT format('FROM (%L) TO (%L)', mec_first_decision_id('2026-01-{day}'), mec_first_decision_id('2026-01-{day}'::date + 1))"
            );
            let bounds = cluster.sql(&name, &bounds).remove(0);
            let part = format!("control_decisions_log_202601{day}");
            cluster.sql(
                &name,
                &format!(
                    "CREATE TABLE {part} PARTITION OF control_decisions_log FOR VALUES {bounds}"
                ),
            );
        }
        for (day, rows) in (28..31).zip(rows) {
            let instants: Vec<Time> = (0..rows)
                .map(|row| at(&format!("2026-01-{day}T00:00:00Z")).plus_seconds(row * 3_600))
                .collect();
            log(&mut lane, acme, &instants);
        }
        (lane, cluster, name)
    }

    fn kept(lane: &Lane) -> Vec<String> {
        let sql = "SELECT to_char(decided_at AT TIME ZONE 'UTC', 'DD HH24') FROM control_decisions_log ORDER BY decision_id";
        lane.home.query(sql).into_iter().flatten().collect()
    }

    fn parts(cluster: &Cluster, name: &str) -> Vec<String> {
        let sql = "SELECT right(relname, 8) FROM pg_class WHERE relname ~ '^control_decisions_log_[0-9]{8}$' AND relkind = 'r' ORDER BY 1";
        cluster.sql(name, sql)
    }

    #[test]
    fn days_that_are_over_go_whole_and_of_the_one_at_the_edge_only_what_is_asked() {
        let (mut lane, cluster, name) = three_days([3, 0, 4]);
        let before = at("2026-01-30T02:00:00Z");
        // A whole day is one step, however many rows it has.
        assert_eq!(wait(lane.writer.prune_decisions(before, 2)).unwrap(), 3);
        assert_eq!(kept(&lane), ["30 00", "30 01", "30 02", "30 03"]);
        assert_eq!(parts(&cluster, &name)[..2], ["20260129", "20260130"]);
        assert_eq!(wait(lane.writer.prune_decisions(before, 2)).unwrap(), 2);
        assert_eq!(wait(lane.writer.prune_decisions(before, 2)).unwrap(), 0);
        assert_eq!(kept(&lane), ["30 02", "30 03"]);
        assert_eq!(parts(&cluster, &name)[0], "20260130");
        assert_eq!(
            wait(lane.writer.prune_decisions(at("2026-01-31T00:00:00Z"), 100)).unwrap(),
            2
        );
        assert_eq!(parts(&cluster, &name).len(), DAYS_AHEAD);
    }

    #[test]
    fn while_somebody_reads_the_log_rows_go_one_by_one() {
        let (mut lane, cluster, name) = three_days([3, 2, 0]);
        let reader = cluster.hold(&name, "SELECT count(*) FROM control_decisions_log");
        let before = at("2026-01-30T00:00:00Z");
        assert_eq!(wait(lane.writer.prune_decisions(before, 4)).unwrap(), 4);
        assert_eq!(kept(&lane), ["29 01"]);
        assert_eq!(
            parts(&cluster, &name)[..3],
            ["20260128", "20260129", "20260130"]
        );
        drop(reader);
        assert_eq!(wait(lane.writer.prune_decisions(before, 4)).unwrap(), 1);
        assert_eq!(parts(&cluster, &name)[0], "20260130");
    }

    #[test]
    fn nodes_that_prune_at_once_remove_every_row_once() {
        let (lane, cluster, name) = three_days([3, 3, 3]);
        let url = lane.home.url();
        let removed: usize = std::thread::scope(|scope| {
            let prune = || {
                let (_store, mut writer) = Store::open(&url, &OpenOptions::default()).unwrap();
                (0..10)
                    .map(|_| wait(writer.prune_decisions(at("2026-01-30T01:00:00Z"), 2)).unwrap())
                    .sum::<usize>()
            };
            let nodes: Vec<_> = (0..4).map(|_| scope.spawn(prune)).collect();
            nodes.into_iter().map(|node| node.join().unwrap()).sum()
        });
        assert_eq!(removed, 7);
        assert_eq!(kept(&lane), ["30 01", "30 02"]);
        assert_eq!(parts(&cluster, &name)[0], "20260130");
    }

    #[test]
    fn nodes_that_start_at_once_make_the_coming_days_once() {
        let (lane, _, cluster, name) = lane();
        let made = parts(&cluster, &name);
        assert_eq!(made.len(), DAYS_AHEAD);
        for day in &made {
            cluster.sql(&name, &format!("DROP TABLE control_decisions_log_{day}"));
        }
        let url = lane.home.url();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| drop(Store::open(&url, &OpenOptions::default()).unwrap()));
            }
        });
        let again = parts(&cluster, &name);
        // The day may have changed meanwhile.
        assert!(
            again == made || again[..DAYS_AHEAD - 1] == made[1..],
            "{again:?}"
        );
        assert_eq!(cluster.sql(&name, "SELECT mec_make_decision_days()"), ["0"]);
    }

    #[test]
    fn a_row_of_a_day_without_a_part_is_kept_all_the_same() {
        let (mut lane, acme, cluster, name) = lane();
        let days = parts(&cluster, &name);
        let (missing, next) = (&days[5], &days[6]);
        for day in [missing, next] {
            cluster.sql(&name, &format!("DROP TABLE control_decisions_log_{day}"));
        }
        let noon = at(&format!(
            "{}-{}-{}T12:00:00Z",
            &missing[..4],
            &missing[4..6],
            &missing[6..]
        ));
        log(&mut lane, acme, &[noon]);
        let held = "SELECT tableoid::regclass FROM control_decisions_log";
        assert_eq!(cluster.sql(&name, held), ["control_decisions_log_rest"]);
        // Its day is not made any more, the others are, and it goes when it is old.
        assert_eq!(cluster.sql(&name, "SELECT mec_make_decision_days()"), ["1"]);
        assert!(!parts(&cluster, &name).contains(missing));
        assert_eq!(wait(lane.writer.prune_decisions(noon, 10)).unwrap(), 0);
        assert_eq!(
            wait(lane.writer.prune_decisions(noon.plus_seconds(1), 10)).unwrap(),
            1
        );
        // What is not over is never dropped.
        assert_eq!(parts(&cluster, &name).len(), DAYS_AHEAD - 1);
    }

    #[test]
    fn a_filter_of_ids_finds_rows_older_than_every_part() {
        let (mut lane, acme, cluster, name) = lane();
        log(&mut lane, acme, &[at("2026-01-30T00:00:00Z")]);
        let found = "SELECT count(*) FROM control_decisions_log WHERE decision_id IS NOT NULL \
                     AND decision_id > ANY (ARRAY['00000000-0000-7000-8000-000000000000']::uuid[])";
        assert_eq!(cluster.sql(&name, found), ["1"]);
    }
}
