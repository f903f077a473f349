//! An answer being packed on its way to the client.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use lockgate_wire::coding::{Packer, PIECE};

use super::{poll_upstream, Broken};
use crate::exchange::Exchange;
use crate::memory::Charge;
use crate::upstream::Link;

/// Most bytes that are packed before others of the worker have a turn: what
/// packs very well gives nothing to send for long. A few milliseconds' work.
const MAX_AT_ONCE: usize = 256 * 1024;

/// What packs an answer, and where it is.
pub struct Packing {
    packer: Packer,
    /// Memory that the packer may take.
    _charge: Charge,
    trailers: Option<HeaderMap>,
    /// Nothing but trailers comes any more.
    ended: bool,
}

impl Packing {
    /// Nothing packed yet.
    pub const fn new(packer: Packer, charge: Charge) -> Self {
        Self {
            packer,
            _charge: charge,
            trailers: None,
            ended: false,
        }
    }

    /// Whether all was given.
    pub const fn is_over(&self) -> bool {
        self.ended && self.trailers.is_none()
    }

    /// Packs what there is. Where nothing more is there yet, all that came goes
    /// out: events and slow answers arrive as they were said.
    pub fn poll(
        &mut self,
        link: &mut Option<Box<Link>>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.ended {
            let trailers = self.trailers.take();
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        // What goes to the client counts, not what came.
        let before = exchange.bytes_out;
        let mut out = Vec::new();
        let gathered = self.gather(link, exchange, cx, &mut out);
        exchange.bytes_out = before + out.len() as u64;
        match gathered {
            Err(Broken) => Poll::Ready(Some(Err(Broken))),
            Ok(()) if !out.is_empty() => Poll::Ready(Some(Ok(Frame::data(out.into())))),
            Ok(()) => Poll::Pending,
        }
    }

    /// Leaves `out` empty only where the upstream is awaited or others have a turn.
    fn gather(
        &mut self,
        link: &mut Option<Box<Link>>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let mut taken = 0;
        while out.len() < PIECE {
            let Poll::Ready(frame) = poll_upstream(link, exchange, cx) else {
                if self.packer.owes() {
                    self.packer.flush(out).map_err(|_| Broken)?;
                }
                return Ok(());
            };
            let piece = match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(piece)) => piece,
                Some(Err(frame)) => {
                    self.trailers = frame.into_trailers().ok();
                    return self.end(out);
                }
                None => return self.end(out),
            };
            self.packer.put(&piece, out).map_err(|_| Broken)?;
            taken += piece.len();
            if taken >= MAX_AT_ONCE {
                if out.is_empty() {
                    cx.waker().wake_by_ref();
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.ended = true;
        self.packer.end(out).map_err(|_| Broken)
    }
}
