//! A GET answered without any store: by the query language over rows in memory, in the order of its
//! steps.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderValue};
use mec_query::{
    Budget, Media, Page, Preferences, Produces, Query, QueryError, Schema, Scope, Tables, Target,
    Value, content_range_of_total,
};
use percent_encoding::percent_decode_str;

use super::case::{Case, Reply};

/// `/api/{table}`.
const PATH_PARTS: usize = 2;

/// The rows of every table, with the values of all columns.
type Rows = HashMap<&'static str, Vec<Vec<Value>>>;

pub(super) fn answer(schema: &Schema, rows: &Rows, case: &Case) -> Reply {
    let (status, headers, text) = match read(schema, rows, case) {
        Ok(answer) => answer,
        Err(error) => {
            let mut headers = HeaderMap::new();
            let content_type = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert("content-type", content_type);
            if let Ok(value) = HeaderValue::try_from(error.proxy_status()) {
                headers.insert("proxy-status", value);
            }
            if let (416, Some(total)) = (error.status, beyond(&error)) {
                headers.insert(
                    "content-range",
                    HeaderValue::try_from(content_range_of_total(total)).expect("a header"),
                );
            }
            (error.status, headers, error.body().to_string())
        }
    };
    Reply {
        status,
        headers,
        text,
    }
}

fn read(schema: &Schema, rows: &Rows, case: &Case) -> Result<(u16, HeaderMap, String), QueryError> {
    let uri = case.uri();
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    if path.matches('/').count() > PATH_PARTS {
        return Err(QueryError::invalid_path());
    }
    let name = percent_decode_str(path.trim_start_matches("/api/"))
        .decode_utf8_lossy()
        .into_owned();
    let query = Query::parse(query, Target::Rows)?;
    let page = Page::of_request(&query, case.header("range"))?;
    let table = schema.table(&name)?;
    let scope = Scope::relate(schema, table, &query)?;
    let media = Media::negotiate(case.header("accept"), Produces::Rows)?;
    let all = case
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("prefer"))
        .map(|(_, value)| value.as_str());
    let preferences = Preferences::parse(all);
    preferences.check()?;
    let read = scope.read(page, 0)?;
    let tables = Tables(
        rows.iter()
            .map(|(name, rows)| (*name, rows.as_slice()))
            .collect(),
    );
    let (fetched, total) = read.of_tables(&tables, &Budget::unlimited())?;
    let part = page.answer(fetched.rows.len(), preferences.count.map(|_| total))?;
    let text = media
        .write(&read.show(&fetched, 0), &Budget::unlimited())?
        .concat();
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        HeaderValue::from_static(media.content_type()),
    );
    headers.insert(
        "content-range",
        HeaderValue::try_from(part.content_range).expect("a header"),
    );
    if let Some(applied) = preferences.applied(mec_query::Done::Read) {
        headers.insert(
            "preference-applied",
            HeaderValue::try_from(applied).expect("a header"),
        );
    }
    Ok((part.status, headers, text))
}

/// How many rows there are, where a page begins behind them: the error says it.
fn beyond(error: &QueryError) -> Option<Option<u64>> {
    let details = error.details.as_ref()?.as_str()?;
    let total = details.strip_suffix(" rows.")?.rsplit(' ').next()?;
    Some(total.parse().ok())
}
