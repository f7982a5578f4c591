//! Several processes on one database: what one of them records counts for the others, and never a
//! unit over a limit.

mod on_postgres {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::installation::*;
    use crate::place::Database;
    use mec_engine::{Clock, Mec, MecError, Options};
    use mec_kernel::*;

    async fn nodes(place: &Database) -> [Arc<Mec>; 3] {
        [
            open(place).await,
            another(place, Options::default()).await,
            another(place, Options::default()).await,
        ]
    }

    async fn another(place: &Database, options: Options) -> Arc<Mec> {
        Arc::new(Mec::open(&place.url(), options).await.unwrap())
    }

    #[tokio::test]
    async fn of_900_attempts_on_three_nodes_at_a_limit_of_300_exactly_300_are_recorded() {
        let place = Database::new();
        let nodes = nodes(&place).await;
        let account = account(&nodes[0], "benchmark_runs", 300).await;
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..24_usize {
            let mec = nodes[client % 3].clone();
            tasks.spawn(async move {
                let mut passed = 0;
                for attempt in (client..900).step_by(24) {
                    passed += usize::from(
                        consume_one(&mec, account, &attempt.to_string())
                            .await
                            .unwrap()
                            .event
                            .is_some(),
                    );
                }
                passed
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 300);
        for mec in &nodes {
            assert_eq!(ledger_sum(mec, account, "benchmark_runs").await, 300);
        }
    }

    #[tokio::test]
    async fn the_same_key_on_three_nodes_at_once_is_one_event() {
        let place = Database::new();
        let nodes = nodes(&place).await;
        let account = account(&nodes[0], "benchmark_runs", 10).await;
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..21_usize {
            let mec = nodes[client % 3].clone();
            tasks.spawn(async move { consume_one(&mec, account, "the same").await.unwrap().event });
        }
        let events = tasks.join_all().await;
        assert!(events[0].is_some() && events.iter().all(|event| *event == events[0]));
        assert_eq!(ledger_sum(&nodes[1], account, "benchmark_runs").await, 1);
    }

    #[tokio::test]
    async fn of_30_accounts_on_three_nodes_that_want_one_external_id_one_gets_it() {
        let place = Database::new();
        let nodes = nodes(&place).await;
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..30_usize {
            let mec = nodes[client % 3].clone();
            tasks.spawn(async move {
                let mut new = mec_engine::NewAccount::named("Acme Corp");
                new.0.external_id = Some("cus_1".into());
                mec.create_account(new, &caller()).await
            });
        }
        let answers = tasks.join_all().await;
        let refused: Vec<String> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .map(ToString::to_string)
            .collect();
        assert_eq!(refused, vec!["MEC_EXTERNAL_ID_TAKEN"; 29]);
        let made = answers.into_iter().find_map(Result::ok).unwrap();
        for mec in &nodes {
            assert_eq!(mec.account_of("cus_1").await.unwrap(), made.id);
        }
    }

    #[tokio::test]
    async fn what_one_node_has_answered_the_next_check_of_another_knows() {
        let place = Database::new();
        let nodes = nodes(&place).await;
        let account = account(&nodes[0], "benchmark_runs", 100).await;
        for run in 0..30 {
            consume_one(&nodes[run % 3], account, &run.to_string())
                .await
                .unwrap();
            for mec in &nodes {
                assert_eq!(
                    used(mec, account, "benchmark_runs").await,
                    (run + 1).to_string()
                );
            }
        }
    }

    #[tokio::test]
    async fn an_answer_may_be_as_old_as_its_caller_says_and_no_older() {
        let place = Database::new();
        let [recording, checking, _] = nodes(&place).await;
        let account = account(&recording, "benchmark_runs", 100).await;
        let (content, strict) = (
            caller().with_staleness(Duration::from_secs(3_600)),
            caller(),
        );
        let seen = async |who| {
            used_of(
                &checking
                    .check(Check::of(account, "benchmark_runs", None), who)
                    .await
                    .unwrap(),
            )
        };
        assert_eq!(seen(&content).await, "0");
        consume_one(&recording, account, "1").await.unwrap();
        assert_eq!(seen(&content).await, "0");
        assert_eq!(seen(&strict).await, "1");
        assert_eq!(seen(&content).await, "1");
    }

    #[tokio::test]
    async fn nodes_whose_clocks_are_ten_minutes_apart_decide_the_same() {
        let place = Database::new();
        let off = |seconds: i64| Options {
            clock: Clock::of(Arc::new(Off(seconds))),
            ..Options::default()
        };
        let first = open_with(&place, off(0)).await;
        let nodes = [
            first,
            another(&place, off(-600)).await,
            another(&place, off(600)).await,
        ];
        let account = account(&nodes[0], "concurrent_users", 3).await;
        allow(&nodes[1], account, "benchmark_runs", 100).await;
        // Each takes a seat for a minute, which would be over for one and not begun for another by
        // their own clocks.
        let mut taken_at = vec![];
        for mec in &nodes {
            let leased = mec.acquire(seat_of(account, 60), &caller()).await.unwrap();
            assert!(leased.lease.is_some());
            taken_at.push(leased.lease.unwrap().acquired_at);
        }
        assert!(
            taken_at.is_sorted() && taken_at[2].since(taken_at[0]) < 60_000_000,
            "{taken_at:?}"
        );
        for mec in &nodes {
            assert!(
                mec.acquire(seat_of(account, 60), &caller())
                    .await
                    .unwrap()
                    .lease
                    .is_none()
            );
            assert_eq!(used(mec, account, "concurrent_users").await, "3");
        }
        let now = |mec: &Mec, key: &str| Meter {
            occurred_at: Some(mec.now()),
            ..event_of(account, "benchmark_runs", key)
        };
        for (mec, key) in nodes.iter().zip(["a", "b", "c"]) {
            // What they call now is the database's now: five minutes ahead would be refused.
            let event = now(mec, key);
            assert!(
                event.occurred_at.unwrap().since(taken_at[2]).unsigned_abs() < 60_000_000,
                "{event:?} {taken_at:?}"
            );
            assert!(!mec.meter(event, &caller()).await.unwrap().replayed);
        }
        let again = Meter {
            occurred_at: Some(nodes[2].now().plus_seconds(301)),
            ..event_of(account, "benchmark_runs", "early")
        };
        let refused = nodes[2].meter(again, &caller()).await.unwrap_err();
        assert!(matches!(refused, MecError::Refused(_)), "{refused}");
        assert_eq!(ledger_sum(&nodes[0], account, "benchmark_runs").await, 3);
    }

    /// The machine's clock, so many seconds off.
    #[derive(Debug)]
    struct Off(i64);

    impl mec_engine::Now for Off {
        fn now(&self) -> Time {
            mec_engine::MachineClock.now().plus_seconds(self.0)
        }
    }

    #[tokio::test]
    async fn a_tree_that_somebody_has_locked_delays_only_itself() {
        let place = Database::new();
        let mec = another(
            &place,
            Options {
                catalog: demo(),
                lanes: 1,
                ..Options::default()
            },
        )
        .await;
        let (held, free) = (
            account(&mec, "benchmark_runs", 10).await,
            account(&mec, "benchmark_runs", 10).await,
        );
        let lock = place.hold_tree(held.tree().0);
        let waiting: Vec<_> = (0..5)
            .map(|run| {
                let mec = mec.clone();
                tokio::spawn(async move { consume_one(&mec, held, &run.to_string()).await })
            })
            .collect();
        for run in 0..20 {
            assert!(
                consume_one(&mec, free, &run.to_string())
                    .await
                    .unwrap()
                    .event
                    .is_some()
                    == (run < 10)
            );
        }
        // A check waits for nobody.
        assert_eq!(used(&mec, held, "benchmark_runs").await, "0");
        assert!(waiting.iter().all(|command| !command.is_finished()));
        drop(lock);
        for command in waiting {
            assert!(command.await.unwrap().unwrap().event.is_some());
        }
        assert_eq!(used(&mec, held, "benchmark_runs").await, "5");
    }

    #[tokio::test]
    async fn events_of_a_tree_that_somebody_has_locked_all_wait_and_keep_their_order() {
        let place = Database::new();
        let mec = open(&place).await;
        let account = account(&mec, "benchmark_runs", 10).await;
        let lock = place.hold_tree(account.tree().0);
        // More than a queue has messages.
        let events = (0..12_000)
            .map(|run| event_of(account, "benchmark_runs", &run.to_string()))
            .collect();
        let (sending, sender) = (mec.clone(), caller());
        let sent = tokio::spawn(async move { sending.meter_batch(events, &sender).await });
        until(async || place.waits_for_locks() == 1).await;
        assert!(!sent.is_finished());
        drop(lock);
        let recorded: Vec<EventId> = sent
            .await
            .unwrap()
            .into_iter()
            .map(|recorded| recorded.unwrap().event)
            .collect();
        assert!(recorded.is_sorted() && recorded.len() == 12_000);
    }

    #[tokio::test]
    async fn a_close_that_was_given_up_can_be_asked_for_again() {
        let place = Database::new();
        let mec = open(&place).await;
        let account = account(&mec, "benchmark_runs", 10).await;
        let lock = place.hold_tree(account.tree().0);
        let waiting = tokio::spawn({
            let mec = mec.clone();
            async move { consume_one(&mec, account, "a").await }
        });
        until(async || place.waits_for_locks() == 1).await;
        let closing = tokio::spawn({
            let mec = mec.clone();
            async move { mec.close().await }
        });
        // The lanes that record have ended: what is left keeps the log, asks for versions, answers
        // short questions, and waits.
        let connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mec'";
        until(async || place.sql(connections) == ["4"]).await;
        closing.abort();
        assert!(closing.await.unwrap_err().is_cancelled());
        drop(lock);
        tokio::time::timeout(Duration::from_secs(30), mec.close())
            .await
            .expect("it ends")
            .unwrap();
        assert!(waiting.await.unwrap().unwrap().event.is_some());
    }

    #[tokio::test]
    async fn a_changed_catalog_counts_for_the_next_decision_of_every_node() {
        let place = Database::new();
        let nodes = nodes(&place).await;
        let account = account(&nodes[0], "benchmark_runs", 1).await;
        for (limit, mec) in nodes.iter().enumerate() {
            // The default of whoever has no rule: warn at this percentage.
            let percent = 10 * (i64::try_from(limit).unwrap() + 1);
            let put = move |catalog: &Catalog| {
                vec![CatalogChange::PutSettings(Settings {
                    warn_at: Percent(percent * 100),
                    ..catalog.settings.clone()
                })]
            };
            mec.change_catalog(&caller(), put).await.unwrap();
            for other in &nodes {
                other
                    .check(Check::of(account, "benchmark_runs", None), &caller())
                    .await
                    .unwrap();
                assert_eq!(other.catalog().settings.warn_at, Percent(percent * 100));
            }
        }
    }

    #[tokio::test]
    async fn what_is_removed_while_others_record_it_is_either_used_or_gone() {
        let place = Database::new();
        let nodes = nodes(&place).await;
        for round in 0..20 {
            let code: Code = format!("reports_{round}").as_str().into();
            let new = code.clone();
            let put = move |catalog: &Catalog| {
                let resource = Resource::clone(&catalog.resources["benchmark_runs"]);
                vec![CatalogChange::PutResource(Resource {
                    code: new.clone(),
                    ..resource
                })]
            };
            nodes[0].change_catalog(&caller(), put).await.unwrap();
            let account = nodes[1]
                .create_account(mec_engine::NewAccount::named("Acme Corp"), &caller())
                .await
                .unwrap()
                .id;
            let (who, gone) = (caller(), code.clone());
            let remove = nodes[0].change_catalog(&who, move |_: &Catalog| {
                vec![CatalogChange::RemoveResource(gone.clone())]
            });
            let meter =
                |node: usize| nodes[node].meter(event_of(account, &code, &node.to_string()), &who);
            let (removed, first, second) = tokio::join!(remove, meter(1), meter(2));
            let is_used = first.is_ok() || second.is_ok();
            assert_ne!(
                removed.is_ok(),
                is_used,
                "round {round}: {removed:?} {first:?} {second:?}"
            );
            for mec in &nodes {
                mec.check(Check::of(account, "benchmark_runs", None), &caller())
                    .await
                    .unwrap();
                assert_eq!(
                    mec.catalog().resources.contains_key(&code),
                    is_used,
                    "round {round}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_node_whose_connections_are_ended_goes_on() {
        let place = Database::new();
        let nodes = nodes(&place).await;
        let account = account(&nodes[0], "benchmark_runs", 1_000).await;
        let mut acknowledged = 0;
        for round in 0..10 {
            let key = |run: usize| format!("{round}-{run}");
            let attempts = (0..30).map(|run| {
                let (mec, key) = (nodes[run % 3].clone(), key(run));
                tokio::spawn(async move {
                    loop {
                        match consume_one(&mec, account, &key).await {
                            Ok(consumed) => return consumed.event.is_some(),
                            Err(MecError::NotDone(_) | MecError::OutcomeUnknown(_)) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            });
            let attempts: Vec<_> = attempts.collect();
            place.end_connections();
            for attempt in attempts {
                acknowledged += i64::from(attempt.await.unwrap());
            }
        }
        assert_eq!(acknowledged, 300);
        for mec in &nodes {
            assert_eq!(ledger_sum(mec, account, "benchmark_runs").await, 300);
            assert_eq!(used(mec, account, "benchmark_runs").await, "300");
        }
    }

    #[tokio::test]
    async fn the_logs_of_all_nodes_are_kept_whole() {
        let place = Database::new();
        let hands = Hands::at("2026-11-24T12:00:00Z");
        // At one instant, so that ids differ by nothing but their seeds.
        let mut nodes = vec![];
        for _ in 0..3 {
            nodes.push(
                open_with(
                    &place,
                    Options {
                        clock: hands.clock(),
                        ..Options::default()
                    },
                )
                .await,
            );
        }
        let account = account(&nodes[0], "benchmark_runs", 10).await;
        for _ in 0..50 {
            for mec in &nodes {
                mec.check(Check::of(account, "benchmark_runs", None), &caller())
                    .await
                    .unwrap();
            }
        }
        for mec in &nodes {
            mec.close().await.unwrap();
            assert_eq!(mec.status().decisions_dropped, 0);
        }
        assert_eq!(
            place.sql("SELECT count(*) FROM control_decisions_log WHERE operation = 'check'"),
            ["150"]
        );
    }
}
