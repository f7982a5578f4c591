//! One case: a behavior and the requests that show it, read from the files of `tests/table_api`.
//!
//! A case is a block of lines; blank lines stand between cases:
//!
//! ```text
//! # What holds, in one sentence.
//! METHOD /path?query
//! > Name: value        a header of the request
//! >> text              a line of its body
//! 200                  the status
//! < Name: value        a header of the answer; `!Name`: it is absent; `~Name: text`: it contains the text
//! << text              a line of the body; none: the body does not matter; `<<` alone: it is empty
//! ```
//!
//! Further requests of the same case follow it line by line; they find what the first one wrote.
//! `{acme}` is the id of the world's account `acme`; `…` in an expected text stands for anything.
//!
//! Compared are meanings: JSON as JSON, numbers by value. Of an error the keys that the case names
//! are compared.

use axum::http::HeaderMap;
use serde_json::Value;

/// Where the API is found; PostgREST's paths begin behind it.
const PREFIX: &str = "/api";

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

/// A behavior and the requests that show it, one after the other.
#[derive(Debug)]
pub(super) struct Behavior {
    /// What holds, in one sentence.
    pub(super) sentence: String,
    pub(super) steps: Vec<Case>,
}

const METHODS: [&str; 7] = [
    "GET ", "HEAD ", "POST ", "PATCH ", "PUT ", "DELETE ", "OPTIONS ",
];

/// All behaviors of a text, each with the number of its first line.
pub(super) fn read_all(text: &str) -> Vec<(usize, Behavior)> {
    let mut behaviors = vec![];
    let mut block: Vec<(usize, &str)> = vec![];
    for (at, line) in text.lines().chain([""]).enumerate() {
        if !line.is_empty() {
            block.push((at + 1, line));
        } else if let Some((first, head)) = block.first() {
            let sentence = head
                .strip_prefix("# ")
                .unwrap_or_else(|| panic!("line {first}: a case begins with `# `"));
            let is_request = |line: &str| METHODS.iter().any(|method| line.starts_with(method));
            let steps = block[1..]
                .chunk_by(|_, (_, next)| !is_request(next))
                .map(Case::read)
                .collect();
            behaviors.push((
                *first,
                Behavior {
                    sentence: sentence.to_owned(),
                    steps,
                },
            ));
            block.clear();
        }
    }
    behaviors
}

