//! `mec export`: the ledger as a file that `mec import` reads, taken from one instant beside
//! whoever owns the store.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

use mec_kernel::{AccountId, EventId, LedgerEvent, Time};
use mec_query::{Budget, Media, Page, Produces, Query, Schema as Tables, Scope, Target as Part};
use mec_store::{EventFilter, Store, StoreError};
use serde_json::{Map, Value};

use super::StoreArgs;
use crate::client::store::{account_of, read_only};
use crate::config::{Config, Kept};
use crate::import::Format;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Out};

/// External ids remembered; when there are more, remembering starts anew.
const REMEMBERED_MAX: usize = 100_000;

const COLUMNS: [&str; 17] = [
    "event_id",
    "idempotency_key",
    "account_id",
    "external_id",
    "resource_type_code",
    "resource_scope",
    "quantity",
    "unit_code",
    "occurred_at",
    "recorded_at",
    "is_correction",
    "corrects_event_id",
    "corrects_idempotency_key",
    "source",
    "recorded_by",
    "details",
    "reservation_id",
];

/// What is exported.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this account's own events: its id, or its external id
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Only what happened at this time or later (2026-01-30T12:00:00Z, or 2026-01-30 in UTC)
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    from: Option<Time>,
    /// Only what happened before this time
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    to: Option<Time>,
    /// How it is written [default: as the output's name says, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where to [default: stdout]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
}

impl Args {
    pub(super) fn store(&self) -> StoreArgs {
        self.store.clone()
    }

    pub(super) fn run(self, config: &Config) -> Result<(), Failure> {
        let (store, catalog) = read_only(config)?;
        let named = self
            .output
            .as_deref()
            .and_then(|path| Format::of_path(path).ok());
        let format = self.format.or(named).unwrap_or(Format::Ndjson);
        let account = self
            .account
            .as_deref()
            .map(|text| account_of(&store, text))
            .transpose()?;
        let filter = EventFilter {
            account,
            from: self.from,
            to: self.to,
            after: None,
        };
        if let (Some(path), Kept::File(store)) = (&self.output, config.kept()?)
            && let (Ok(path), Ok(store)) = (path.canonicalize(), store.canonicalize())
            && path == store
        {
            return Err(Failure::new(
                Exit::BadInput,
                format!("{} is the store itself", path.display()),
            )
            .with_hint("name another file for --output"));
        }
        let mut names = Names::new(&store)?;
        let mut lines = Lines::begin(format, output::file_or_stdout(self.output.as_deref())?)?;
        let mut failure = None;
        let scanned = store.each_event(&filter, &catalog, &mut |event| {
            let written = names.of(event).and_then(|names| lines.write(event, &names));
            written.map_err(|error| {
                failure = Some(error);
                StoreError::Stopped("the export broke off".to_owned())
            })
        });
        match (failure, scanned) {
            (Some(failure), _) => return Err(failure),
            (None, scanned) => scanned?,
        }
        lines.finish()
    }
}

/// What events and accounts are called everywhere, where ids are one store's.
struct Names<'a> {
    store: &'a Store,
    tables: Tables,
    external_ids: HashMap<AccountId, Option<String>>,
}

/// The names in one event.
struct NamesOf {
    external_id: Option<String>,
    corrects_key: Option<String>,
}

