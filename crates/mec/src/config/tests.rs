//! Settings are read, checked and shown.

use super::file::parse;
use super::setting::{Record, number};
use super::settings::RECORDS;
use super::*;
use std::collections::BTreeMap;

#[test]
fn a_password_in_a_url_is_not_shown() {
    let cases = [
        ("sqlite:mec.db", "sqlite:mec.db"),
        ("postgres://mec@db/mec", "postgres://mec@db/mec"),
        (
            "postgres://mec:s3cret@db:5432/mec",
            "postgres://mec:***@db:5432/mec",
        ),
        ("postgres://mec:a@b:c@db/mec", "postgres://mec:***@db/mec"),
        (
            "postgres://mec:s3cret?x/y@z@db/mec",
            "postgres://mec:***@db/mec",
        ),
        ("postgres:mec:s3cret@db/mec", "postgres:mec:***@db/mec"),
        (
            "postgresql:///mec?host=db&PassWord=s3cret",
            "postgresql:///mec?host=db&PassWord=***",
        ),
        (
            "postgres://db/mec?pass%77ord=s3cret",
            "postgres://db/mec?pass%77ord=***",
        ),
        (
            "host=db password=s3cret dbname=mec",
            "host=db password=*** dbname=mec",
        ),
        (
            "http://me:s3cret@localhost:8000",
            "http://me:***@localhost:8000",
        ),
        ("sqlite:/data/a:b@c.db", "sqlite:/data/a:b@c.db"),
        (
            "postgres://db/mec?user=mec&password=s3cret&sslmode=require",
            "postgres://db/mec?user=mec&password=***&sslmode=require",
        ),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
    ];
    for (value, shown) in cases {
        assert_eq!(masked(value), shown);
    }
}

#[test]
fn the_example_is_a_file_that_sets_every_setting_to_its_default() {
    let values = parse(&example()).expect("the example is read");
    let defaults = RECORDS
        .iter()
        .map(|record| (record.name, record.default_text().to_owned()))
        .collect();
    assert_eq!(values, defaults);
    let nothing = |_: &str| None;
    Settings::read(&Values::choose(nothing, nothing, None))
        .expect("every default is a value of its setting");
}

#[test]
fn a_comment_of_the_example_fits_a_terminal() {
    let long: Vec<String> = example()
        .lines()
        .filter(|line| line.len() > 110)
        .map(str::to_owned)
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn every_flag_of_a_setting_is_read() {
    let flags = Flags {
        config: None,
        store: Some(String::new()),
        server: Some(String::new()),
        listen: Some(String::new()),
        log: Some(String::new()),
        log_format: Some(String::new()),
    };
    for record in RECORDS.iter().filter(|record| !record.flag.is_empty()) {
        assert!(flags.value(record.flag).is_some(), "{}", record.flag);
    }
}

/// `MEC_WRITE_DOCS=1` writes the table anew.
#[test]
fn the_table_in_the_docs_is_that_of_the_settings() {
    let page = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md"));
    let text = fs::read_to_string(page).expect("the page");
    let row = |record: &Record| {
        let flag = if record.flag.is_empty() {
            String::new()
        } else {
            format!("`{}`", record.flag)
        };
        let default = if record.default == "\"\"" {
            String::new()
        } else {
            format!("`{}`", record.default_text())
        };
        let about: String = record.about.concat();
        format!(
            "| `{}` | {flag} | `{}` | {default} | {} |\n",
            record.name,
            record.variable(),
            about.trim()
        )
    };
    let head = "| setting | flag | environment | default | meaning |\n|---|---|---|---|---|\n";
    let table: String = std::iter::once(head.to_owned())
        .chain(RECORDS.iter().map(row))
        .collect();
    let (begin, end) = ("<!-- settings: generated -->\n", "<!-- settings: end -->");
    let (before, rest) = text.split_once(begin).expect("where the table begins");
    let (found, after) = rest.split_once(end).expect("where it ends");
    if env::var_os("MEC_WRITE_DOCS").is_some() {
        fs::write(page, format!("{before}{begin}{table}{end}{after}"))
            .expect("the page can be written");
    } else {
        assert_eq!(found, table, "run this test with MEC_WRITE_DOCS=1");
    }
}

#[test]
fn a_number_out_of_its_range_is_told_with_the_range() {
    for (value, range, expected) in [
        ("0", 0..=STALENESS_MS_MAX, Ok(0)),
        ("60000", 0..=STALENESS_MS_MAX, Ok(60_000)),
        (
            "60001",
            0..=STALENESS_MS_MAX,
            Err("set it to a whole number from 0 to 60000"),
        ),
        (
            "-1",
            0..=STALENESS_MS_MAX,
            Err("set it to a whole number from 0 to 60000"),
        ),
        ("0", 1..=64, Err("set it to a whole number from 1 to 64")),
        ("two", 1..=64, Err("set it to a whole number from 1 to 64")),
        ("0", 1..=u32::MAX, Err("set it to a whole number above 0")),
    ] {
        assert_eq!(
            number(range)(value),
            expected.map_err(str::to_owned),
            "{value}"
        );
    }
    let in_file = BTreeMap::from([("lanes", "65".to_owned())]);
    let values = Values::choose(|_| None, |_| None, Some((Path::new("mec.toml"), &in_file)));
    let Err(Failure::Told { message, hint, .. }) = Settings::read(&values) else {
        panic!("65 lanes are too many")
    };
    assert_eq!(message, "lanes is \"65\" (mec.toml)");
    assert_eq!(
        hint.as_deref(),
        Some("set it to a whole number from 1 to 64")
    );
}

#[test]
fn a_secret_is_not_shown_where_it_is_wrong() {
    let shown = setting::secret("not for your eyes").expect("a secret");
    assert!(!format!("{shown:?}").contains("eyes"));
    let problem = parse("\njwt_secret = 1234567\n").expect_err("no text");
    assert_eq!(problem, "line 2: jwt_secret must be a text in quotes");
    let in_file = BTreeMap::from([("jwt_secret", "not for your eyes".to_owned())]);
    let values = Values::choose(|_| None, |_| None, Some((Path::new("mec.toml"), &in_file)));
    let shown = values.shown();
    assert!(shown.iter().all(|setting| !setting.value.contains("eyes")));
    assert!(
        shown
            .iter()
            .any(|setting| setting.name == JWT_SECRET && setting.value == "***")
    );
}

#[test]
fn a_name_or_a_kind_of_value_that_is_none_is_told_with_its_line() {
    for (text, told) in [
        (
            "store = \"sqlite:a.db\"\n\nlsten = \"127.0.0.1:1\"\n",
            "line 3: there is no setting lsten",
        ),
        (
            "\nlanes = \"2\"\n",
            "line 2: lanes must be a whole number without quotes",
        ),
        ("log = 3\n", "line 1: log must be a text in quotes"),
    ] {
        assert_eq!(parse(text).expect_err(text), told);
    }
    assert!(
        parse("store = \"a\"\nstore = \"b\"\n")
            .expect_err("twice")
            .starts_with("line 2: ")
    );
}

#[test]
fn only_the_machines_own_addresses_are_listened_on() {
    let cases = [
        ("127.0.0.1:0", true),
        ("[::1]:8000", true),
        ("0.0.0.0:8000", false),
        ("[::]:80", false),
        ("10.0.0.1:80", false),
    ];
    for (text, is_accepted) in cases {
        assert_eq!(loopback(text).is_ok(), is_accepted, "{text}");
    }
    assert!(loopback("8000").is_err());
}
