//! A body that is looked at where nobody can gather it first: within an
//! application, and where a request is only explained.

use bytes::Bytes;
use lockgate_waf::engine::{Inspection, Progress};

use super::scan::{Scanned, Scanning};
use super::{verdict, Longer, TOO_LONG};
use crate::{BodyMachine, BodyVerdict, Denial};

/// Holds a body back until all of it is there, and then judges it.
#[derive(Debug)]
pub struct Watched {
    inspection: Inspection,
    most: u64,
    longer: Longer,
    scanning: Option<Scanning>,
    fails: bool,
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
            scanning: None,
            fails: false,
            bytes: Vec::new(),
            judged: false,
        }
    }

    /// Says that there is no scanner to ask; `fails` is whether files then go as
    /// they do where none answers, or as if they were clean.
    #[must_use]
    pub fn unscanned(mut self, scanning: Option<Scanning>, fails: bool) -> Self {
        self.scanning = scanning;
        self.fails = fails;
        self
    }

    fn judge(&mut self, whole: bool) -> BodyVerdict {
        self.judged = true;
        if self.inspection.wants_body() {
            while self.inspection.body(&self.bytes, whole) == Progress::More {}
            while self.inspection.request_body() == Progress::More {}
        }
        match verdict(&self.inspection).and_then(|()| self.unasked()) {
            Ok(()) => BodyVerdict::Pass,
            Err(denial) => BodyVerdict::Deny(denial),
        }
    }

    /// What becomes of files that nobody was asked about.
    fn unasked(&self) -> Result<(), Denial> {
        let Some(scanning) = &self.scanning else {
            return Ok(());
        };
        let files = scanning.files(&self.inspection, &self.bytes)?;
        let denied = files.iter().find_map(|file| {
            let scanned = match scanning.is_too_long(file) {
                true => Scanned::TooLong,
                false if self.fails => Scanned::Failed(String::new()),
                false => Scanned::Clean,
            };
            scanned.denial(scanning.scanner.on_error)
        });
        denied.map_or(Ok(()), Err)
    }

    /// Whether anything is to be made of the body.
    fn wants_body(&self) -> bool {
        self.inspection.wants_body() || self.scanning.is_some()
    }
}

impl BodyMachine for Watched {
    fn on_chunk(&mut self, chunk: &Bytes) -> BodyVerdict {
        if self.judged || !self.wants_body() {
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