impl Case {
    /// A GET of which nothing is expected yet.
    pub(super) fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    fn read(block: &[(usize, &str)]) -> Self {
        let mut case = Self::default();
        let (mut body, mut expected_body): (Vec<&str>, Vec<&str>) = (vec![], vec![]);
        let header = |text: &str| {
            let (name, value) = text.split_once(": ").unwrap_or((text, ""));
            (name.to_owned(), value.to_owned())
        };
        for (at, line) in block {
            let is_first = *at == block[0].0;
            let beyond = |prefix: &str| {
                line.strip_prefix(prefix)
                    .map(|rest| rest.strip_prefix(' ').unwrap_or(rest))
            };
            if is_first {
                let (method, path) = line
                    .split_once(' ')
                    .unwrap_or_else(|| panic!("line {at}: no request"));
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
                case.status = line
                    .parse()
                    .unwrap_or_else(|_| panic!("line {at}: no status: {line}"));
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
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The path below the API's, with what a URL cannot hold as it is encoded.
    pub(super) fn uri(&self) -> String {
        let mut uri = PREFIX.to_owned();
        for byte in self.path.bytes() {
            match byte {
                b'"'
                | b' '
                | b'<'
                | b'>'
                | b'{'
                | b'}'
                | b'\\'
                | b'^'
                | b'`'
                | b'|'
                | b'#'
                | 0..0x20
                | 0x7f.. => {
                    uri.push_str(&format!("%{byte:02X}"));
                }
                byte => uri.push(char::from(byte)),
            }
        }
        uri
    }

    /// The same case with the ids of this world in place of its names.
    pub(super) fn naming(&self, ids: &[(String, String)]) -> Self {
        let named = |text: &str| {
            ids.iter().fold(text.to_owned(), |text, (name, id)| {
                text.replace(&format!("{{{name}}}"), id)
            })
        };
        let headers = |headers: &[(String, String)]| {
            headers
                .iter()
                .map(|(name, text)| (name.clone(), named(text)))
                .collect()
        };
        Self {
            method: self.method.clone(),
            path: named(&self.path),
            headers: headers(&self.headers),
            body: named(&self.body),
            status: self.status,
            expected_headers: headers(&self.expected_headers),
            expected_body: self.expected_body.as_deref().map(named),
        }
    }

    /// The same case, whatever this header says.
    pub(super) fn without_header(mut self, name: &str) -> Self {
        self.expected_headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Says what of an answer is not as expected.
    pub(super) fn compare(&self, reply: &Reply) -> Result<(), String> {
        if reply.status != self.status {
            return Err(format!(
                "status {} instead of {}: {}",
                reply.status, self.status, reply.text
            ));
        }
        for (name, wanted) in &self.expected_headers {
            self.compare_header(name, wanted, reply)?;
        }
        let Some(wanted) = &self.expected_body else {
            return Ok(());
        };
        let same = match (
            serde_json::from_str(wanted),
            serde_json::from_str(&reply.text),
        ) {
            (Ok(wanted), Ok(found)) => same_json(&wanted, &found) || same_error(&wanted, &found),
            _ => *wanted == reply.text,
        };
        if same {
            Ok(())
        } else {
            Err(format!(
                "body\n    {}\n  instead of\n    {wanted}",
                reply.text
            ))
        }
    }

    fn compare_header(&self, name: &str, wanted: &str, reply: &Reply) -> Result<(), String> {
        let found = |name: &str| {
            reply
                .headers
                .get(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        if let Some(name) = name.strip_prefix('!') {
            return match found(name) {
                Some(value) => Err(format!("has a header {name}: {value}")),
                None => Ok(()),
            };
        }
        if let Some(name) = name.strip_prefix('~') {
            let value = found(name).unwrap_or_default();
            return if value.contains(wanted) {
                Ok(())
            } else {
                Err(format!("{name}: {value} does not hold {wanted}"))
            };
        }
        let is_path = matches!(
            name.to_ascii_lowercase().as_str(),
            "location" | "content-location"
        );
        let wanted = if is_path {
            format!("{PREFIX}{wanted}")
        } else {
            wanted.to_owned()
        };
        match found(name) {
            Some(value) if same_text(&wanted, &value) => Ok(()),
            value => Err(format!(
                "{name}: {} instead of {wanted}",
                value.unwrap_or_default()
            )),
        }
    }
}

fn same_json(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => {
            same_number(&wanted.to_string(), &found.to_string())
        }
        (Value::String(wanted), Value::String(found)) => same_text(wanted, found),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len()
                && wanted
                    .iter()
                    .zip(found)
                    .all(|(wanted, found)| same_json(wanted, found))
        }
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, wanted)| {
                    found.get(key).is_some_and(|found| same_json(wanted, found))
                })
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

/// `…` stands for anything.
fn same_text(wanted: &str, found: &str) -> bool {
    match wanted.split_once('…') {
        None => wanted == found,
        Some((before, after)) => {
            let rest = found.strip_prefix(before);
            rest.is_some_and(|rest| rest.len() >= after.len() && rest.ends_with(after))
        }
    }
}

/// Of an error the keys that the case names; where exactly a parser stopped is its own affair.
fn same_error(wanted: &Value, found: &Value) -> bool {
    let (Value::Object(wanted), Value::Object(found)) = (wanted, found) else {
        return false;
    };
    let is_unparsable = wanted.get("code").is_some_and(|code| code == "PGRST100");
    let is_same = |(key, wanted): (&String, &Value)| match (key.as_str(), wanted) {
        ("message", Value::String(text)) if is_unparsable => {
            let stem = |text: &str| text.split(" (line").next().unwrap_or_default().to_owned();
            found
                .get(key)
                .and_then(Value::as_str)
                .is_some_and(|found| stem(found) == stem(text))
        }
        (_, wanted) => found.get(key).is_some_and(|found| same_json(wanted, found)),
    };
    wanted.contains_key("code") && found.contains_key("code") && wanted.iter().all(is_same)
}
