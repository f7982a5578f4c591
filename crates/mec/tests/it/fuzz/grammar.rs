//! Requests that are nearly right: the API's own names and types, put together by chance, and then
//! bent.

use mec::api::functions;
use mec_query::{Function, Returns, Table, Type};

/// Numbers that follow from a seed alone (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// Once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of_list<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// A request as it goes over the wire.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

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

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY",
];
const OPERATORS: [&str; 33] = [
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "like",
    "ilike",
    "match",
    "imatch",
    "in",
    "is",
    "isdistinct",
    "fts",
    "plfts",
    "cs",
    "cd",
    "ov",
    "sl",
    "not.eq",
    "not.in",
    "not.is",
    "eq(any)",
    "eq(all)",
    "like(any)",
    "not.not.eq",
    "",
    "eqq",
    "EQ",
    "in.in",
    "is(any)",
    "nxr",
    "adj",
];
const WORDS: [&str; 24] = [
    "benchmark_runs",
    "gpu_hours",
    "concurrent_users",
    "server_configs",
    "server_instances",
    "platform_access",
    "starter",
    "pro",
    "enterprise",
    "trial-14d",
    "count",
    "hour",
    "minute",
    "second",
    "active",
    "suspended",
    "expired",
    "closed",
    "month",
    "day",
    "rolling",
    "override",
    "acme",
    "acme-team",
];
const RESOURCES: [&str; 6] = [
    "benchmark_runs",
    "benchmark_runs",
    "gpu_hours",
    "concurrent_users",
    "server_configs",
    "platform_access",
];
const PLANS: [&str; 6] = [
    "starter",
    "pro",
    "pro",
    "enterprise",
    "trial-14d",
    "starter",
];
const UNITS: [&str; 6] = ["count", "count", "hour", "minute", "second", "count"];
const OUTSIDE: [&str; 6] = ["acme", "acme-team", "globex", "initech", "acme", "nobody"];
const TEXTS: [&str; 22] = [
    "",
    " ",
    "x",
    "ä€😀",
    "\u{202e}abc",
    "'; drop table accounts; --",
    "%",
    "a%b_c*",
    "\\",
    "\"",
    "(",
    ")",
    "{a,b}",
    "[1,2)",
    "null",
    "NULL",
    "true",
    "a,b",
    "a.b.c",
    "\u{0}",
    "\u{1b}[31m",
    "../../etc/passwd",
];
const NUMBERS: [&str; 22] = [
    "0",
    "1",
    "-1",
    "0.5",
    "1e3",
    "1e-7",
    "0.0000001",
    "999999999999",
    "999999999999.999999",
    "1000000000000",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "1e400",
    "-1e400",
    "1e999999999",
    "00",
    "1.",
    "123456789012345678901234567890123456789012345678901234567890",
    "-0",
    "60",
    "86401",
];
const TIMES: [&str; 14] = [
    "2026-11-24T00:00:00Z",
    "2026-11-01",
    "now",
    "infinity",
    "-infinity",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-24T00:00:00+25:00",
    "294276-12-31",
    "4714-01-01 BC",
    "2026-11-24 23:59:60",
    "yesterday",
];
const JSON: [&str; 14] = [
    "{}",
    "[]",
    "null",
    "{\"a\":1}",
    "{\"a\":{\"b\":[1,2]}}",
    "{\"a\":1,\"a\":2}",
    "[{},{}]",
    "\"text\"",
    "1e400",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "{\"region\":\"eu\",\"n\":0.1,\"t\":true}",
    "{",
    "[1,]",
];
const MEDIA: [&str; 14] = [
    "application/json",
    "application/json; charset=utf-8",
    "text/csv",
    "application/x-www-form-urlencoded",
    "*/*",
    "application/vnd.pgrst.object+json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.plan",
    "text/plain",
    "application/octet-stream",
    "multipart/form-data; boundary=x",
    "text/csv;q=0.1, application/json;q=0.9",
    ";;;",
    "a/b/c,,,",
];
const PREFERENCES: [&str; 18] = [
    "return=representation",
    "return=minimal",
    "return=headers-only",
    "count=exact",
    "count=planned",
    "count=estimated",
    "resolution=merge-duplicates",
    "resolution=ignore-duplicates",
    "missing=default",
    "handling=strict",
    "handling=lenient",
    "max-affected=1",
    "max-affected=99999999999999999999",
    "tx=rollback",
    "timezone=Mars/Olympus",
    "params=single-object",
    "=,=;",
    "x",
];
const RANGES: [&str; 10] = [
    "0-0",
    "0-9",
    "5-",
    "-5",
    "9-0",
    "99999999999999999999-",
    "0-18446744073709551615",
    "items=0-1",
    "a-b",
    "0-1,3-4",
];
const PATHS: [&str; 18] = [
    "/health",
    "/livez",
    "/readyz",
    "/",
    "/api",
    "/api/",
    "/api/rpc",
    "/api/rpc/",
    "/admin/catalog",
    "/admin/catalog?dry_run=true",
    "/admin/catalog?prune=maybe",
    "/admin",
    "/api/%00",
    "/api/%ff",
    "/api/rpc/%2e%2e%2fconsume",
    "//api/plans",
    "/api/plans/",
    "/rest/v1/../admin/catalog",
];

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

    fn call(&mut self) -> Request {
        let place = self.dice.below(self.functions.len());
        let function = self.functions[place].clone();
        let by_get = self.dice.one_in(5);
        let method = if self.dice.one_in(30) {
            self.dice.of_list(&METHODS)
        } else if by_get {
            "GET"
        } else {
            "POST"
        };
        let mut arguments = Vec::new();
        for param in &function.params {
            let is_wanted = if param.required {
                !self.dice.one_in(40)
            } else {
                self.dice.one_in(4)
            };
            // Either names the account, and both are too many.
            let is_account = param.name == "p_account_id" && !self.dice.one_in(20);
            let is_wanted = is_wanted && (param.name != "p_external_id" || self.dice.one_in(10));
            if is_wanted || is_account {
                let json = if param.name == "p_events" {
                    self.events(&function)
                } else {
                    self.json_of(param.name, param.ty)
                };
                arguments.push((param.name.to_owned(), json));
            }
        }
        if self.dice.one_in(60) {
            arguments.push((self.dice.of_list(&TEXTS).to_owned(), "1".to_owned()));
        }
        let name = if self.dice.one_in(40) {
            "fn_consum"
        } else {
            function.name
        };
        let mut target = format!("{}/rpc/{name}", self.prefix());
        let mut query = Vec::new();
        let mut body = Vec::new();
        if by_get {
            query.extend(arguments.iter().map(|(name, json)| {
                format!("{}={}", encoded(name), encoded(json.trim_matches('"')))
            }));
        } else {
            body = object(&arguments).into_bytes();
        }
        if let (Returns::Table(table), true) = (&function.returns, self.dice.one_in(4)) {
            query.extend(self.parameters(table));
        }
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
        let content_type = self.content_type("application/json");
        Request {
            method,
            target,
            headers: vec![("Content-Type", content_type)],
            body,
        }
    }

    fn events(&mut self, batch: &Function) -> String {
        let meter = self
            .functions
            .iter()
            .find(|function| function.name == "meter_consumption")
            .unwrap_or(batch)
            .clone();
        let events: Vec<String> = (0..self.dice.below(5))
            .map(|_| {
                let mut fields = Vec::new();
                for param in &meter.params {
                    if param.required || param.name == "p_account_id" || self.dice.one_in(6) {
                        fields.push((
                            param.name.trim_start_matches("p_").to_owned(),
                            self.json_of(param.name, param.ty),
                        ));
                    }
                }
                object(&fields)
            })
            .collect();
        if self.dice.one_in(10) {
            self.any_json()
        } else {
            format!("[{}]", events.join(","))
        }
    }

    fn of_table(&mut self) -> Request {
        let place = self.dice.below(self.tables.len());
        let table = self.tables[place].clone();
        let method = match self.dice.below(10) {
            0..=4 => "GET",
            5 => "HEAD",
            6 => "POST",
            7 => "PATCH",
            _ => self.dice.of_list(&METHODS),
        };
        let mut parameters = Vec::new();
        if !self.dice.one_in(5) {
            parameters = self.parameters(&table);
        }
        // The catalog and most rows stay, so that later requests find something.
        if matches!(method, "PATCH" | "DELETE") && !self.dice.one_in(10) {
            let column = &table.columns[0];
            parameters.push(format!(
                "{}=eq.{}",
                column.name,
                encoded(self.json_of(column.name, column.ty).trim_matches('"'))
            ));
        }
        let body = if matches!(method, "GET" | "HEAD") && !self.dice.one_in(50) {
            Vec::new()
        } else {
            self.rows(&table)
        };
        let mut target = format!("{}/{}", self.prefix(), table.name);
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

    fn rows(&mut self, table: &Table) -> Vec<u8> {
        let one = |grammar: &mut Self| {
            let mut fields = Vec::new();
            for column in &table.columns {
                if grammar.dice.one_in(3) {
                    fields.push((
                        column.name.to_owned(),
                        grammar.json_of(column.name, column.ty),
                    ));
                }
            }
            object(&fields)
        };
        let text = match self.dice.below(12) {
            0 => self.any_json(),
            1 => format!("[{},{}]", one(self), one(self)),
            2 => "a,b\n1,\"2\"\nNULL,\n".to_owned(),
            3 => "display_name=x&external_id=".to_owned(),
            _ => one(self),
        };
        text.into_bytes()
    }

    fn parameters(&mut self, table: &Table) -> Vec<String> {
        (0..self.dice.below(4))
            .map(|_| self.parameter(table))
            .collect()
    }

    fn parameter(&mut self, table: &Table) -> String {
        let column = &table.columns[self.dice.below(table.columns.len())];
        let value = self.json_of(column.name, column.ty);
        let value = value.trim_matches('"');
        let name = if self.dice.one_in(25) {
            "nothing"
        } else {
            column.name
        };
        let operator = self.dice.of_list(&OPERATORS);
        match self.dice.below(16) {
            0 => format!("select={}", encoded(&self.select(table, 0))),
            1 => {
                format!(
                    "order={name}.{}",
                    self.dice.of_list(&[
                        "asc",
                        "desc.nullsfirst",
                        "",
                        "desc,a->b",
                        "nullslast.asc",
                        "x"
                    ])
                )
            }
            2 => format!("limit={}", encoded(self.dice.of_list(&NUMBERS))),
            3 => format!("offset={}", encoded(self.dice.of_list(&NUMBERS))),
            4 => format!(
                "or=({name}.{operator}.{},and({name}.not.is.null,{name}.eq.1))",
                encoded(value)
            ),
            5 => format!("not.and=({name}.in.(a,\"b,c\",{}))", encoded(value)),
            6 => format!("on_conflict={name}"),
            7 => format!("columns={name},{}", table.columns[0].name),
            8 => format!("{name}=in.({},{})", encoded(value), encoded(value)),
            9 => format!(
                "{name}->a->>{}={operator}.{}",
                self.dice.below(3),
                encoded(value)
            ),
            10 => format!("accounts.{name}={operator}.{}", encoded(value)),
            _ => format!("{name}={operator}.{}", encoded(value)),
        }
    }

    fn select(&mut self, table: &Table, depth: usize) -> String {
        let parts: Vec<String> = (0..=self.dice.below(3))
            .map(|_| {
                let column = &table.columns[self.dice.below(table.columns.len())];
                match self.dice.below(9) {
                    0 => "*".to_owned(),
                    1 => format!("alias:{}", column.name),
                    2 => {
                        format!(
                            "{}::{}",
                            column.name,
                            self.dice.of_list(&[
                                "text",
                                "int4",
                                "jsonb",
                                "timestamptz",
                                "money",
                                ""
                            ])
                        )
                    }
                    3 => format!("{}->a->>0", column.name),
                    4 => "count()".to_owned(),
                    5 | 6 if depth < 3 => {
                        let target = self.tables[self.dice.below(self.tables.len())].clone();
                        let target = table.foreign_keys.first().map_or(target.clone(), |key| {
                            self.tables
                                .iter()
                                .find(|table| table.name == key.target)
                                .cloned()
                                .unwrap_or(target)
                        });
                        let inner = self.select(&target, depth + 1);
                        let how = self.dice.of_list(&["", "!inner", "!left", "!nothing"]);
                        format!(
                            "{}{}{how}({inner})",
                            self.dice.of_list(&["", "a:", "..."]),
                            target.name
                        )
                    }
                    _ => column.name.to_owned(),
                }
            })
            .collect();
        parts.join(",")
    }

    /// JSON text for a value of this name and type; now and then of another.
    fn json_of(&mut self, name: &str, ty: Type) -> String {
        if self.dice.one_in(30) {
            return self.any_json();
        }
        if name.ends_with("account_id") && !self.dice.one_in(10) {
            // The accounts are the first that were known.
            let place = self.dice.below(4);
            return format!("\"{}\"", self.ids[place]);
        }
        if name.ends_with("idempotency_key") && !self.dice.one_in(15) {
            let number = if self.dice.one_in(4) {
                self.dice.below(self.count)
            } else {
                self.count
            };
            return format!("\"key-{number}\"");
        }
        let names = [
            ("resource_type", &RESOURCES),
            ("plan_id", &PLANS),
            ("unit_code", &UNITS),
            ("external_id", &OUTSIDE),
        ];
        let known = names
            .iter()
            .find(|(end, _)| name.ends_with(end) || name == format!("{end}_code"));
        if let Some((_, words)) = known
            && !self.dice.one_in(12)
        {
            return quoted(self.dice.of_list(*words));
        }
        match ty {
            Type::Bool => self
                .dice
                .of_list(&["true", "false", "null", "\"yes\"", "\"t\"", "1"])
                .to_owned(),
            Type::Uuid => format!("\"{}\"", self.ids[self.dice.below(self.ids.len())]),
            Type::Timestamp => format!("\"{}\"", self.dice.of_list(&TIMES)),
            Type::Json => self.dice.of_list(&JSON).to_owned(),
            Type::Numeric { .. } if !self.dice.one_in(3) => self
                .dice
                .of_list(&["1", "2", "3.5", "-1", "100"])
                .to_owned(),
            Type::TextArray => format!("[{}]", quoted(self.dice.of_list(&WORDS))),
            Type::Text { .. } => {
                let word = if self.dice.one_in(4) {
                    self.dice.of_list(&TEXTS)
                } else {
                    self.dice.of_list(&WORDS)
                };
                quoted(word)
            }
            _ => self.dice.of_list(&NUMBERS).to_owned(),
        }
    }

    fn any_json(&mut self) -> String {
        match self.dice.below(8) {
            0 => "[".repeat(self.dice.below(2_000)),
            1 => format!("{}{}", "[".repeat(100), "]".repeat(100)),
            2 => format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60)),
            3 => quoted(&self.dice.of_list(&TEXTS).repeat(200)),
            4 => self.dice.of_list(&NUMBERS).to_owned(),
            5 => quoted(self.dice.of_list(&TEXTS)),
            6 => format!("\"{}\"", self.dice.of_list(&TIMES)),
            _ => self.dice.of_list(&JSON).to_owned(),
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

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, json)| format!("{}:{json}", quoted(name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~(),*:".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
