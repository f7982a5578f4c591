//! Calls of functions.

use mec_query::{Function, Returns};

use super::Grammar;
use super::request::Request;
use super::value::{encoded, object};
use super::vocabulary::{METHODS, TEXTS};

impl Grammar {
    pub(super) fn call(&mut self) -> Request {
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
        let target = format!("{}/rpc/{name}", self.prefix());
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
        self.with_body(method, target, &query, body)
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
}
