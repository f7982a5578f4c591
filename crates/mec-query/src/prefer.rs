//! The `Prefer` header, and `Preference-Applied` in answer to it.

use crate::QueryError;

/// What a write does with a row whose key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// `merge-duplicates`: updates it.
    Merge,
    /// `ignore-duplicates`: leaves it.
    Ignore,
}

/// What a write answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// The rows written.
    Representation,
    /// Nothing.
    Minimal,
    /// Nothing but the `Location` of an inserted row.
    HeadersOnly,
}

/// How rows are counted; all three are answered with the exact count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// `exact`
    Exact,
    /// `planned`
    Planned,
    /// `estimated`
    Estimated,
}

/// What a key missing from a row of a body means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The column's default.
    Default,
    /// Null.
    Null,
}

/// The preferences of a request: of each kind the first that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `resolution=`
    pub resolution: Option<Resolution>,
    /// `return=`
    pub returning: Option<Return>,
    /// `count=`
    pub count: Option<Count>,
    /// `missing=`
    pub missing: Option<Missing>,
    /// `handling=strict` (true) or `handling=lenient` (false).
    pub strict: Option<bool>,
    /// `timezone=`, as written.
    pub timezone: Option<String>,
    /// `max-affected=`; binding only with `handling=strict`, see [`Preferences::check_affected`].
    pub max_affected: Option<u64>,
    /// What nobody knows.
    pub unknown: Vec<String>,
}

/// What was done, which decides the preferences that had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Rows were read.
    Read,
    /// Rows were inserted; `resolved` says whether a conflict could be resolved
    /// ([`crate::Insert::on_conflict`]).
    Insert {
        /// Whether `resolution` had an effect.
        resolved: bool,
    },
    /// Rows were updated.
    Update,
    /// One row was put.
    Put,
    /// Rows were deleted.
    Delete,
    /// A function was called.
    Call,
}

