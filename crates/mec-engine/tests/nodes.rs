//! Several processes on one database: what one of them records counts for the others, and never a unit over a limit.

mod installation;
mod place;

mod on_postgres {
    use std::sync::Arc;

    use crate::installation::*;
    use crate::place::Database;
    use mec_engine::{Mec, Options};

    async fn nodes(place: &Database) -> [Arc<Mec>; 3] {
        let first = open(place).await;
        let other = async || Arc::new(Mec::open(&place.url(), Options::default()).await.unwrap());
        [first, other().await, other().await]
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
                    passed += usize::from(consume_one(&mec, account, &attempt.to_string()).await.unwrap().event.is_some());
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
        let refused: Vec<String> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(refused, vec!["MEC_EXTERNAL_ID_TAKEN"; 29]);
        let made = answers.into_iter().find_map(Result::ok).unwrap();
        for mec in &nodes {
            assert_eq!(mec.account_of("cus_1").await.unwrap(), made.id);
        }
    }
}
