//! POST, PUT, PATCH and DELETE: what is written, and what of it is shown.

use std::collections::HashMap;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::Response;
use mec_engine::{Expected, MecError, Touched};
use mec_query::{
    Budget, Cast, Delete, Done, Insert, Media, Page, QueryError, Read, Resolution, Return, Sent,
    Source, Table, Type, Update, Value, content_range_of_total, content_range_of_update,
};

use super::Asked;
use super::answer::{self, Answer};
use crate::http::parts;
use crate::problem::errors::ApiError;
use crate::problem::refusal::Repeat;

/// How the rows written are shown.
enum Shown {
    /// Not at all.
    No,
    /// As the caller asked.
    Rows(Read),
    /// The one row made, as an object: what creating an account answers where nothing was said
    /// about it.
    One(Read),
}

impl Asked<'_> {
    /// PostgREST answers a plain insert without a body. Here an account created by an object body
    /// is answered as one object, as the guide does it: without its id the caller could do nothing
    /// with it. `Prefer: return=…` gives exactly PostgREST's answers.
    pub(super) async fn post(&self, sent: &Sent) -> Result<Response, ApiError> {
        let insert = Insert::resolve(sent, &self.query, &self.preferences, self.now)?;
        let is_guides = self.table.name == "accounts"
            && sent.is_object()
            && self.preferences.returning.is_none();
        let shown = match self.shown()? {
            Shown::No if is_guides => Shown::One(self.representation()?),
            shown => shown,
        };
        let resolution = insert
            .on_conflict
            .as_ref()
            .map(|conflict| conflict.resolution);
        let touched = self.insert(insert).await?;
        let is_all_updates = resolution == Some(Resolution::Merge) && touched.inserted == 0;
        let status = if is_all_updates {
            StatusCode::OK
        } else {
            StatusCode::CREATED
        };
        let body = match shown {
            Shown::No => None,
            Shown::Rows(read) => Some(self.written(read, &touched.keys).await?),
            // A row that was skipped cannot be shown.
            Shown::One(_) if touched.keys.is_empty() => None,
            Shown::One(read) => Some(self.one(read, &touched.keys).await?),
        };
        let done = Done::Insert {
            resolved: resolution.is_some(),
        };
        let content_range = content_range_of_total(self.counted(touched.keys.len()));
        let mut response = self.respond(Answer {
            status,
            content_range,
            body,
            done,
        });
        if let [key] = touched.keys.as_slice()
            && touched.inserted == 1
            && (is_guides || self.preferences.returning == Some(Return::HeadersOnly))
        {
            answer::insert(
                response.headers_mut(),
                LOCATION,
                &location(self.uri.path(), &self.table, key),
            );
        }
        Ok(response)
    }

    pub(super) async fn put(&self, sent: &Sent) -> Result<Response, ApiError> {
        let insert = Insert::resolve_put(sent, &self.query, &self.preferences, self.now)?;
        let shown = self.shown()?;
        let touched = self.insert(insert).await?;
        let (status, body) = match shown {
            Shown::Rows(read) | Shown::One(read) => {
                let status = if touched.inserted == 1 {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                };
                (status, Some(self.written(read, &touched.keys).await?))
            }
            Shown::No => (StatusCode::NO_CONTENT, None),
        };
        let content_range = content_range_of_total(self.counted(touched.keys.len()));
        Ok(self.respond(Answer {
            status,
            content_range,
            body,
            done: Done::Put,
        }))
    }

    pub(super) async fn patch(&self, sent: &Sent) -> Result<Response, ApiError> {
        let expected = self.expected();
        let update = Update::resolve(sent, &self.scope, &self.preferences, self.now)?;
        let shown = self.shown()?;
        let touched = match update {
            Some(update) => {
                let updated = self.state.mec.update(update, expected, self.caller).await;
                updated.map_err(|error| self.refused(error, Repeat::Look))?
            }
            // A body without a column changes nothing.
            None => {
                expected.check(0)?;
                Touched::default()
            }
        };
        let body = match shown {
            Shown::Rows(read) | Shown::One(read) => Some(self.written(read, &touched.keys).await?),
            Shown::No => None,
        };
        let rows = touched.keys.len();
        let content_range = content_range_of_update(rows as u64, self.counted(rows));
        Ok(self.respond(Answer {
            status: status_of(&body),
            content_range,
            body,
            done: Done::Update,
        }))
    }

    pub(super) async fn delete(&self) -> Result<Response, ApiError> {
        let delete = Delete::resolve(&self.scope, self.now)?;
        let read = match self.shown()? {
            Shown::Rows(read) | Shown::One(read) => Some(read),
            Shown::No => None,
        };
        let touched = self
            .state
            .mec
            .delete(delete, read.clone(), self.expected(), self.caller)
            .await;
        let touched = touched.map_err(|error| self.refused(error, Repeat::Look))?;
        let body = match read {
            Some(read) => {
                let fetched = touched.shown.unwrap_or_default();
                let text = self
                    .media
                    .write(&read.show(&fetched, self.now), &Budget::unlimited())?
                    .concat();
                Some((self.media.content_type(), Body::from(text)))
            }
            None => None,
        };
        let content_range = content_range_of_total(self.counted(touched.keys.len()));
        Ok(self.respond(Answer {
            status: status_of(&body),
            content_range,
            body,
            done: Done::Delete,
        }))
    }

    async fn insert(&self, insert: Insert) -> Result<Touched, ApiError> {
        // `max-affected` is about rows that were there.
        let expected = Expected {
            rows_max: None,
            ..self.expected()
        };
        self.state
            .mec
            .insert(insert, expected, self.caller)
            .await
            .map_err(|error| self.refused(error, Repeat::Look))
    }

    fn expected(&self) -> Expected {
        let rows_max = self
            .preferences
            .max_affected
            .filter(|_| self.preferences.is_strict());
        Expected {
            rows_max,
            exactly_one: self.media.is_object(),
        }
    }

    fn counted(&self, rows: usize) -> Option<u64> {
        self.preferences.count.map(|_| rows as u64)
    }

    fn shown(&self) -> Result<Shown, QueryError> {
        match self.preferences.returning {
            Some(Return::Representation) => Ok(Shown::Rows(self.representation()?)),
            Some(Return::Minimal | Return::HeadersOnly) | None => Ok(Shown::No),
        }
    }

    /// The read of what a write shows, resolved before it: nothing may fail for its `select`
    /// afterwards.
    fn representation(&self) -> Result<Read, QueryError> {
        let read = self.scope.read(Page::ALL, self.now)?;
        if has_cast(&read) {
            return Err(QueryError::not_implemented(
                "A cast other than ::text of the rows a write answers.",
            ));
        }
        Ok(read)
    }

    async fn written(
        &self,
        read: Read,
        keys: &[Vec<Value>],
    ) -> Result<(&'static str, Body), ApiError> {
        Ok((
            self.media.content_type(),
            self.text_written(read, keys, self.media).await?,
        ))
    }

    async fn one(&self, read: Read, keys: &[Vec<Value>]) -> Result<(&'static str, Body), ApiError> {
        let media = if self.media == Media::Json {
            Media::Object { stripped: false }
        } else {
            self.media
        };
        Ok((
            self.media.content_type(),
            self.text_written(read, keys, media).await?,
        ))
    }

    /// The rows as they are after the write, in the order of the request unless another was asked
    /// for.
    async fn text_written(
        &self,
        read: Read,
        keys: &[Vec<Value>],
        media: Media,
    ) -> Result<Body, ApiError> {
        let mut read = read.of_keys(keys);
        let key: Vec<usize> = self
            .table
            .key_positions()
            .into_iter()
            .map(|column| fetched(&mut read, column))
            .collect();
        let is_ordered = self.query.order.iter().any(|order| order.path.is_empty());
        let place: HashMap<Vec<Value>, usize> = keys
            .iter()
            .enumerate()
            .map(|(at, key)| (key.clone(), at))
            .collect();
        let now = self.now;
        let text = self.state.mec.read_tables(move |reading| {
            let mut fetched = reading.fetch(&read)?;
            if !is_ordered {
                fetched.rows.sort_by_cached_key(|row| {
                    let key: Vec<Value> =
                        key.iter().filter_map(|at| row.get(*at).cloned()).collect();
                    place.get(&key).copied()
                });
            }
            Ok(media.write(&read.show(&fetched, now), reading.budget)?)
        });
        let refused = |error: MecError| self.refused(error.after_a_write(), Repeat::Look);
        let text = text.await.map_err(refused)?;
        parts::body(&self.state.mec, text.value)
            .await
            .map_err(refused)
    }
}

