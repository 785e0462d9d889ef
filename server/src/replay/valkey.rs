//! Used DPoP proofs in Valkey or Redis. One command stands on the path of a call: `SET key mark NX PX milliseconds`.
//!
//! Calls share one connection. It is opened by the first call and again after it broke.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::Mutex;

use super::TIME_LIMIT;

/// Before the proof, so that other users of the server do not meet these keys.
const PREFIX: &[u8] = b"pixygate:dpop:";

/// A server of `store.dpop_replay_url`. Clones share its connection.
#[derive(Clone)]
pub struct Valkey(Arc<Shared>);

struct Shared {
    client: Client,
    connection: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    open: Option<MultiplexedConnection>,
    /// Counts connections, so that a call which found one broken does not close a newer one.
    number: u64,
}

/// A proof could not be recorded.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValkeyError {
    #[error(transparent)]
    Server(#[from] RedisError),
    #[error("no answer within {} s", TIME_LIMIT.as_secs())]
    NoAnswer,
}

impl Valkey {
    /// Records the use of a proof for some time. Returns whether it was not used before.
    ///
    /// # Errors
    ///
    /// When the server did not say so in time.
    pub(super) async fn use_proof(&self, proof: [u8; 32], time: Duration) -> Result<bool, ValkeyError> {
        let mut number = None;
        let used = self.set(proof, time, &mut number);
        let result = match tokio::time::timeout(TIME_LIMIT, used).await {
            Ok(result) => result.map_err(ValkeyError::from),
            Err(_) => Err(ValkeyError::NoAnswer),
        };
        if let (Err(_), Some(number)) = (&result, number) {
            self.discard(number).await;
        }
        result
    }

    /// `number` becomes that of the last connection that was used.
    async fn set(&self, proof: [u8; 32], time: Duration, number: &mut Option<u64>) -> Result<bool, RedisError> {
        let key = [PREFIX, &proof].concat();
        let mut mark = [0; 8];
        aws_lc_rs::rand::fill(&mut mark).map_err(|_| std::io::Error::other("the system has no random numbers"))?;
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(&mark).arg("NX").arg("PX").arg(milliseconds);
        let mut connection = self.connection(number).await?;
        let error = match set.query_async(&mut connection).await {
            Err(error) if error.is_io_error() => error,
            result => return result,
        };
        tracing::debug!(%error, "the connection for used DPoP proofs broke; it is opened again");
        if let Some(number) = *number {
            self.discard(number).await;
        }
        let mut connection = self.connection(number).await?;
        if set.query_async(&mut connection).await? {
            return Ok(true);
        }
        // The first command may have been carried out, and its answer lost: then the mark is this call's.
        let stored: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query_async(&mut connection).await?;
        Ok(stored.as_deref() == Some(&mark))
    }

    async fn connection(&self, number: &mut Option<u64>) -> Result<MultiplexedConnection, RedisError> {
        let mut slot = self.0.connection.lock().await;
        if slot.open.is_none() {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(TIME_LIMIT))
                .set_response_timeout(Some(TIME_LIMIT));
            let opened = self
                .0
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            slot.open = Some(opened);
            slot.number += 1;
        }
        *number = Some(slot.number);
        slot.open
            .clone()
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected).into())
    }

    async fn discard(&self, number: u64) {
        let mut slot = self.0.connection.lock().await;
        if slot.number == number {
            slot.open = None;
        }
    }
}

impl FromStr for Valkey {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        // The text of the error may repeat the address, password included.
        let client = Client::open(url).map_err(|_| "an address that cannot be read".to_owned())?;
        let connection = Mutex::default();
        Ok(Self(Arc::new(Shared { client, connection })))
    }
}

/// Without user and password.
impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.client.get_connection_info().addr(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_server_and_shows_no_password() {
        for url in [
            "valkey://me:secret@cache.example:6380/1",
            "valkeys://:secret@cache.example",
            "redis://cache.example",
        ] {
            let shown = format!("{:?}", url.parse::<Valkey>().unwrap());
            assert!(shown.contains("cache.example") && !shown.contains("secret"), "{shown}");
        }
        for url in [
            "",
            "cache.example:6379",
            "https://me:secret@cache.example",
            "valkeys://me:secret@cache.example#x",
        ] {
            let error = url.parse::<Valkey>().unwrap_err();
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}
