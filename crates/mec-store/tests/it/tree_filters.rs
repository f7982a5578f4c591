//! Every statement of the hot verbs says which trees it is about, on each table that has them: on a
//! database of several shards one that does not goes to all of them. What is looked at is what the
//! server was sent.

mod on_postgres {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use mec_kernel::*;
    use mec_store::postgres::{MigrateOptions, migrate};
    use mec_store::{Hold, UsageQuery};

    use crate::lane::home::cluster::{APP_ROLE, Cluster, name_of};
    use crate::lane::{Home, Lane, TREE, at, busy, used, wait};

    /// A server that writes down every statement.
    fn telling() -> Home {
        let cluster = Cluster::start(&["log_statement=all"]);
        let url = cluster.database();
        migrate(
            &url,
            &MigrateOptions {
                app_role: Some(APP_ROLE.to_owned()),
                ..MigrateOptions::default()
            },
        )
        .unwrap();
        cluster.sql(name_of(&url), "SELECT 'the verbs begin'");
        let url = cluster.app_url(name_of(&url));
        Home::Postgres(Arc::new(cluster), url)
    }

    /// What a lane and its readers do, at least once each.
    fn do_everything(lane: &mut Lane, acme: AccountId, team: AccountId) {
        for hold in [Hold::Free, Hold::Waited, Hold::Snapshot] {
            wait(lane.writer.heads(&[TREE], hold)).unwrap();
            wait(lane.writer.abort());
        }
        wait(lane.store.versions(&[TREE])).unwrap();
        let seat = Session {
            account: team,
            resource: "seats".into(),
            scope: None,
            token: "stays".into(),
        };
        let event = lane.meter(&used("again", acme, "1", None));
        let needs = [
            Need::Account(acme),
            Need::Key("a".into()),
            Need::Event(event),
            Need::Corrections(event),
            Need::Lease(LeaseId(event.0)),
            Need::Session(seat),
            Need::Reservation(ReservationId(event.0)),
            Need::Hold("held".into()),
            Need::Link("none".into()),
            Need::Trials,
        ];
        wait(lane.writer.look_up(TREE, &needs, &lane.catalog, lane.now)).unwrap();
        for own_only in [false, true] {
            let buckets = [(at("2026-01-30T09:10:00Z"), at("2026-01-30T12:20:00Z"))];
            let resource = "minutes".into();
            let query = UsageQuery {
                account: acme,
                resource: &resource,
                scope: None,
                buckets: &buckets,
                own_only,
            };
            lane.store.usage(&query, &lane.catalog).unwrap();
        }
        let row = lane.tree.get(acme).unwrap().entitlements[0].clone();
        for tests in [vec![ConditionTest::Weekday(vec![1])], vec![]] {
            let conditions = tests
                .into_iter()
                .map(|test| Condition {
                    id: ConditionId(lane.id()),
                    test,
                })
                .collect();
            let row = Arc::new(Entitlement {
                conditions,
                ..Entitlement::clone(&row)
            });
            let audit = Audit {
                id: AuditId(lane.id()),
                action: "update",
                by: "test".into(),
                reason: "table write".to_owned(),
            };
            lane.now = lane.now.plus_micros(1);
            lane.write(vec![Write::Entitlement {
                row,
                metadata: None,
                audit,
            }]);
        }
        let rule = lane.tree.get(acme).unwrap().rules[0].id;
        lane.write(vec![Write::RemoveRule {
            account: Some(acme),
            rule,
        }]);
        let plan = AccountPlan {
            account: acme,
            plan: "starter".into(),
            reference: "".into(),
            version: 1,
            quantity: Quantity::whole(1),
            anchor: lane.now,
            starts_at: lane.now,
            ends_at: None,
            own_end: None,
            is_addon: false,
            is_trial: false,
        };
        lane.write(vec![Write::AccountPlan(Arc::new(plan))]);
        // Its month is over, so its window goes.
        lane.now = at("2026-02-01T00:00:00Z");
        lane.meter(&used("late", acme, "1", Some(at("2026-01-31T23:59:59Z"))));
    }

