//! The pizzeria at work: its story goes on by itself, and people on the page add to it.
//!
//! Both go through one lock, so that what is produced is in the order in which it happened: an order is in the
//! queue before somebody can advance it.

use super::pizzeria::{Occurrence, Pizzeria, Wish};
use super::producer::{Producer, ProducerFault, Sent};
use crate::clock::unix_ms;
use parking_lot::Mutex;
use rand::Rng;
use serde_json::json;
use std::time::{Duration, SystemTime};

/// What the story begins with at once, so that there is something to see.
const OPENING: usize = 6;
const OPENING_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Kitchen {
    /// Held for making one occurrence and putting it into a queue, never across an await.
    story: Mutex<Pizzeria>,
    producer: Producer,
}

impl Kitchen {
    pub fn new(story: Pizzeria, producer: Producer) -> Kitchen {
        Kitchen { story: Mutex::new(story), producer }
    }

    /// Tells the story, so many occurrences a second.
    pub async fn run(&self, rate: f64) -> Result<(), ProducerFault> {
        for told in 0_usize.. {
            let (_, sent) = self
                .produce(|story, now_ms| Some(story.next(now_ms)))?
                .expect("there is always something next");
            sent.arrived().await?;
            // People do not come in step.
            let pause = Duration::from_secs_f64(rand::rng().random_range(0.5..1.5) / rate);
            let is_opening = told < OPENING;
            tokio::time::sleep(if is_opening { pause.min(OPENING_PAUSE) } else { pause }).await;
        }
        Ok(())
    }

    /// What came of a wish; none if it cannot be granted now.
    pub fn grant(&self, wish: Wish) -> Result<Option<Occurrence>, ProducerFault> {
        let made = self.produce(|story, now_ms| story.grant(wish, now_ms))?;
        Ok(made.map(|(occurrence, _)| occurrence))
    }

    /// The next step of that order, or else of the oldest.
    pub fn advance(&self, order: Option<&str>) -> Result<Option<Occurrence>, ProducerFault> {
        let made = self.produce(|story, _| story.advance(order))?;
        Ok(made.map(|(occurrence, _)| occurrence))
    }

    /// Ends all logins of a user until now, as `dumbwaiter revoke` does.
    pub async fn revoke(&self, user: &str) -> Result<(), ProducerFault> {
        // Tokens have the second in which they were issued, so those of the running one are older than the next.
        let next_second = unix_ms(SystemTime::now()) / 1_000 + 1;
        let value = json!({"issued_before": next_second}).to_string();
        self.producer.enqueue_control(&format!("user:{user}"), &value)?.arrived().await
    }

    fn produce(
        &self,
        make: impl FnOnce(&mut Pizzeria, i64) -> Option<Occurrence>,
    ) -> Result<Option<(Occurrence, Sent)>, ProducerFault> {
        let mut story = self.story.lock();
        let Some(occurrence) = make(&mut story, unix_ms(SystemTime::now())) else { return Ok(None) };
        let sent = self.producer.enqueue(&occurrence)?;
        Ok(Some((occurrence, sent)))
    }
}
