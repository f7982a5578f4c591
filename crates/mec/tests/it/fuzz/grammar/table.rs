//! Requests for tables.

use mec_query::Table;

use super::Grammar;
use super::request::Request;
use super::value::{encoded, object};
use super::vocabulary::{METHODS, NUMBERS, OPERATORS};

impl Grammar {
    pub(super) fn of_table(&mut self) -> Request {
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
        let target = format!("{}/{}", self.prefix(), table.name);
        self.with_body(method, target, &parameters, body)
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

    pub(super) fn parameters(&mut self, table: &Table) -> Vec<String> {
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
}
