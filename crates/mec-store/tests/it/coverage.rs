//! Whatever is altered of an event is found, whichever column it is in.

use crate::lane::{Home, Lane, busy};
use crate::verify::verify;

crate::lane::home::on_both!(
    every_stored_column_of_an_event_is_covered,
    every_field_of_an_effect_is_covered,
);

/// A column as the database itself lists it, so that one added later is altered too.
struct StoredColumn {
    name: String,
    type_name: String,
    is_nullable: bool,
}

fn ledger_columns(home: &Home) -> Vec<StoredColumn> {
    let listed = home.query(if home.is_postgres() {
        "SELECT column_name || '|' || data_type || '|' || is_nullable FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name = 'consumption_ledger' ORDER BY ordinal_position"
    } else {
        "SELECT name || '|' || type || '|' || iif(\"notnull\", 'NO', 'YES') FROM pragma_table_info('consumption_ledger')"
    });
    let column = |line: Option<String>| {
        let line = line.unwrap();
        let [name, type_name, is_nullable] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        StoredColumn {
            name: name.into(),
            type_name: type_name.into(),
            is_nullable: is_nullable == "YES",
        }
    };
    listed.into_iter().map(column).collect()
}

impl StoredColumn {
    /// Another value of its type, given that it holds something or nothing.
    fn another(&self, is_null: bool) -> String {
        let name = &self.name;
        match self.type_name.as_str() {
            "INTEGER" if name == "is_correction" => format!("1 - {name}"),
            "INTEGER" | "integer" | "bigint" | "numeric" => format!("coalesce({name}, 0) + 100"),
            "BLOB" => "zeroblob(16)".to_owned(),
            "uuid" => "'00000000-0000-0000-0000-000000000000'".to_owned(),
            "bytea" => "decode(repeat('00', 16), 'hex')".to_owned(),
            "boolean" => format!("NOT {name}"),
            "timestamp with time zone" => format!("{name} + interval '1 second'"),
            "json" | "jsonb" => "'[]'".to_owned(),
            "TEXT" if name == "effects" => "'[]'".to_owned(),
            // The other unit that this resource has, so that the row can still be read.
            _ if name == "unit_code" => {
                "CASE unit_code WHEN 'minute' THEN 'second' ELSE 'minute' END".to_owned()
            }
            _ if name == "decision" && !is_null => {
                "CASE decision WHEN 'allow' THEN 'warn' ELSE 'allow' END".to_owned()
            }
            "TEXT" | "character varying" => format!("coalesce({name}, '') || 'x'"),
            other => panic!("a column of type {other} has no other value here"),
        }
    }
}

/// Alters the ledger, sees that it is found, and puts everything back.
fn is_found(lane: &Lane, damage: &str) -> bool {
    lane.home.run(damage);
    let is_clean = verify(lane).is_clean();
    lane.home
        .run("DELETE FROM consumption_ledger; INSERT INTO consumption_ledger SELECT * FROM kept");
    !is_clean
}

fn every_stored_column_of_an_event_is_covered(home: fn() -> Home) {
    let (lane, ..) = busy(home);
    lane.home
        .damage("UPDATE consumption_ledger SET tree_seq = tree_seq");
    lane.home
        .run("CREATE TABLE kept AS SELECT * FROM consumption_ledger");
    let (mut unseen, mut altered) = (vec![], 0);
    for column in ledger_columns(&lane.home) {
        for seq in 1..=7 {
            let name = &column.name;
            let kept = lane.home.query(&format!(
                "SELECT '' FROM kept WHERE tree_seq = {seq} AND {name} IS NULL"
            ));
            let is_null = !kept.is_empty();
            let mut values = vec![column.another(is_null)];
            if column.is_nullable && !is_null {
                values.push("NULL".to_owned());
            }
            for value in values {
                altered += 1;
                if !is_found(
                    &lane,
                    &format!(
                        "UPDATE consumption_ledger SET {name} = {value} WHERE tree_seq = {seq}"
                    ),
                ) {
                    unseen.push((name.clone(), seq, value));
                }
            }
        }
    }
    assert_eq!(unseen, []);
    assert!(altered >= 23 * 7, "{altered}");
    assert_eq!(verify(&lane).findings, []);
}

fn every_field_of_an_effect_is_covered(home: fn() -> Home) {
    let (lane, ..) = busy(home);
    lane.home
        .damage("UPDATE consumption_ledger SET tree_seq = tree_seq");
    lane.home
        .run("CREATE TABLE kept AS SELECT * FROM consumption_ledger");
    let stored = lane.home.query(
        "SELECT CAST(effects AS TEXT) FROM kept WHERE effects IS NOT NULL AND decision IS NOT NULL",
    );
    let effects: serde_json::Value = serde_json::from_str(stored[0].as_deref().unwrap()).unwrap();
    let names: Vec<String> = effects[0].as_object().unwrap().keys().cloned().collect();
    assert!(names.len() >= 7, "{names:?}");
    let mut unseen = vec![];
    for name in names {
        let another = match &effects[0][&name] {
            serde_json::Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
            serde_json::Value::String(text) if name == "overage" => {
                (text.parse::<i64>().unwrap() + 1).to_string().into()
            }
            serde_json::Value::String(_) => "01a4c3f0-0000-7000-8000-000000000000".into(),
            _ => "eu".into(),
        };
        for value in [another, serde_json::Value::Null, "x".into()] {
            let mut altered = effects.clone();
            if altered[0][&name] == value {
                continue;
            }
            altered[0][&name] = value;
            let damage = format!(
                "UPDATE consumption_ledger SET effects = '{altered}' WHERE effects IS NOT NULL AND decision IS NOT NULL"
            );
            if !is_found(&lane, &damage) {
                unseen.push(altered);
            }
        }
    }
    let mut longer = effects.clone();
    longer[0]["note"] = "x".into();
    let damage = format!(
        "UPDATE consumption_ledger SET effects = '{longer}' WHERE effects IS NOT NULL AND decision IS NOT NULL"
    );
    assert!(is_found(&lane, &damage));
    assert_eq!(unseen, Vec::<serde_json::Value>::new());
    assert_eq!(verify(&lane).findings, []);
}