    #[test]
    fn every_statement_of_the_hot_verbs_names_its_trees_on_every_table() {
        let (mut lane, acme, team) = busy(telling);
        do_everything(&mut lane, acme, team);
        let Home::Postgres(cluster, url) = &lane.home else {
            unreachable!()
        };
        cluster.sql(name_of(url), "SELECT 'the verbs end'");
        let log = cluster.logged("the verbs begin", "the verbs end");
        let tables = "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tree' \
                      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
        let tables = cluster.sql(name_of(url), tables);
        let sent: BTreeSet<&str> = log
            .lines()
            .filter_map(|line| line.strip_prefix("mec: LOG:  execute ")?.split_once(": "))
            .map(|(_, sql)| sql)
            .collect();
        let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sql in &sent {
            for Named { verb, table, name } in named(sql, &tables) {
                assert!(
                    has_filter(sql, verb, &name),
                    "{table} without its trees in: {sql}"
                );
                seen.entry(verb).or_default().insert(table);
            }
        }
        // What was looked at is what there is.
        let of = |tables: &[&'static str]| tables.iter().copied().collect::<BTreeSet<_>>();
        let all: BTreeSet<&str> = tables
            .iter()
            .map(String::as_str)
            .filter(|table| *table != "control_decisions_log")
            .collect();
        assert_eq!(seen["INTO"], all);
        assert_eq!(
            seen["FROM"],
            all.difference(&of(&["entitlements_audit"]))
                .copied()
                .collect()
        );
        assert_eq!(
            seen["DELETE"],
            of(&["control_rules", "entitlement_conditions", "usage_windows"])
        );
    }

    /// A table in a statement.
    struct Named<'a> {
        /// `DELETE`, `INTO`, `UPDATE`, or `FROM` for every other.
        verb: &'static str,
        table: &'a str,
        /// What its columns are called by: nothing, or its alias and a dot.
        name: String,
    }

    fn named<'a>(sql: &str, tables: &'a [String]) -> Vec<Named<'a>> {
        const NO_ALIAS: &[&str] = &[
            "WHERE", "ON", "ORDER", "SET", "CROSS", "LEFT", "JOIN", "UNION", "GROUP", "LIMIT",
            "FOR",
        ];
        let words: Vec<&str> = sql
            .split([' ', '(', ')', ','])
            .filter(|word| !word.is_empty())
            .collect();
        let mut found = vec![];
        for (at, word) in words.iter().enumerate() {
            let verb = match (*word, at.checked_sub(1).map(|before| words[before])) {
                ("FROM", Some("DELETE")) => "DELETE",
                // The row that a conflict is about is one of those that were to be inserted.
                ("UPDATE", Some("DO" | "FOR")) => continue,
                ("INTO", _) => "INTO",
                ("UPDATE", _) => "UPDATE",
                ("FROM" | "JOIN" | "USING", _) => "FROM",
                _ => continue,
            };
            let Some(table) = tables
                .iter()
                .find(|table| words.get(at + 1) == Some(&table.as_str()))
            else {
                continue;
            };
            let alias = words
                .get(at + 2)
                .filter(|next| verb != "INTO" && !NO_ALIAS.contains(next));
            found.push(Named {
                verb,
                table,
                name: alias.map(|alias| format!("{alias}.")).unwrap_or_default(),
            });
        }
        found
    }

    fn has_filter(sql: &str, verb: &str, name: &str) -> bool {
        if verb == "INTO" {
            let columns = sql
                .split_once('(')
                .and_then(|(_, rest)| rest.split_once(')'))
                .map_or("", |(columns, _)| columns);
            return columns.split(", ").any(|column| column == "tree");
        }
        let filter = format!("{name}tree = ");
        sql.match_indices(&filter).any(|(at, _)| {
            let is_whole = !sql[..at].ends_with(|letter: char| {
                letter.is_ascii_alphanumeric() || letter == '.' || letter == '_'
            });
            let value = &sql[at + filter.len()..];
            is_whole
                && (value.starts_with("ANY($") || value.starts_with('$') || value.starts_with('0'))
        })
    }

    #[test]
    fn a_statement_without_its_trees_is_told_apart() {
        let tables = ["accounts", "ledger_keys"].map(str::to_owned);
        for (sql, wanted) in [
            (
                "SELECT 1 FROM accounts WHERE account_id = $1 AND tree = ANY($2)",
                true,
            ),
            ("SELECT 1 FROM accounts WHERE account_id = $1", false),
            (
                "SELECT 1 FROM accounts a JOIN ledger_keys k ON k.tree = a.tree AND k.tree = $1 WHERE a.tree = $1",
                true,
            ),
            (
                "SELECT 1 FROM accounts a JOIN ledger_keys k ON k.tree = a.tree WHERE a.tree = $1",
                false,
            ),
            (
                "SELECT 1 FROM (SELECT 1) AS one LEFT JOIN accounts t ON t.tree = ANY($1) ORDER BY t.tree",
                true,
            ),
            (
                "INSERT INTO accounts (account_id, tree) SELECT * FROM unnest($1, $2) ON CONFLICT DO UPDATE SET x = 1",
                true,
            ),
            (
                "INSERT INTO accounts (account_id) SELECT * FROM unnest($1)",
                false,
            ),
            (
                "DELETE FROM accounts a USING unnest($1) x WHERE a.tree = x.tree",
                false,
            ),
            ("UPDATE accounts SET status = $1 WHERE tree = 0", true),
            ("UPDATE accounts SET status = $1 WHERE subtree = $2", false),
        ] {
            let found = named(sql, &tables);
            assert!(!found.is_empty(), "{sql}");
            assert_eq!(
                found
                    .iter()
                    .all(|table| has_filter(sql, table.verb, &table.name)),
                wanted,
                "{sql}"
            );
        }
    }
}
