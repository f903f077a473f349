//! QUIC as the HTTP/3 library wants it, with an eye on what the client sends.
//!
//! What is dropped before it is over is reset: quinn would end it as if nothing
//! were missing.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    self, ConnectionErrorIncoming as Lost, StreamErrorIncoming as Failed, StreamId, WriteBuf,
};
use lockgate_wire::http3::{Breach, Counters, Frames, Step, StreamKind, Sums};
use quinn::{ConnectionError, ReadError, StoppedError, VarInt, WriteError};

use crate::clock::Clock;

/// One read, bytes: what of a body waits with its stream and not within the library.
const READ: usize = 64 * 1024;
/// What of all answers of a connection is kept until the client has it, bytes: what was
/// sent may be lost, and is sent again. 20 MB/s over 50 ms.
const ROOM: u64 = 1024 * 1024;
/// The same of a client that has acknowledged nothing yet. It costs a few packets to ask
/// for much over many connections and to read nothing.
pub(super) const FIRST_ROOM: u64 = 64 * 1024;
/// How many times what the path carries at once may wait.
const ROUNDS: u64 = 4;

type Opening = Pin<Box<dyn Future<Output = Result<quinn::SendStream, ConnectionError>>>>;
type Incoming<S> = Pin<Box<dyn Future<Output = Result<S, ConnectionError>>>>;
type Both = (quinn::SendStream, quinn::RecvStream);
type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>>>>;

/// What all streams of a connection tell of it.
pub struct Told {
    connection: quinn::Connection,
    clock: Clock,
    header_bytes: u64,
    counters: RefCell<Counters>,
    breach: Cell<Option<Breach>>,
    /// Whether what a stream brought last was a malformed request.
    malformed: Cell<bool>,
    /// The stream that was accepted last.
    last: RefCell<Option<Handle>>,
    /// Answers of which the client does not have all.
    owed: Cell<u32>,
    /// What of all answers may wait for the client, bytes.
    room: Cell<u64>,
}

/// An answer of which the client does not have all.
pub struct Owing(Rc<Told>);

impl Drop for Owing {
    fn drop(&mut self) {
        self.0.owed.set(self.0.owed.get() - 1);
    }
}

impl Told {
    /// Of a connection that begins.
    #[must_use]
    pub fn new(
        connection: quinn::Connection,
        clock: Clock,
        header_bytes: u64,
        control_frames: u32,
    ) -> Rc<Self> {
        let counters = Counters::new(control_frames, clock.coarse_ms());
        Rc::new(Self {
            connection,
            clock,
            header_bytes,
            counters: RefCell::new(counters),
            breach: Cell::new(None),
            malformed: Cell::new(false),
            last: RefCell::new(None),
            owed: Cell::new(0),
            room: Cell::new(FIRST_ROOM),
        })
    }

    /// Lets more of answers wait for a client that takes them faster than was known. Whether it did.
    fn makes_room(&self) -> bool {
        let before = self.room.get();
        if before == ROOM {
            return false;
        }
        let under_way = self.connection.stats().path.cwnd;
        let room = under_way.saturating_mul(ROUNDS).clamp(before, ROOM);
        if room > before {
            self.room.set(room);
            self.connection.set_send_window(room);
        }
        room > before
    }

    /// What ended the connection, where the client did too much; told once.
    pub fn breach(&self) -> Option<Breach> {
        self.breach.take()
    }

    /// Whether what was just read of a stream failed since the request is malformed; told once.
    pub fn malformed(&self) -> bool {
        self.malformed.take()
    }

    /// Notes that an answer is on its way, until what comes back is dropped.
    pub fn owe(self: &Rc<Self>) -> Owing {
        self.owed.set(self.owed.get() + 1);
        Owing(Rc::clone(self))
    }

    /// Whether answers are on their way.
    pub fn owes(&self) -> bool {
        self.owed.get() > 0
    }