/// The place of a column among those that are fetched.
fn fetched(read: &mut Read, column: usize) -> usize {
    read.fetch
        .iter()
        .position(|known| *known == column)
        .unwrap_or_else(|| {
            read.fetch.push(column);
            read.fetch.len() - 1
        })
}

/// Whether a value is cast to something it may not bear.
fn has_cast(read: &Read) -> bool {
    let text = Cast::To(Type::Text { max: None });
    let is_cast = |source: &Source| matches!(source, Source::Column { cast: Some(cast), .. } if *cast != text);
    read.outputs.iter().any(|output| is_cast(&output.source))
        || read.embeds.iter().any(|embed| has_cast(&embed.read))
}

fn status_of(body: &Option<(&'static str, Body)>) -> StatusCode {
    if body.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NO_CONTENT
    }
}

/// Where the row is read: the path it was sent to, filtered by its key.
fn location(path: &str, table: &Table, key: &[Value]) -> String {
    let parts = table
        .key_positions()
        .into_iter()
        .zip(key)
        .map(|(column, value)| {
            let text = value.to_text().unwrap_or_default();
            format!(
                "{}=eq.{}",
                table.columns[column].name,
                percent_encoded(&text)
            )
        });
    format!("{path}?{}", parts.collect::<Vec<_>>().join("&"))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
