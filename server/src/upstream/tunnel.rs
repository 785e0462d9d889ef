//! The bytes of a WebSocket, from one side to the other, until one of them ends it or the right to it ends.

use std::io;
use std::pin::pin;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::right::{End, Watched};
use super::target::InFlight;
use super::websocket::{Frames, close};

/// For both sides to change over after the 101.
const UPGRADE_TIME: Duration = Duration::from_secs(5);

/// For a frame that has begun to end, for the Close frame to be written, and for the peer to close.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// For one direction after the other has ended.
const HALF_CLOSED_TIME: Duration = Duration::from_secs(10);

/// What one direction holds at a time. 5,000 idle tunnels take 40 MB of it.
const BUFFER: usize = 4096;

/// What a tunnel occupies until it ends.
pub(crate) struct Held {
    pub(crate) watched: Watched,
    pub(crate) _place: OwnedSemaphorePermit,
    pub(crate) _in_flight: InFlight,
}

/// Connects both sides in a task of its own.
pub(crate) fn start(caller: OnUpgrade, target: OnUpgrade, held: Held) {
    tokio::spawn(async move {
        let both = async { tokio::try_join!(caller, target) };
        match timeout(UPGRADE_TIME, both).await {
            Ok(Ok((caller, target))) => run(caller, target, &held.watched).await,
            Ok(Err(error)) => tracing::debug!(%error, "a WebSocket was not established"),
            Err(_) => tracing::debug!("a WebSocket was not established in time"),
        }
        drop(held);
    });
}

async fn run(caller: Upgraded, target: Upgraded, watched: &Watched) {
    let (caller_reads, caller_writes) = tokio::io::split(TokioIo::new(caller));
    let (target_reads, target_writes) = tokio::io::split(TokioIo::new(target));
    let (stop, stopped) = watch::channel(None);
    let down = Direction::new(target_reads, caller_writes, false, stopped.clone());
    let up = Direction::new(caller_reads, target_writes, true, stopped);
    let both = async {
        let (mut down, mut up) = (pin!(down.run()), pin!(up.run()));
        // One side that has sent everything may still receive.
        tokio::select! {
            ended = &mut down => if ended.is_ok() { drop(timeout(HALF_CLOSED_TIME, up).await) },
            ended = &mut up => if ended.is_ok() { drop(timeout(HALF_CLOSED_TIME, down).await) },
        }
    };
    let mut both = pin!(both);
    tokio::select! {
        () = both.as_mut() => {}
        end = watched.end() => {
            tracing::debug!(reason = end.reason(), "a WebSocket is closed");
            stop.send_replace(Some(end));
            // After the Close frame both directions wait for the peers to close.
            if timeout(2 * CLOSE_TIME, both).await.is_err() {
                tracing::debug!("a WebSocket was cut");
            }
        }
    }
}

/// Copies one way, and writes a Close frame where the frames allow it when it is stopped.
struct Direction {
    from: ReadHalf<TokioIo<Upgraded>>,
    to: WriteHalf<TokioIo<Upgraded>>,
    /// Whether the frames are masked, as a client's are.
    masked: bool,
    frames: Frames,
    stopped: watch::Receiver<Option<End>>,
}

impl Direction {
    fn new(
        from: ReadHalf<TokioIo<Upgraded>>,
        to: WriteHalf<TokioIo<Upgraded>>,
        masked: bool,
        stopped: watch::Receiver<Option<End>>,
    ) -> Self {
        Self {
            from,
            to,
            masked,
            frames: Frames::default(),
            stopped,
        }
    }

    async fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = tokio::select! {
                read = self.from.read(&mut buffer) => read?,
                end = stopping(&mut self.stopped) => return self.close(end, &mut buffer).await,
            };
            if read == 0 {
                return self.to.shutdown().await;
            }
            // A peer that does not read holds up the copying here, and must not hold up the end.
            tokio::select! {
                written = self.to.write_all(&buffer[..read]) => written?,
                _ = stopping(&mut self.stopped) => return Err(io::ErrorKind::TimedOut.into()),
            }
            self.frames.pass(&buffer[..read]);
        }
    }

    /// Lets the frame that has begun end, writes a Close frame after it, and waits for the peer to close.
    async fn close(&mut self, end: End, buffer: &mut [u8]) -> io::Result<()> {
        let finish = async {
            while !self.frames.is_between_frames() {
                let read = self.from.read(buffer).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let rest = self.frames.pass_to_boundary(&buffer[..read]);
                self.to.write_all(&buffer[..rest]).await?;
            }
            let code = match end {
                End::Expired | End::Revoked => 4401,
                End::Stopping => 1001,
            };
            self.to.write_all(&close(code, end.reason(), self.masked)).await?;
            self.to.flush().await
        };
        timeout(CLOSE_TIME, finish).await??;
        // Frames that still come are of no use to the other side, which has its Close frame.
        let drain = async { while self.from.read(buffer).await.is_ok_and(|read| read > 0) {} };
        let _ = timeout(CLOSE_TIME, drain).await;
        self.to.shutdown().await
    }
}

async fn stopping(stopped: &mut watch::Receiver<Option<End>>) -> End {
    // An error says that the tunnel has ended, and then nothing waits here any more.
    let end = stopped.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    match end {
        Some(end) => end,
        None => std::future::pending().await,
    }
}
