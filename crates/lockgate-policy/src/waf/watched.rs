//! A body that is looked at where nobody can gather it first: within an
//! application, and where a request is only explained.

use bytes::Bytes;
use lockgate_waf::engine::{Inspection, Progress};

use super::{verdict, Longer, TOO_LONG};
use crate::{BodyMachine, BodyVerdict, Denial};

/// Holds a body back until all of it is there, and then judges it.
#[derive(Debug)]
pub struct Watched {
    inspection: Inspection,
    most: u64,
    longer: Longer,
    bytes: Vec<u8>,
    judged: bool,
}

impl Watched {
    /// Goes on with a request whose head was looked at.
    #[must_use]
    pub const fn new(inspection: Inspection, (most, longer): (u64, Longer)) -> Self {
        Self {
            inspection,
            most,
            longer,
            bytes: Vec::new(),
            judged: false,
        }
    }

    fn judge(&mut self, whole: bool) -> BodyVerdict {
        self.judged = true;
        while self.inspection.body(&self.bytes, whole) == Progress::More {}
        while self.inspection.request_body() == Progress::More {}
        match verdict(&self.inspection) {
            Ok(()) => BodyVerdict::Pass,
            Err(denial) => BodyVerdict::Deny(denial),
        }
    }
}

impl BodyMachine for Watched {
    fn on_chunk(&mut self, chunk: &Bytes) -> BodyVerdict {
        if self.judged || !self.inspection.wants_body() {
            return BodyVerdict::Pass;
        }
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() as u64 <= self.most {
            return BodyVerdict::Hold;
        }
        match self.longer {
            Longer::Refuse => BodyVerdict::Deny(Denial::new(&TOO_LONG)),
            Longer::Begin => self.judge(false),
        }
    }

    fn on_end(&mut self) -> BodyVerdict {
        if self.judged {
            return BodyVerdict::Pass;
        }
        self.judge(true)
    }

    fn inspection(&self) -> Option<&Inspection> {
        Some(&self.inspection)
    }
}
