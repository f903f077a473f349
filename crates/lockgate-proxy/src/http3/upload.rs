//! A request's body, as its stream brings it.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::server::RequestStream;
use http_body::Frame;
use lockgate_wire::http3::reasons::PSEUDO_FIELDS;

use super::reasons;
use super::transport::{RecvStream, Told};
use crate::body::Broken;
use crate::clock::Clock;
use crate::net::{ConnectionState, Waiting};

/// A request's body, as its stream brings it.
pub struct Upload {
    stream: RequestStream<RecvStream, Bytes>,
    told: Rc<Told>,
    state: Rc<ConnectionState>,
    clock: Clock,
    /// Bytes to come, where the head said it.
    left: Option<u64>,
    /// What came before it was asked for.
    first: Option<Bytes>,
    data_over: bool,
    over: bool,
}

impl Upload {
    /// The body of a request whose head told `length`; none where there is none.
    ///
    /// # Errors
    /// If there is none and should be.
    pub fn begin(
        (mut stream, told): (RequestStream<RecvStream, Bytes>, Rc<Told>),
        state: &Rc<ConnectionState>,
        clock: Clock,
        length: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Box<Self>>, Broken> {
        let first = match stream.poll_recv_data(cx) {
            Poll::Ready(Ok(Some(mut data))) => Some(data.copy_to_bytes(data.remaining())),
            Poll::Ready(Err(_)) => return Err(broken(&told, state)),
            Poll::Pending => None,
            Poll::Ready(Ok(None)) => {
                if length.is_some_and(|length| length > 0) {
                    state.body.broken.set(Some(&reasons::LENGTH_DIFFERS));
                    return Err(Broken);
                }
                match stream.poll_recv_trailers(cx) {
                    Poll::Ready(Ok(None)) => return Ok(None),
                    Poll::Ready(Err(_)) => return Err(broken(&told, state)),
                    // Trailers of an empty body are nobody's: nothing is left to read.
                    Poll::Ready(Ok(Some(_))) => return Ok(None),
                    Poll::Pending => None,
                }
            }
        };
        state.begin_body();
        Ok(Some(Box::new(Self {
            stream,
            told,
            state: Rc::clone(state),
            clock,
            left: length,
            first,
            data_over: false,
            over: false,
        })))
    }

    /// Bytes to come, where that is known.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        self.left
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read to its end; the connection's state says why.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.state.interrupted() {
            return Poll::Ready(Some(Err(Broken)));
        }
        if self.over {
            return Poll::Ready(None);
        }
        while !self.data_over {
            let data = match self.first.take() {
                Some(first) => Some(first),
                None => {
                    let Poll::Ready(polled) = self.stream.poll_recv_data(cx) else {
                        self.state.wait(Waiting::Body, self.clock.coarse_ms());
                        return Poll::Pending;
                    };
                    match polled {
                        Ok(data) => data.map(|mut data| data.copy_to_bytes(data.remaining())),
                        Err(_) => return Poll::Ready(Some(Err(broken(&self.told, &self.state)))),
                    }
                }
            };
            let Some(data) = data else {
                self.data_over = true;
                // The library does not compare them, and the upstream would wait for the rest.
                if self.left.is_some_and(|left| left > 0) {
                    return Poll::Ready(Some(Err(self.differs())));
                }
                break;
            };
            self.state.body_came(data.len());
            self.state.wait(Waiting::Nothing, self.clock.coarse_ms());
            if let Some(left) = &mut self.left {
                match left.checked_sub(data.len() as u64) {
                    Some(rest) => *left = rest,
                    // It would be taken for another request.
                    None => return Poll::Ready(Some(Err(self.differs()))),
                }
            }
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        let Poll::Ready(trailers) = self.stream.poll_recv_trailers(cx) else {
            // Its end is awaited, too, once the trailers are there.
            self.state.wait(Waiting::Body, self.clock.coarse_ms());
            return Poll::Pending;
        };
        self.state.wait(Waiting::Nothing, self.clock.coarse_ms());
        self.over = true;
        match trailers {
            Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(None) => Poll::Ready(None),
            Err(_) => Poll::Ready(Some(Err(broken(&self.told, &self.state)))),
        }
    }

    fn differs(&mut self) -> Broken {
        self.over = true;
        self.state.body.broken.set(Some(&reasons::LENGTH_DIFFERS));
        Broken
    }
}

/// It cannot be read to its end; the connection's state is told why, where it is the request.
fn broken(told: &Told, state: &ConnectionState) -> Broken {
    if told.malformed() {
        state.body.broken.set(Some(&PSEUDO_FIELDS));
    }
    Broken
}
