//! Past requests through a proposed bundle, on the gate's own engine: what
//! would become of them now, and whose would change.
//!
//! An event holds what was decided, not all that it was decided on: no header,
//! no query, no body, no credential. Who called is taken from the event, since
//! the gate verified it; what a policy said of something that is no longer
//! there holds on while the policy's configuration is the same; and where
//! neither is enough, a request is counted as undecidable, with why.
//!
//! Time is the event's: an exception that has ended since held when it was used.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method};
use lockgate_policy::Denial;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::events::{Body, Event, Exchange, Outcome};
use crate::explain::Engine;
use crate::facts::KeyFact;
use crate::gate::GateError;
use crate::judge::{answer, Arrival, End, Judgement, Judging};
use crate::passthrough;
use crate::reasons;
use crate::snapshot::CompiledListener;
use crate::worker;

mod groups;
mod past;
mod rule_sets;

pub use groups::{Group, GROUPS_MAX};
use groups::{Groups, Place};
use past::{Grants, Past, Policies, UNDECIDABLE};
pub use rule_sets::OtherRules;
use rule_sets::{Differing, RuleSets};

/// What a text that was cut ends in, and what stands in a credential's place.
const NOT_WHOLE: [&str; 2] = ["…", "[secret]"];

/// What became of all events so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Requests that were looked at.
    pub requests: u64,
    /// Those of which nothing changes.
    pub same: u64,
    /// Let through then, refused now.
    pub newly_refused: u64,
    /// Refused then, let through now.
    pub newly_allowed: u64,
    /// Refused both times, for another reason or by another API.
    pub other_reason: u64,
    /// What is kept is not enough to tell.
    pub undecidable: u64,
    /// Judged by a bundle that is not kept: what is said of their policies
    /// takes for granted that these were configured as they are now.
    pub unknown_bundle: u64,
    /// When the first of them was, milliseconds since the epoch.
    pub first_ms: Option<u64>,
    /// When the last of them was.
    pub last_ms: Option<u64>,
    /// What changes, by client and route, most frequent first.
    pub groups: Vec<Group>,
    /// APIs that `waf` guards by other rules now: what these would find in a
    /// request nobody can tell, since no event holds what they look at.
    pub other_rules: Vec<OtherRules>,
}

/// What would become of one past request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing else.
    Same,
    /// It would be refused.
    Refused,
    /// It would be let through.
    Allowed,
    /// It would be refused for another reason.
    OtherReason,
    /// It cannot be told, and why.
    Undecidable(&'static str),
}

impl Change {
    /// The word in the JSON form.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Refused => "newly-refused",
            Self::Allowed => "newly-allowed",
            Self::OtherReason => "other-reason",
            Self::Undecidable(_) => "undecidable",
        }
    }
}

/// A proposed bundle, and what is needed to judge the past by it.
pub struct Replay {
    engine: Engine,
    proposed: Policies,
    /// Policies of the bundles that events name, by hash.
    before: HashMap<String, Policies>,
    grants: Grants,
    listeners: Vec<CompiledListener>,
    groups: Groups,
    differing: RefCell<Differing>,
    summary: Summary,
}

/// How a request ended, then or now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ending {
    allowed: bool,
    reason: Option<String>,
    api: Option<String>,
    route: Option<String>,
    operation: Option<String>,
    place: Option<Place>,
}

