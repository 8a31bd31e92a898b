//! The ovens of these examples: a source of records that the program makes itself, and settings with its own event.

use dumbwaiter::produce::Encoder;
use dumbwaiter::{OwnedRecord, Source, memory};
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Measures every `pause`, until the task is aborted.
pub fn measure(pause: Duration) -> (JoinHandle<()>, Source) {
    let (records, source) = memory();
    let measuring = tokio::spawn(async move {
        let ovens = Encoder::parse(include_str!("reading.avsc"), &[]).expect("the schema is good");
        for offset in 0.. {
            let degrees = 300.0 + f64::from(u8::try_from(offset % 50).expect("below 50"));
            let reading = serde_json::json!({"oven": "stone", "store_id": 7, "degrees": degrees});
            let record = OwnedRecord {
                topic: "oven.readings".to_owned(),
                offset,
                value: Some(ovens.encode(&reading).expect("it has all fields")),
                ..OwnedRecord::default()
            };
            if records.send(record).is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    (measuring, Source::Memory(source))
}

/// The same as in a file; what is left out has its default.
pub fn settings() -> Vec<String> {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/embed/catalog.toml");
    vec![
        format!("catalog.file={}", catalog.display()),
        "shutdown.grace=0s".to_owned(),
        "shutdown.drain=1s".to_owned(),
    ]
}
