//! The answer to a call of gRPC: however it ends, its client is told a status.

use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use lockgate_policy::grpc::DEADLINE;
use lockgate_policy::{Denial, ReasonRef};
use lockgate_wire::grpc::{
    reasons as wire, trailer_frame, Messages, Protocol, TextEncoder, GRPC_STATUS,
};
use tokio::time::{sleep_until, Sleep};

use super::{poll_upstream, settle, Broken};
use crate::exchange::Exchange;
use crate::grpc::{status_of, Terms};
use crate::reasons;
use crate::upstream::Link;

/// An answer that comes message by message.
pub struct Call {
    link: Option<Box<Link>>,
    exchange: Box<Exchange>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Watches the messages, where the API bounds them.
    watched: Option<Messages>,
    web: Option<Web>,
    /// What the client got ends with a message.
    whole: bool,
    /// What it ends with, once that is known.
    last: Option<HeaderMap>,
    over: bool,
}

/// What makes it an answer of gRPC-Web.
#[derive(Default)]
struct Web {
    text: Option<TextEncoder>,
}

impl Web {
    fn encode(&mut self, bytes: Bytes, flush: bool) -> Bytes {
        let Some(text) = &mut self.text else {
            return bytes;
        };
        let mut out = Vec::with_capacity(bytes.len() / 3 * 4 + 8);
        text.feed(&bytes, &mut out);
        if flush {
            text.flush(&mut out);
        }
        out.into()
    }
}

impl Call {
    /// The answer that comes over `link`. `last` is what its head said already
    /// of its end, where nothing else comes.
    pub fn new(
        link: Box<Link>,
        exchange: Box<Exchange>,
        terms: &Terms,
        last: Option<HeaderMap>,
    ) -> Self {
        let mut link = Some(link);
        settle(&mut link, &exchange);
        let web = terms.web.map(|protocol| Web {
            text: (protocol == Protocol::WebText).then(TextEncoder::default),
        });
        Self {
            // A call of gRPC whose head was all ends with it.
            over: link.is_none() && web.is_none(),
            deadline: terms.deadline.map(|until| Box::pin(sleep_until(until))),
            watched: terms
                .message_bytes
                .map(|bytes| Messages::of_upstream(Protocol::Grpc, bytes)),
            link,
            exchange,
            web,
            whole: true,
            last,
        }
    }

    /// What is written down of it.
    pub const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The same, to be written to.
    pub const fn exchange_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// Whether all of it was taken.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Looks whether its time is up, and whether its caller is still let in, also while its client
    /// takes nothing: the upstream then stops at once.
    pub fn look(&mut self, cx: &mut Context<'_>) {
        if self.over || self.last.is_some() {
            return;
        }
        if let Some(denial) = self.exchange.ended() {
            let told = self.exchange.end(&denial);
            return self.fail(&told);
        }
        let deadline = self.deadline.as_mut();
        if deadline.is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            self.deadline = None;
            self.fail(&Denial::new(&DEADLINE));
        }
    }

    /// The next piece; `None` at the end.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.look(cx);
        if let Some(last) = self.last.take() {
            return Poll::Ready(self.end(last));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let polled = ready!(poll_upstream(&mut self.link, &mut self.exchange, cx));
        let failed = match polled {
            Some(Ok(frame)) => match self.pass(frame) {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => None,
                Err(reason) => Some(reason.into()),
            },
            // Without a word of how it went.
            None if self.watched.is_none() && self.web.is_none() => {
                self.over = true;
                return Poll::Ready(None);
            }
            None => Some((&wire::UPSTREAM_MESSAGE).into()),
            Some(Err(Broken)) => match self.exchange.hear_body() {
                Some(denial) => Some(denial),
                None => match self.exchange.reason {
                    Some(reason) if !reasons::GONE.contains(&reason) => Some(reason.into()),
                    _ => return Poll::Ready(Some(Err(Broken))),
                },
            },
        };
        if let Some(denial) = failed {
            self.fail(&denial);
        }
        match self.last.take() {
            Some(last) => Poll::Ready(self.end(last)),
            None => Poll::Ready(None),
        }
    }

    /// What goes on of a piece; trailers become the last.
    fn pass(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, ReasonRef> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                if let Some(watched) = &self.watched {
                    watched.end()?;
                    if !trailers.contains_key(GRPC_STATUS) {
                        return Err(&wire::UPSTREAM_MESSAGE);
                    }
                }
                self.last = Some(trailers);
                return Ok(None);
            }
        };
        if let Some(watched) = &mut self.watched {
            watched.feed(&data)?;
            self.whole = watched.at_boundary();
        }
        Ok(Some(Frame::data(match &mut self.web {
            Some(web) => web.encode(data, self.whole),
            None => data,
        })))
    }

    /// It ends for a reason of the gate's; the upstream is told by the reset of its stream.
    fn fail(&mut self, denial: &Denial) {
        self.link = None;
        self.exchange.broke_off(denial.reason);
        let id = self.exchange.id.as_str();
        self.last = Some(status_of(denial, None, id));
    }

    fn end(&mut self, last: HeaderMap) -> Option<Result<Frame<Bytes>, Broken>> {
        self.over = true;
        self.link = None;
        let Some(web) = &mut self.web else {
            return Some(Ok(Frame::trailers(last)));
        };
        // Within a message they would be taken for a part of it.
        if !self.whole {
            return Some(Err(Broken));
        }
        let frame = web.encode(trailer_frame(&last).into(), true);
        self.exchange.bytes_out += frame.len() as u64;
        Some(Ok(Frame::data(frame)))
    }
}
