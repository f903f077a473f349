//! What is known of the body of the request in work.

use std::cell::{Cell, RefCell};

use lockgate_policy::{Denial, ReasonRef};

/// What a policy said against a body on its way.
#[derive(Debug)]
pub struct BodyRefusal {
    /// Number of the policy's step.
    pub step: usize,
    /// Whether it ended the request.
    pub enforced: bool,
    /// Why.
    pub denial: Denial,
}

/// The body of the request in work.
#[derive(Default)]
pub struct RequestBody {
    /// Bytes that came of it.
    pub bytes: Cell<u64>,
    /// What a policy said against it.
    pub refused: RefCell<Option<BodyRefusal>>,
    /// Why it cannot be read to its end, where that is the client's doing.
    pub broken: Cell<Option<ReasonRef>>,
}

impl RequestBody {
    /// Another request begins.
    pub fn begin(&self) {
        self.bytes.set(0);
        self.refused.take();
        self.broken.set(None);
    }
}
