//! One connection to Redis, opened when it is first needed and again when it broke, and what a failure means.
//!
//! Every request has one deadline, which covers connecting too, so Redis can hold up a client for no longer. All
//! requests share the connection (commands are pipelined); only one of them opens it. A command on a
//! connection that turns out to be broken is sent once more on a new one: that may send it twice, which both
//! commands of tickets bear. Troubles are told here, each with its way out, and no key or value with it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError};

use super::RedisSettings;
use crate::throttle::Throttle;
use crate::{causes, limits};

/// Told of every request: its command, `ok` or the fault's label, and how long it took.
pub type Observer = Box<dyn Fn(Command, &'static str, Duration) + Send + Sync>;

/// The commands that are sent, as labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Set,
    GetDel,
}

impl Command {
    pub fn label(self) -> &'static str {
        match self {
            Command::Set => "set",
            Command::GetDel => "getdel",
        }
    }
}

/// Why Redis did not do as asked. Its own words are left out, since they may quote the command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisFault {
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Late(Duration),
    #[error("does not take user and password")]
    Unauthorized,
    #[error("does not permit the command")]
    NotPermitted,
    #[error("does not know GETDEL")]
    TooOld,
    #[error("refuses with {0}")]
    Refused(String),
    #[error("answers what is no ticket of ours")]
    Unreadable,
}

impl RedisFault {
    /// Every label there is.
    pub const LABELS: [&str; 7] =
        ["unreachable", "late", "unauthorized", "not_permitted", "too_old", "refused", "unreadable"];

    /// The name under which it is counted.
    pub fn label(&self) -> &'static str {
        match self {
            RedisFault::Unreachable(_) => "unreachable",
            RedisFault::Late(_) => "late",
            RedisFault::Unauthorized => "unauthorized",
            RedisFault::NotPermitted => "not_permitted",
            RedisFault::TooOld => "too_old",
            RedisFault::Refused(_) => "refused",
            RedisFault::Unreadable => "unreadable",
        }
    }

    pub fn way_out(&self) -> &'static str {
        match self {
            RedisFault::Unreachable(_) => "is redis.url right, and can it be reached from here?",
            RedisFault::Late(_) => {
                "is redis.url right, and Redis not overloaded? redis.timeout bounds the wait"
            }
            RedisFault::Unauthorized => "set redis.password (and redis.username) to what Redis knows",
            RedisFault::NotPermitted => "the user needs SET and GETDEL on the keys under redis.key_prefix",
            RedisFault::TooOld => "Redis 6.2 or newer is needed",
            RedisFault::Refused(_) => "the code is Redis' own: OOM wants more memory, READONLY is a replica",
            RedisFault::Unreadable => "another program, or a newer dumbwaiter, writes under redis.key_prefix",
        }
    }
}

impl From<RedisError> for RedisFault {
    fn from(error: RedisError) -> RedisFault {
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
                RedisFault::Unauthorized
            }
            (_, Some("NOPERM")) => RedisFault::NotPermitted,
            (_, Some("ERR")) if error.detail().is_some_and(|text| text.starts_with("unknown command")) => {
                RedisFault::TooOld
            }
            (_, Some(code)) => RedisFault::Refused(code.to_owned()),
            (ErrorKind::UnexpectedReturnType | ErrorKind::Parse, None) => RedisFault::Unreadable,
            (_, None) => RedisFault::Unreachable(causes::on_one_line(&error)),
        }
    }
}

pub(super) struct Client {
    opener: redis::Client,
    timeout: Duration,
    /// The connection in use. Requests take the lock for a copy and never while they wait.
    current: Mutex<Option<Numbered>>,
    /// How many were opened; held by the one request that opens the next.
    opening: tokio::sync::Mutex<u64>,
    observer: Observer,
    complaints: Throttle,
}

/// A connection and which one it is, so that who finds it broken does not throw away its successor.
#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

impl Client {
    pub fn new(settings: RedisSettings, observer: Observer) -> Client {
        Client {
            opener: settings.client,
            timeout: settings.timeout,
            current: Mutex::new(None),
            opening: tokio::sync::Mutex::new(0),
            observer,
            complaints: Throttle::new(1, limits::REDIS_WARN_INTERVAL),
        }
    }

    /// The answer, in time or not at all; counted, and a failure told.
    pub async fn request<T: FromRedisValue>(&self, command: Command, sent: &Cmd) -> Result<T, RedisFault> {
        let asked_at = Instant::now();
        let answer = self.ask(sent).await;
        let outcome = answer.as_ref().map_or_else(RedisFault::label, |_| "ok");
        (self.observer)(command, outcome, asked_at.elapsed());
        answer.inspect_err(|fault| self.complain(fault))
    }

    /// The same without counting or telling, for who asks in order to tell.
    pub async fn ask<T: FromRedisValue>(&self, sent: &Cmd) -> Result<T, RedisFault> {
        let Ok(answer) = tokio::time::timeout(self.timeout, self.ask_twice(sent)).await else {
            // Whoever does not answer may be gone without a word: the next one asks on a new connection.
            *self.current.lock() = None;
            return Err(RedisFault::Late(self.timeout));
        };
        Ok(answer?)
    }

    fn complain(&self, fault: &RedisFault) {
        if let Some(unsaid) = self.complaints.admit() {
            tracing::warn!(reason = %fault, unsaid, "redis: tickets can be neither given nor redeemed; {}", fault.way_out());
        }
    }

    async fn ask_twice<T: FromRedisValue>(&self, sent: &Cmd) -> Result<T, RedisError> {
        let kept = self.current.lock().clone();
        if let Some(mut kept) = kept {
            match sent.query_async(&mut kept.connection).await {
                Err(error) if error.is_unrecoverable_error() => self.forget(kept.number),
                answer => return answer,
            }
        }
        let mut opened = self.open().await?;
        let answer = sent.query_async(&mut opened.connection).await;
        if answer.as_ref().is_err_and(RedisError::is_unrecoverable_error) {
            self.forget(opened.number);
        }
        answer
    }

    /// A new connection, or the one that somebody else has opened meanwhile.
    async fn open(&self) -> Result<Numbered, RedisError> {
        let mut turn = self.opening.lock().await;
        if let Some(opened) = self.current.lock().clone() {
            return Ok(opened);
        }
        // The request's own deadline counts, not one for each step.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = self.opener.get_multiplexed_async_connection_with_config(&config).await?;
        *turn += 1;
        let opened = Numbered { number: *turn, connection };
        *self.current.lock() = Some(opened.clone());
        tracing::info!("connected to redis");
        Ok(opened)
    }

    fn forget(&self, number: u64) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|kept| kept.number == number) {
            *current = None;
        }
    }
}

#[cfg(test)]
mod tests;
