//! Reading a file: lines become events or reasons why they are none, in batches with their line
//! numbers.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;
use serde_json::Value;
use tokio::sync::mpsc;

use super::event::{Event, Fields, NAMES, OPTIONAL};
use super::format::{Format, is_standard};
use super::parcel::{Item, Parcel, Raw, Rejected};
use crate::terminal::failure::{Exit, Failure};

/// A batch is full at so many events, or at so many bytes of lines: well within what a server takes
/// at once.
const BATCH_EVENTS: usize = 2_000;
const BATCH_BYTES: usize = 2 << 20;
/// One line may be so long. A quote that is never closed would otherwise swallow the rest of the
/// file.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A file being read.
pub(super) struct Reading {
    path: PathBuf,
    format: Format,
    source: Counting,
    /// Bytes read so far.
    pub(super) bytes_read: Arc<AtomicU64>,
    /// Bytes there are; `None` where that is not known.
    pub(super) bytes_total: Option<u64>,
}

impl Reading {
    /// Opens the file at `path`, or stdin.
    pub(super) fn open(path: &Path, format: Format) -> Result<Self, Failure> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let (inner, bytes_total): (Box<dyn Read + Send>, _) = if is_standard(path) {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(|error| Failure::io(path.display(), &error))?;
            let metadata = file
                .metadata()
                .map_err(|error| Failure::io(path.display(), &error))?;
            if metadata.is_dir() {
                return Err(Failure::new(
                    Exit::NoInput,
                    format!("{} is a directory", path.display()),
                )
                .with_hint("name a file; several are imported one after the other"));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        let source = Counting {
            inner,
            total: bytes_read.clone(),
            of_line: Arc::new(AtomicU64::new(0)),
            limits_lines: format == Format::Csv,
            is_looked_at: false,
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            source,
            bytes_read,
            bytes_total,
        })
    }

    /// Reads to the end, or until nobody receives any more.
    pub(super) fn run(self, parcels: &mpsc::Sender<Parcel>) -> Result<(), Failure> {
        let Self {
            path,
            format,
            source,
            ..
        } = self;
        let mut packer = Packer {
            parcels,
            parcel: Parcel::default(),
        };
        let read = match format {
            Format::Csv => read_csv(source, &mut packer),
            Format::Ndjson => read_ndjson(source, &mut packer),
        };
        packer.ship();
        match read {
            Ok(()) | Err(Ended::Unwanted) => Ok(()),
            Err(Ended::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Failure::new(Exit::BadInput, format!("{} {error}", path.display()))
                    .with_hint("give it as UTF-8 text, as in: gunzip -c FILE | mec import - --format csv"))
            }
            Err(Ended::Header(problem)) => Err(Failure::new(Exit::BadInput, format!("{}, line 1: {problem}", path.display()))
                .with_hint(format!(
                    "the first line names the columns, with commas between: idempotency_key, account_id or external_id, \
                     resource_type, quantity, and if wanted {}",
                    OPTIONAL.join(", ")
                ))),
            Err(Ended::TooLong(line)) => Err(Failure::new(
                Exit::BadInput,
                format!("{}, line {line}: more than {LINE_BYTES_MAX} bytes; nothing behind it was read", path.display()),
            )
            .with_hint(match format {
                Format::Csv => "is a quote left open, or is it no CSV file?",
                Format::Ndjson => "write one event a line, each ended by a line feed",
            })),
            Err(Ended::Io(error)) => Err(Failure::io(path.display(), &error)),
        }
    }
}

/// Why reading ended early.
enum Ended {
    Io(io::Error),
    Header(String),
    TooLong(u64),
    /// Nobody receives any more, and whoever did knows why.
    Unwanted,
}

struct Packer<'a> {
    parcels: &'a mpsc::Sender<Parcel>,
    parcel: Parcel,
}

impl Packer<'_> {
    fn add(
        &mut self,
        line: u64,
        bytes: usize,
        event: Result<Event, String>,
        raw: Raw,
    ) -> Result<(), Ended> {
        let corrects_by_key = |event: &Event| event.corrects_key.is_some();
        // What a correction names is looked up before its batch is sent, so it must not be in that
        // batch.
        let is_behind_others = event.as_ref().is_ok_and(corrects_by_key)
            && self
                .parcel
                .batch
                .items
                .iter()
                .any(|item| !corrects_by_key(&item.event));
        if is_behind_others && !self.ship() {
            return Err(Ended::Unwanted);
        }
        self.parcel.lines += 1;
        self.parcel.bytes += bytes;
        match event {
            Ok(event) => self.parcel.batch.items.push(Item { line, event, raw }),
            Err(reason) => self.parcel.unreadable.push(Rejected {
                line,
                code: "MEC_BAD_LINE".to_owned(),
                reason,
                raw,
            }),
        }
        let is_full = self.parcel.batch.items.len() >= BATCH_EVENTS
            || self.parcel.unreadable.len() >= BATCH_EVENTS
            || self.parcel.bytes >= BATCH_BYTES;
        if is_full && !self.ship() {
            Err(Ended::Unwanted)
        } else {
            Ok(())
        }
    }

    /// `false` where nobody receives.
    fn ship(&mut self) -> bool {
        self.parcels
            .blocking_send(std::mem::take(&mut self.parcel))
            .is_ok()
    }
}

