//! Settings are read, checked and shown.

use super::*;

#[test]
fn a_password_in_a_url_is_not_shown() {
    let cases = [
        ("sqlite:mec.db", "sqlite:mec.db"),
        ("postgres://mec@db/mec", "postgres://mec@db/mec"),
        ("postgres://mec:s3cret@db:5432/mec", "postgres://mec:***@db:5432/mec"),
        ("postgres://mec:a@b:c@db/mec", "postgres://mec:***@db/mec"),
        ("postgres://mec:s3cret?x/y@z@db/mec", "postgres://mec:***@db/mec"),
        ("postgres:mec:s3cret@db/mec", "postgres:mec:***@db/mec"),
        ("postgresql:///mec?host=db&PassWord=s3cret", "postgresql:///mec?host=db&PassWord=***"),
        ("postgres://db/mec?pass%77ord=s3cret", "postgres://db/mec?pass%77ord=***"),
        ("host=db password=s3cret dbname=mec", "host=db password=*** dbname=mec"),
        ("http://me:s3cret@localhost:8000", "http://me:***@localhost:8000"),
        ("sqlite:/data/a:b@c.db", "sqlite:/data/a:b@c.db"),
        ("postgres://db/mec?user=mec&password=s3cret&sslmode=require", "postgres://db/mec?user=mec&password=***&sslmode=require"),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
    ];
    for (value, shown) in cases {
        assert_eq!(masked(value), shown);
    }
}

#[test]
fn every_setting_has_a_default_in_the_example() {
    let file = parse(EXAMPLE).expect("the example is read");
    assert!(
        file.store.is_some()
            && file.server.is_some()
            && file.listen.is_some()
            && file.hosts.is_some()
            && file.cors_origins.is_some()
            && file.jwt_secret.is_some()
            && file.jwt_audience.is_some()
            && file.jwt_role_claim.is_some()
            && file.anon_role.is_some()
            && file.log.is_some()
            && file.log_format.is_some()
    );
    assert!(file.decision_trace.is_some() && file.decisions_kept_days.is_some());
    assert!(file.decision_log.is_some() && file.read_timeout_seconds.is_some() && file.cache_megabytes.is_some());
    assert!(file.max_staleness_ms.is_some() && file.lanes.is_some());
}

#[test]
fn every_setting_is_in_the_documents_table() {
    let page = include_str!("../../../../docs/cli.md");
    let settings = EXAMPLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let missing: Vec<&str> = settings.map(|(name, _)| name).filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_number_out_of_its_range_is_told_with_the_range() {
    let nowhere = |_: &str| "mec.toml".to_owned();
    for (value, range, expected) in [
        ("0", 0..=STALENESS_MS_MAX, Ok(0)),
        ("60000", 0..=STALENESS_MS_MAX, Ok(60_000)),
        ("60001", 0..=STALENESS_MS_MAX, Err("set it to a whole number from 0 to 60000")),
        ("-1", 0..=STALENESS_MS_MAX, Err("set it to a whole number from 0 to 60000")),
        ("0", 1..=LANES_MAX, Err("set it to a whole number from 1 to 64")),
        ("two", 1..=LANES_MAX, Err("set it to a whole number from 1 to 64")),
        ("0", 1..=u32::MAX, Err("set it to a whole number above 0")),
    ] {
        let told = whole("setting", value, range, &nowhere).map_err(|failure| match failure {
            Failure::Told { message, hint, .. } => {
                assert_eq!(message, format!("setting is \"{value}\" (mec.toml)"));
                hint.unwrap_or_default()
            }
            Failure::Quiet(_) | Failure::ClosedPipe => String::new(),
        });
        assert_eq!(told, expected.map_err(str::to_owned), "{value}");
    }
}

#[test]
fn a_secret_is_not_shown_where_it_is_wrong() {
    let file = parse("jwt_secret = \"not for your eyes\"\n").expect("a secret");
    assert!(!format!("{file:?}").contains("eyes"));
    let problem = parse("\njwt_secret = 1234567\n").expect_err("no text");
    assert_eq!(problem, "line 2: a secret is a text in quotes");
}

#[test]
fn an_unknown_key_is_told_with_its_line() {
    let problem = parse("store = \"sqlite:a.db\"\n\nlsten = \"127.0.0.1:1\"\n").expect_err("a typo");
    assert!(problem.starts_with("line 3: unknown field `lsten`"), "{problem}");
}

#[test]
fn only_the_machines_own_addresses_are_listened_on() {
    let cases =
        [("127.0.0.1:0", true), ("[::1]:8000", true), ("0.0.0.0:8000", false), ("[::]:80", false), ("10.0.0.1:80", false)];
    for (text, is_accepted) in cases {
        assert_eq!(loopback(text).is_ok(), is_accepted, "{text}");
    }
    assert!(loopback("8000").is_err());
}
