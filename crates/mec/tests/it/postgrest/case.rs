//! One case: a request and what is expected of its answer, read from the format of `tests/postgrest/cases`.
//!
//! A block of lines each; blank lines stand between blocks:
//!
//! ```text
//! METHOD /path?query
//! > Name: value        a header of the request
//! >> text              a line of its body
//! 200                  the status
//! < Name: value        a header of the answer; `!Name`: it is not there; `~Name: text`: it holds the text
//! << text              a line of the body; none: the body does not matter
//! ```
//!
//! Compared are meanings: JSON as JSON, numbers by value, instants as instants. The four keys of an error are compared
//! where PostgREST gives them a value, the details of PGRST100 (which are those of a parser library) never.

use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Where the API is found; PostgREST's paths begin behind it.
const PREFIX: &str = "/api";
const NAMED_MAX: usize = 240;

#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    status: u16,
    expected_headers: Vec<(String, String)>,
    expected_body: Option<String>,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

/// All cases of a text, each with the number of its first line.
pub(super) fn read_all(text: &str) -> Vec<(usize, Case)> {
    let mut cases = vec![];
    let mut block = vec![];
    for (at, line) in text.lines().chain([""]).enumerate() {
        if !line.is_empty() {
            block.push((at + 1, line));
        } else if let Some((first, _)) = block.first() {
            cases.push((*first, Case::read(&block)));
            block.clear();
        }
    }
    cases
}

impl Case {
    fn read(block: &[(usize, &str)]) -> Self {
        let mut case = Self::default();
        let (mut body, mut expected_body): (Vec<&str>, Vec<&str>) = (vec![], vec![]);
        let header = |text: &str| {
            let (name, value) = text.split_once(": ").unwrap_or((text, ""));
            (name.to_owned(), value.to_owned())
        };
        for (at, line) in block {
            let is_first = *at == block[0].0;
            let beyond = |prefix: &str| line.strip_prefix(prefix).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
            if is_first {
                let (method, path) = line.split_once(' ').unwrap_or_else(|| panic!("line {at}: no request"));
                (case.method, case.path) = (method.to_owned(), path.to_owned());
            } else if let Some(text) = beyond(">>") {
                body.push(text);
            } else if let Some(text) = beyond(">") {
                case.headers.push(header(text));
            } else if let Some(text) = beyond("<<") {
                expected_body.push(text);
            } else if let Some(text) = beyond("<") {
                case.expected_headers.push(header(text));
            } else {
                case.status = line.parse().unwrap_or_else(|_| panic!("line {at}: no status: {line}"));
            }
        }
        case.body = body.join("\n");
        case.expected_body = (!expected_body.is_empty()).then(|| expected_body.join("\n"));
        case
    }

    pub(super) fn writes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path below the API's, with what a URL cannot hold as it is encoded.
    pub(super) fn uri(&self) -> String {
        let mut uri = PREFIX.to_owned();
        for byte in self.path.bytes() {
            match byte {
                b'"' | b' ' | b'<' | b'>' | b'{' | b'}' | b'\\' | b'^' | b'`' | b'|' | b'#' | 0..0x20 | 0x7f.. => {
                    uri.push_str(&format!("%{byte:02X}"));
                }
                byte => uri.push(char::from(byte)),
            }
        }
        uri
    }

    /// The table it is about.
    pub(super) fn table(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default().trim_start_matches('/');
        percent_decode_str(path).decode_utf8_lossy().into_owned()
    }

    /// The request as `not_ours.txt` names it: in one line, of which the first [`NAMED_MAX`] characters count.
    pub(super) fn request_text(&self) -> String {
        let mut text = format!("{} {}", self.method, self.path);
        for (name, value) in &self.headers {
            // What every body has goes without saying.
            if (name.as_str(), value.as_str()) != ("Content-Type", "application/json") {
                text.push_str(&format!(" > {name}: {value}"));
            }
        }
        if !self.body.is_empty() {
            text.push_str(&format!(" >> {}", self.body.replace('\n', "\\n")));
        }
        text.chars().take(NAMED_MAX).collect()
    }

    /// The same case, whatever this header says.
    pub(super) fn without_header(mut self, name: &str) -> Self {
        self.expected_headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Says what of an answer is not as expected.
    pub(super) fn compare(&self, reply: &Reply) -> Result<(), String> {
        if reply.status != self.status {
            return Err(format!("status {} instead of {}: {}", reply.status, self.status, reply.text));
        }
        for (name, wanted) in &self.expected_headers {
            self.compare_header(name, wanted, reply)?;
        }
        let Some(wanted) = &self.expected_body else { return Ok(()) };
        let same = match (serde_json::from_str(wanted), serde_json::from_str(&reply.text)) {
            (Ok(wanted), Ok(found)) => same_json(&wanted, &found) || same_error(&wanted, &found),
            _ => *wanted == reply.text,
        };
        if same { Ok(()) } else { Err(format!("body\n    {}\n  instead of\n    {wanted}", reply.text)) }
    }

    fn compare_header(&self, name: &str, wanted: &str, reply: &Reply) -> Result<(), String> {
        let found = |name: &str| reply.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if let Some(name) = name.strip_prefix('!') {
            return match found(name) {
                Some(value) => Err(format!("has a header {name}: {value}")),
                None => Ok(()),
            };
        }
        if let Some(name) = name.strip_prefix('~') {
            let value = found(name).unwrap_or_default();
            return if value.contains(wanted) { Ok(()) } else { Err(format!("{name}: {value} does not hold {wanted}")) };
        }
        let is_path = matches!(name.to_ascii_lowercase().as_str(), "location" | "content-location");
        let wanted = if is_path { format!("{PREFIX}{wanted}") } else { wanted.to_owned() };
        match found(name) {
            Some(value) if value == wanted => Ok(()),
            value => Err(format!("{name}: {} instead of {wanted}", value.unwrap_or_default())),
        }
    }
}

fn same_json(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => same_number(&wanted.to_string(), &found.to_string()),
        (Value::String(wanted), Value::String(found)) => wanted == found || same_instant(wanted, found),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| same_json(wanted, found))
        }
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| same_json(wanted, found)))
        }
        (wanted, found) => wanted == found,
    }
}

/// Numbers are shown in their shortest form here.
fn same_number(wanted: &str, found: &str) -> bool {
    let shortest = |text: &str| match text.contains(['.']) && !text.contains(['e', 'E']) {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    shortest(wanted) == shortest(found)
}

/// Instants are shown with `Z` here.
fn same_instant(wanted: &str, found: &str) -> bool {
    wanted.strip_suffix("+00:00").zip(found.strip_suffix('Z')).is_some_and(|(wanted, found)| wanted == found)
}

fn same_error(wanted: &Value, found: &Value) -> bool {
    let (Value::Object(wanted), Value::Object(found)) = (wanted, found) else { return false };
    if !(wanted.contains_key("code") && wanted.contains_key("message") && found.contains_key("code")) {
        return false;
    }
    let text = |error: &Map<String, Value>, key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_unparsable = text(wanted, "code") == "PGRST100";
    let said = |error: &Map<String, Value>| {
        let message = text(error, "message");
        // Where exactly a parser stopped is its own affair.
        if is_unparsable { message.split(" (line").next().unwrap_or_default().to_owned() } else { message }
    };
    let is_same = |key: &str| match wanted.get(key) {
        None | Some(Value::Null) => true,
        Some(_) if is_unparsable => true,
        Some(wanted) => found.get(key).is_some_and(|found| same_json(wanted, found)),
    };
    text(wanted, "code") == text(found, "code") && said(wanted) == said(found) && is_same("details") && is_same("hint")
}
