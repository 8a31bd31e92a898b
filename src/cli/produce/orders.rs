//! A made-up pizzeria's events as records: orders, their conditions, pizzas, by the schemas of several writers.
//!
//! The pizzeria is the demo's. Its schemas are registered under the topics' subjects first.

use super::{Prepared, Records, registry_fault};
use crate::clock::unix_ms;
use crate::decode::{RegistryQuestions, SchemaId, framing};
use crate::demo::{Form, Occurrence, Pizzeria};
use crate::produce::Encoder;
use std::collections::HashMap;
use std::time::SystemTime;

pub(super) async fn records(questions: &RegistryQuestions) -> Result<Records, String> {
    let mut writers = HashMap::new();
    for form in Form::ALL {
        let subject = format!("{}-value", form.topic());
        let id = questions.register(&subject, form.schema()).await;
        let id = id.map_err(|fault| registry_fault(&subject, &fault))?;
        let encoder = Encoder::parse(form.schema(), &[]).map_err(|fault| fault.to_string())?;
        writers.insert(form, (encoder, id));
    }
    let mut pizzeria = Pizzeria::new(rand::random());
    Ok(Box::new(std::iter::repeat_with(move || {
        prepare(&pizzeria.next(unix_ms(SystemTime::now())), &writers)
    })))
}

fn prepare(
    occurrence: &Occurrence,
    writers: &HashMap<Form, (Encoder, SchemaId)>,
) -> Result<Prepared, String> {
    let (encoder, id) = writers.get(&occurrence.form).expect("every form was registered");
    let body = encoder.encode(&occurrence.fields).map_err(|fault| fault.to_string())?;
    let (topic, key) = (occurrence.form.topic().to_owned(), Some(occurrence.key.clone()));
    Ok(Prepared { topic, key, value: framing::join(*id, &body) })
}
