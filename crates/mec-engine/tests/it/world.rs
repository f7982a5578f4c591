//! An installation with the guide's catalog, spoken to in the query language.

use std::sync::Arc;

use mec_engine::{Caller, Expected, Mec, MecError, NewAccount, Options, Touched, catalog_file};
use mec_kernel::{AccountId, Check, Provision, Quantity, Refusal};
use mec_query::{
    Body, Budget, Delete, Insert, Media, Page, Preferences, Query, QueryError, Read, Schema, Scope,
    Target, Update, Value,
};

pub(crate) use crate::place::{Database, Place, on_both};

pub(crate) struct World {
    pub(crate) mec: Arc<Mec>,
    pub(crate) schema: Schema,
    place: Box<dyn Place>,
}

pub(crate) fn caller() -> Caller {
    Caller::new("test", "api")
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::open_with(Options::default()).await
    }

    /// In a file of its own.
    pub(crate) async fn open_with(options: Options) -> Self {
        Self::open_at(tempfile::tempdir().unwrap(), options).await
    }

    pub(crate) async fn open_in(place: impl Place + 'static) -> Self {
        Self::open_at(place, Options::default()).await
    }

    async fn open_at(place: impl Place + 'static, options: Options) -> Self {
        let changes = catalog_file::parse(catalog_file::DEMO)
            .unwrap()
            .changes(&mec_kernel::Catalog::default(), false);
        let mec = Arc::new(
            Mec::open(
                &place.url(),
                Options {
                    catalog: changes,
                    ..options
                },
            )
            .await
            .unwrap(),
        );
        let schema = Schema::new(mec_store::tables::tables(), vec![]).unwrap();
        Self {
            mec,
            schema,
            place: Box::new(place),
        }
    }

    /// The same store, opened by the next process.
    pub(crate) async fn reopen(self, options: Options) -> Self {
        self.mec.close().await.unwrap();
        let Self { mec, schema, place } = self;
        drop(mec);
        let mec = Arc::new(Mec::open(&place.url(), options).await.unwrap());
        Self { mec, schema, place }
    }

    fn now(&self) -> i64 {
        self.mec.now().micros()
    }

    fn scope(&self, path: &str) -> Result<(Query, Scope), QueryError> {
        let (table, query) = path.split_once('?').unwrap_or((path, ""));
        let query = Query::parse(query, Target::Rows)?;
        let scope = Scope::relate(&self.schema, self.schema.table(table)?, &query)?;
        Ok((query, scope))
    }

    pub(crate) async fn get(&self, path: &str) -> Vec<serde_json::Value> {
        let (query, scope) = self.scope(path).unwrap();
        let read: Read = scope
            .read(Page::of_request(&query, None).unwrap(), self.now())
            .unwrap();
        let (read, fetched) = self.mec.fetch(read).await.unwrap();
        let text = Media::Json
            .write(&read.show(&fetched, self.now()), &Budget::unlimited())
            .unwrap()
            .concat();
        serde_json::from_str(&text).unwrap()
    }

    async fn insert(&self, path: &str, prefer: &str, body: &str) -> Result<Touched, MecError> {
        let (query, scope) = self.scope(path)?;
        let sent =
            Body::parse(None, body.as_bytes(), query.columns.as_deref())?.against(scope.table())?;
        let insert = Insert::resolve(&sent, &query, &Preferences::parse([prefer]), self.now())?;
        self.mec
            .insert(insert, Expected::default(), &caller())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Result<Touched, MecError> {
        self.insert(path, "", body).await
    }

    pub(crate) async fn upsert(
        &self,
        path: &str,
        resolution: &str,
        body: &str,
    ) -> Result<Touched, MecError> {
        self.insert(path, &format!("resolution={resolution}-duplicates"), body)
            .await
    }

    /// The id of the one row made.
    pub(crate) async fn post_one(&self, path: &str, body: &str) -> String {
        let touched = self.post(path, body).await.unwrap();
        touched.keys[0][0].to_text().unwrap()
    }

    pub(crate) async fn patch(&self, path: &str, body: &str) -> Result<Touched, MecError> {
        self.patch_expecting(path, body, Expected::default()).await
    }

    pub(crate) async fn patch_expecting(
        &self,
        path: &str,
        body: &str,
        expected: Expected,
    ) -> Result<Touched, MecError> {
        let (query, scope) = self.scope(path)?;
        let sent =
            Body::parse(None, body.as_bytes(), query.columns.as_deref())?.against(scope.table())?;
        let update = Update::resolve(&sent, &scope, &Preferences::default(), self.now())?.unwrap();
        self.mec.update(update, expected, &caller()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Touched, MecError> {
        let (_, scope) = self.scope(path)?;
        self.mec
            .delete(
                Delete::resolve(&scope, self.now())?,
                None,
                Expected::default(),
                &caller(),
            )
            .await
    }

    pub(crate) async fn account(&self, name: &str) -> String {
        self.mec
            .create_account(NewAccount::named(name), &caller())
            .await
            .unwrap()
            .id
            .to_string()
    }

    pub(crate) async fn provision(&self, account: &str, plan: &str) {
        let account: AccountId = account.parse().unwrap();
        self.mec
            .provision(Provision::new(account, plan), &caller())
            .await
            .unwrap();
    }

    pub(crate) async fn decision(&self, account: &str, resource: &str) -> String {
        self.decision_of(account, resource, 1).await
    }

    pub(crate) async fn decision_of(&self, account: &str, resource: &str, quantity: i32) -> String {
        let question = Check::of(
            account.parse().unwrap(),
            resource,
            Some(Quantity::whole(quantity)),
        );
        let standing = self.mec.check(question, &caller()).await.unwrap();
        format!("{} {}", standing.decision, standing.reason)
    }
}

pub(crate) fn id(value: &Value) -> u128 {
    match value {
        Value::Uuid(id) => *id,
        other => panic!("{other:?} is no id"),
    }
}

pub(crate) fn text(value: &Value) -> serde_json::Value {
    value.to_text().unwrap().into()
}

/// The values of a row in the order of its columns, texts without quotes.
pub(crate) fn shown(row: &serde_json::Value) -> String {
    let value = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    row.as_object()
        .unwrap()
        .values()
        .map(value)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `status code message | details` in PostgreSQL's words, else the kernel's code and what it is
/// about.
pub(crate) fn told_of(outcome: Result<Touched, MecError>) -> String {
    match outcome.expect_err("refused") {
        MecError::Query(error) => {
            let details = error
                .details
                .as_ref()
                .and_then(|details| details.as_str())
                .map(|text| format!(" | {text}"));
            format!(
                "{} {} {}{}",
                error.status,
                error.code,
                error.message,
                details.unwrap_or_default()
            )
        }
        MecError::Refused(Refusal::BadValue { column, .. }) => format!("MEC_BAD_VALUE {column}"),
        other => other.to_string(),
    }
}