    /// How many frames of streams were sent.
    pub fn sent(&self) -> u64 {
        self.connection.stats().frame_tx.stream
    }

    /// What is known of the stream that was accepted last.
    pub fn accepted(&self) -> Option<Handle> {
        self.last.take()
    }

    /// Looks at what QUIC itself has carried.
    pub fn look(&self) {
        let stats = self.connection.stats();
        let came = stats.frame_rx;
        let sums = Sums {
            resets: came.reset_stream.max(came.stop_sending),
            pings: came.ping,
            paths: came.path_challenge
                + came.new_connection_id
                + came.retire_connection_id
                + came.crypto,
            windows: came.max_data
                + came.max_stream_data
                + came.data_blocked
                + came.stream_data_blocked
                + came.streams_blocked_bidi
                + came.streams_blocked_uni
                + came.max_streams_bidi
                + came.max_streams_uni,
            sent_bytes: stats.udp_tx.bytes,
        };
        let now_ms = self.clock.coarse_ms();
        let looked = self.counters.borrow_mut().transport(sums, now_ms);
        if let Err(reason) = looked {
            self.end(reason.into());
        }
    }

    fn end(&self, breach: Breach) {
        self.breach.set(Some(breach));
        self.connection.close(code(breach.error_code), b"");
    }
}

/// One request's stream, seen from beside the library.
pub struct Handle {
    stopped: Stopped,
    code: Rc<Cell<u64>>,
}

impl Handle {
    /// Waits until the client wants no answer any more, or has all of it: then `false`.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let stopped = ready!(self.stopped.as_mut().poll(cx));
        Poll::Ready(!matches!(stopped, Ok(None)))
    }

    /// With what the stream is reset if it is not ended.
    pub fn reset_with(&self, code: Code) {
        self.code.set(code.value());
    }
}

/// A connection.
pub struct Transport {
    told: Rc<Told>,
    both: Option<Incoming<Both>>,
    one_way: Option<Incoming<quinn::RecvStream>>,
    opening: Option<Opening>,
}

impl Transport {
    /// Of a connection whose handshake is over.
    #[must_use]
    pub const fn new(told: Rc<Told>) -> Self {
        Self {
            told,
            both: None,
            one_way: None,
            opening: None,
        }
    }
}

impl<B: Buf> quic::Connection<B> for Transport {
    type RecvStream = RecvStream;
    type OpenStreams = Closed;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<RecvStream, Lost>> {
        let connection = &self.told.connection;
        let accepting = self.one_way.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.accept_uni().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.one_way = None;
        let stream = accepted.map_err(lost)?;
        let id = id(stream.id())?;
        let now_ms = self.told.clock.coarse_ms();
        let counted = self.told.counters.borrow_mut().one_way(now_ms);
        if let Err(reason) = counted {
            self.told.end(reason.into());
        }
        let one_way = RecvStream::new((stream, id), &self.told, StreamKind::OneWay);
        Poll::Ready(Ok(one_way))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream<B>, Lost>> {
        let connection = &self.told.connection;
        let accepting = self.both.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.accept_bi().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.both = None;
        let (send, recv) = accepted.map_err(lost)?;
        let id = id(send.id())?;
        let send = SendStream::new((send, id), &self.told, Code::H3_INTERNAL_ERROR);
        self.told.last.replace(Some(Handle {
            stopped: Box::pin(send.stream.stopped()),
            code: Rc::clone(&send.code),
        }));
        let mut recv = RecvStream::new((recv, id), &self.told, StreamKind::Request);
        recv.answer = Some(Rc::clone(&send.code));
        Poll::Ready(Ok(BidiStream { send, recv }))
    }

    fn opener(&self) -> Closed {
        Closed
    }
}

impl<B: Buf> quic::OpenStreams<B> for Transport {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<BidiStream<B>, Failed>> {
        Poll::Ready(Err(not_opened()))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream<B>, Failed>> {
        let connection = &self.told.connection;
        let opening = self.opening.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        let numbered = opened.map_err(lost).and_then(|stream| {
            let id = id(stream.id())?;
            Ok((stream, id))
        });
        let numbered = numbered
            .map_err(|connection_error| Failed::ConnectionErrorIncoming { connection_error });
        let code = Code::H3_CLOSED_CRITICAL_STREAM;
        Poll::Ready(numbered.map(|stream| SendStream::new(stream, &self.told, code)))
    }

