//! Asks the brokers where partitions end, on a thread of its own, so that reading goes on meanwhile.

use super::context::Context;
use super::fence::Ends;
use crate::limits::ENDS_QUESTION_TIMEOUT;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// One question at a time, each answered once; no answer is `None`.
pub(super) struct EndsQuestions {
    /// Gone only while this is dropped.
    questions: Option<mpsc::Sender<Vec<(String, i32)>>>,
    answers: mpsc::Receiver<Option<Ends>>,
    thread: Option<JoinHandle<()>>,
}

impl EndsQuestions {
    pub fn start(consumer: Arc<BaseConsumer<Context>>) -> std::io::Result<EndsQuestions> {
        let (questions, asked) = mpsc::channel::<Vec<(String, i32)>>();
        let (answer, answers) = mpsc::channel();
        let thread = std::thread::Builder::new().name("kafka-ends".to_owned()).spawn(move || {
            for partitions in asked {
                let ends = ends(&consumer, &partitions);
                let ends =
                    ends.inspect_err(|error| tracing::debug!(%error, "cannot ask where partitions end"));
                if answer.send(ends.ok()).is_err() {
                    return;
                }
            }
        })?;
        Ok(EndsQuestions { questions: Some(questions), answers, thread: Some(thread) })
    }

    pub fn ask(&self, partitions: Vec<(String, i32)>) {
        if let Some(questions) = &self.questions {
            // The thread ends after us.
            let _ = questions.send(partitions);
        }
    }

    pub fn answer(&self) -> Option<Option<Ends>> {
        self.answers.try_recv().ok()
    }
}

/// The consumer is closed by whoever has it last, and that shall not be a thread that nobody waits for.
impl Drop for EndsQuestions {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// As a reader of committed records sees them: a record behind that is not one yet.
fn ends(consumer: &BaseConsumer<Context>, partitions: &[(String, i32)]) -> KafkaResult<Ends> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted = TopicPartitionList::new();
    for (topic, partition) in partitions {
        wanted.add_partition_offset(topic, *partition, Offset::End)?;
    }
    let found = consumer.offsets_for_times(wanted, ENDS_QUESTION_TIMEOUT)?;
    let mut ends = Vec::new();
    for element in found.elements() {
        element.error()?;
        if let Offset::Offset(end) = element.offset() {
            ends.push((element.topic().to_owned(), element.partition(), end));
        }
    }
    Ok(ends)
}
