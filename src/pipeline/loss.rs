//! What Kafka does not have any more and was not read: a topic that was deleted and made anew, or records that
//! retention has dropped. It is counted, logged, and told to whoever asked for cursors; reading goes on behind it.

use super::Work;
use crate::clock::unix_ms;
use crate::consume::{Loss, LossCause, News, Source};

impl Work {
    /// Before records that wait are tried again: those of a topic that is gone are dropped.
    pub(super) fn note_news(&mut self, source: &mut Source) {
        for news in source.take_news() {
            match news {
                News::Named { topic, id } => self.parts.journal.name_topic(&topic, id.as_deref()),
                News::Lost(loss) => self.note_loss(&loss),
            }
        }
    }

    fn note_loss(&mut self, loss: &Loss) {
        self.tell_operator(loss);
        let Loss { topic, cause, partitions } = loss;
        for lost in partitions {
            self.look_back.forget(topic, lost.partition);
            // Records that wait are not lost while their partition is the same.
            if *cause != LossCause::Overtaken {
                self.waiting.forget(topic, lost.partition);
            }
        }
        let (journal, clock) = (&mut self.parts.journal, &self.parts.clock);
        match cause {
            LossCause::Anew { id } => {
                let first = |range: Option<(i64, i64)>| range.map(|(first, _)| first);
                let partitions: Vec<_> =
                    partitions.iter().map(|lost| (lost.partition, first(lost.range))).collect();
                journal.recreate(topic, id.as_deref(), &partitions, clock.now(), unix_ms(clock.wall()));
            }
            LossCause::Overtaken => {
                for lost in partitions {
                    if let Some((first, _)) = lost.range {
                        journal.skip(topic, lost.partition, first, clock.now());
                    }
                }
            }
        }
    }

    fn tell_operator(&self, loss: &Loss) {
        let topic = &loss.topic;
        for lost in &loss.partitions {
            self.parts.metrics.partition_lost(loss.cause == LossCause::Overtaken);
            let (partition, position) = (lost.partition, lost.position);
            match (&loss.cause, lost.range) {
                (LossCause::Anew { .. }, Some((first, end))) => tracing::warn!(
                    topic,
                    partition,
                    position,
                    first,
                    end,
                    "a topic was deleted and made anew: it is read from its beginning"
                ),
                (LossCause::Anew { .. }, None) => {
                    tracing::warn!(
                        topic,
                        partition,
                        position,
                        "a topic was made anew without this partition"
                    );
                }
                (LossCause::Overtaken, range) => {
                    let (first, end) = range.unwrap_or_default();
                    let lost = first - position;
                    tracing::error!(
                        topic,
                        partition,
                        position,
                        first,
                        end,
                        lost,
                        "kafka has dropped records before they were read: retention is shorter than we are behind"
                    );
                }
            }
        }
    }
}
