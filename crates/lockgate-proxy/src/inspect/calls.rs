//! Calls of gRPC, looked at message by message: each goes on once it was judged,
//! so that a talk of two sides is never held up.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use lockgate_policy::waf::{self, Longer, TOO_LONG};
use lockgate_policy::Denial;
use lockgate_waf::engine::{Inspection, Progress};
use lockgate_wire::coding::Coding;
use lockgate_wire::content::reasons::GRPC_COMPRESSED;
use lockgate_wire::grpc::{Cutter, Message, Piece};

use super::full;
use super::unpacked::{unpacked as unpack, Unpacked};
use crate::body::{Broken, RequestBody};
use crate::exchange::Exchange;
use crate::judge::{CallHead, Inspecting, Seen};
use crate::memory::Charge;
use crate::net::{BodyRefusal, ConnectionState};

/// A call that is looked at.
pub struct Calls {
    left: RequestBody,
    head: CallHead,
    /// What packs messages that are packed; none where it is not known.
    coding: Option<Coding>,
    bounds: (usize, Longer),
    step: usize,
    enforced: bool,
    state: Rc<ConnectionState>,
    /// What arrived and was not judged yet.
    cutter: Cutter,
    judging: Option<Looked>,
    charge: Option<Charge>,
    /// What is told of the messages.
    told: Arc<Mutex<Seen>>,
    trailers: Option<HeaderMap>,
    over: bool,
}

/// A message that is being judged.
struct Looked {
    inspection: Inspection,
    message: Bytes,
    whole: bool,
    stage: Stage,
    /// As it goes on.
    frame: Bytes,
}

#[derive(Clone, Copy)]
enum Stage {
    Head,
    Message,
    Body,
}

impl Looked {
    /// A slice of the work; whether it is done.
    fn work(&mut self) -> bool {
        let progress = match self.stage {
            Stage::Head => self.inspection.request_head(),
            Stage::Message => self.inspection.message(&self.message, self.whole),
            Stage::Body => self.inspection.request_body(),
        };
        match (progress, self.stage) {
            (Progress::More, _) => false,
            (Progress::Done, Stage::Head) => {
                self.stage = Stage::Message;
                false
            }
            (Progress::Done, Stage::Message) => {
                self.stage = Stage::Body;
                false
            }
            (Progress::Done, Stage::Body) => true,
        }
    }
}

impl Calls {
    /// Looks at the messages of `left`.
    pub fn new(
        exchange: &Exchange,
        left: RequestBody,
        inspecting: &mut Inspecting,
        head: CallHead,
    ) -> Self {
        let bounds = inspecting.bounds;
        let most = usize::try_from(bounds.0).unwrap_or(usize::MAX);
        let told = Arc::new(Mutex::new(Seen::default()));
        inspecting.messages = Some(Arc::clone(&told));
        let budget = &exchange.worker().shared.memory.inspecting;
        Self {
            left,
            coding: head.coding,
            head,
            bounds: (most, bounds.1),
            step: inspecting.step,
            enforced: inspecting.enforced,
            state: Rc::clone(&exchange.state),
            cutter: Cutter::new(most, (bounds.1 == Longer::Refuse).then_some(&TOO_LONG)),
            judging: None,
            charge: budget.take_for(exchange, 0, exchange.listener.limits.inspect_memory),
            told,
            trailers: None,
            over: false,
        }
    }

    /// Whether there is nothing more to send.
    pub fn is_over(&self) -> bool {
        self.over && self.cutter.held() == 0 && self.judging.is_none() && self.trailers.is_none()
    }

    /// What goes on next.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Some(looked) = &mut self.judging {
                if !looked.work() {
                    // Others have their turn in between.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(
                    self.judged()
                        .map(|frame| frame.map(Frame::data))
                        .transpose(),
                );
            }
            match self.next_piece() {
                Ok(Some(Piece::Passing(piece))) => {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Ok(Some(Piece::Message(message))) => {
                    let frame = message.frame.clone();
                    let Err(denial) = self.begin(message) else {
                        continue;
                    };
                    // What is only observed goes on without having been judged.
                    let passed = self.refuse(denial).map(|()| Frame::data(frame));
                    return Poll::Ready(Some(passed));
                }
                Ok(None) => {}
                Err(denial) => {
                    if let Err(broken) = self.refuse(denial) {
                        return Poll::Ready(Some(Err(broken)));
                    }
                    // What is only observed goes on as it comes.
                    self.cutter.pass_all();
                    continue;
                }
            }
            if self.over {
                let trailers = self.trailers.take();
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            match std::task::ready!(Pin::new(&mut self.left).poll_frame(cx)) {
                None => self.over = true,
                Some(Err(broken)) => return Poll::Ready(Some(Err(broken))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => self.cutter.feed(&piece),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.over = true;
                    }
                },
            }
        }
    }

    /// What goes on next, or has to be judged first.
    fn next_piece(&mut self) -> Result<Option<Piece>, Denial> {
        let held = self.cutter.held();
        let mut charged = || self.charge.as_mut()?.grow_to(held).then_some(());
        if !self.cutter.is_passing() && charged().is_none() {
            return Err(full());
        }
        let piece = self.cutter.next_piece().map_err(Denial::new)?;
        if piece.is_none() && self.over {
            self.cutter.end().map_err(Denial::new)?;
        }
        Ok(piece)
    }

    /// Begins to judge a message.
    fn begin(&mut self, message: Message) -> Result<(), Denial> {
        let mut unpacked = Unpacked {
            bytes: message.bytes(),
            whole: message.whole,
        };
        if message.packed {
            let coding = self.coding.ok_or(Denial::new(&GRPC_COMPRESSED))?;
            unpacked = unpack(coding, &unpacked, self.bounds, self.charge.as_mut())?;
        }
        self.judging = Some(Looked {
            inspection: self.head.begin(),
            message: unpacked.bytes,
            whole: unpacked.whole,
            stage: Stage::Head,
            frame: message.frame,
        });
        Ok(())
    }

    /// A message was judged: what goes on.
    fn judged(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(looked) = self.judging.take() else {
            return Ok(None);
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.worse_of(Seen::of(&looked.inspection));
        drop(told);
        if let Err(denial) = waf::verdict(&looked.inspection) {
            self.refuse(denial)?;
        }
        Ok(Some(looked.frame))
    }

    /// Says why it may not go on; it does where that is only written down.
    fn refuse(&self, denial: Denial) -> Result<(), Broken> {
        let mut said = self.state.body.refused.borrow_mut();
        if self.enforced || said.is_none() {
            *said = Some(BodyRefusal {
                step: self.step,
                enforced: self.enforced,
                denial,
            });
        }
        match self.enforced {
            true => Err(Broken),
            false => Ok(()),
        }
    }
}