impl Replay {
    /// Judges by `bundle`, the JSON of one, not signed. `before` are the texts
    /// of earlier bundles by their hash, `grants` the facts of keys by their id,
    /// where they are not for everything.
    ///
    /// # Errors
    /// What is wrong with the bundle.
    pub fn new(
        bundle: &[u8],
        before: &HashMap<String, String>,
        grants: &HashMap<String, String>,
    ) -> Result<Self, GateError> {
        let engine = Engine::new::<&[u8]>(bundle, &[], &[0; 32])?;
        let parsed: Bundle = serde_json::from_slice(bundle)
            .map_err(|error| GateError::Malformed(error.to_string()))?;
        let mut sets = RuleSets::default();
        let proposed = Policies::of(&parsed, &mut sets);
        let known = before.iter().filter_map(|(hash, text)| {
            // An older version's bundle may be none of ours any more: then it is as good as not kept.
            Some((hash.clone(), Policies::read(text, &mut sets)?))
        });
        let before = known.collect();
        let listeners = engine.snapshot().listeners.iter();
        let malformed = |cause: String| GateError::Malformed(cause);
        let grants = grants.iter().map(|(key, fact)| {
            let fact: KeyFact =
                serde_json::from_str(fact).map_err(|error| malformed(error.to_string()))?;
            let terms = fact.terms().map_err(malformed)?;
            Ok((key.clone(), Arc::new(terms)))
        });
        Ok(Self {
            proposed,
            before,
            grants: grants.collect::<Result<_, GateError>>()?,
            listeners: listeners.map(|it| it.believing_nobody()).collect(),
            groups: Groups::default(),
            differing: RefCell::default(),
            summary: Summary::default(),
            engine,
        })
    }

    /// Judges one event. What is no request is passed over.
    pub fn event(&mut self, event: &Event) {
        let (Body::Access(then) | Body::Security(then)) = &event.body else {
            return;
        };
        // Nothing judged it then, and nothing would.
        let unread = [passthrough::PROTOCOL, worker::HANDSHAKE, worker::HEADER];
        if then
            .protocol
            .as_deref()
            .is_some_and(|it| unread.contains(&it))
        {
            return;
        }
        self.summary.requests += 1;
        let first = self.summary.first_ms.get_or_insert(event.at_ms);
        *first = event.at_ms.min(*first);
        let last = self.summary.last_ms.get_or_insert(event.at_ms);
        *last = event.at_ms.max(*last);
        if !self.before.contains_key(&then.bundle) {
            self.summary.unknown_bundle += 1;
        }
        let (was, now) = (ended(then), self.judge(event, then));
        let change = match (&was, &now) {
            (_, Err(why)) | (Err(why), _) => Change::Undecidable(why),
            (Ok(was), Ok(now)) if was.allowed && !now.allowed => Change::Refused,
            (Ok(was), Ok(now)) if !was.allowed && now.allowed => Change::Allowed,
            (Ok(was), Ok(now)) if was.reason != now.reason => Change::OtherReason,
            _ => Change::Same,
        };
        match change {
            Change::Same => self.summary.same += 1,
            Change::Refused => self.summary.newly_refused += 1,
            Change::Allowed => self.summary.newly_allowed += 1,
            Change::OtherReason => self.summary.other_reason += 1,
            Change::Undecidable(_) => self.summary.undecidable += 1,
        }
        if change != Change::Same {
            self.groups.add(&change, event, then, now.ok());
        }
    }

