//! What the control process is asked about clients' certificates, and what it says.

use std::os::fd::RawFd;
use std::time::Duration;

use super::Gate;
use crate::ocsp::{Key, Question, Standing};

impl Gate {
    /// Certificates that responders are to be asked about, for the control process to do it.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
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
}
