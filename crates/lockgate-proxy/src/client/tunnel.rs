//! A connection that has become a WebSocket: bytes pass both ways, watched, until
//! either side closes it, a bound is met, or its caller is no longer let in.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use lockgate_policy::websocket::{Terms, ENDED, IDLE, TOO_MANY};
use lockgate_policy::ReasonRef;
use lockgate_wire::websocket::{close_frame, Breach, Sender, Watcher};

use super::{Client, Gone, LINGER_BYTES};
use crate::exchange::Exchange;
use crate::net::{ConnectionState, Trip};
use crate::reasons;
use crate::upstream::Link;
use crate::worker::Worker;

/// How many times its rate a client's messages may come at once.
const BURST: u64 = 5;

/// Frames that may come for each message of the rate: pings, and pieces of messages.
const FRAMES_EACH: u64 = 10;

/// Close codes (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;

/// A WebSocket between a client and an upstream.
pub struct Tunnel {
    link: Box<Link>,
    /// What is written down of it once it is over.
    exchange: Box<Exchange>,
    terms: Terms,
    deflate: bool,
}

impl Tunnel {
    /// Of what the upstream agreed to.
    #[must_use]
    pub const fn new(
        link: Box<Link>,
        exchange: Box<Exchange>,
        terms: Terms,
        deflate: bool,
    ) -> Self {
        Self {
            link,
            exchange,
            terms,
            deflate,
        }
    }

    /// What is written down of it.
    #[must_use]
    pub const fn exchange(&self) -> &Exchange {
        &self.exchange
    }
}

/// How it came to its end.
enum Ended {
    /// The client went.
    Client,
    /// The upstream did.
    Upstream,
    /// The gate ends it, with this code; the reason is written down.
    Gate(u16, Option<ReasonRef>),
}

impl From<Breach> for Ended {
    fn from(breach: Breach) -> Self {
        Self::Gate(breach.close_code, Some(breach.reason))
    }
}

/// A client's end of a tunnel: its connection, or a stream of one.
pub(crate) trait Side {
    /// What comes; `None` once it is over.
    fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;
    /// Writes what was pushed.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;
    /// Whether something may be pushed.
    fn has_room(&self) -> bool;
    /// Whether all that was pushed was written.
    fn is_empty(&self) -> bool;
    /// Adds what is to be written; only while there is room.
    fn push(&mut self, bytes: Bytes);
}

impl Side for Client {
    fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Self::poll_tunnel(self, cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Self::poll_flush(self, cx)
    }

    fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    fn push(&mut self, bytes: Bytes) {
        self.outbox.push(bytes);
    }
}

/// Lets everything pass until it is over. The head of the answer is in the outbox.
pub(super) async fn run(
    client: &Rc<RefCell<Client>>,
    tunnel: Box<Tunnel>,
    worker: &Rc<Worker>,
    state: &Rc<ConnectionState>,
) {
    client.borrow_mut().guard.tunnel();
    carry(client, tunnel, (worker, state)).await;
    let mut linger = LINGER_BYTES;
    poll_fn(|cx| client.borrow_mut().poll_close(cx, &mut linger)).await;
}

/// Lets everything pass between a client and an upstream, and tells both of its end.
pub(crate) async fn carry<S: Side>(
    client: &RefCell<S>,
    tunnel: Box<Tunnel>,
    (worker, state): (&Rc<Worker>, &Rc<ConnectionState>),
) {
    state.tunnel(tunnel.terms.idle_ms, worker.clock.coarse_ms());
    let mut talk = Talk::new(tunnel, worker, state);
    let ended = poll_fn(|cx| talk.poll(&mut *client.borrow_mut(), cx)).await;
    let Some((to_client, mut to_upstream)) = talk.end(&ended) else {
        return;
    };
    poll_fn(|cx| {
        let mut client = client.borrow_mut();
        if !to_client.is_empty() && client.has_room() {
            client.push(to_client.clone());
        }
        // Said if it can be said at once: nobody is waited for any more.
        let _ = talk.tunnel.link.poll_push(cx, &mut to_upstream);
        let _ = client.poll_flush(cx);
        Poll::Ready(())
    })
    .await;
}

struct Talk<'a> {
    tunnel: Box<Tunnel>,
    worker: &'a Rc<Worker>,
    state: &'a ConnectionState,
    /// On its way to the upstream.
    up: Bytes,
    from_client: Watcher,
    from_server: Watcher,
    /// The upstream's socket still has to take what was given to it.
    flushing: bool,
    messages: Rate,
    /// Of everything: pings and pieces of messages cost something too.
    frames: Rate,
}

/// What came of something, against so many in a second and [`BURST`] times as many at once.
#[derive(Default)]
struct Rate {
    counted: u64,
    /// When all that came is earned again, microseconds since the epoch.
    earned_us: u64,
}

impl Rate {
    /// Whether so many in all are not too many; `0` a second is no bound.
    fn bears(&mut self, count: u64, per_second: u64, now_ms: u64) -> bool {
        let new = count - std::mem::replace(&mut self.counted, count);
        if per_second == 0 || new == 0 {
            return true;
        }
        let now_us = now_ms * 1_000;
        self.earned_us = self.earned_us.max(now_us) + new * 1_000_000 / per_second;
        self.earned_us <= now_us + BURST * 1_000_000
    }
}

