//! A table of a TOML document that knows where it stands, so that its errors can say so.

use mec_kernel::Code;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::catalog_file::error::CatalogFileError;

pub(super) struct Table<'t> {
    text: &'t str,
    /// `plans.starter`; empty for the document.
    place: String,
    line: usize,
    table: &'t DeTable<'t>,
}

impl<'t> Table<'t> {
    /// The document itself.
    pub(super) fn root(text: &'t str, table: &'t DeTable<'t>) -> Self {
        Self {
            text,
            place: String::new(),
            line: 1,
            table,
        }
    }

    /// Refuses a key that is not in `known`.
    pub(super) fn know(&self, known: &[&str]) -> Result<(), CatalogFileError> {
        match self
            .table
            .keys()
            .find(|key| !known.contains(&&**key.get_ref()))
        {
            Some(key) => Err(CatalogFileError {
                line: line_of(self.text, key.span().start),
                place: self.place_of(key.get_ref()),
                problem: "unknown key".to_owned(),
                hint: format!("known here are {}", known.join(", ")),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'t str> {
        self.table.keys().map(|key| &**key.get_ref())
    }

    pub(super) fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// The table under `key`.
    pub(super) fn table(&self, key: &str) -> Result<Option<Table<'t>>, CatalogFileError> {
        let Some((name, value)) = self.table.get_key_value(key) else {
            return Ok(None);
        };
        let line = line_of(self.text, name.span().start);
        self.inner(self.place_of(key), line, value).map(Some)
    }

    /// The tables in the table under `key` with their codes.
    pub(super) fn tables(
        &self,
        key: &str,
        known: &[&str],
    ) -> Result<Vec<(Code, Table<'t>)>, CatalogFileError> {
        let mut tables = Vec::new();
        if let Some(outer) = self.table(key)? {
            for code in outer.keys() {
                if let Some(table) = outer.table(code)? {
                    table.know(known)?;
                    tables.push((code.into(), table));
                }
            }
        }
        Ok(tables)
    }

    /// The tables in the array under `key`, in order.
    pub(super) fn list(
        &self,
        key: &str,
        known: &[&str],
    ) -> Result<Vec<Table<'t>>, CatalogFileError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let hint = format!("write [[{}]] for each", self.place_of(key));
        let array = value
            .get_ref()
            .as_array()
            .ok_or_else(|| self.wrong(key, value, "not a list of tables", &hint))?;
        let mut tables = Vec::new();
        for (number, value) in (1_usize..).zip(array.iter()) {
            let place = format!("{}[{number}]", self.place_of(key));
            let table = self.inner(place, line_of(self.text, value.span().start), value)?;
            table.know(known)?;
            tables.push(table);
        }
        Ok(tables)
    }

    fn inner(
        &self,
        place: String,
        line: usize,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Result<Table<'t>, CatalogFileError> {
        match value.get_ref().as_table() {
            Some(table) => Ok(Table {
                text: self.text,
                place,
                line,
                table,
            }),
            None => {
                let problem = format!("not a table but {}", article(value.get_ref().type_str()));
                Err(CatalogFileError {
                    line,
                    hint: format!("write [{place}] and its keys below"),
                    place,
                    problem,
                })
            }
        }
    }

    /// The value of a key that must be there.
    pub(super) fn needed(
        &self,
        key: &str,
        what: &str,
    ) -> Result<&'t Spanned<DeValue<'t>>, CatalogFileError> {
        self.get(key).ok_or_else(|| self.missing(key, what))
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, CatalogFileError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.get_ref().as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(self.wrong(key, value, &not_a("text", value), "write it in quotes")),
        }
    }

    pub(super) fn needed_text(&self, key: &str, what: &str) -> Result<String, CatalogFileError> {
        self.text(key)?.ok_or_else(|| self.missing(key, what))
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, CatalogFileError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.get_ref().as_bool() {
            Some(flag) => Ok(Some(flag)),
            None => Err(self.wrong(
                key,
                value,
                &not_a("yes or no", value),
                "write true or false",
            )),
        }
    }

    /// A whole number of the wanted width.
    pub(super) fn integer<T: TryFrom<i128>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, CatalogFileError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let whole = integer(value.get_ref());
        let whole = whole.ok_or_else(|| {
            self.wrong(
                key,
                value,
                &not_a("whole number", value),
                "write it without quotes",
            )
        })?;
        match T::try_from(whole) {
            Ok(whole) => Ok(Some(whole)),
            Err(_) => Err(self.wrong(key, value, "too large a number", "write a smaller one")),
        }
    }

    pub(super) fn codes(&self, key: &str) -> Result<Vec<Code>, CatalogFileError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let codes = value.get_ref().as_array().and_then(|array| {
            array
                .iter()
                .map(|code| code.get_ref().as_str().map(Code::from))
                .collect::<Option<Vec<_>>>()
        });
        codes.ok_or_else(|| {
            self.wrong(
                key,
                value,
                "not a list of codes",
                "write it as [\"minute\", \"second\"]",
            )
        })
    }

    /// A member of a closed list.
    pub(super) fn member<T>(
        &self,
        key: &str,
        from_code: impl Fn(&str) -> Option<T>,
        codes: impl Iterator<Item = &'static str>,
    ) -> Result<Option<T>, CatalogFileError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.get_ref().as_str().and_then(from_code) {
            Some(member) => Ok(Some(member)),
            None => {
                let hint = format!(
                    "write one of {} in quotes",
                    codes.collect::<Vec<_>>().join(", ")
                );
                Err(self.wrong(key, value, "not one there is", &hint))
            }
        }
    }

    /// The error for a value that does not fit.
    pub(super) fn wrong(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        problem: &str,
        hint: &str,
    ) -> CatalogFileError {
        CatalogFileError {
            line: line_of(self.text, value.span().start),
            place: self.place_of(key),
            problem: problem.to_owned(),
            hint: hint.to_owned(),
        }
    }

    /// The error for a key that is not there.
    pub(super) fn missing(&self, key: &str, what: &str) -> CatalogFileError {
        CatalogFileError {
            line: self.line,
            place: self.place_of(key),
            problem: "missing".to_owned(),
            hint: format!("write {what}"),
        }
    }

    fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.place)
        }
    }
}

/// The whole number a value is, in whatever base it was written.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i128> {
    value
        .as_integer()
        .and_then(|integer| i128::from_str_radix(integer.as_str(), integer.radix()).ok())
}

/// The line of a place in the text, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn not_a(what: &str, value: &Spanned<DeValue<'_>>) -> String {
    format!(
        "not {} but {}",
        if what == "yes or no" {
            what.to_owned()
        } else {
            article(what)
        },
        article(value.get_ref().type_str())
    )
}

fn article(what: &str) -> String {
    match what {
        "text" => "text".to_owned(),
        "array" | "integer" => format!("an {what}"),
        what => format!("a {what}"),
    }
}
