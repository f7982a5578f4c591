//! The document names what there is, and nothing else.

use super::*;

fn all() -> Json {
    let schema =
        Schema::new(mec_store::tables::tables(), super::super::rpc::functions()).expect("sound");
    document(&schema, Some("localhost:8000"), "/api", false)
}

#[test]
fn every_reference_within_the_document_leads_somewhere() {
    fn check(part: &Json, document: &Json) -> usize {
        match part {
            Json::Object(entries) => {
                let own = match entries.get("$ref").and_then(Json::as_str) {
                    Some(path) => {
                        assert!(document.pointer(&path[1..]).is_some(), "{path}");
                        1
                    }
                    None => 0,
                };
                own + entries
                    .values()
                    .map(|part| check(part, document))
                    .sum::<usize>()
            }
            Json::Array(parts) => parts.iter().map(|part| check(part, document)).sum(),
            _ => 0,
        }
    }
    let document = all();
    assert!(check(&document, &document) > 300);
}

#[test]
fn tables_say_their_columns_keys_and_references() {
    let document = all();
    assert_eq!(
        (&document["swagger"], &document["basePath"]),
        (&json!("2.0"), &json!("/api"))
    );
    let accounts = &document["definitions"]["accounts"];
    let id = &accounts["properties"]["account_id"];
    assert_eq!(
        (&id["type"], &id["format"]),
        (&json!("string"), &json!("uuid"))
    );
    assert!(
        id["description"]
            .as_str()
            .is_some_and(|text| text.ends_with("<pk/>")),
        "{id}"
    );
    let parent = accounts["properties"]["parent_account_id"]["description"]
        .as_str()
        .unwrap_or_default();
    assert!(
        parent.contains("<fk table='accounts' column='account_id'/>"),
        "{parent}"
    );
    assert!(
        accounts["required"]
            .as_array()
            .is_some_and(|names| names.contains(&json!("display_name")))
    );
    let methods = |path: &str| {
        document["paths"][path]
            .as_object()
            .expect(path)
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(methods("/accounts"), ["get", "post", "patch", "delete"]);
    assert_eq!(methods("/consumption_ledger"), ["get"]);
    assert_eq!(methods("/rpc/check_entitlement"), ["post", "get"]);
    assert_eq!(methods("/rpc/consume"), ["post"]);
}