impl<'a> Talk<'a> {
    fn new(tunnel: Box<Tunnel>, worker: &'a Rc<Worker>, state: &'a ConnectionState) -> Self {
        let rules = tunnel.terms.rules(tunnel.deflate);
        Self {
            tunnel,
            worker,
            state,
            up: Bytes::new(),
            from_client: Watcher::new(Sender::Client, rules),
            from_server: Watcher::new(Sender::Server, rules),
            flushing: false,
            messages: Rate::default(),
            frames: Rate::default(),
        }
    }

    fn poll<S: Side>(&mut self, client: &mut S, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            match self.poll_once(client, cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(ended) => return Poll::Ready(ended),
            }
        }
    }

    /// Passes on what there is; whether anything did.
    fn poll_once<S: Side>(&mut self, client: &mut S, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let now_ms = self.worker.clock.coarse_ms();
        if let Some(Trip::Close) = self.state.tripped() {
            // A client that takes nothing is as good as gone.
            return Err(if client.is_empty() {
                Ended::Gate(GOING_AWAY, Some(&IDLE))
            } else {
                Ended::Client
            });
        }
        if self.state.draining.get() {
            return Err(Ended::Gate(GOING_AWAY, None));
        }
        if self.tunnel.exchange.ended().is_some() {
            return Err(Ended::Gate(POLICY, Some(&ENDED)));
        }
        let mut moved = false;
        if self.up.is_empty() {
            match client.poll_tunnel(cx) {
                Poll::Ready(Some(bytes)) => {
                    self.from_client.feed(&bytes)?;
                    self.count(now_ms)?;
                    let counted = self.state.body.bytes.get() + bytes.len() as u64;
                    self.state.body.bytes.set(counted);
                    self.up = bytes;
                    moved = true;
                }
                Poll::Ready(None) => return Err(Ended::Client),
                Poll::Pending => {}
            }
        }
        if !self.up.is_empty() || self.flushing {
            match self.tunnel.link.poll_push(cx, &mut self.up) {
                Poll::Ready(Ok(())) => {
                    moved = true;
                    self.flushing = false;
                }
                Poll::Ready(Err(_)) => return Err(Ended::Upstream),
                Poll::Pending => self.flushing = true,
            }
        }
        match client.poll_flush(cx) {
            Poll::Ready(Err(Gone)) => return Err(Ended::Client),
            // What the client does not take waits with the upstream.
            Poll::Pending => {}
            Poll::Ready(Ok(())) => match self.tunnel.link.poll_tunnel(cx) {
                Poll::Ready(Some(bytes)) => {
                    self.from_server.feed(&bytes)?;
                    self.tunnel.exchange.bytes_out += bytes.len() as u64;
                    client.push(bytes);
                    moved = true;
                }
                Poll::Ready(None) => return Err(Ended::Upstream),
                Poll::Pending => {}
            },
        }
        if moved {
            self.state.passed(now_ms);
        }
        Ok(moved)
    }

    /// Counts what the client sends against its rate.
    fn count(&mut self, now_ms: u64) -> Result<(), Ended> {
        let counts = self.from_client.counts();
        let rate = u64::from(self.tunnel.terms.messages);
        let messages = self.messages.bears(counts.messages, rate, now_ms);
        let frames = self.frames.bears(counts.frames, rate * FRAMES_EACH, now_ms);
        if messages && frames {
            Ok(())
        } else {
            Err(Ended::Gate(POLICY, Some(&TOO_MANY)))
        }
    }

    /// Writes down how it ended; what is said to both, where the gate ended it.
    fn end(&mut self, ended: &Ended) -> Option<(Bytes, Bytes)> {
        let exchange = &mut self.tunnel.exchange;
        // Whoever said good-bye may go.
        let parted = self.from_client.is_closed() || self.from_server.is_closed();
        exchange.complete = parted;
        match ended {
            Ended::Client | Ended::Upstream if parted => None,
            Ended::Client => {
                exchange.broke_off(exchange.state.gone());
                let gone = close_frame(GOING_AWAY, "", Some(self.mask()));
                let boundary = self.from_client.at_boundary() && self.up.is_empty();
                Some((
                    Bytes::new(),
                    if boundary { gone.into() } else { Bytes::new() },
                ))
            }
            Ended::Upstream => {
                exchange.broke_off(&reasons::RESET);
                let told = close_frame(1011, reasons::RESET.code, None);
                let boundary = self.from_server.at_boundary();
                Some((
                    if boundary { told.into() } else { Bytes::new() },
                    Bytes::new(),
                ))
            }
            Ended::Gate(code, reason) => {
                exchange.complete = true;
                if let Some(reason) = reason {
                    exchange.broke_off(reason);
                }
                let words = reason.map_or("", |reason| reason.code);
                let to_client = if self.from_server.at_boundary() {
                    close_frame(*code, words, None).into()
                } else {
                    Bytes::new()
                };
                let to_upstream = if self.from_client.at_boundary() && self.up.is_empty() {
                    close_frame(GOING_AWAY, "", Some(self.mask())).into()
                } else {
                    Bytes::new()
                };
                Some((to_client, to_upstream))
            }
        }
    }

    fn mask(&self) -> [u8; 4] {
        let random = self.worker.ids.bytes();
        [random[0], random[1], random[2], random[3]]
    }
}
