//! Which foreign key joins two tables: many-to-one, one-to-many, one-to-one, many-to-many.

use std::sync::Arc;

use crate::error::EmbedCandidate;
use crate::hint;
use crate::{ForeignKey, QueryError, Schema, Table};

/// Similarity a relation must reach to be suggested: few lead from a table, so the nearest is soon
/// the one meant.
const RELATION_PERCENT: usize = 50;

/// How rows of one table lead to rows of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The table led to.
    pub target: Arc<Table>,
    /// Whether a row leads to at most one row.
    pub to_one: bool,
    /// The columns that must be equal.
    pub link: Link,
}

/// The columns that must be equal for two rows to belong together; positions in the tables'
/// columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Pairs of a column here and a column of the target.
    Direct(Vec<(usize, usize)>),
    /// Through a table that refers to both.
    Junction {
        /// The table between.
        table: Arc<Table>,
        /// Pairs of a column here and a column of the junction.
        origin: Vec<(usize, usize)>,
        /// Pairs of a column of the junction and a column of the target.
        target: Vec<(usize, usize)>,
    },
}

impl Relation {
    /// The columns here whose values are the key of the related rows, in order.
    pub fn origin_columns(&self) -> Vec<usize> {
        let (Link::Direct(pairs) | Link::Junction { origin: pairs, .. }) = &self.link;
        pairs.iter().map(|(origin, _)| *origin).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cardinality {
    ManyToOne,
    OneToMany,
    OneToOne,
    ManyToMany,
}

impl Cardinality {
    fn name(self) -> &'static str {
        match self {
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::OneToOne => "one-to-one",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// One way from the origin to another table.
struct Way<'a> {
    cardinality: Cardinality,
    target: &'a Arc<Table>,
    /// Pairs of names: origin column, target column. Empty through a junction.
    columns: Vec<(&'static str, &'static str)>,
    /// The foreign key, of either side; through a junction the one to the origin.
    key: &'a ForeignKey,
    junction: Option<(&'a Arc<Table>, &'a ForeignKey)>,
}

/// Finds the relationship a request names by table, foreign key or column, and a hint.
pub(super) fn find(
    schema: &Schema,
    origin: &Arc<Table>,
    name: &str,
    hint: Option<&str>,
) -> Result<Relation, QueryError> {
    let ways = ways_from(schema, origin);
    let mut found: Vec<&Way<'_>> = ways
        .iter()
        .filter(|way| way.is_meant(origin, name, hint))
        .collect();
    // A key that makes both directions one-to-one, or two equal readings of one name, is one way.
    found.dedup_by(|left, right| left.is_same(right));
    // The order in which PostgREST lists them: those that lead to many rows, to one, through a
    // junction.
    found.sort_by_key(|way| match way.cardinality {
        Cardinality::OneToMany => 0,
        Cardinality::ManyToOne | Cardinality::OneToOne => 1,
        Cardinality::ManyToMany => 2,
    });
    match found.as_slice() {
        [] => {
            let meant = if schema.find_table(name).is_some() {
                None
            } else {
                hint::similar_at(
                    RELATION_PERCENT,
                    name,
                    ways.iter().map(|way| way.target.name),
                )
                .map(str::to_owned)
            };
            Err(QueryError::no_relationship(origin.name, name, hint, meant))
        }
        [way] => Ok(way.relation(origin)),
        several => {
            let candidates: Vec<EmbedCandidate> =
                several.iter().map(|way| way.candidate(origin)).collect();
            Err(QueryError::ambiguous_relationship(
                origin.name,
                name,
                &candidates,
            ))
        }
    }
}

fn ways_from<'a>(schema: &'a Schema, origin: &'a Arc<Table>) -> Vec<Way<'a>> {
    let mut ways = Vec::new();
    for key in &origin.foreign_keys {
        if let Some(target) = schema.find_table(key.target) {
            let cardinality = if origin.is_unique(&key.columns) {
                Cardinality::OneToOne
            } else {
                Cardinality::ManyToOne
            };
            let columns = key
                .columns
                .iter()
                .copied()
                .zip(key.target_columns.iter().copied())
                .collect();
            ways.push(Way {
                cardinality,
                target,
                columns,
                key,
                junction: None,
            });
        }
    }
    for table in schema.tables() {
        for key in table
            .foreign_keys
            .iter()
            .filter(|key| key.target == origin.name)
        {
            let cardinality = if table.is_unique(&key.columns) {
                Cardinality::OneToOne
            } else {
                Cardinality::OneToMany
            };
            let columns = key
                .target_columns
                .iter()
                .copied()
                .zip(key.columns.iter().copied())
                .collect();
            ways.push(Way {
                cardinality,
                target: table,
                columns,
                key,
                junction: None,
            });
            for other in table
                .foreign_keys
                .iter()
                .filter(|other| !std::ptr::eq(*other, key))
            {
                if let (true, Some(target)) =
                    (joins(table, key, other), schema.find_table(other.target))
                {
                    let cardinality = Cardinality::ManyToMany;
                    ways.push(Way {
                        cardinality,
                        target,
                        columns: vec![],
                        key,
                        junction: Some((table, other)),
                    });
                }
            }
        }
    }
    ways
}

/// A junction's primary key holds both foreign keys.
fn joins(table: &Table, left: &ForeignKey, right: &ForeignKey) -> bool {
    table.primary_key.as_ref().is_some_and(|primary| {
        left.columns
            .iter()
            .chain(&right.columns)
            .all(|column| primary.columns.contains(column))
    })
}

impl Way<'_> {
    fn is_same(&self, other: &Self) -> bool {
        let further = |way: &Self| way.junction.map(|(_, key)| std::ptr::from_ref(key));
        std::ptr::eq(self.key, other.key)
            && self.cardinality == other.cardinality
            && further(self) == further(other)
    }

    fn is_meant(&self, origin: &Table, name: &str, hint: Option<&str>) -> bool {
        let single = |columns: &[(&'static str, &'static str)]| match columns {
            [pair] => Some(*pair),
            _ => None,
        };
        let origin_column = single(&self.columns).map(|(column, _)| column);
        let target_column = single(&self.columns).map(|(_, column)| column);
        let is_direct = self.junction.is_none();
        let named_table = name == self.target.name;
        if self.target.name == origin.name && is_direct {
            // One key, two directions: the table's name means the many side, the key or its column
            // the one side.
            return match hint {
                None if named_table => self.cardinality == Cardinality::OneToMany,
                None => {
                    self.cardinality == Cardinality::ManyToOne
                        && (origin_column == Some(name) || self.key.name == name)
                }
                Some(hint) => {
                    named_table
                        && self.cardinality == Cardinality::OneToMany
                        && (target_column == Some(hint) || self.key.name == hint)
                }
            };
        }
        match hint {
            None => {
                named_table
                    || (is_direct && self.key.name == name)
                    || (is_direct && origin_column == Some(name))
            }
            Some(hint) => {
                let by_junction = self.junction.is_some_and(|(table, _)| table.name == hint);
                named_table
                    && (by_junction
                        || (is_direct
                            && (self.key.name == hint
                                || origin_column == Some(hint)
                                || target_column == Some(hint))))
            }
        }
    }

    fn relation(&self, origin: &Table) -> Relation {
        let pairs = |left: &Table,
                     right: &Table,
                     names: &[(&'static str, &'static str)]|
         -> Vec<(usize, usize)> {
            let position = |(one, other): &(&'static str, &'static str)| {
                Some((left.position(one)?, right.position(other)?))
            };
            // The schema was checked: every name of a key is a column.
            names.iter().filter_map(position).collect()
        };
        let link = match self.junction {
            None => Link::Direct(pairs(origin, self.target, &self.columns)),
            Some((table, other)) => {
                let zip = |left: &[&'static str], right: &[&'static str]| -> Vec<_> {
                    left.iter().copied().zip(right.iter().copied()).collect()
                };
                Link::Junction {
                    table: Arc::clone(table),
                    origin: pairs(
                        origin,
                        table,
                        &zip(&self.key.target_columns, &self.key.columns),
                    ),
                    target: pairs(
                        table,
                        self.target,
                        &zip(&other.columns, &other.target_columns),
                    ),
                }
            }
        };
        let to_one = matches!(
            self.cardinality,
            Cardinality::ManyToOne | Cardinality::OneToOne
        );
        Relation {
            target: Arc::clone(self.target),
            to_one,
            link,
        }
    }

    fn candidate(&self, origin: &Table) -> EmbedCandidate {
        let list = |columns: &[&'static str]| columns.join(", ");
        let (relationship, hint) = match self.junction {
            Some((table, other)) => (
                format!(
                    "{} using {}({}) and {}({})",
                    table.name,
                    self.key.name,
                    list(&self.key.columns),
                    other.name,
                    list(&other.columns)
                ),
                table.name,
            ),
            None => {
                let (here, there): (Vec<_>, Vec<_>) = self.columns.iter().copied().unzip();
                let there = list(&there);
                let (key, target) = (self.key.name, self.target.name);
                (
                    format!(
                        "{key} using {}({}) and {target}({there})",
                        origin.name,
                        list(&here)
                    ),
                    key,
                )
            }
        };
        EmbedCandidate {
            cardinality: self.cardinality.name(),
            embedding: format!("{} with {}", origin.name, self.target.name),
            relationship,
            embed_as: format!("{}!{hint}", self.target.name),
        }
    }
}
