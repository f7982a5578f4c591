//! Entitlements with their conditions and their audit, as they are kept and shown.

use std::sync::Arc;

use mec_kernel::*;
use mec_store::ConditionRow;
use serde_json::{Value, json};

use crate::lane::{Home, Lane, TREE, wait};

crate::lane::home::on_both!(
    the_audit_shows_rows_as_the_table_does,
    conditions_come_back_as_they_were_put
);

fn audits(lane: &Lane, column: &str) -> Vec<Option<Value>> {
    let rows = lane.home.query(&format!(
        "SELECT {column} FROM entitlements_audit ORDER BY audit_id"
    ));
    rows.into_iter()
        .map(|text| text.map(|text| serde_json::from_str(&text).unwrap()))
        .collect()
}

fn the_audit_shows_rows_as_the_table_does(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    let id = lane.grant(acme, "minutes", 10, Some(WindowRule::of(WindowKind::Month)));
    let patch = EntitlementPatch {
        quantity: Some(Some("10.5".parse().unwrap())),
        metadata: Some(None),
        ..Default::default()
    };
    lane.run(|view, making| patch_entitlement(view, making, acme, id, &patch));
    let made = "2026-01-30T12:00:00.000002Z";
    let first = json!({
        "entitlement_id": id.to_string(),
        "account_id": acme.to_string(),
        "resource_type_code": "minutes",
        "resource_scope": null,
        "limit_kind_code": "cumulative",
        "quantity_allowed": 10,
        "window_type_code": "month",
        "window_anchor": null,
        "window_seconds": null,
        "period_start": null,
        "period_end": null,
        "status": "active",
        "source": "manual",
        "source_ref": null,
        "plan_id": null,
        "plan_version": null,
        "priority": 0,
        "valid_from": made,
        "valid_until": null,
        "metadata": serde_json::from_str::<Value>("{\"why\":1.50}").unwrap(),
        "created_at": made,
        "updated_at": made,
    });
    let mut second = first.clone();
    second["quantity_allowed"] = serde_json::from_str("10.5").unwrap();
    second["metadata"] = Value::Null;
    second["updated_at"] = "2026-01-30T12:00:00.000003Z".into();
    assert_eq!(audits(&lane, "old_row"), [None, Some(first.clone())]);
    assert_eq!(audits(&lane, "new_row"), [Some(first), Some(second)]);
    let actions = lane
        .home
        .query("SELECT action FROM entitlements_audit ORDER BY audit_id");
    assert_eq!(
        actions,
        ["create", "update"].map(|action| Some(action.to_owned()))
    );
}

fn tests() -> Vec<ConditionTest> {
    let attribute = |comparison| ConditionTest::Attribute {
        name: "tier".into(),
        comparison,
    };
    let (text, number) = (
        Attribute::Text("gold".to_owned()),
        Attribute::Number("2.5".parse().unwrap()),
    );
    let bound: Decimal = "18446744073709551615.0000000001".parse().unwrap();
    vec![
        attribute(Comparison::In(vec![text.clone()])),
        attribute(Comparison::In(vec![
            text.clone(),
            number.clone(),
            Attribute::Flag(true),
        ])),
        attribute(Comparison::NotIn(vec![number])),
        attribute(Comparison::NotIn(vec![])),
        attribute(Comparison::Above(bound.clone())),
        attribute(Comparison::AtLeast(bound.clone())),
        attribute(Comparison::Below(bound.clone())),
        attribute(Comparison::AtMost(bound)),
        ConditionTest::TimeOfDay {
            from: 22 * 3_600,
            to: 6 * 3_600 + 30,
        },
        ConditionTest::TimeOfDay {
            from: 0,
            to: 86_400,
        },
        ConditionTest::Weekday(vec![1, 5]),
    ]
}

