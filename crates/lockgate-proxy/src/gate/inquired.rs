//! What the control process is asked about clients' certificates and tokens, and what it says.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use lockgate_policy::broker::{Goods, Order};
use lockgate_policy::introspection::{self, Mark};

use super::Gate;
use crate::broker;
use crate::clock::wall_ms;
use crate::introspections::Told;
use crate::ocsp::{Key, Question, Standing};

impl Gate {
    /// Certificates that responders are to be asked about, for the control process to do it.
    #[must_use]
    pub fn questions(&self) -> Vec<Arc<Question>> {
        self.shared.inquiries.questions()
    }

    /// What can be read while there are questions.
    #[must_use]
    pub fn questions_bell(&self) -> RawFd {
        self.shared.inquiries.bell()
    }

    /// What came of a question, in how long it is to be asked again, and how long this holds
    /// where nothing newer is heard.
    pub fn answered(&self, key: &Key, standing: Standing, again: Duration, holds: Duration) {
        self.shared.inquiries.answered(key, standing, again, holds);
    }

    /// Tokens that their issuers are to be asked about, for the control process to do it.
    #[must_use]
    pub fn introspections(&self) -> Vec<introspection::Question> {
        self.shared.introspections.questions()
    }

    /// What can be read while there are such questions.
    #[must_use]
    pub fn introspections_bell(&self) -> RawFd {
        self.shared.introspections.bell()
    }

    /// What came of such a question.
    pub fn introspected(&self, issuer: &str, mark: &Mark, told: Told) {
        self.shared
            .introspections
            .answered(issuer, mark, told, wall_ms());
    }

    /// Sessions to renew and tokens to get, for the control process to do it.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.shared.broker.orders()
    }

    /// What can be read while there are such orders.
    #[must_use]
    pub fn orders_bell(&self) -> RawFd {
        self.shared.broker.bell()
    }

    /// What came of such an order.
    pub fn brought(&self, desk: (Goods, &str), mark: &Mark, told: broker::Told) {
        self.shared.broker.brought(desk, mark, told, wall_ms());
    }

    /// Another control process is there, which was told of nothing that is still to be answered.
    pub fn linked(&self) {
        self.shared.introspections.untold();
        self.shared.broker.untold();
    }
}
