//! Whoever was let in may be let in no more while the answer is still under way: who called is
//! judged again, by the rules and the facts of now.
//!
//! For that the head is kept as it came. A request that is over soon is never looked at, and pays
//! for a handle to bytes that are there anyway.

use std::cell::Cell;

use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, Version};
use lockgate_policy::broker::Brought;
use lockgate_policy::decide;
use lockgate_policy::introspection::Heard;
use lockgate_policy::risk::Score;
use lockgate_policy::{Answers, Content, Denial, Need};

use crate::decisions;
use crate::exchange::Exchange;
use crate::http1::Lines;
use crate::judge::{answer, Again, Arrival, Judgement, Judging, Stores};
use crate::pipeline::misdirected;
use crate::program;
use crate::tls::Secured;

/// How long who calls may go on while nobody can say whether they may, milliseconds: longer than the
/// control process waits for a provider, and shorter than anybody is to be believed unseen.
const UNSURE_MS: u64 = 15_000;

/// What is kept of a request to be judged again.
#[derive(Default)]
pub struct Continuous {
    head: Head,
    body: bool,
    /// Since when nobody can say whether it may go on, milliseconds since the epoch.
    unsure_ms: Option<u64>,
}

#[derive(Default)]
enum Head {
    #[default]
    Nothing,
    /// As it came.
    Kept {
        version: Version,
        target: Option<PathAndQuery>,
        lines: Lines,
    },
    /// As it is judged, once it was.
    Read(Box<Parts>, Option<Lines>),
}

impl Continuous {
    /// Keeps the head of a request that goes on to an upstream, before anything is changed of it. `lines` are
    /// its fields as they came, where they came as lines.
    pub fn keep(&mut self, parts: &Parts, body: bool, lines: Option<Lines>) {
        self.body = body;
        self.head = Head::Kept {
            version: parts.version,
            target: parts.uri.path_and_query().cloned(),
            lines: lines.unwrap_or_else(|| Lines::from(&parts.headers)),
        };
    }

    /// The head as it came.
    fn read(&mut self, method: &Method) -> Option<(&Parts, Option<&Lines>)> {
        if let Head::Kept {
            version,
            target,
            lines,
        } = &mut self.head
        {
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.method = method.clone();
            parts.version = *version;
            parts.uri = target.take().map(Uri::from).unwrap_or_default();
            parts.headers = lines.map(HeaderMap::new())?.0;
            // Names in their own letters, which other versions do not have.
            let written = (*version <= Version::HTTP_11).then(|| lines.clone());
            self.head = Head::Read(Box::new(parts), written);
        }
        match &self.head {
            Head::Read(parts, lines) => Some((parts, lines.as_ref())),
            Head::Nothing | Head::Kept { .. } => None,
        }
    }
}

impl Exchange {
    /// Why the request may not go on, where whoever sent it would not be let in any more. Looks
    /// now and then, as the connection's state tells; and at once where the credential was revoked.
    pub fn ended(&mut self) -> Option<Denial> {
        let shut_out = self.shut_out();
        if !(self.state.looks() || shut_out) {
            return None;
        }
        let mut kept = std::mem::take(&mut self.continuous);
        let ended = self.judged_again(&mut kept);
        self.continuous = kept;
        let (denial, risk) = ended?;
        self.ended = Some(denial.reason);
        // What speaks against it by now, where that is why.
        if risk.is_some() {
            self.judgement.risk = risk;
        }
        Some(denial)
    }

    fn judged_again(&self, kept: &mut Continuous) -> Option<(Denial, Option<Box<Score>>)> {
        let now_ms = self.worker().clock.coarse_ms();
        let shared = &self.worker().shared;
        let (snapshot, listener) = self.worker().snapshot_at(&self.listener);
        let listener = self.state.source.believing(listener);
        if let (Some(tls), Some(secured)) = (&listener.tls, self.state.source.tls()) {
            let silent_ms = now_ms.saturating_sub(shared.facts.heard_ms());
            shared.inquiries.renew(tls, secured, silent_ms);
        }
        let (body, unsure_ms) = (kept.body, kept.unsure_ms);
        let (parts, lines) = kept.read(self.method())?;
        if let Some(reason) = misdirected(shared, &listener, &self.state, &parts.headers) {
            return Some((reason.into(), None));
        }
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let length = parts.headers.get(CONTENT_LENGTH);
        let target = parts.uri.path_and_query();
        let arrival = Arrival {
            version: parts.version,
            method: &parts.method,
            target: target.map_or("/", PathAndQuery::as_str),
            host: host.unwrap_or(""),
            headers: &parts.headers,
            content_length: length.and_then(|length| length.to_str().ok()?.parse().ok()),
            body,
            peer: self.state.source.peer,
            id: self.id.as_str(),
            certificate: self.state.source.tls().and_then(Secured::client),
            listener: &listener,
        };
        let mut judgement = Judgement::default();
        if snapshot.programs {
            let seen = program::of(&self.state, parts, lines, snapshot.header_orders);
            judgement.program = Some(Box::new(seen));
        }
        let stale = shared.facts_stale(&snapshot.facts, now_ms);
        let stores = Stores::from(&**shared);
        let untold = Cell::new(false);
        let obtain = |need| {
            let answers = match need {
                // All of it was judged as it came, and is gone.
                Need::Content(gather) => Answers::Content(gather, Content::Gone),
                // What a key's own limit counts are requests, and this is none.
                Need::Spend(spend) => Answers::Spent(spend),
                Need::Decision(question) => {
                    let from = (&*self.state, &listener);
                    let heard = decisions::meanwhile(self.worker(), &snapshot, from, *question);
                    Answers::Decision(heard)
                }
                need => answer(&stores, stale, need, now_ms),
            };
            let later = matches!(
                answers,
                Answers::Brought(Brought::Later)
                    | Answers::Asked(Heard::Later, _)
                    | Answers::Decision(decide::Heard::Later)
            );
            untold.set(untold.get() || later);
            answers
        };
        let again = match self.status {
            101 => Again::WebSocket,
            _ => Again::Answer,
        };
        let judging = Judging::new(&snapshot, arrival, now_ms, &mut judgement);
        let denial = judging
            .still_allowed(again, self.judgement.ways, &obtain)
            .err();
        // Nobody waits for a word here: it is there the next time.
        let since_ms = unsure_ms.unwrap_or(now_ms);
        let unsure = denial.is_some() && untold.get() && now_ms < since_ms + UNSURE_MS;
        kept.unsure_ms = unsure.then_some(since_ms);
        let denial = denial.filter(|_| !unsure)?;
        Some((denial, judgement.risk))
    }
}
