//! Asks the brokers on a thread of its own, so that reading goes on meanwhile: where partitions end, and which topics
//! exist and what they have.

use super::assignment::{Answer, Bounds};
use super::context::Context;
use super::fence::Ends;
use crate::limits::{ENDS_QUESTION_TIMEOUT, KAFKA_STEP_TIMEOUT};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

/// Each question is answered once; no answer is `None`.
pub(super) struct Questions {
    /// Gone only while this is dropped.
    questions: Option<mpsc::Sender<Question>>,
    ends: mpsc::Receiver<(Instant, Option<Ends>)>,
    topics: mpsc::Receiver<Option<Answer>>,
    thread: Option<JoinHandle<()>>,
}

enum Question {
    /// With the moment when it was asked, which its answer has too.
    Ends(Instant, Vec<(String, i32)>),
    Topics(Vec<String>),
}

impl Questions {
    pub fn start(consumer: Arc<BaseConsumer<Context>>) -> std::io::Result<Questions> {
        let (questions, asked) = mpsc::channel();
        let (answer_ends, ends) = mpsc::channel();
        let (answer_topics, topics) = mpsc::channel();
        let thread = std::thread::Builder::new().name("kafka-asks".to_owned()).spawn(move || {
            for question in asked {
                // Who asked may be gone, and then no other question comes.
                let _ = match question {
                    Question::Ends(asked, partitions) => {
                        let ends = answered(ends_of(&consumer, &partitions));
                        answer_ends.send((asked, ends)).is_ok()
                    }
                    Question::Topics(names) => {
                        let topics = answered(topics_of(&consumer, &names));
                        answer_topics.send(topics).is_ok()
                    }
                };
            }
        })?;
        Ok(Questions { questions: Some(questions), ends, topics, thread: Some(thread) })
    }

    pub fn ask_ends(&self, asked: Instant, partitions: Vec<(String, i32)>) {
        self.ask(Question::Ends(asked, partitions));
    }

    pub fn ask_topics(&self, names: Vec<String>) {
        self.ask(Question::Topics(names));
    }

    fn ask(&self, question: Question) {
        if let Some(questions) = &self.questions {
            // The thread ends after us.
            let _ = questions.send(question);
        }
    }

    pub fn ends(&self) -> Option<(Instant, Option<Ends>)> {
        self.ends.try_recv().ok()
    }

    pub fn topics(&self) -> Option<Option<Answer>> {
        self.topics.try_recv().ok()
    }
}

fn answered<T>(outcome: KafkaResult<T>) -> Option<T> {
    outcome.inspect_err(|error| tracing::debug!(%error, "the brokers do not answer a question")).ok()
}

/// The consumer is closed by whoever has it last, and that shall not be a thread that nobody waits for.
impl Drop for Questions {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// As a reader of committed records sees them: a record behind that is not one yet.
fn ends_of(consumer: &BaseConsumer<Context>, partitions: &[(String, i32)]) -> KafkaResult<Ends> {
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

/// Those that exist. One that has no leader yet, or does not say what it has, makes it no answer at all.
fn topics_of(consumer: &BaseConsumer<Context>, names: &[String]) -> KafkaResult<Answer> {
    let metadata = consumer.fetch_metadata(None, KAFKA_STEP_TIMEOUT)?;
    let mut answer = Answer::new();
    for topic in metadata.topics().iter().filter(|topic| names.iter().any(|name| name == topic.name())) {
        if let Some(error) = topic.error() {
            return Err(KafkaError::MetadataFetch(error.into()));
        }
        let mut bounds = Bounds::new();
        for partition in topic.partitions() {
            let found = consumer.fetch_watermarks(topic.name(), partition.id(), KAFKA_STEP_TIMEOUT)?;
            bounds.insert(partition.id(), found);
        }
        answer.insert(topic.name().to_owned(), bounds);
    }
    Ok(answer)
}
