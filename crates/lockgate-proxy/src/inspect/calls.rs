//! Calls of gRPC, looked at message by message: each goes on once it was judged,
//! so that a talk of two sides is never held up.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use lockgate_policy::waf::{self, Longer, TOO_LONG};
use lockgate_policy::Denial;
use lockgate_waf::engine::{Inspection, Progress};
use lockgate_wire::coding::Coding;
use lockgate_wire::content::reasons::GRPC_COMPRESSED;
use lockgate_wire::grpc::reasons::{FLAG, INCOMPLETE};

use super::full;
use super::unpacked::{unpacked, Unpacked};
use crate::body::{Broken, RequestBody};
use crate::exchange::Exchange;
use crate::judge::{CallHead, Inspecting, Seen};
use crate::memory::Charge;
use crate::net::{BodyRefusal, ConnectionState};

/// Before a message: a flag, and four bytes of length.
const PREFIX: usize = 5;

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
    waiting: BytesMut,
    /// Bytes of a message that goes on as it comes, since its beginning was judged.
    passing: usize,
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
        let (most, longer) = inspecting.bounds;
        let told = Arc::new(Mutex::new(Seen::default()));
        inspecting.messages = Some(Arc::clone(&told));
        let budget = &exchange.worker().shared.memory.inspecting;
        Self {
            left,
            coding: head.coding,
            head,
            bounds: (usize::try_from(most).unwrap_or(usize::MAX), longer),
            step: inspecting.step,
            enforced: inspecting.enforced,
            state: Rc::clone(&exchange.state),
            waiting: BytesMut::new(),
            passing: 0,
            judging: None,
            charge: budget.take_for(exchange, 0, exchange.listener.limits.inspect_memory),
            told,
            trailers: None,
            over: false,
        }
    }

    /// Whether there is nothing more to send.
    pub fn is_over(&self) -> bool {
        self.over && self.waiting.is_empty() && self.judging.is_none() && self.trailers.is_none()
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
            if self.passing > 0 && !self.waiting.is_empty() {
                let here = self.passing.min(self.waiting.len());
                self.passing -= here;
                let piece = self.waiting.split_to(here).freeze();
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match self.next_message() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(denial) => {
                    if let Err(broken) = self.refuse(denial) {
                        return Poll::Ready(Some(Err(broken)));
                    }
                    // What is only observed goes on as it comes.
                    self.passing = usize::MAX;
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
                    Ok(piece) => self.waiting.extend_from_slice(&piece),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.over = true;
                    }
                },
            }
        }
    }

    /// Begins to judge the next message, if enough of it is there.
    fn next_message(&mut self) -> Result<bool, Denial> {
        if self.passing > 0 {
            return Ok(false);
        }
        let charged = self
            .charge
            .as_mut()
            .is_some_and(|charge| charge.grow_to(self.waiting.len()));
        if !charged {
            return Err(full());
        }
        let Some(([flag, length @ ..], rest)) = self.waiting.split_first_chunk::<PREFIX>() else {
            return self.cut();
        };
        let packed = match flag {
            0 => false,
            1 => true,
            _ => return Err(Denial::new(&FLAG)),
        };
        let length = u32::from_be_bytes(*length) as usize;
        let (most, longer) = self.bounds;
        if length > most && longer == Longer::Refuse {
            return Err(Denial::new(&TOO_LONG));
        }
        let here = length.min(most);
        if rest.len() < here {
            return self.cut();
        }
        let frame = self.waiting.split_to(PREFIX + here).freeze();
        self.passing = length - here;
        let message = Unpacked {
            bytes: frame.slice(PREFIX..),
            whole: here == length,
        };
        let message = if packed {
            let coding = self.coding.ok_or(Denial::new(&GRPC_COMPRESSED))?;
            unpacked(coding, &message, self.bounds, self.charge.as_mut())?
        } else {
            message
        };
        self.judging = Some(Looked {
            inspection: self.head.begin(),
            message: message.bytes,
            whole: message.whole,
            stage: Stage::Head,
            frame,
        });
        Ok(true)
    }

    /// A message is not all there; it never will be where nothing more comes.
    fn cut(&self) -> Result<bool, Denial> {
        match self.over && !self.waiting.is_empty() {
            true => Err(Denial::new(&INCOMPLETE)),
            false => Ok(false),
        }
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