    fn close(&mut self, code_: Code, reason: &[u8]) {
        self.told.connection.close(code(code_.value()), reason);
    }
}

/// A server opens no streams but its own in one direction, at its beginning.
pub struct Closed;

impl<B: Buf> quic::OpenStreams<B> for Closed {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<BidiStream<B>, Failed>> {
        Poll::Ready(Err(not_opened()))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<SendStream<B>, Failed>> {
        Poll::Ready(Err(not_opened()))
    }

    fn close(&mut self, _: Code, _: &[u8]) {}
}

fn not_opened() -> Failed {
    Failed::Unknown("a server opens no requests".into())
}

/// A request's stream.
pub struct BidiStream<B: Buf> {
    send: SendStream<B>,
    recv: RecvStream,
}

impl<B: Buf> quic::BidiStream<B> for BidiStream<B> {
    type SendStream = SendStream<B>;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream<B>, RecvStream) {
        (self.send, self.recv)
    }
}

impl<B: Buf> quic::RecvStream for BidiStream<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failed>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.recv.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

impl<B: Buf> quic::SendStream<B> for BidiStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), Failed> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

/// What comes in of a stream.
pub struct RecvStream {
    stream: quinn::RecvStream,
    id: StreamId,
    /// What was read and not looked at.
    rest: Bytes,
    over: bool,
    frames: Frames,
    told: Rc<Told>,
    /// With what the other direction is reset if it is not ended.
    answer: Option<Rc<Cell<u64>>>,
}

impl RecvStream {
    fn new((stream, id): (quinn::RecvStream, StreamId), told: &Rc<Told>, kind: StreamKind) -> Self {
        Self {
            stream,
            id,
            rest: Bytes::new(),
            over: false,
            frames: Frames::new(kind, told.header_bytes),
            told: Rc::clone(told),
            answer: None,
        }
    }
}

impl RecvStream {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failed>> {
        if self.over {
            return Poll::Ready(Ok(None));
        }
        // What is not there yet wakes the task that asked last, whatever becomes of the future.
        let read = ready!(pin!(self.stream.read_chunk(READ, true)).poll(cx));
        let read = read.map_err(unread)?;
        self.over = read.is_none();
        Poll::Ready(Ok(read.map(|chunk| chunk.bytes)))
    }

