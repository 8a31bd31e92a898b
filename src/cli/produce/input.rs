//! JSON values of a file or of standard input → records of one topic.
//!
//! Values stand one after the other, on lines or not, or in a list; each is read when it is its turn, so that a
//! pipe may go on for ever.

use super::{Prepared, ProduceArgs, Records, registry_fault};
use crate::decode::{RegistryQuestions, SchemaId, framing};
use crate::produce::Encoder;
use serde_json::{Deserializer, Value};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

pub(super) async fn records(
    args: &ProduceArgs,
    topic: &str,
    questions: &RegistryQuestions,
) -> Result<Records, String> {
    let subject = args.subject.clone().unwrap_or_else(|| format!("{topic}-value"));
    let (topic, key) = (topic.to_owned(), args.key.clone());
    let mut values = values(open(args.input.as_deref())?).peekable();
    let fits = |encoder: &Encoder| match values.peek() {
        Some(Ok(value)) => prepare(&topic, key.as_deref(), encoder, SchemaId(0), value).map(drop),
        Some(Err(fault)) => Err(fault.clone()),
        None => Ok(()),
    };
    let (encoder, id) = writer(args, &subject, questions, fits).await?;
    Ok(Box::new(values.zip(1..).map(move |(value, number)| {
        let prepare = |value| prepare(&topic, key.as_deref(), &encoder, id, &value);
        value.and_then(prepare).map_err(|fault| format!("value {number}: {fault}"))
    })))
}

/// The schema to write by, and its id: from a file, registered, or the newest that is registered. What is registered
/// stays, so a file's schema must first fit the first value.
async fn writer(
    args: &ProduceArgs,
    subject: &str,
    questions: &RegistryQuestions,
    fits: impl FnOnce(&Encoder) -> Result<(), String>,
) -> Result<(Encoder, SchemaId), String> {
    let told = |fault| registry_fault(subject, &fault);
    let Some(file) = &args.schema else {
        let newest = questions.newest(subject).await.map_err(told)?;
        let encoder = Encoder::parse(&newest.text, &newest.references);
        return Ok((encoder.map_err(|fault| format!("subject {subject}: {fault}"))?, newest.id));
    };
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file:?} cannot be read: {error}"))?;
    let encoder = Encoder::parse(&text, &[]).map_err(|fault| format!("{file:?}: {fault}"))?;
    fits(&encoder).map_err(|fault| format!("value 1: {fault}"))?;
    Ok((encoder, questions.register(subject, &text).await.map_err(told)?))
}

fn prepare(
    topic: &str,
    key: Option<&str>,
    encoder: &Encoder,
    id: SchemaId,
    value: &Value,
) -> Result<Prepared, String> {
    let body = encoder.encode(value).map_err(|fault| fault.to_string())?;
    let key = match key.map(|field| (field, value.get(field))) {
        None | Some((_, Some(Value::Null))) => None,
        Some((_, Some(Value::String(text)))) => Some(text.clone()),
        Some((_, Some(value))) => Some(value.to_string()),
        Some((field, None)) => return Err(format!("has no field {field:?} for the key")),
    };
    Ok(Prepared { topic: topic.to_owned(), key, value: framing::join(id, &body) })
}

fn open(input: Option<&Path>) -> Result<Box<dyn Read>, String> {
    match input {
        None => Ok(Box::new(io::stdin())),
        Some(path) if path == Path::new("-") => Ok(Box::new(io::stdin())),
        Some(path) => match File::open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(format!("{path:?} cannot be read: {error}")),
        },
    }
}

/// Every value, those of a list one by one. What is no JSON ends it.
fn values(input: impl Read) -> impl Iterator<Item = Result<Value, String>> {
    let values = Deserializer::from_reader(BufReader::new(input)).into_iter::<Value>();
    values.flat_map(|value| match value {
        Ok(Value::Array(values)) => values.into_iter().map(Ok).collect(),
        Ok(value) => vec![Ok(value)],
        Err(fault) => vec![Err(format!("not JSON: {fault}"))],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::RegistrySettings;
    use crate::settings::read_text;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: ProduceArgs,
    }

    fn check(input: &str, expected: &[Result<&str, &str>]) {
        let values: Vec<_> =
            values(input.as_bytes()).map(|value| value.map(|value| value.to_string())).collect();
        let expected: Vec<Result<String, String>> =
            expected.iter().map(|value| value.map(str::to_owned).map_err(str::to_owned)).collect();
        assert_eq!(values, expected, "{input}");
    }

    #[test]
    fn values_stand_one_after_the_other_or_in_a_list() {
        check("{\"a\":1}\n{\"a\":2}\n", &[Ok("{\"a\":1}"), Ok("{\"a\":2}")]);
        check("[{\"a\":1}, {\"a\":2}] {\n \"a\": 3 }", &[Ok("{\"a\":1}"), Ok("{\"a\":2}"), Ok("{\"a\":3}")]);
        check("", &[]);
        check("1 x", &[Ok("1"), Err("not JSON: expected value at line 1 column 3")]);
    }

    #[tokio::test]
    async fn a_schema_is_registered_only_if_the_first_value_fits_it() {
        // Nobody is there: whoever gets as far as registering fails by that.
        let registry =
            read_text("[registry]\nurls = [\"http://127.0.0.1:1\"]", RegistrySettings::read).unwrap();
        let questions = RegistryQuestions::new(registry).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (schema, input) = (folder.path().join("s.avsc"), folder.path().join("values"));
        std::fs::write(&schema, "\"long\"").unwrap();
        let check = async |values: &str, expected: &str| {
            std::fs::write(&input, values).unwrap();
            let arguments = ["produce", "--topic", "t", "--schema"].map(Path::new);
            let arguments = arguments.into_iter().chain([schema.as_path(), &input]);
            let args = Command::parse_from(arguments).args;
            let told = records(&args, "t", &questions).await.err().unwrap_or_default();
            assert!(told.starts_with(expected), "{values}: {told}");
        };
        check("\"text\" 1", "value 1: ").await;
        check("}", "value 1: not JSON").await;
        check("1 \"text\"", "subject t-value: no usable answer").await;
    }

    #[test]
    fn the_key_is_a_field_of_the_value() {
        let encoder = Encoder::parse(
            r#"{"type": "record", "name": "R", "fields": [{"name": "id", "type": ["null", "string", "long"]}]}"#,
            &[],
        );
        let encoder = encoder.unwrap();
        let key = |field, value: Value| {
            let prepared = prepare("t", Some(field), &encoder, SchemaId(7), &value);
            prepared.map(|prepared| prepared.key)
        };
        assert_eq!(key("id", serde_json::json!({"id": "a"})), Ok(Some("a".to_owned())));
        assert_eq!(key("id", serde_json::json!({"id": 5})), Ok(Some("5".to_owned())));
        assert_eq!(key("id", serde_json::json!({"id": null})), Ok(None));
        assert_eq!(
            key("no", serde_json::json!({"id": 5})),
            Err("has no field \"no\" for the key".to_owned())
        );
    }
}