impl Preferences {
    /// Reads all `Prefer` headers of a request. Anything is accepted; see [`Preferences::check`].
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for preference in headers
            .into_iter()
            .flat_map(|header| header.split(','))
            .map(str::trim)
        {
            match preference {
                "" => {}
                "resolution=merge-duplicates" => first(&mut found.resolution, Resolution::Merge),
                "resolution=ignore-duplicates" => first(&mut found.resolution, Resolution::Ignore),
                "return=representation" => first(&mut found.returning, Return::Representation),
                "return=minimal" => first(&mut found.returning, Return::Minimal),
                "return=headers-only" => first(&mut found.returning, Return::HeadersOnly),
                "count=exact" => first(&mut found.count, Count::Exact),
                "count=planned" => first(&mut found.count, Count::Planned),
                "count=estimated" => first(&mut found.count, Count::Estimated),
                "missing=default" => first(&mut found.missing, Missing::Default),
                "missing=null" => first(&mut found.missing, Missing::Null),
                "handling=strict" => first(&mut found.strict, true),
                "handling=lenient" => first(&mut found.strict, false),
                // Known, and ignored as PostgREST ignores it unless configured otherwise.
                "tx=commit" | "tx=rollback" => {}
                other => match other.split_once('=') {
                    Some(("timezone", zone)) => first(&mut found.timezone, zone.to_owned()),
                    Some(("max-affected", number)) => {
                        if let Ok(number) = number.parse() {
                            first(&mut found.max_affected, number);
                        }
                    }
                    _ => found.unknown.push(other.to_owned()),
                },
            }
        }
        found
    }

    /// Whether `handling=strict` was asked for.
    pub fn is_strict(&self) -> bool {
        self.strict == Some(true)
    }

    /// Refuses what cannot be honoured.
    ///
    /// # Errors
    /// PGRST122 for unknown preferences with `handling=strict`, PGRST127 for a time zone other than
    /// UTC.
    pub fn check(&self) -> Result<(), QueryError> {
        if self.is_strict() && !self.unknown.is_empty() {
            return Err(QueryError::invalid_preferences(&self.unknown));
        }
        match &self.timezone {
            Some(zone)
                if !matches!(
                    zone.to_ascii_uppercase().as_str(),
                    "UTC" | "ETC/UTC" | "GMT" | "Z"
                ) =>
            {
                Err(QueryError::not_implemented(format!(
                    "The time zone \"{zone}\": times are answered in UTC."
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a write that touched more than `max-affected` rows; it must then be rolled back.
    ///
    /// # Errors
    /// PGRST124.
    pub fn check_affected(&self, rows: usize) -> Result<(), QueryError> {
        match self.max_affected {
            Some(most) if self.is_strict() && rows as u64 > most => {
                Err(QueryError::max_affected(rows))
            }
            _ => Ok(()),
        }
    }

    /// The value of `Preference-Applied`, `None` when nothing was applied.
    pub fn applied(&self, done: Done) -> Option<String> {
        let writes = !matches!(done, Done::Read | Done::Call);
        let takes_body = matches!(done, Done::Insert { .. } | Done::Update);
        let mut names: Vec<String> = Vec::new();
        if let (Done::Insert { resolved: true }, Some(resolution)) = (done, self.resolution) {
            names.push(match resolution {
                Resolution::Merge => "resolution=merge-duplicates".to_owned(),
                Resolution::Ignore => "resolution=ignore-duplicates".to_owned(),
            });
        }
        if let Some(missing) = self.missing.filter(|_| takes_body) {
            names.push(match missing {
                Missing::Default => "missing=default".to_owned(),
                Missing::Null => "missing=null".to_owned(),
            });
        }
        if let Some(returning) = self.returning.filter(|_| writes) {
            names.push(match returning {
                Return::Representation => "return=representation".to_owned(),
                Return::Minimal => "return=minimal".to_owned(),
                Return::HeadersOnly => "return=headers-only".to_owned(),
            });
        }
        if let Some(count) = self.count {
            names.push(match count {
                Count::Exact => "count=exact".to_owned(),
                Count::Planned => "count=planned".to_owned(),
                Count::Estimated => "count=estimated".to_owned(),
            });
        }
        if let Some(strict) = self.strict {
            names.push(if strict {
                "handling=strict".to_owned()
            } else {
                "handling=lenient".to_owned()
            });
        }
        if let Some(zone) = &self.timezone {
            names.push(format!("timezone={zone}"));
        }
        let bounded = matches!(done, Done::Update | Done::Delete | Done::Call) && self.is_strict();
        if let Some(most) = self.max_affected.filter(|_| bounded) {
            names.push(format!("max-affected={most}"));
        }
        if names.is_empty() {
            None
        } else {
            Some(names.join(", "))
        }
    }
}

fn first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_wins_over_all_headers() {
        let found = Preferences::parse([
            "return=minimal,count=exact",
            " return=representation , foo=bar",
        ]);
        assert_eq!(found.returning, Some(Return::Minimal));
        assert_eq!(found.count, Some(Count::Exact));
        assert_eq!(found.unknown, ["foo=bar"]);
        assert_eq!(found.check(), Ok(()));
    }

    #[test]
    fn strict_handling_refuses_what_nobody_knows() {
        let found = Preferences::parse(["handling=strict, foo=bar, baz"]);
        let error = found.check().expect_err("refused");
        assert_eq!((error.status, error.code.as_ref()), (400, "PGRST122"));
        assert_eq!(error.body()["details"], "Invalid preferences: foo=bar, baz");
        assert_eq!(Preferences::parse(["timezone=utc"]).check(), Ok(()));
        let zone = Preferences::parse(["timezone=Asia/Tokyo"])
            .check()
            .expect_err("refused");
        assert_eq!(zone.code, "PGRST127");
    }

    #[test]
    fn max_affected_binds_only_strictly() {
        assert_eq!(
            Preferences::parse(["max-affected=1"]).check_affected(2),
            Ok(())
        );
        let strict = Preferences::parse(["handling=strict, max-affected=1"]);
        assert_eq!(strict.check_affected(1), Ok(()));
        assert_eq!(
            strict.check_affected(2).map_err(|error| error.code),
            Err("PGRST124".into())
        );
    }

    #[test]
    fn what_was_applied_is_listed_in_a_fixed_order() {
        let all = Preferences::parse([
            "max-affected=5, timezone=UTC, handling=strict, count=planned, return=representation, missing=default, \
             resolution=merge-duplicates, tx=rollback",
        ]);
        for (done, applied) in [
            (Done::Read, "count=planned, handling=strict, timezone=UTC"),
            (
                Done::Insert { resolved: true },
                "resolution=merge-duplicates, missing=default, return=representation, count=planned, \
                 handling=strict, timezone=UTC",
            ),
            (
                Done::Insert { resolved: false },
                "missing=default, return=representation, count=planned, handling=strict, timezone=UTC",
            ),
            (
                Done::Update,
                "missing=default, return=representation, count=planned, handling=strict, timezone=UTC, max-affected=5",
            ),
            (
                Done::Put,
                "return=representation, count=planned, handling=strict, timezone=UTC",
            ),
            (
                Done::Delete,
                "return=representation, count=planned, handling=strict, timezone=UTC, max-affected=5",
            ),
            (
                Done::Call,
                "count=planned, handling=strict, timezone=UTC, max-affected=5",
            ),
        ] {
            assert_eq!(all.applied(done).as_deref(), Some(applied));
        }
        assert_eq!(
            Preferences::parse(["return=minimal, foo"]).applied(Done::Read),
            None
        );
    }
}
