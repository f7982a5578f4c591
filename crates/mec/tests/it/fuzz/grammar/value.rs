//! Values of arguments and columns.

use mec_query::Type;

use super::Grammar;
use super::vocabulary::{JSON, NUMBERS, OUTSIDE, PLANS, RESOURCES, TEXTS, TIMES, UNITS, WORDS};

impl Grammar {
    /// JSON text for a value of this name and type; now and then of another.
    pub(super) fn json_of(&mut self, name: &str, ty: Type) -> String {
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

    pub(super) fn any_json(&mut self) -> String {
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
}

pub(super) fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, json)| format!("{}:{json}", quoted(name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn encoded(text: &str) -> String {
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
