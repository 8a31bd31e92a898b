//! A schema registry inside this process: the part of Confluent's API that a producer, a consumer and
//! `dumbwaiter check --online` need.
//!
//! ```text
//! GET  /subjects                             -> [SUBJECT, ...]
//! POST /subjects/{subject}/versions          {"schema": TEXT}  -> {"id": N}
//! GET  /subjects/{subject}/versions          -> [VERSION, ...]
//! GET  /subjects/{subject}/versions/{version}, or latest  -> {"subject", "version", "id", "schema"}
//! GET  /schemas/ids/{id}                     -> {"schema": TEXT}
//! ```
//!
//! In memory and bounded; a schema registered again keeps its id. Compatibility is not checked: that is the
//! matter of a real registry.

use crate::decode::{SchemaId, WriterSchema};
use crate::limits::DEMO_SCHEMAS_MAX;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The endpoint's routes over an empty store.
pub(super) fn router() -> Router {
    Router::new()
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/ids/{id}", get(by_id))
        .with_state(Store::default())
}

/// Held for the search of a short list, never across an await.
type Store = Arc<Mutex<Vec<Version>>>;

/// One schema under one subject.
#[derive(Clone, Serialize)]
struct Version {
    subject: String,
    version: u32,
    id: u32,
    schema: String,
}

#[derive(Deserialize)]
struct Registration {
    schema: String,
}

/// What the API answers instead of a result: status, `error_code` and message.
struct Refusal(StatusCode, u32, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, error_code, message) = self;
        (status, Json(json!({"error_code": error_code, "message": message}))).into_response()
    }
}

async fn subjects(State(store): State<Store>) -> Json<BTreeSet<String>> {
    Json(store.lock().iter().map(|version| version.subject.clone()).collect())
}

async fn register(
    State(store): State<Store>,
    Path(subject): Path<String>,
    Json(Registration { schema }): Json<Registration>,
) -> Result<Response, Refusal> {
    if let Err(fault) = WriterSchema::parse(&schema, &[]) {
        return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, 42_201, format!("Invalid schema: {fault}")));
    }
    let id = add(&mut store.lock(), subject, schema)?;
    Ok(Json(json!({"id": id.0})).into_response())
}

fn add(versions: &mut Vec<Version>, subject: String, schema: String) -> Result<SchemaId, Refusal> {
    let known = versions.iter().find(|known| known.schema == schema).map(|known| known.id);
    if let Some(id) = known
        && versions.iter().any(|version| version.subject == subject && version.id == id)
    {
        return Ok(SchemaId(id));
    }
    if versions.len() >= DEMO_SCHEMAS_MAX {
        let message = format!("This registry of a demo holds {DEMO_SCHEMAS_MAX} schemas");
        return Err(Refusal(StatusCode::INSUFFICIENT_STORAGE, 50_701, message));
    }
    let next_id = versions.iter().map(|version| version.id).max().unwrap_or(0) + 1;
    let id = known.unwrap_or(next_id);
    let version = versions.iter().filter(|version| version.subject == subject).map(|v| v.version).max();
    versions.push(Version { subject, version: version.unwrap_or(0) + 1, id, schema });
    Ok(SchemaId(id))
}

async fn versions(
    State(store): State<Store>,
    Path(subject): Path<String>,
) -> Result<Json<Vec<u32>>, Refusal> {
    Ok(Json(of_subject(&store, &subject)?.iter().map(|version| version.version).collect()))
}

async fn version(
    State(store): State<Store>,
    Path((subject, wanted)): Path<(String, String)>,
) -> Result<Json<Version>, Refusal> {
    let versions = of_subject(&store, &subject)?;
    let found = match (&*wanted, wanted.parse::<u32>()) {
        ("latest", _) => versions.last(),
        (_, Ok(number)) => versions.iter().find(|version| version.version == number),
        (_, Err(_)) => {
            let message = format!("The specified version '{wanted}' is not a valid version id.");
            return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, 42_202, message));
        }
    };
    let missing = || Refusal(StatusCode::NOT_FOUND, 40_402, format!("Version {wanted} not found."));
    found.cloned().map(Json).ok_or_else(missing)
}

/// In their order; at least one, since a subject is made by its first.
fn of_subject(store: &Store, subject: &str) -> Result<Vec<Version>, Refusal> {
    let versions: Vec<Version> =
        store.lock().iter().filter(|version| version.subject == subject).cloned().collect();
    let missing = || Refusal(StatusCode::NOT_FOUND, 40_401, format!("Subject '{subject}' not found."));
    if versions.is_empty() { Err(missing()) } else { Ok(versions) }
}

async fn by_id(State(store): State<Store>, Path(id): Path<u32>) -> Result<Response, Refusal> {
    let schema = store.lock().iter().find(|version| version.id == id).map(|version| version.schema.clone());
    let missing = || Refusal(StatusCode::NOT_FOUND, 40_403, format!("Schema {id} not found"));
    schema.map(|schema| Json(json!({"schema": schema})).into_response()).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{RegistryAnswerFault, RegistryQuestions, RegistrySettings};
    use crate::settings::read_text;

    fn id(versions: &mut Vec<Version>, subject: &str, schema: &str) -> Option<u32> {
        add(versions, subject.to_owned(), schema.to_owned()).ok().map(|id| id.0)
    }

    #[test]
    fn a_schema_keeps_its_id_under_every_subject() {
        let mut versions = Vec::new();
        assert_eq!(id(&mut versions, "a-value", "one"), Some(1));
        assert_eq!(id(&mut versions, "a-value", "two"), Some(2));
        assert_eq!(id(&mut versions, "b-value", "one"), Some(1));
        assert_eq!(id(&mut versions, "a-value", "one"), Some(1));
        let kept: Vec<_> = versions.iter().map(|v| (v.subject.as_str(), v.version, v.id)).collect();
        assert_eq!(kept, [("a-value", 1, 1), ("a-value", 2, 2), ("b-value", 1, 1)]);
    }

    #[tokio::test]
    async fn the_versions_of_a_subject_are_told_as_by_a_registry() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let text = format!("[registry]\nurls = [\"http://{}\"]", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router()).await });
        let registry = read_text(&text, RegistrySettings::read).unwrap();
        let registry = RegistryQuestions::new(registry).unwrap();
        let schema = |name| format!(r#"{{"type": "record", "name": "{name}", "fields": []}}"#);
        for name in ["A", "B"] {
            registry.register("a-value", &schema(name)).await.unwrap();
        }
        assert_eq!(registry.versions("a-value").await.unwrap(), [1, 2]);
        let first = registry.version("a-value", 1).await.unwrap();
        assert_eq!((first.id, first.version, first.text), (SchemaId(1), 1, schema("A")));
        assert_eq!(registry.newest("a-value").await.unwrap().version, 2);
        for missing in [registry.version("a-value", 3).await, registry.newest("b-value").await] {
            assert!(matches!(missing, Err(RegistryAnswerFault::Missing)), "{missing:?}");
        }
        let missing = registry.versions("b-value").await;
        assert!(matches!(missing, Err(RegistryAnswerFault::Missing)), "{missing:?}");
    }

    #[test]
    fn at_the_bound_a_new_schema_is_refused_and_known_ones_are_not() {
        let mut versions = Vec::new();
        for n in 0..DEMO_SCHEMAS_MAX {
            assert!(id(&mut versions, "s", &n.to_string()).is_some());
        }
        assert_eq!(id(&mut versions, "s", "one more"), None);
        assert_eq!(id(&mut versions, "s", "0"), Some(1));
    }
}
