//! What gRPC-Web has besides: trailers in the body, and base64.

use http::HeaderMap;

use super::reasons;
use crate::{base64, reason::ReasonRef};

/// Bytes of trailers; longer ones are left out. As [`super::Messages`] takes.
const MAX_TRAILERS: usize = 64 * 1024;

/// The last frame of a gRPC-Web body, with the trailers as HTTP/1.1 writes
/// them (PROTOCOL-WEB.md). Trailers beyond 64 KiB are left out.
#[must_use]
pub fn trailer_frame(trailers: &HeaderMap) -> Vec<u8> {
    let mut frame = vec![0x80, 0, 0, 0, 0];
    let prefix = frame.len();
    for (name, value) in trailers {
        let length = name.as_str().len() + value.len() + 3;
        if frame.len() - prefix + length > MAX_TRAILERS {
            continue;
        }
        frame.extend_from_slice(name.as_str().as_bytes());
        frame.push(b':');
        frame.extend_from_slice(value.as_bytes());
        frame.extend_from_slice(b"\r\n");
    }
    // Bounded above, so the cast loses nothing.
    let length = (frame.len() - prefix) as u32;
    frame[1..prefix].copy_from_slice(&length.to_be_bytes());
    frame
}

/// Reads grpc-web-text piece by piece; keeps three characters at most. Padding
/// may stand anywhere between fours: each flush of a sender ends with it.
#[derive(Debug, Default)]
pub struct TextDecoder {
    quad: [u8; 4],
    filled: usize,
}

impl TextDecoder {
    /// Decodes a piece and appends at most 3 bytes for each 4 of it to `out`.
    ///
    /// # Errors
    /// `grpc-web-text` if it is not base64; the decoder is of no use then.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), ReasonRef> {
        out.reserve((self.filled + input.len()) / 4 * 3);
        while self.filled > 0 || input.len() < 4 {
            let Some((first, rest)) = input.split_first() else {
                return Ok(());
            };
            input = rest;
            self.quad[self.filled] = *first;
            self.filled += 1;
            if self.filled == 4 {
                self.filled = 0;
                append(self.quad, out)?;
            }
        }
        let (quads, rest) = input.as_chunks::<4>();
        for quad in quads {
            append(*quad, out)?;
        }
        self.quad[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
        Ok(())
    }

    /// The body is over.
    ///
    /// # Errors
    /// `grpc-web-text` if it ends within four characters.
    pub fn end(&self) -> Result<(), ReasonRef> {
        match self.filled {
            0 => Ok(()),
            _ => Err(&reasons::TEXT),
        }
    }
}

fn append(quad: [u8; 4], out: &mut Vec<u8>) -> Result<(), ReasonRef> {
    let (bytes, count) = base64::decode(quad).ok_or(&reasons::TEXT)?;
    out.extend_from_slice(&bytes[..count]);
    Ok(())
}

/// Writes grpc-web-text piece by piece; keeps two bytes at most.
#[derive(Debug, Default)]
pub struct TextEncoder {
    rest: [u8; 2],
    filled: usize,
}

impl TextEncoder {
    /// Encodes a piece and appends what is whole to `out`: at most 4 bytes for
    /// each 3 of it, and 4 more.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        if self.filled > 0 {
            let missing = 3 - self.filled;
            let Some((head, rest)) = input.split_at_checked(missing) else {
                return self.keep(input);
            };
            let mut triple = [0; 3];
            triple[..self.filled].copy_from_slice(&self.rest[..self.filled]);
            triple[self.filled..].copy_from_slice(head);
            base64::encode(&triple, out);
            self.filled = 0;
            input = rest;
        }
        let (whole, rest) = input.split_at(input.len() / 3 * 3);
        base64::encode(whole, out);
        self.keep(rest);
    }

    /// Writes what is kept, with padding: at the end of the body, and of each
    /// message that the client shall see at once.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        base64::encode(&self.rest[..self.filled], out);
        self.filled = 0;
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.rest[self.filled..][..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }
}
