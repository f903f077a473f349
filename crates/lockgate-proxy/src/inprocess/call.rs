//! One request and its answer, from the judgement to the answer's head.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use lockgate_policy::{Denial, Identity, ReasonRef};
use lockgate_wire::framing::reasons as framing;

use super::{measure, InProcess};
use crate::body::Chain;
use crate::edits;
use crate::events::blotted_text;
use crate::head::Head;
use crate::id::RequestId;
use crate::judge::{End, Judgement};
use crate::net::BodyRefusal;
use crate::reasons;
use crate::respond::{said, X_REQUEST_ID};
use crate::snapshot::CompiledApi;
use crate::trace::Outcome;

/// Bytes of a host or a path that go to the log; nginx cuts its lines at 4096 with all that stands in them.
const LOGGED: usize = 1024;

/// One request and its answer.
pub struct Call {
    engine: Arc<InProcess>,
    id: RequestId,
    now_ms: u64,
    /// The other end of the connection.
    peer: IpAddr,
    /// None where the head broke the framing: what it meant to ask is not known.
    head: Option<Head>,
    /// The length that the head tells of the body.
    length: Option<u64>,
    judgement: Judgement,
    chain: Chain,
    said: Option<BodyRefusal>,
    reason: Option<ReasonRef>,
    bytes_in: u64,
}

/// An answer of the engine's own.
#[derive(Debug)]
pub struct Own {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What was decided, for whoever keeps a log.
#[derive(Debug)]
pub struct Account {
    /// The request's id.
    pub id: String,
    /// Why it was refused, where it was.
    pub reason: Option<ReasonRef>,
    /// Where the configuration says what refused: file and line.
    pub place: Option<(String, u32)>,
    /// The method; empty where the head could not be read.
    pub method: String,
    /// The host, without what looks like a secret.
    pub host: String,
    /// The path, without its query and what looks like a secret.
    pub path: String,
    /// The API.
    pub api: Option<String>,
    /// The client's address.
    pub client: IpAddr,
    /// Public id of the credential, also of one that is known and was refused.
    pub credential: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
}

impl Call {
    pub(super) fn new(
        engine: Arc<InProcess>,
        id: RequestId,
        (now_ms, peer): (u64, IpAddr),
        (head, length): (Option<Head>, Option<u64>),
        mut judgement: Judgement,
    ) -> Self {
        Self {
            engine,
            id,
            now_ms,
            peer,
            head,
            length,
            chain: Chain::new(std::mem::take(&mut judgement.watchers)),
            judgement,
            said: None,
            reason: None,
            bytes_in: 0,
        }
    }

    /// The request's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The API that the request is for.
    #[must_use]
    pub fn api(&self) -> Option<&CompiledApi> {
        self.engine.snapshot.apis.get(self.judgement.matched?.api)
    }

    /// The pattern of the route that it took.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        let matched = self.judgement.matched?;
        Some(self.engine.snapshot.router.pattern(matched))
    }

