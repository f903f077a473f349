//! Which operation of its API's document a request is, and what else it might be.

use std::sync::Arc;

use http::header::{HeaderValue, ALLOW};
use lockgate_policy::{Denial, Reading, Verdict};
use lockgate_wire::target;

use super::Judging;
use crate::operations::Sought;
use crate::reasons;
use crate::snapshot::Document;

impl<'s> Judging<'s, '_, '_> {
    pub(super) fn document(&self) -> Option<&'s Document> {
        self.api()?.document(self.judgement.version)
    }

    /// What the API's document makes of a path, without what the upstream does not get.
    fn sought(&self, path: &str) -> Option<Sought> {
        let operations = &self.document()?.operations;
        let stripped = self.stripped(self.judgement.matched?);
        let path = target::for_matching(target::after_match(path, stripped));
        Some(operations.find(&path, self.arrival.method))
    }

    pub(super) fn operation_of(&self, path: &str) -> Option<u32> {
        match self.sought(path)? {
            Sought::Operation(number) => Some(number),
            _ => None,
        }
    }

    /// Keeps what stands in the braces of the operation's path, where a policy asks.
    pub(super) fn capture(&mut self) {
        if !self.api().is_some_and(|api| api.captures) {
            return;
        }
        let operation = self.document().zip(self.judgement.operation);
        if let Some(operation) = operation.and_then(|(document, number)| document.operation(number))
        {
            self.judgement.captures = operation.captures(&target::for_matching(&self.path));
        }
    }

    #[cold]
    pub(super) fn reading(&self, path: String) -> Reading {
        let number = self.operation_of(&path);
        let operation = number.and_then(|number| self.document()?.operation(number));
        Reading {
            operation: operation.map(|operation| Arc::clone(&operation.name)),
            path,
        }
    }

    /// What the document does not know is not asked of the API.
    pub(super) fn operation(&self) -> Verdict {
        match self.sought(&self.path) {
            Some(Sought::Operation(_)) | None => Verdict::allow(),
            Some(Sought::Nothing) => Verdict::Deny(Denial::new(&reasons::OPERATION_UNKNOWN)),
            Some(Sought::MethodNotAllowed(allow)) => {
                let denial = Denial::new(&reasons::OPERATION_METHOD);
                Verdict::Deny(match HeaderValue::try_from(allow) {
                    Ok(value) => denial.header(ALLOW, value),
                    Err(_) => denial,
                })
            }
        }
    }
}