    /// Everything so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            groups: self.groups.list(),
            other_rules: self.differing.borrow().list(),
            ..self.summary.clone()
        }
    }

    fn judge(&self, event: &Event, then: &Exchange) -> Result<Ending, &'static str> {
        let method = Method::from_bytes(then.method.as_bytes()).map_err(|_| "head-not-kept")?;
        if then.reason.as_deref() == Some(reasons::DUPLICATE_PARAMETER.code) {
            return Err("query-not-kept");
        }
        if then.path.is_empty() {
            return Err("head-not-kept");
        }
        if NOT_WHOLE
            .iter()
            .any(|mark| then.path.contains(mark) || then.host.contains(mark))
        {
            return Err("path-not-whole");
        }
        let snapshot = self.engine.snapshot();
        let named = self.listeners.iter().find(|it| *it.name == *then.listener);
        let listener = named
            .or_else(|| self.listeners.first())
            .ok_or("no-listener")?;
        let headers = HeaderMap::new();
        let past = Past {
            then,
            at_ms: event.at_ms,
            before: self.before.get(&then.bundle),
            proposed: &self.proposed,
            grants: &self.grants,
            whole: read_whole(then),
            unknown_credential: Cell::new(None),
            differing: &self.differing,
        };
        let arrival = Arrival {
            version: http::Version::HTTP_11,
            method: &method,
            target: &then.path,
            host: &then.host,
            headers: &headers,
            content_length: (then.bytes_in > 0).then_some(then.bytes_in),
            body: false,
            peer: then.peer,
            id: &event.id,
            certificate: None,
            listener,
        };
        let mut judgement = Judgement::default();
        let mut judging =
            Judging::new(snapshot, arrival, event.at_ms, &mut judgement).by_memory(&past);
        judging.complete(&|need| answer(&self.engine.stores(), false, need, event.at_ms));
        let api = judging.api();
        let (_, host, path, _) = judging.normal();
        if snapshot.router.is_conditional(host, path) {
            return Err("route-needs-headers");
        }
        if let (End::Refuse(_), Some(api)) = (&judgement.end, api) {
            // A credential that cannot be judged outweighs one that was refused: any one is enough.
            let unknown = judgement
                .trace
                .entries(api)
                .any(|entry| entry.outcome == Outcome::Deny && entry.reason == Some(&UNDECIDABLE));
            if let (true, None, Some(why)) =
                (unknown, &judgement.identity, past.unknown_credential.get())
            {
                return Err(why);
            }
        }
        let (allowed, reason) = match &judgement.end {
            End::Forward | End::Respond(_) => (true, None),
            End::Refuse(denial) if denial.reason == &UNDECIDABLE => return Err(why(denial)),
            End::Refuse(denial) => (false, Some(denial.reason.code.to_owned())),
        };
        let route = judgement
            .matched
            .map(|matched| snapshot.router.pattern(matched).to_owned());
        let operation = api.and_then(|api| {
            let document = api.document(judgement.version)?;
            Some(document.operation(judgement.operation?)?.name.to_string())
        });
        Ok(Ending {
            allowed,
            reason,
            api: api.map(|api| api.name.to_string()),
            route,
            operation,
            place: judgement.decided.map(|span| Place {
                file: snapshot
                    .sources
                    .get(span.file as usize)
                    .cloned()
                    .unwrap_or_default(),
                line: span.line,
                column: span.column,
            }),
        })
    }
}

/// The address that an event names is the client's already.
/// How the request ended when it was. What failed behind the policies had been let through.
fn ended(then: &Exchange) -> Result<Ending, &'static str> {
    let refused = |outcome: Outcome| matches!(outcome, Outcome::Deny | Outcome::Error);
    let reason = then.reason.as_deref();
    let by_policy = then
        .verdicts
        .iter()
        .any(|verdict| refused(verdict.outcome) && verdict.reason.as_deref() == reason);
    let unasked = then
        .verdicts
        .iter()
        .all(|verdict| verdict.outcome == Outcome::NotReached);
    let gone = reasons::GONE.iter().any(|gone| reason == Some(gone.code));
    if gone && unasked {
        return Err("not-judged");
    }
    let allowed = reason.is_none() || !(by_policy || then.api.is_none() || unasked);
    Ok(Ending {
        allowed,
        reason: if allowed { None } else { then.reason.clone() },
        api: then.api.clone(),
        route: then.route.clone(),
        operation: then.operation.clone(),
        place: None,
    })
}

/// Whether the body's size is known: an answer was made after all of it, or a
/// method that has none was used.
fn read_whole(then: &Exchange) -> bool {
    then.reason.is_none() || matches!(then.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// What `past` said of why.
const fn why(denial: &Denial) -> &'static str {
    match &denial.detail {
        Some(Cow::Borrowed(why)) => why,
        _ => UNDECIDABLE.code,
    }
}

#[cfg(test)]
mod tests;
