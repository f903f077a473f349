//! An answer on its way to the client.

use std::cell::RefCell;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame};

use super::head::{self, Asked, OwnFields, Shape};
use super::outbox::Outbox;
use super::{Client, Gone, Tunnel};
use crate::body::AnswerBody;
use crate::http1::write_fields;
use crate::respond::Answer;
use crate::tls::Secured;

/// Writes of one answer before others have their turn, of up to 64 KiB each. A system's buffers take
/// megabytes at once, and a hundred large answers that begin together would keep everybody waiting.
const WRITES: usize = 4;

/// An answer that is being sent.
pub(super) struct Sending {
    body: AnswerBody,
    shape: Shape,
    trailers: bool,
    over: bool,
    /// A chunk was begun, and its line end is due.
    open: bool,
    /// Whether the client was told that it may ask again.
    pub(super) persistent: bool,
}

impl Sending {
    /// Begins to send `answer` to whoever `asked`.
    pub(super) fn begin(client: &mut Client, answer: Answer, asked: Asked) -> Self {
        let Answer {
            status,
            fields,
            close,
            mut body,
        } = answer;
        let empty = status == StatusCode::NO_CONTENT;
        let bodiless = empty || asked.head || status == StatusCode::NOT_MODIFIED;
        let shape = match body.size_hint().exact() {
            _ if status == StatusCode::SWITCHING_PROTOCOLS => Shape::Switch,
            _ if empty => Shape::Empty,
            _ if bodiless => Shape::Bodiless,
            Some(length) => Shape::Length(length),
            None if asked.http_10 => Shape::UntilClose,
            None => Shape::Chunked,
        };
        // An interim answer has no place any more; whether the body comes now is not known.
        let awaited = std::mem::take(&mut client.expects) && !client.body.is_over();
        let persistent = asked.persistent
            && !awaited
            && shape != Shape::UntilClose
            && !client.state.draining.get()
            && !client.state.retiring.get()
            && !close
            // The upstream may still be reading the request; the gate is not.
            && (body.is_upstream() || client.discards());
        if bodiless {
            body.skip();
        }
        let date = client.clock.date();
        let secured = client.state.source.tls();
        let own = OwnFields {
            id: body.id(),
            date: &date,
            hsts: secured.and_then(Secured::hsts),
            alt_svc: client.state.source.alt_svc().map(HeaderValue::as_bytes),
        };
        let out = client.outbox.small();
        let line = (status, &fields);
        head::write(line, (shape, persistent, asked.http_10), own, out);
        Self {
            over: bodiless,
            body,
            shape,
            trailers: asked.trailers,
            open: false,
            persistent,
        }
    }

    /// The tunnel that the connection becomes.
    pub(super) fn into_tunnel(self) -> Option<Box<Tunnel>> {
        let mut body = self.body;
        match &mut body {
            AnswerBody::Tunnel(tunnel) => tunnel.take(),
            _ => None,
        }
    }

    /// Sends on for a turn; ready when all was written. The client is borrowed in
    /// moments, since the body may be read from it meanwhile.
    pub(super) fn poll(
        &mut self,
        client: &RefCell<Client>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        for _ in 0..WRITES {
            let mut gathered = self.poll_gather(client, cx);
            if self.body.look(cx).is_err() {
                gathered = Poll::Ready(Err(Gone));
            }
            let mut client = client.borrow_mut();
            if let Poll::Ready(Err(Gone)) = gathered {
                // What came before is still the client's: the missing end tells that it is not all.
                let _ = client.poll_flush(cx);
                if self.shape == Shape::UntilClose {
                    // Any end would look right; a reset does not. Within a machine there is none.
                    if let Some(stream) = client.stream.tcp() {
                        let _ = stream.set_zero_linger();
                    }
                }
                return gathered;
            }
            if let Err(Gone) = ready!(client.poll_flush(cx)) {
                self.body.lost();
                return Poll::Ready(Err(Gone));
            }
            if self.over {
                return Poll::Ready(Ok(()));
            }
            if gathered.is_pending() {
                if client.is_gone(cx) {
                    self.body.lost();
                    return Poll::Ready(Err(Gone));
                }
                return Poll::Pending;
            }
        }
        // There may be more, once others had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what there is of the body, as long as little waits to be written.
    fn poll_gather(
        &mut self,
        client: &RefCell<Client>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        while !self.over && client.borrow().outbox.has_room() {
            let polled = if self.body.is_end_stream() {
                Poll::Ready(None)
            } else {
                Pin::new(&mut self.body).poll_frame(cx)
            };
            let out = &mut client.borrow_mut().outbox;
            if std::mem::take(&mut self.open) {
                out.small().extend_from_slice(b"\r\n");
            }
            match ready!(polled) {
                Some(Ok(frame)) => self.encode(frame, out),
                Some(Err(_)) => return Poll::Ready(Err(Gone)),
                None => {
                    if self.shape == Shape::Chunked {
                        out.small().extend_from_slice(b"0\r\n\r\n");
                    }
                    self.over = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn encode(&mut self, frame: Frame<Bytes>, out: &mut Outbox) {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.end(&trailers, out);
                }
                return;
            }
        };
        if data.is_empty() {
            return;
        }
        if self.shape == Shape::Chunked {
            // Writing to memory cannot fail.
            let _ = write!(out.small(), "{:x}\r\n", data.len());
            self.open = true;
        }
        out.push(data);
    }

    /// Ends with trailers, if the client said that it takes them (RFC 9110 section 6.5.1).
    fn end(&mut self, trailers: &HeaderMap, out: &mut Outbox) {
        self.over = true;
        if self.shape != Shape::Chunked {
            return;
        }
        let out = out.small();
        out.extend_from_slice(b"0\r\n");
        if self.trailers {
            write_fields(out, trailers);
        }
        out.extend_from_slice(b"\r\n");
    }
}
