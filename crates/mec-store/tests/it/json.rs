//! PostgreSQL orders and writes JSON as this program does.

use mec_query::{compare_json, json_key, json_text};

use crate::chance;
use crate::home::{self, Home};
use crate::tables::seeded;

/// JSON of every kind, at several depths.
fn documents(seed: u64) -> Vec<String> {
    fn value(draw: &mut seeded::Draw, depth: usize) -> String {
        let scalars = [
            "null",
            "true",
            "false",
            "0",
            "-0.0",
            "1",
            "-1",
            "1.0",
            "0.05",
            "-2.05",
            "1e2",
            "1e400",
            "-1e-400",
            "123456789012345678901",
            "\"\"",
            "\"a\"",
            "\"A\"",
            "\"b\"",
            "\"é\"",
            "\"\\u0001\"",
            "\"\\u0002\"",
            "\"a\\u0001\"",
            "\"ab\"",
            "\"Z\"",
        ];
        match draw.below(if depth == 0 { 3 } else { 6 }) {
            0..=2 => (*draw.pick(&scalars)).to_owned(),
            3 | 4 => {
                let items: Vec<String> =
                    (0..draw.below(3)).map(|_| value(draw, depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => {
                let keys = ["a", "b", "aa", "B", "", "é", "\\u0001"];
                let at = draw.below(keys.len());
                let entries: Vec<String> = (0..draw.below(3))
                    .map(|more| {
                        format!(
                            "\"{}\":{}",
                            keys[(at + more) % keys.len()],
                            value(draw, depth - 1)
                        )
                    })
                    .collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }
    let mut draw = seeded::Draw::new(seed);
    (0..250).map(|_| value(&mut draw, 3)).collect()
}

#[test]
fn json_is_ordered_as_jsonb_is_by_bytes_on_postgres() {
    let home = Home::postgres();
    let Home::Postgres(cluster, url) = &home else {
        panic!("no server")
    };
    let seed = chance::seed("MEC_TABLES_SEED");
    let documents = documents(seed);
    let rows: Vec<String> = (0..)
        .zip(&documents)
        .map(|(at, json)| format!("({at}, '{json}')"))
        .collect();
    let made = format!(
        "CREATE TABLE documents (at integer, json jsonb); INSERT INTO documents VALUES {}",
        rows.join(", ")
    );
    // A database whose own order of text is that of bytes says what the order of JSON is.
    cluster.sql(
        "postgres",
        "CREATE DATABASE by_bytes TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'",
    );
    cluster.sql("by_bytes", &made);
    let mut ours: Vec<usize> = (0..documents.len()).collect();
    ours.sort_by(|one, other| {
        compare_json(&documents[*one], &documents[*other]).then(one.cmp(other))
    });
    let ours: Vec<String> = ours.iter().map(ToString::to_string).collect();
    assert_eq!(
        cluster.sql("by_bytes", "SELECT at FROM documents ORDER BY json, at"),
        ours,
        "seed {seed}"
    );
    // Another database orders by the same keys.
    let database = home::cluster::name_of(url);
    cluster.sql(database, &made);
    let keys: Vec<String> = documents.iter().map(|json| hex(&json_key(json))).collect();
    let sql =
        "SELECT encode(convert_to(mec_json_key(json), 'UTF8'), 'hex') FROM documents ORDER BY at";
    assert_eq!(cluster.sql(database, sql), keys, "seed {seed}");
}

/// Documents with numbers and texts in every spelling, and members more than once.
fn spelled(seed: u64) -> Vec<String> {
    let mut draw = seeded::Draw::new(seed);
    let number = |draw: &mut seeded::Draw| {
        let digits = |draw: &mut seeded::Draw, most: usize| -> String {
            (0..1 + draw.below(most))
                .map(|_| char::from(b'0' + u8::try_from(draw.below(10)).unwrap()))
                .collect()
        };
        let whole = digits(draw, 4);
        let whole = whole.trim_start_matches('0');
        let fraction = if draw.one_in(2) {
            format!(".{}", digits(draw, 4))
        } else {
            String::new()
        };
        let exponent = if draw.one_in(2) {
            format!(
                "{}{}{}",
                draw.pick(&["e", "E"]),
                draw.pick(&["", "+", "-"]),
                digits(draw, 2)
            )
        } else {
            String::new()
        };
        let sign = if draw.one_in(3) { "-" } else { "" };
        format!(
            "{sign}{}{fraction}{exponent}",
            if whole.is_empty() { "0" } else { whole }
        )
    };
    let texts = [
        r#""""#,
        r#""a""#,
        r#""\u00e9\/""#,
        r#""\u0007\b\f\n\r\t\"\\ \u007f""#,
        r#""😀\ud83d\ude00""#,
        r#""'""#,
    ];
    let document = |_| {
        let mut members = Vec::new();
        for name in ["bb", "a", "é", "", "a", "\\u0062", "zzz"] {
            let value = match draw.below(5) {
                0 | 1 => number(&mut draw),
                2 => (*draw.pick(&texts)).to_owned(),
                3 => format!("[ {},{{}},[],[{}] ]", number(&mut draw), draw.pick(&texts)),
                _ => format!("{{\"y\":{},\"x\" : null,\"y\":true}}", number(&mut draw)),
            };
            members.push(format!("\"{name}\" : {value}"));
        }
        format!("{{{}}}", members.join(","))
    };
    (0..250).map(document).collect()
}

#[test]
fn json_is_written_as_jsonb_writes_it_on_postgres() {
    let home = Home::postgres();
    let Home::Postgres(cluster, url) = &home else {
        panic!("no server")
    };
    let seed = chance::seed("MEC_TABLES_SEED");
    let documents = spelled(seed);
    let rows: Vec<String> = (0..)
        .zip(&documents)
        .map(|(at, json)| format!("({at}, '{}')", json.replace('\'', "''")))
        .collect();
    let database = home::cluster::name_of(url);
    cluster.sql(
        database,
        &format!(
            "CREATE TABLE spelled (at integer, json jsonb); INSERT INTO spelled VALUES {}",
            rows.join(", ")
        ),
    );
    let text = |json: &String| json_text(&serde_json::from_str(json).unwrap());
    let ours: Vec<String> = documents.iter().map(|json| hex(&text(json))).collect();
    assert!(
        documents.iter().filter(|json| text(json) != **json).count() > 200,
        "seed {seed}: they are spelled otherwise"
    );
    let theirs = cluster.sql(
        database,
        "SELECT encode(convert_to(json::text, 'UTF8'), 'hex') FROM spelled ORDER BY at",
    );
    assert_eq!(theirs, ours, "seed {seed}");
    // No column is left that cannot be compared.
    let compared = "SELECT count(DISTINCT metadata) FROM accounts WHERE metadata @> '{\"a\": 1}'";
    assert_eq!(cluster.sql(database, compared), ["0"]);
    let left = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'json'";
    assert_eq!(cluster.sql(database, left), Vec::<String>::new());
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