    /// What was held of a head that will not be whole, for the library to refuse.
    fn last(&mut self) -> Option<Bytes> {
        let cut = self.frames.is_cut();
        let held = cut.then(|| Bytes::copy_from_slice(self.frames.head()));
        self.frames.forget();
        held
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failed>> {
        loop {
            if self.rest.is_empty() {
                match ready!(self.poll_read(cx))? {
                    Some(came) => self.rest = came,
                    None => {
                        // The library takes the end of a stream for that of its frame.
                        if let Err(breach) = self.frames.end() {
                            return Poll::Ready(Err(broken_off(&self.told, breach)));
                        }
                        return Poll::Ready(Ok(self.last()));
                    }
                }
            }
            let told = &self.told;
            let now_ms = told.clock.coarse_ms();
            let mut counters = told.counters.borrow_mut();
            match self.frames.step(&self.rest, &mut counters, now_ms) {
                Ok((count, step)) => {
                    let piece = self.rest.split_to(count);
                    match step {
                        Step::Held | Step::Drop => {}
                        Step::Pass => return Poll::Ready(Ok(Some(piece))),
                        Step::Malformed => {
                            told.malformed.set(true);
                            let error_code = Code::H3_MESSAGE_ERROR.value();
                            if let Some(answer) = &self.answer {
                                answer.set(error_code);
                            }
                            return Poll::Ready(Err(Failed::StreamTerminated { error_code }));
                        }
                        Step::Head => {
                            let head = Bytes::copy_from_slice(self.frames.head());
                            return Poll::Ready(Ok(Some(head)));
                        }
                    }
                }
                Err(breach) => return Poll::Ready(Err(broken_off(told, breach))),
            }
        }
    }

    fn stop_sending(&mut self, error_code: u64) {
        // What is over needs no word.
        let _ = self.stream.stop(code(error_code));
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

/// The connection ends for this.
fn broken_off(told: &Told, breach: Breach) -> Failed {
    told.end(breach);
    Failed::ConnectionErrorIncoming {
        connection_error: lost(ConnectionError::LocallyClosed),
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        // RFC 9114 section 4.1: what is not read of a request is of no interest, and no error.
        let _ = self.stream.stop(code(Code::H3_NO_ERROR.value()));
    }
}

/// What goes out on a stream.
pub struct SendStream<B: Buf> {
    stream: quinn::SendStream,
    id: StreamId,
    writing: Option<WriteBuf<B>>,
    told: Rc<Told>,
    code: Rc<Cell<u64>>,
}

impl<B: Buf> SendStream<B> {
    fn new((stream, id): (quinn::SendStream, StreamId), told: &Rc<Told>, code: Code) -> Self {
        Self {
            stream,
            id,
            writing: None,
            told: Rc::clone(told),
            code: Rc::new(Cell::new(code.value())),
        }
    }
}

impl<B: Buf> quic::SendStream<B> for SendStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if let Some(data) = &mut self.writing {
            while data.has_remaining() {
                let written = Pin::new(&mut self.stream).poll_write(cx, data.chunk());
                if written.is_pending() && self.told.makes_room() {
                    continue;
                }
                data.advance(ready!(written).map_err(unwritten)?);
            }
            self.writing = None;
        }
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), Failed> {
        if self.writing.is_some() {
            return Err(Failed::Unknown("one write is not over".into()));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        ready!(self.poll_ready(cx))?;
        let finished = self.stream.finish();
        Poll::Ready(finished.map_err(|error| Failed::Unknown(error.into())))
    }

    fn reset(&mut self, reset_code: u64) {
        let _ = self.stream.reset(code(reset_code));
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}

impl<B: Buf> Drop for SendStream<B> {
    fn drop(&mut self) {
        // Does nothing to a stream that was ended.
        let _ = self.stream.reset(code(self.code.get()));
    }
}

fn code(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

/// The same number, of the same 62 bits.
fn id(id: quinn::StreamId) -> Result<StreamId, Lost> {
    let number = VarInt::from(id).into_inner();
    StreamId::try_from(number).map_err(|_| Lost::InternalError("a stream's number".to_owned()))
}

fn lost(error: ConnectionError) -> Lost {
    match error {
        ConnectionError::ApplicationClosed(close) => Lost::ApplicationClose {
            error_code: close.error_code.into(),
        },
        ConnectionError::TimedOut => Lost::Timeout,
        error => Lost::Undefined(Arc::new(error)),
    }
}

fn unread(error: ReadError) -> Failed {
    match error {
        ReadError::Reset(code) => Failed::StreamTerminated {
            error_code: code.into_inner(),
        },
        ReadError::ConnectionLost(error) => Failed::ConnectionErrorIncoming {
            connection_error: lost(error),
        },
        error => Failed::Unknown(error.into()),
    }
}

fn unwritten(error: WriteError) -> Failed {
    match error {
        WriteError::Stopped(code) => Failed::StreamTerminated {
            error_code: code.into_inner(),
        },
        WriteError::ConnectionLost(error) => Failed::ConnectionErrorIncoming {
            connection_error: lost(error),
        },
        error => Failed::Unknown(error.into()),
    }
}