    /// The version of the API that it asks for.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let versions = self.api()?.versions.as_ref()?;
        Some(&*versions.get(self.judgement.version?)?.name)
    }

    /// The operation of the API's document that it is.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        let document = self.api()?.document(self.judgement.version)?;
        Some(&*document.operation(self.judgement.operation?)?.name)
    }

    /// Who calls.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.judgement.identity.as_ref()
    }

    /// The client's address.
    #[must_use]
    pub const fn client(&self) -> IpAddr {
        self.judgement.client
    }

    /// The length that the head tells of the body.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Errors of policies, for the log.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let errors = self.judgement.errors.iter();
        errors.map(ToString::to_string).collect()
    }

    /// Whether a policy could not decide.
    #[must_use]
    pub const fn failed_policies(&self) -> bool {
        !self.judgement.errors.is_empty()
    }

    /// The answer, where the engine gives it; once.
    pub fn answer(&mut self) -> Option<Own> {
        match std::mem::replace(&mut self.judgement.end, End::Forward) {
            End::Forward => None,
            End::Refuse(denial) => Some(self.refuse(&denial)),
            End::Respond(response) => {
                let (parts, body) = response.into_parts();
                let status = parts.status.as_u16();
                Some(self.own(status, parts.headers, body.into()))
            }
        }
    }

    /// Path and query as they were judged, where that is not what arrived.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        let outgoing = self.judgement.outgoing.as_ref()?;
        Some(outgoing.as_str())
    }

    /// The path and query that arrived, less scheme and host.
    #[must_use]
    pub fn arrived(&self) -> &str {
        self.head.as_ref().map_or("", |head| head.target.as_str())
    }

    /// The request's fields as the application may see them: without
    /// credentials, and without what only a proxy may say.
    #[must_use]
    pub fn fields(&self) -> HeaderMap {
        let head = self.head.as_ref();
        let mut headers = head.map_or_else(HeaderMap::new, |head| head.headers.clone());
        if let Some(api) = self.api() {
            let trusted = self.engine.listener.trusts(self.peer);
            let of = (api, &self.judgement);
            edits::make_of_request(&mut headers, of, &self.engine.snapshot, trusted);
        }
        headers.insert(X_REQUEST_ID, self.id.header());
        headers
    }

    /// Whether a policy watches the body, and may change or refuse it.
    #[must_use]
    pub fn watches(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Shows a piece of the body, and whether nothing follows. What is left of
    /// it goes to the application; `None` means all of it, unchanged.
    ///
    /// # Errors
    /// The answer that is given instead.
    pub fn body(&mut self, piece: &[u8], end: bool) -> Result<Option<Bytes>, Box<Own>> {
        self.bytes_in += piece.len() as u64;
        // A server's framing holds a body to the length that was told; one that
        // does not is not believed about what policies have judged by it.
        if self.length.is_some_and(|length| self.bytes_in > length) {
            return Err(Box::new(self.refuse(&(&framing::CONTENT_LENGTH).into())));
        }
        if self.chain.is_empty() {
            return Ok(None);
        }
        let passed = self.show(piece, end);
        let heard = self.hear();
        match (passed, heard) {
            (Ok(left), None) => Ok(if left == piece { None } else { Some(left) }),
            (_, Some(denial)) => Err(Box::new(self.refuse(&denial))),
            // A watcher that refuses says why; without a word there is no going on either.
            (Err(_), None) => Err(Box::new(self.refuse(&(&reasons::INTERNAL_PANIC).into()))),
        }
    }

    fn show(&mut self, piece: &[u8], end: bool) -> Result<Bytes, crate::body::Broken> {
        let mut left = Bytes::new();
        if !piece.is_empty() {
            let piece = Bytes::copy_from_slice(piece);
            left = self.chain.pass(piece, &mut self.said)?.unwrap_or_default();
        }
        if end {
            let rest = self.chain.end(&mut self.said)?;
            left = match (left.is_empty(), rest.is_empty()) {
                (_, true) => left,
                (true, false) => rest,
                (false, false) => [left, rest].concat().into(),
            };
        }
        Ok(left)
    }

    /// Takes in what a policy said of the body. A refusal comes back if it holds.
    fn hear(&mut self) -> Option<Denial> {
        let said = self.said.take()?;
        let outcome = if said.enforced {
            Outcome::Deny
        } else {
            Outcome::ObserveDeny
        };
        let trace = &mut self.judgement.trace;
        trace.revise(said.step, outcome, said.denial.reason);
        if !said.enforced {
            return None;
        }
        let steps = self.api().map(|api| &api.steps);
        self.judgement.decided = steps
            .and_then(|steps| steps.get(said.step))
            .map(|step| step.span);
        Some(said.denial)
    }

    /// Whether anything but the request's id is changed of the answer.
    #[must_use]
    pub fn edits_answer(&self) -> bool {
        self.api()
            .is_some_and(|api| edits::any_of_answer(api, &self.judgement))
    }

    /// Makes the changes that policies want in an answer, and names the request.
    pub fn edit_answer(&self, headers: &mut HeaderMap) {
        if let Some(api) = self.api() {
            let of = (self.id.as_str(), self.now_ms);
            edits::of_answer(api, &self.judgement, of, &mut |edit| edit.apply(headers));
        }
        headers.insert(X_REQUEST_ID, self.id.header());
    }

    /// The answer to an application, or an engine, that failed.
    pub fn fail(&mut self) -> Own {
        self.refuse(&(&reasons::INTERNAL_PANIC).into())
    }

    /// What was decided, for the log.
    #[must_use]
    pub fn account(&self) -> Account {
        let judgement = &self.judgement;
        let sources = &self.engine.snapshot.sources;
        let known = judgement.identity.as_ref().or(judgement.known.as_deref());
        let path = self.arrived();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let head = self.head.as_ref();
        Account {
            id: self.id.as_str().to_owned(),
            reason: self.reason,
            place: judgement.decided.and_then(|span| {
                let file = sources.get(span.file as usize)?;
                Some((file.clone(), span.line))
            }),
            method: head.map_or_else(String::new, |head| head.method.to_string()),
            host: head.map_or_else(String::new, |head| {
                cut(blotted_text(head.host()).into_owned())
            }),
            path: cut(blotted_text(path).into_owned()),
            api: self.api().map(|api| api.name.to_string()),
            client: judgement.client,
            credential: known.map(|identity| identity.credential.to_string()),
            owner: known.map(|identity| identity.owner.to_string()),
        }
    }

    fn refuse(&mut self, denial: &Denial) -> Own {
        self.reason = Some(denial.reason);
        let base = &self.engine.snapshot.problem_base;
        let (headers, body) = said(self.api(), denial, (base, self.id.as_str()));
        self.own(denial.reason.status, headers, body)
    }

    fn own(&self, status: u16, mut headers: HeaderMap, body: Bytes) -> Own {
        self.edit_answer(&mut headers);
        measure(status, body.len(), &mut headers);
        Own {
            status,
            headers,
            body,
        }
    }
}

/// A text of a stranger's, no longer than a log has use for.
fn cut(mut text: String) -> String {
    if text.len() > LOGGED {
        // Targets and hosts are ASCII; anything else would have been refused.
        let end = (0..=LOGGED).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