fn read_ndjson(source: Counting, packer: &mut Packer<'_>) -> Result<(), Ended> {
    let mut reader = BufReader::with_capacity(1 << 16, source);
    for line in 1.. {
        let mut text = Vec::new();
        let read = (&mut reader)
            .take(LINE_BYTES_MAX + 1)
            .read_until(b'\n', &mut text)
            .map_err(Ended::Io)?;
        if read == 0 {
            return Ok(());
        }
        if text.len() as u64 > LINE_BYTES_MAX {
            return Err(Ended::TooLong(line));
        }
        let content = text.trim_ascii();
        let content = if line == 1 {
            content
                .strip_prefix("\u{feff}".as_bytes())
                .unwrap_or(content)
        } else {
            content
        };
        if content.is_empty() {
            continue;
        }
        let event = if content.starts_with(b"{") {
            let unread = |error: serde_json::Error| {
                let is_cut = error.is_eof();
                if is_cut {
                    "the JSON does not end in this line; each line is one event".to_owned()
                } else {
                    without_place(&error)
                }
            };
            serde_json::from_slice::<Fields>(content)
                .map_err(unread)
                .and_then(Fields::event)
        } else {
            Err("not a JSON object; each line is one event".to_owned())
        };
        text.truncate(text.trim_ascii_end().len());
        packer.add(line, read, event, Raw::Text(text))?;
    }
    Ok(())
}

/// The line within the line is always 1.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text
        .split_once(" at line ")
        .map_or(text.as_str(), |(problem, _)| problem);
    if error.is_data() {
        problem.to_owned()
    } else {
        format!("not JSON: {problem} (column {})", error.column())
    }
}

fn read_csv(source: Counting, packer: &mut Packer<'_>) -> Result<(), Ended> {
    let of_line = source.of_line.clone();
    let mut reader = csv::ReaderBuilder::new();
    // Lines end at their line feed: a carriage return that ended one would make the next one's
    // number too small.
    let mut reader = reader
        .flexible(true)
        .has_headers(false)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(source);
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| {
        of_line.store(0, Ordering::Relaxed);
        let line = reader.position().line();
        let read = reader.read_byte_record(record);
        without_carriage_return(record);
        read.map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Ended::TooLong(line)
            }
            csv::ErrorKind::Io(error) => Ended::Io(error),
            other => Ended::Header(format!("{other:?}")),
        })
    };
    if !next(&mut record)? {
        return Err(Ended::Header("the file is empty".to_owned()));
    }
    let columns = columns(&record).map_err(Ended::Header)?;
    while next(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let event = of_record(&columns, &record).and_then(Fields::event);
        let bytes = record.as_slice().len();
        packer.add(line, bytes, event, Raw::Record(record.clone()))?;
    }
    Ok(())
}

/// Lines may end in CR LF.
fn without_carriage_return(record: &mut ByteRecord) {
    let Some(before) = record.len().checked_sub(1) else {
        return;
    };
    if let Some(content) = record[before].strip_suffix(b"\r").map(<[u8]>::to_vec) {
        record.truncate(before);
        record.push_field(&content);
    }
}

/// The header's names, each known and none twice.
fn columns(header: &ByteRecord) -> Result<Vec<&'static str>, String> {
    if let (1, Some(only)) = (header.len(), header.get(0))
        && let Some(separator) = [b';', b'\t', b'|']
            .into_iter()
            .find(|separator| only.contains(separator))
    {
        return Err(format!(
            "the columns are separated by {:?}",
            char::from(separator)
        ));
    }
    let mut columns = Vec::with_capacity(header.len());
    for name in header {
        let name = String::from_utf8_lossy(name);
        // Spreadsheets begin a file with a byte order mark.
        let name = name.trim_start_matches('\u{feff}').trim();
        let wanted = if name == "resource_type_code" {
            "resource_type"
        } else {
            name
        };
        let known = NAMES
            .iter()
            .find(|known| **known == wanted)
            .ok_or_else(|| format!("there is no column \"{name}\""))?;
        if columns.contains(known) {
            return Err(format!("the column {known} is there twice"));
        }
        columns.push(*known);
    }
    for needed in ["idempotency_key", "resource_type", "quantity"] {
        if !columns.contains(&needed) {
            return Err(format!("the column {needed} is missing"));
        }
    }
    if !columns.contains(&"account_id") && !columns.contains(&"external_id") {
        return Err("the column account_id is missing, and external_id too".to_owned());
    }
    Ok(columns)
}