impl<'a> Names<'a> {
    fn new(store: &'a Store) -> Result<Self, Failure> {
        let tables = Tables::new(mec_store::tables::tables(), vec![]);
        let tables = tables.map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                format!("the tables contradict each other: {error:?}"),
            )
        })?;
        Ok(Self {
            store,
            tables,
            external_ids: HashMap::new(),
        })
    }

    fn of(&mut self, event: &LedgerEvent) -> Result<NamesOf, Failure> {
        let external_id = match self.external_ids.get(&event.account) {
            Some(known) => known.clone(),
            None => {
                let found = self.first(
                    "accounts",
                    "external_id",
                    &format!("account_id=eq.{}", event.account),
                )?;
                if self.external_ids.len() >= REMEMBERED_MAX {
                    self.external_ids.clear();
                }
                self.external_ids.insert(event.account, found.clone());
                found
            }
        };
        let key_of = |id: EventId| {
            self.first(
                "consumption_ledger",
                "idempotency_key",
                &format!("event_id=eq.{id}"),
            )
        };
        Ok(NamesOf {
            external_id,
            corrects_key: event.corrects.map(key_of).transpose()?.flatten(),
        })
    }

    /// `column` of the first row of `table` that passes `filter`.
    fn first(&self, table: &str, column: &str, filter: &str) -> Result<Option<String>, Failure> {
        let failed = |error: mec_query::QueryError| Failure::new(Exit::Unavailable, error.message);
        let query =
            Query::parse(&format!("select={column}&{filter}"), Part::Rows).map_err(failed)?;
        let page = Page::of_request(&query, None).map_err(failed)?;
        let table = self.tables.table(table).map_err(failed)?;
        let read = Scope::relate(&self.tables, table, &query)
            .and_then(|scope| scope.read(page, 0))
            .map_err(failed)?;
        let fetched = self.store.fetch(&read, &Budget::unlimited())?;
        let media = Media::negotiate(Some("application/json"), Produces::Rows).map_err(failed)?;
        let text = media
            .write(&read.show(&fetched, 0), &Budget::unlimited())
            .map_err(failed)?
            .concat();
        let rows: Value = serde_json::from_slice(text.as_ref()).map_err(|error| {
            Failure::new(Exit::Unavailable, format!("a row is not JSON: {error}"))
        })?;
        Ok(rows[0][column].as_str().map(str::to_owned))
    }
}

/// The file being written.
enum Lines {
    Csv(Box<csv::Writer<Out>>),
    Ndjson(Out),
}

impl Lines {
    fn begin(format: Format, out: Out) -> Result<Self, Failure> {
        match format {
            Format::Ndjson => Ok(Self::Ndjson(out)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(COLUMNS).map_err(of_csv)?;
                Ok(Self::Csv(Box::new(writer)))
            }
        }
    }

    fn write(&mut self, event: &LedgerEvent, names: &NamesOf) -> Result<(), Failure> {
        let texts = texts(event, names);
        match self {
            Self::Csv(writer) => writer
                .write_record(texts.map(Option::unwrap_or_default))
                .map_err(of_csv),
            Self::Ndjson(out) => {
                let told = COLUMNS
                    .into_iter()
                    .zip(texts)
                    .filter_map(|(name, text)| Some((name.to_owned(), json(name, text?))));
                let line = Value::Object(told.collect::<Map<_, _>>());
                Ok(writeln!(out, "{line}")?)
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Csv(mut writer) => Ok(writer.flush()?),
            Self::Ndjson(mut out) => Ok(out.flush()?),
        }
    }
}

/// In the order of [`COLUMNS`].
fn texts(event: &LedgerEvent, names: &NamesOf) -> [Option<String>; 17] {
    [
        Some(event.id.to_string()),
        Some(event.key.to_string()),
        Some(event.account.to_string()),
        names.external_id.clone(),
        Some(event.resource.to_string()),
        event.scope.as_ref().map(ToString::to_string),
        Some(event.quantity.to_string()),
        Some(event.unit.to_string()),
        Some(event.occurred_at.to_string()),
        Some(event.recorded_at.to_string()),
        event.is_correction.then(|| "true".to_owned()),
        event.corrects.map(|id| id.to_string()),
        names.corrects_key.clone(),
        Some(event.source.to_string()),
        Some(event.recorded_by.to_string()),
        event.details.as_deref().map(str::to_owned),
        event.reservation.map(|id| id.to_string()),
    ]
}

/// Numbers with their own digits, details as the JSON they are.
fn json(name: &str, text: String) -> Value {
    match name {
        "quantity" | "details" | "is_correction" => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => Value::String(text),
    }
}

fn of_csv(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Failure::new(Exit::Io, format!("the line cannot be written: {other:?}")),
    }
}
