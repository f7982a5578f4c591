//! `/`: the API's own description, as PostgREST gives it: OpenAPI 2.0, made from the schema.
//!
//! Everything in it is said elsewhere once (tables, columns, functions and what they mean); this
//! room only arranges it.

use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use mec_query::{
    Column, Function, Media, Produces, QueryError, Returns, Schema, Table, Type, Verb,
};
use serde_json::{Map, Value as Json, json};

use super::context::{AppState, Asker, names_schema};
use crate::problem::errors::ApiError;

const METHODS: HeaderValue = HeaderValue::from_static("OPTIONS,GET,HEAD");
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");

/// Answers a request of the root, whatever its method.
pub(crate) async fn handle(
    State(state): State<AppState>,
    _: Asker,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let answered = answer(&state, &method, uri.path(), &headers);
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    if method == Method::OPTIONS || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, METHODS);
    }
    response
}

fn answer(
    state: &AppState,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let names_schema = names_schema(method, headers)?;
    match *method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(StatusCode::OK.into_response()),
        _ => return Err(QueryError::unsupported_method(method.as_str()).into()),
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let media = Media::negotiate(text(ACCEPT), Produces::RootDocument)?;
    let base_path = Some(path.trim_end_matches('/'))
        .filter(|path| !path.is_empty())
        .unwrap_or("/");
    let document = document(&state.schema, text(HOST), base_path, state.auth.is_asking());
    let mut response = Response::new(Body::from(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    if names_schema {
        headers.insert(CONTENT_PROFILE, HeaderValue::from_static("public"));
    }
    Ok(response)
}

/// The document: of the tables and functions of `schema`, found at `host` below `base_path`, and
/// whether tokens are asked for.
fn document(schema: &Schema, host: Option<&str>, base_path: &str, is_asking: bool) -> Json {
    let tables = schema.tables();
    let mut paths = Map::from_iter([("/".to_owned(), json!({"get": root_operation()}))]);
    paths.extend(
        tables
            .iter()
            .map(|table| (format!("/{}", table.name), table_operations(table))),
    );
    paths.extend(schema.functions().iter().map(|function| {
        (
            format!("/rpc/{}", function.name),
            function_operations(function),
        )
    }));
    let mut parameters = shared_parameters();
    for table in tables {
        parameters.insert(format!("body.{}", table.name), body_parameter(table));
        for column in &table.columns {
            parameters.insert(
                format!("rowFilter.{}.{}", table.name, column.name),
                filter_parameter(column),
            );
        }
    }
    let definitions: Map<String, Json> = tables
        .iter()
        .map(|table| (table.name.to_owned(), definition(table)))
        .collect();
    let mut document = json!({
        "swagger": "2.0",
        "info": {
            "title": "MEC",
            "description": "Metering, entitlements and controls as tables and functions, spoken to as PostgREST is.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "basePath": base_path,
        "schemes": ["http"],
        "consumes": [
            "application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json", "text/csv",
        ],
        "produces": [
            "application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json", "text/csv",
        ],
        "paths": paths,
        "definitions": definitions,
        "parameters": parameters,
        "externalDocs": {
            "description": "PostgREST's documentation of this way to ask",
            "url": "https://postgrest.org/en/stable/references/api.html",
        },
    });
    if let Some(host) = host {
        document["host"] = host.into();
    }
    if is_asking {
        document["securityDefinitions"] = json!({
            "JWT": {
                "type": "apiKey", "in": "header", "name": "Authorization",
                "description": "Add the token prepending \"Bearer \" (without quotes) to it",
            },
        });
        document["security"] = json!([{"JWT": []}]);
    }
    document
}

fn root_operation() -> Json {
    json!({
        "tags": ["Introspection"],
        "summary": "This document.",
        "produces": ["application/openapi+json", "application/json"],
        "responses": {"200": {"description": "OK"}},
    })
}

fn reference(kind: &str, name: &str) -> Json {
    json!({"$ref": format!("#/{kind}/{name}")})
}

fn parameters<'a>(names: &'a [&'a str]) -> impl Iterator<Item = Json> + 'a {
    names.iter().map(|name| reference("parameters", name))
}

fn table_operations(table: &Table) -> Json {
    let filters: Vec<Json> = table
        .columns
        .iter()
        .map(|column| {
            reference(
                "parameters",
                &format!("rowFilter.{}.{}", table.name, column.name),
            )
        })
        .collect();
    let body = || reference("parameters", &format!("body.{}", table.name));
    let rows = json!({"type": "array", "items": reference("definitions", table.name)});
    let operation = |parameters: Vec<Json>, responses: Json| json!({"tags": [table.name], "summary": table.description, "parameters": parameters, "responses": responses});
    let filtered = |more: Vec<Json>| filters.iter().cloned().chain(more).collect::<Vec<_>>();
    let mut operations = Map::new();
    for verb in &table.verbs {
        let (method, operation) = match verb {
            Verb::Get => {
                let names = [
                    "select",
                    "order",
                    "range",
                    "rangeUnit",
                    "offset",
                    "limit",
                    "preferCount",
                ];
                let responses = json!({"200": {"description": "OK", "schema": rows}, "206": {"description": "Partial Content"}});
                (
                    "get",
                    operation(filtered(parameters(&names).collect()), responses),
                )
            }
            Verb::Post => {
                let given = std::iter::once(body()).chain(parameters(&[
                    "select",
                    "columns",
                    "on_conflict",
                    "preferPost",
                ]));
                (
                    "post",
                    operation(given.collect(), json!({"201": {"description": "Created"}})),
                )
            }
            Verb::Patch => {
                let given = std::iter::once(body()).chain(parameters(&["preferReturn"]));
                (
                    "patch",
                    operation(
                        filtered(given.collect()),
                        json!({"204": {"description": "No Content"}}),
                    ),
                )
            }
            Verb::Delete => {
                let given = parameters(&["preferReturn"]).collect();
                (
                    "delete",
                    operation(
                        filtered(given),
                        json!({"204": {"description": "No Content"}}),
                    ),
                )
            }
            // PostgREST's document leaves PUT out too; OPTIONS tells of it.
            Verb::Put => continue,
        };
        operations.insert(method.to_owned(), operation);
    }
    Json::Object(operations)
}

fn function_operations(function: &Function) -> Json {
    let properties: Map<String, Json> = function
        .params
        .iter()
        .map(|param| {
            (
                param.name.to_owned(),
                value_schema(param.ty, param.description),
            )
        })
        .collect();
    let required: Vec<&str> = function
        .params
        .iter()
        .filter(|param| param.required)
        .map(|param| param.name)
        .collect();
    let mut arguments =
        json!({"type": "object", "description": function.description, "properties": properties});
    if let (false, Some(arguments)) = (required.is_empty(), arguments.as_object_mut()) {
        arguments.insert("required".to_owned(), required.into());
    }
    let operation = |parameters: Vec<Json>| {
        json!({
            "tags": [format!("(rpc) {}", function.name)],
            "summary": function.description,
            "produces": ["application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json"],
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "schema": answer_schema(&function.returns)}},
        })
    };
    let body = json!({"in": "body", "name": "args", "required": true, "schema": arguments});
    let names: &[&str] = if function.rows().is_some() {
        &["select", "order", "limit", "offset", "preferCount"]
    } else {
        &[]
    };
    let given = std::iter::once(body).chain(parameters(names)).collect();
    let mut operations = Map::from_iter([("post".to_owned(), operation(given))]);
    if function.read_only {
        let in_query = function.params.iter().map(|param| {
            let mut schema = value_schema(param.ty, param.description);
            if let Some(schema) = schema.as_object_mut() {
                // In a URL an object is its text.
                schema.entry("type").or_insert_with(|| "string".into());
                schema.insert("in".to_owned(), "query".into());
                schema.insert("name".to_owned(), param.name.into());
                schema.insert("required".to_owned(), param.required.into());
            }
            schema
        });
        operations.insert("get".to_owned(), operation(in_query.collect()));
    }
    Json::Object(operations)
}

fn answer_schema(returns: &Returns) -> Json {
    match returns {
        Returns::Scalar(ty) => value_schema(*ty, ""),
        Returns::Json => json!({}),
        Returns::Table(table) => {
            let properties: Map<String, Json> = table
                .columns
                .iter()
                .map(|column| {
                    (
                        column.name.to_owned(),
                        value_schema(column.ty, column.description),
                    )
                })
                .collect();
            json!({"type": "array", "items": {"type": "object", "properties": properties}})
        }
    }
}

fn definition(table: &Table) -> Json {
    let property = |column: &Column| {
        let mut schema = value_schema(column.ty, &described(table, column));
        let check = table
            .checks
            .iter()
            .find(|check| check.column == column.name);
        if let (Some(check), Some(schema)) = (check, schema.as_object_mut()) {
            schema.insert("enum".to_owned(), check.one_of.clone().into());
        }
        (column.name.to_owned(), schema)
    };
    let properties: Map<String, Json> = table.columns.iter().map(property).collect();
    let required: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| !column.nullable)
        .map(|column| column.name)
        .collect();
    json!({"description": table.description, "required": required, "properties": properties, "type": "object"})
}

/// What a column means, with the marks by which programs find keys and references.
fn described(table: &Table, column: &Column) -> String {
    let mut parts = vec![];
    if !column.description.is_empty() {
        parts.push(column.description.to_owned());
    }
    if table
        .primary_key
        .as_ref()
        .is_some_and(|key| key.columns.contains(&column.name))
    {
        parts.push("Note:\nThis is a Primary Key.<pk/>".to_owned());
    }
    for reference in table
        .foreign_keys
        .iter()
        .filter(|reference| reference.columns == [column.name])
    {
        let (target, target_column) = (
            reference.target,
            reference
                .target_columns
                .first()
                .copied()
                .unwrap_or_default(),
        );
        parts.push(format!(
            "Note:\nThis is a Foreign Key to `{target}.{target_column}`.<fk table='{target}' column='{target_column}'/>"
        ));
    }
    parts.join("\n\n")
}

fn value_schema(ty: Type, description: &str) -> Json {
    let mut schema = Map::from_iter([("format".to_owned(), ty.sql_name().into())]);
    let kind = match ty {
        Type::Text { .. } | Type::Uuid | Type::Timestamp => Some("string"),
        Type::Int2 | Type::Int4 | Type::Int8 => Some("integer"),
        Type::Numeric { .. } => Some("number"),
        Type::Bool => Some("boolean"),
        Type::TextArray => Some("array"),
        // Any kind of value.
        Type::Json => None,
    };
    if let Some(kind) = kind {
        schema.insert("type".to_owned(), kind.into());
    }
    if let Type::Text { max: Some(max) } = ty {
        schema.insert("maxLength".to_owned(), max.into());
    }
    if ty == Type::TextArray {
        schema.insert("items".to_owned(), json!({"type": "string"}));
    }
    if !description.is_empty() {
        schema.insert("description".to_owned(), description.into());
    }
    Json::Object(schema)
}

fn body_parameter(table: &Table) -> Json {
    json!({
        "name": table.name, "description": table.description, "in": "body", "required": false,
        "schema": reference("definitions", table.name),
    })
}

fn filter_parameter(column: &Column) -> Json {
    json!({
        "name": column.name, "description": column.description, "in": "query", "required": false, "type": "string",
        "format": column.ty.sql_name(),
    })
}

fn shared_parameters() -> Map<String, Json> {
    let preference = |description: &str, values: &[&str]| {
        json!({
            "name": "Prefer", "description": description, "in": "header", "required": false, "type": "string", "enum": values,
        })
    };
    let text = |name: &str, description: &str, place: &str| json!({"name": name, "description": description, "in": place, "required": false, "type": "string"});
    let resolutions = [
        "resolution=ignore-duplicates",
        "resolution=merge-duplicates",
    ];
    let returns = [
        "return=representation",
        "return=minimal",
        "return=headers-only",
    ];
    let all = [
        ("preferReturn", preference("What is answered", &returns)),
        (
            "preferCount",
            preference(
                "Whether rows are counted",
                &["count=exact", "count=planned", "count=estimated"],
            ),
        ),
        (
            "preferPost",
            preference(
                "What is answered, and what happens to a taken key",
                &[&returns[..], &resolutions[..]].concat(),
            ),
        ),
        (
            "select",
            text("select", "Columns and embedded resources", "query"),
        ),
        (
            "columns",
            text("columns", "Keys of the body that are read", "query"),
        ),
        (
            "on_conflict",
            text("on_conflict", "Unique columns an upsert looks at", "query"),
        ),
        ("order", text("order", "Order of the rows", "query")),
        (
            "range",
            text("Range", "First and last row, from 0", "header"),
        ),
        (
            "rangeUnit",
            json!({
                "name": "Range-Unit", "description": "What a range counts", "in": "header", "required": false, "type": "string",
                "default": "items",
            }),
        ),
        (
            "offset",
            text("offset", "Rows left out at the beginning", "query"),
        ),
        ("limit", text("limit", "Rows at most", "query")),
    ];
    all.into_iter()
        .map(|(name, parameter)| (name.to_owned(), parameter))
        .collect()
}

#[cfg(test)]
mod tests;