fn of_record(columns: &[&str], record: &ByteRecord) -> Result<Fields, String> {
    if record.len() != columns.len() {
        return Err(format!(
            "{} fields instead of {}",
            record.len(),
            columns.len()
        ));
    }
    let mut fields = Fields::default();
    for (name, value) in columns.iter().zip(record) {
        let text = std::str::from_utf8(value).map_err(|_| format!("{name} is not UTF-8"))?;
        if text.is_empty() {
            continue;
        }
        let owned = || Some(text.to_owned());
        match *name {
            "idempotency_key" => fields.idempotency_key = owned(),
            "account_id" => fields.account_id = owned(),
            "external_id" => fields.external_id = owned(),
            "resource_type" => fields.resource_type = owned(),
            "quantity" => fields.quantity = owned().map(Value::String),
            "unit_code" => fields.unit_code = owned(),
            "resource_scope" => fields.resource_scope = owned(),
            "occurred_at" => fields.occurred_at = owned(),
            "details" => {
                fields.details = Some(
                    serde_json::from_str(text)
                        .map_err(|error| format!("details: {}", without_place(&error)))?,
                )
            }
            "is_correction" => {
                fields.is_correction = Some(
                    text.parse()
                        .map_err(|_| "is_correction is true or false".to_owned())?,
                )
            }
            "corrects_event_id" => fields.corrects_event_id = owned(),
            "corrects_idempotency_key" => fields.corrects_idempotency_key = owned(),
            "recorded_at" => fields.recorded_at = owned(),
            "reservation_id" => fields.reservation_id = owned(),
            // What an export says of its own store.
            _ => {}
        }
    }
    Ok(fields)
}

/// How files begin that are no text in UTF-8.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"\x1f\x8b", "is compressed (gzip)"),
    (b"\x28\xb5\x2f\xfd", "is compressed (zstd)"),
    (b"\xfd7zXZ\0", "is compressed (xz)"),
    (b"BZh", "is compressed (bzip2)"),
    (b"PK\x03\x04", "is a ZIP archive or a spreadsheet"),
    (b"\xff\xfe", "is written in UTF-16"),
    (b"\xfe\xff", "is written in UTF-16"),
];

/// Counts what is read, all of it for the progress, and since the last line for [`LINE_BYTES_MAX`].
struct Counting {
    inner: Box<dyn Read + Send>,
    total: Arc<AtomicU64>,
    of_line: Arc<AtomicU64>,
    /// Whether whoever reads resets `of_line` with every line.
    limits_lines: bool,
    /// Whether its first bytes were found to be text.
    is_looked_at: bool,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if !self.is_looked_at && read > 0 {
            self.is_looked_at = true;
            let known = FOREIGN
                .iter()
                .find(|(begin, _)| buffer[..read].starts_with(begin));
            if let Some((_, what)) = known {
                return Err(io::Error::new(io::ErrorKind::InvalidData, *what));
            }
        }
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        self.total.fetch_add(count, Ordering::Relaxed);
        if self.limits_lines && self.of_line.fetch_add(count, Ordering::Relaxed) > LINE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &str) -> Result<Vec<&'static str>, String> {
        columns(&ByteRecord::from(names.split(',').collect::<Vec<_>>()))
    }

    #[test]
    fn a_header_is_refused_with_the_column_that_is_wrong() {
        let cases = [
            (
                "idempotency_key,external_id,resource_type,quantity,ocurred_at",
                "there is no column \"ocurred_at\"",
            ),
            (
                "external_id,resource_type,quantity",
                "the column idempotency_key is missing",
            ),
            (
                "idempotency_key,resource_type,quantity",
                "the column account_id is missing, and external_id too",
            ),
            (
                "idempotency_key,external_id,resource_type,resource_type_code,quantity",
                "the column resource_type is there twice",
            ),
        ];
        for (names, problem) in cases {
            assert_eq!(header(names), Err(problem.to_owned()));
        }
        assert!(header("\u{feff}idempotency_key, account_id,resource_type_code,quantity").is_ok());
    }

    #[test]
    fn a_record_says_what_an_object_of_the_same_fields_says() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let texts = NAMES.iter().map(|name| match *name {
            name if name.ends_with("_id") && name != "external_id" => id,
            name if name.ends_with("_at") => "2026-01-30T12:00:00Z",
            "quantity" => "1.5",
            "is_correction" => "true",
            "details" => r#"{"a":1}"#,
            name => name,
        });
        let json = |(name, text): (&&str, &str)| match *name {
            "quantity" | "is_correction" | "details" => format!("\"{name}\":{text}"),
            name => format!("\"{name}\":\"{text}\""),
        };
        let object: Vec<String> = NAMES.iter().zip(texts.clone()).map(json).collect();
        let object: Fields = serde_json::from_str(&format!("{{{}}}", object.join(","))).unwrap();
        let record = ByteRecord::from(texts.collect::<Vec<_>>());
        let read = of_record(NAMES, &record).unwrap().event().unwrap();
        assert!(read.reservation.is_some() && read.recorded_at.is_some());
        assert_eq!(read, object.event().unwrap());
    }

    #[test]
    fn a_files_name_says_its_format() {
        let cases = [
            ("a.csv", Some(Format::Csv)),
            ("a.NDJSON", Some(Format::Ndjson)),
            ("a.jsonl", Some(Format::Ndjson)),
            ("a.txt", None),
            ("-", None),
        ];
        for (name, format) in cases {
            assert_eq!(Format::of_path(Path::new(name)).ok(), format, "{name}");
        }
    }
}
