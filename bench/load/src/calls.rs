//! As much of HTTP/2 (RFC 9113) as an origin needs that gives every call of gRPC the same answer:
//! what a call says is not read, so nothing of HPACK is either.

use std::collections::VecDeque;

/// What a client of HTTP/2 begins with (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;
const LARGEST_FRAME: usize = 16_384;
/// The window of a connection that nobody has widened (RFC 9113, 6.9.2).
const FIRST_WINDOW: i64 = 65_535;
/// What is received before the window is widened again.
const RENEW: u32 = 1 << 24;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// `:status: 200`, and `content-type: application/grpc` whose name is in the static table (RFC 7541, 6.2.2).
const ANSWER_HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";
const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";
/// Whether a message is packed, and how long it is.
const MESSAGE_HEAD: usize = 5;

/// One connection's state.
pub struct Calls {
    begun: bool,
    window: i64,
    received: u32,
    waiting: VecDeque<u32>,
}

impl Calls {
    /// A connection whose preface is still to be read.
    pub fn new() -> Self {
        Self { begun: false, window: FIRST_WINDOW, received: 0, waiting: VecDeque::new() }
    }

    /// Reads whole frames and writes what they are answered with; gives how many bytes were read, none for an end.
    pub fn serve(&mut self, bytes: &[u8], body_bytes: usize, out: &mut Vec<u8>) -> Option<usize> {
        let mut done = 0;
        if !self.begun {
            if bytes.len() < PREFACE.len() {
                return Some(0);
            }
            done = PREFACE.len();
            self.begun = true;
            frame(out, SETTINGS, 0, 0, &[]);
            frame(out, WINDOW_UPDATE, 0, 0, &(i32::MAX - i32::from(u16::MAX)).to_be_bytes());
        }
        while let Some((head, rest)) = bytes[done..].split_first_chunk::<HEAD>() {
            let length =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            if length > LARGEST_FRAME {
                return None;
            }
            let Some(payload) = rest.get(..length) else { break };
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            self.take(head[3], head[4], stream, payload, out)?;
            done += HEAD + length;
        }
        self.answer(body_bytes, out);
        Some(done)
    }

    fn take(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        match kind {
            SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
            WINDOW_UPDATE if stream == 0 => {
                self.window += i64::from(u32::from_be_bytes(payload.try_into().ok()?));
            }
            // A cancelled call would have to be counted as one.
            GOAWAY | RST_STREAM | CONTINUATION => return None,
            _ => {}
        }
        if kind == DATA {
            self.received += payload.len() as u32;
            if self.received > RENEW {
                frame(out, WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
                self.received = 0;
            }
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.waiting.push_back(stream);
        }
        Some(())
    }

    fn answer(&mut self, body_bytes: usize, out: &mut Vec<u8>) {
        while self.window >= body_bytes as i64 {
            let Some(stream) = self.waiting.pop_front() else { return };
            self.window -= body_bytes as i64;
            frame(out, HEADERS, END_HEADERS, stream, ANSWER_HEAD);
            frame(out, DATA, 0, stream, &message(body_bytes));
            frame(out, HEADERS, END_HEADERS | END_STREAM, stream, TRAILERS);
        }
    }
}

/// A message of gRPC that is so long with its head.
fn message(bytes: usize) -> Vec<u8> {
    let inner = bytes.saturating_sub(MESSAGE_HEAD);
    let mut message = vec![0];
    message.extend((inner as u32).to_be_bytes());
    message.resize(MESSAGE_HEAD + inner, b'x');
    message
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::{frame, Calls, DATA, END_STREAM, HEADERS, PREFACE, SETTINGS};

    #[test]
    fn a_call_is_answered_once_it_is_whole() {
        let (mut calls, mut out) = (Calls::new(), Vec::new());
        let mut sent = PREFACE.to_vec();
        frame(&mut sent, SETTINGS, 0, 0, &[]);
        frame(&mut sent, HEADERS, 4, 1, b"\x82");
        assert_eq!(calls.serve(&sent, 300, &mut out), Some(sent.len()));
        let before = out.len();
        sent.clear();
        frame(&mut sent, DATA, END_STREAM, 1, b"\0\0\0\0\0");
        assert_eq!(calls.serve(&sent[..12], 300, &mut out), Some(0));
        assert_eq!(out.len(), before);
        assert_eq!(calls.serve(&sent, 300, &mut out), Some(sent.len()));
        assert!(out.len() > before + 300);
        assert!(out.ends_with(b"grpc-status\x010"));
    }
}
