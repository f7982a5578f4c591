//! Requests that are nearly right: the API's own names and types, put together by chance, and then
//! bent.

mod call;
mod dice;
mod request;
mod table;
mod value;
mod vocabulary;

use mec::api::functions;
use mec_query::{Function, Table};

use dice::Dice;
pub(crate) use request::Request;
use vocabulary::{MEDIA, METHODS, PATHS, PREFERENCES, RANGES};

/// What requests are made of.
pub(crate) struct Grammar {
    dice: Dice,
    tables: Vec<Table>,
    functions: Vec<Function>,
    /// Ids that are known to stand for something; answers add to them.
    ids: Vec<String>,
    /// Makes some keys new and some known.
    count: usize,
}

impl Grammar {
    pub(crate) fn of(seed: u64, ids: Vec<String>) -> Self {
        let tables = mec_store::tables::tables();
        Self {
            dice: Dice::of(seed),
            tables,
            functions: functions(),
            ids,
            count: 0,
        }
    }

    pub(crate) fn learn(&mut self, id: String) {
        const KNOWN_MAX: usize = 500;
        if self.ids.len() < KNOWN_MAX {
            self.ids.push(id);
        } else {
            let place = self.dice.below(KNOWN_MAX);
            self.ids[place] = id;
        }
    }

    pub(crate) fn request(&mut self) -> Request {
        self.count += 1;
        let mut request = match self.dice.below(20) {
            0 => self.any_path(),
            1..=9 => self.call(),
            _ => self.of_table(),
        };
        self.add_headers(&mut request);
        if self.dice.one_in(8) {
            self.bend(&mut request);
        }
        // HTTP allows neither in a target.
        request.target = request.target.replace('>', "%3E").replace('"', "%22");
        request
    }

    /// One that reads a table, without the headers of a connection.
    pub(crate) fn read(&mut self) -> Request {
        self.count += 1;
        let mut request = self.of_table();
        request.method = if self.dice.one_in(10) { "HEAD" } else { "GET" };
        request.body.clear();
        if self.dice.one_in(8) {
            self.bend(&mut request);
        }
        request.target = request.target.replace('>', "%3E").replace('"', "%22");
        request
    }

    fn any_path(&mut self) -> Request {
        let target = self.dice.of_list(&PATHS).to_owned();
        let method = self.dice.of_list(&METHODS);
        let body = if self.dice.one_in(2) {
            b"[settings]\nlate_seconds_max = 1\n".to_vec()
        } else {
            Vec::new()
        };
        let mut headers = Vec::new();
        if self.dice.one_in(2) {
            headers.push(("X-Mec-Admin", b"1".to_vec()));
        }
        Request {
            method,
            target,
            headers,
            body,
        }
    }

    /// A request with these parameters, whose body mostly says what it is.
    fn with_body(
        &mut self,
        method: &'static str,
        mut target: String,
        parameters: &[String],
        body: Vec<u8>,
    ) -> Request {
        if !parameters.is_empty() {
            target = format!("{target}?{}", parameters.join("&"));
        }
        let content_type = self.content_type("application/json");
        Request {
            method,
            target,
            headers: vec![("Content-Type", content_type)],
            body,
        }
    }

    fn prefix(&mut self) -> &'static str {
        if self.dice.one_in(8) {
            "/rest/v1"
        } else {
            "/api"
        }
    }

    fn content_type(&mut self, usual: &str) -> Vec<u8> {
        if self.dice.one_in(12) {
            self.dice.of_list(&MEDIA).into()
        } else {
            usual.into()
        }
    }

    fn add_headers(&mut self, request: &mut Request) {
        request.headers.push(("Host", b"localhost".to_vec()));
        let mut add = |times: usize, name: &'static str, values: &[&str]| {
            if self.dice.one_in(times) {
                request
                    .headers
                    .push((name, self.dice.of_list(values).into()));
            }
        };
        add(12, "Accept", &MEDIA);
        add(3, "Prefer", &PREFERENCES);
        add(6, "Prefer", &PREFERENCES);
        add(12, "Range", &RANGES);
        add(20, "Range-Unit", &["items", "bytes", ""]);
        add(40, "Accept-Profile", &["public", "private", "ä"]);
        add(40, "Content-Profile", &["public", "private", ""]);
        add(40, "X-Request-Id", &["mine", "two words", "", "ä"]);
        add(60, "Expect", &["100-continue"]);
        add(
            60,
            "Host",
            &["localhost", "evil.example", "[::1]:1", "ä", ""],
        );
        add(
            60,
            "Origin",
            &["null", "http://localhost", "https://evil.example"],
        );
        add(60, "Sec-Fetch-Site", &["cross-site", "same-origin", "none"]);
        add(60, "If-Match", &["*"]);
        add(60, "Accept-Encoding", &["gzip, br"]);
    }

    /// Changes a few bytes of the target or the body; the target stays without blanks and controls,
    /// which HTTP refuses.
    fn bend(&mut self, request: &mut Request) {
        for _ in 0..=self.dice.below(3) {
            if self.dice.one_in(2) && !request.body.is_empty() {
                let place = self.dice.below(request.body.len());
                match self.dice.below(4) {
                    0 => request.body[place] = u8::try_from(self.dice.below(256)).expect("a byte"),
                    1 => drop(request.body.remove(place)),
                    2 => request.body.truncate(place),
                    _ => request
                        .body
                        .insert(place, b"\0\xff\"{},:\\"[self.dice.below(8)]),
                }
            } else {
                let (head, tail) = request.target.split_at(1);
                let mut tail = tail.as_bytes().to_vec();
                let place = self.dice.below(tail.len() + 1);
                let bent = self
                    .dice
                    .of_list(&["%", "%00", "(", ")", ".", ",", "&", "=", "%F0%9F", "?"]);
                tail.splice(place..place, bent.bytes());
                request.target = format!("{head}{}", String::from_utf8_lossy(&tail));
            }
        }
    }
}
