//! The upstream of every subject: one JSON answer, as cheaply as a socket allows. Who asks for a WebSocket
//! gets its messages back, and who begins with HTTP/2 gets each call of gRPC answered.

use crate::calls::{Calls, PREFACE};
use crate::frames;
use crate::http::Message;
use crate::poller::Poller;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;

/// The origin's numbers in the poller begin here.
pub const FIRST: u64 = 1 << 32;
const LISTENER: u64 = FIRST;

/// Bytes that a request may have; what the benchmark sends is far below.
const REQUEST_BYTES: usize = 256 * 1024;

/// A listener and its connections.
pub struct Origin {
    listener: TcpListener,
    peers: HashMap<u64, Peer>,
    next: u64,
    answer: Vec<u8>,
    body_bytes: usize,
}

struct Peer {
    stream: TcpStream,
    pending: Vec<u8>,
    speaks: Speaks,
}

enum Speaks {
    Http1,
    Frames,
    Calls(Calls),
}

impl Origin {
    /// Listens on a free port of 127.0.0.1.
    pub fn new(body_bytes: usize) -> Result<Self, String> {
        let answer = canned(body_bytes)?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        Ok(Self { listener, peers: HashMap::new(), next: LISTENER + 1, answer, body_bytes })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, String> {
        self.listener.local_addr().map_err(|error| error.to_string())
    }

    /// Watches the listener.
    pub fn watch(&self, poller: &Poller) -> Result<(), String> {
        poller.watch(&self.listener, LISTENER)
    }

    /// Whether a number of the poller's is one of ours.
    pub fn owns(number: u64) -> bool {
        number >= FIRST
    }

    /// Serves a socket that is readable.
    pub fn ready(&mut self, number: u64, poller: &Poller, buffer: &mut [u8]) -> Result<(), String> {
        if number == LISTENER {
            return self.accept(poller);
        }
        let open = self
            .peers
            .get_mut(&number)
            .is_some_and(|peer| peer.serve(buffer, &self.answer, self.body_bytes));
        if !open {
            self.peers.remove(&number);
        }
        Ok(())
    }

    fn accept(&mut self, poller: &Poller) -> Result<(), String> {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nodelay(true).is_ok() && stream.set_nonblocking(true).is_ok() {
                poller.watch(&stream, self.next)?;
                self.peers
                    .insert(self.next, Peer { stream, pending: Vec::new(), speaks: Speaks::Http1 });
                self.next += 1;
            }
        }
        Ok(())
    }
}

impl Peer {
    /// Answers what has arrived; false once the peer is to be let go.
    fn serve(&mut self, buffer: &mut [u8], answer: &[u8], body_bytes: usize) -> bool {
        let count = match self.stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let read = &buffer[..count];
        // Nearly always one whole request in one read: nothing is copied then.
        if self.pending.is_empty() && matches!(self.speaks, Speaks::Http1) {
            if let Ok(Some(message)) = Message::read(read) {
                if message.total() == count && !frames::is_opening(read) {
                    return self.stream.write_all(answer).is_ok();
                }
            }
        }
        self.pending.extend_from_slice(read);
        let mut out = Vec::new();
        let open = self.speak(answer, body_bytes, &mut out);
        self.stream.write_all(&out).is_ok() && open && self.pending.len() < REQUEST_BYTES
    }

    fn speak(&mut self, answer: &[u8], body_bytes: usize, out: &mut Vec<u8>) -> bool {
        if matches!(self.speaks, Speaks::Http1) && self.pending.starts_with(PREFACE) {
            self.speaks = Speaks::Calls(Calls::new());
        }
        let done = match &mut self.speaks {
            Speaks::Http1 => return self.requests(answer, out),
            Speaks::Frames => match frames::echo(&self.pending, out) {
                ControlFlow::Continue(done) => done,
                ControlFlow::Break(()) => return false,
            },
            Speaks::Calls(calls) => match calls.serve(&self.pending, body_bytes, out) {
                Some(done) => done,
                None => return false,
            },
        };
        self.pending.drain(..done);
        true
    }

    fn requests(&mut self, answer: &[u8], out: &mut Vec<u8>) -> bool {
        loop {
            match Message::read(&self.pending) {
                Ok(Some(message)) if message.total() <= self.pending.len() => {
                    let opening = frames::is_opening(&self.pending[..message.head]);
                    self.pending.drain(..message.total());
                    out.extend_from_slice(if opening { frames::ACCEPTS } else { answer });
                    if opening {
                        self.speaks = Speaks::Frames;
                        return true;
                    }
                }
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// An answer whose body is a JSON object of exactly so many bytes.
fn canned(body_bytes: usize) -> Result<Vec<u8>, String> {
    const BEFORE: &str = "{\"id\":\"ord_1017\",\"note\":\"";
    const AFTER: &str = "\"}";
    let filling = body_bytes
        .checked_sub(BEFORE.len() + AFTER.len())
        .ok_or_else(|| format!("--body-bytes: at least {}", BEFORE.len() + AFTER.len()))?;
    let filling = "x".repeat(filling);
    Ok(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body_bytes}\r\n\r\n{BEFORE}{filling}{AFTER}"
    )
    .into_bytes())
}
