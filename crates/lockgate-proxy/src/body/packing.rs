//! An answer being packed on its way to the client.

use std::future::Future;
use std::pin::pin;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use lockgate_wire::coding::{Packer, PIECE};

use super::{poll_upstream, Broken};
use crate::exchange::Exchange;
use crate::memory::Charge;
use crate::upstream::Link;

/// What packs an answer, and where it is.
pub struct Packing {
    packer: Packer,
    /// Memory that the packer may take.
    _charge: Charge,
    /// What came and is not packed yet.
    waiting: Bytes,
    /// How much may be packed before others of the worker have a turn.
    left: usize,
    trailers: Option<HeaderMap>,
    /// Nothing but trailers comes any more.
    ended: bool,
}

impl Packing {
    /// Nothing packed yet.
    pub const fn new(packer: Packer, charge: Charge) -> Self {
        Self {
            left: packer.turn(),
            packer,
            _charge: charge,
            waiting: Bytes::new(),
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
        // Also where something came out: a client that takes all at once keeps nobody waiting.
        if self.left == 0 {
            self.left = self.packer.turn();
            ready!(pin!(tokio::task::yield_now()).poll(cx));
        }
        // What goes to the client counts, not what came.
        let before = exchange.bytes_out;
        let mut out = Vec::new();
        let gathered = self.gather(link, exchange, cx, &mut out);
        exchange.bytes_out = before + out.len() as u64;
        match gathered {
            Err(Broken) => Poll::Ready(Some(Err(Broken))),
            Ok(()) if !out.is_empty() => Poll::Ready(Some(Ok(Frame::data(out.into())))),
            // Nothing came out of it, and others have their turn.
            Ok(()) if self.left == 0 => self.poll(link, exchange, cx),
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
        while out.len() < PIECE && self.left > 0 {
            if self.waiting.is_empty() {
                let Poll::Ready(frame) = poll_upstream(link, exchange, cx) else {
                    if self.packer.owes() {
                        self.packer.flush(out).map_err(|_| Broken)?;
                    }
                    return Ok(());
                };
                match frame.transpose()?.map(Frame::into_data) {
                    Some(Ok(piece)) => self.waiting = piece,
                    Some(Err(frame)) => {
                        self.trailers = frame.into_trailers().ok();
                        return self.end(out);
                    }
                    None => return self.end(out),
                }
            }
            let now = self.waiting.len().min(self.left);
            let now = self.waiting.split_to(now);
            self.left -= now.len();
            self.packer.put(&now, out).map_err(|_| Broken)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.ended = true;
        self.packer.end(out).map_err(|_| Broken)
    }
}
