//! Lines on their way: read as events, or rejected.

use csv::ByteRecord;

use super::event::Event;

/// A line as it was, for the report of rejects.
#[derive(Debug)]
pub(super) enum Raw {
    /// A line of text.
    Text(Vec<u8>),
    /// Fields, written as a line when asked for.
    Record(ByteRecord),
}

impl Raw {
    /// The line's text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Record(record) => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                let line = writer
                    .write_byte_record(record)
                    .ok()
                    .and_then(|()| writer.into_inner().ok())
                    .unwrap_or_default();
                String::from_utf8_lossy(&line).trim_end().to_owned()
            }
        }
    }
}

/// An event and the line it stands in.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) line: u64,
    pub(super) event: Event,
    pub(super) raw: Raw,
}

/// A line that is not imported.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) line: u64,
    /// For programs; `MEC_BAD_LINE` where the line itself is wrong.
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) raw: Raw,
}

/// Events sent at once, in their order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether something in it takes away what must have been recorded before.
    pub(super) fn depends_on_order(&self) -> bool {
        self.items.iter().any(|item| item.event.depends_on_order())
    }
}

/// What was read since the last one.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    pub(super) lines: u64,
    pub(super) unreadable: Vec<Rejected>,
    pub(super) batch: Batch,
    pub(super) bytes: usize,
}