fn conditions_come_back_as_they_were_put(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    let id = lane.grant(acme, "minutes", 10, None);
    let all: Vec<Condition> = tests()
        .into_iter()
        .map(|test| Condition {
            id: ConditionId(lane.id()),
            test,
        })
        .collect();
    // Put, changed, put again as it was, taken away.
    for conditions in [all.clone(), all[3..7].to_vec(), all[3..7].to_vec(), vec![]] {
        let row = lane.tree.get(acme).unwrap().entitlements[0].clone();
        let row = Arc::new(Entitlement {
            conditions: conditions.clone(),
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
        let facts =
            wait(
                lane.writer
                    .look_up(TREE, &[Need::Account(acme)], &lane.catalog, lane.now),
            )
            .unwrap();
        let Fact::Account(_, Some(node)) = &facts[0] else {
            panic!("{facts:?}")
        };
        assert_eq!(node.entitlements[0].id, id);
        assert_eq!(node.entitlements[0].conditions, conditions);
        let shown = audits(&lane, "new_row").pop().flatten().unwrap();
        let embedded = shown
            .get("entitlement_conditions")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        assert_eq!(embedded, conditions.len());
        assert_eq!(
            lane.store
                .verify(&lane.catalog, lane.now, &mut |_| {})
                .unwrap()
                .findings,
            []
        );
    }
    assert_eq!(
        lane.home
            .query("SELECT count(*) FROM entitlement_conditions"),
        [Some("0".to_owned())]
    );
}

#[test]
fn a_condition_is_the_row_it_is_shown_as() {
    for test in tests() {
        assert_eq!(ConditionRow::of(&test).test().unwrap(), test);
    }
    let row = |text: &str| {
        let row: Value = serde_json::from_str(text).unwrap();
        let column = |name: &str| row[name].as_str().map(str::to_owned);
        let condition_type = column("t").unwrap();
        ConditionRow {
            condition_type,
            attribute: column("a"),
            operator: column("o"),
            value: row["v"].clone(),
        }
        .test()
    };
    assert_eq!(
        row(r#"{"t": "time_of_day", "v": {"from": "08:00", "to": "18:30:15"}}"#),
        Ok(ConditionTest::TimeOfDay {
            from: 28_800,
            to: 66_615
        })
    );
    for (text, column) in [
        (r#"{"t": "moon"}"#, "condition_type"),
        (r#"{"t": "attribute", "o": "eq", "v": 1}"#, "attribute"),
        (
            r#"{"t": "attribute", "a": "tier", "o": "like", "v": 1}"#,
            "operator",
        ),
        (r#"{"t": "attribute", "a": "tier", "v": 1}"#, "operator"),
        (
            r#"{"t": "attribute", "a": "tier", "o": "gt", "v": "1"}"#,
            "value",
        ),
        (
            r#"{"t": "attribute", "a": "tier", "o": "eq", "v": [1]}"#,
            "value",
        ),
        (
            r#"{"t": "attribute", "a": "tier", "o": "eq", "v": null}"#,
            "value",
        ),
        (
            r#"{"t": "attribute", "a": "tier", "o": "eq", "v": 1e30000}"#,
            "value",
        ),
        (
            r#"{"t": "attribute", "a": "tier", "o": "in", "v": 1}"#,
            "value",
        ),
        (r#"{"t": "weekday", "v": [0]}"#, "value"),
        (r#"{"t": "weekday", "v": []}"#, "value"),
        (r#"{"t": "weekday", "v": [1], "a": "tier"}"#, "attribute"),
        (r#"{"t": "weekday", "v": [1], "o": "eq"}"#, "operator"),
        (
            r#"{"t": "time_of_day", "v": {"from": "24:00", "to": "06:00"}}"#,
            "value",
        ),
        (
            r#"{"t": "time_of_day", "v": {"from": "08:00", "to": "08:00"}}"#,
            "value",
        ),
        (
            r#"{"t": "time_of_day", "v": {"from": "8:00", "to": "18:00"}}"#,
            "value",
        ),
        (
            r#"{"t": "time_of_day", "v": {"from": "08:00", "to": "24:01"}}"#,
            "value",
        ),
        (
            r#"{"t": "time_of_day", "v": {"from": "08:00", "to": "18:00:00:00"}}"#,
            "value",
        ),
        (
            r#"{"t": "time_of_day", "v": {"from": "08:60", "to": "18:00"}}"#,
            "value",
        ),
    ] {
        match row(text) {
            Err(Refusal::BadValue { column: found, .. }) => assert_eq!(found, column, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}
