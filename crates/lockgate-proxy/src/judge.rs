//! The one engine: a request's head in, a judgement out. No I/O, no async.
//!
//! The gate, `lockgate explain` and the offline engine all run this. What a
//! policy needs from outside comes back as [`Progress::Need`]; the caller
//! obtains it and goes on with the answer.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{HeaderValue, CACHE_CONTROL, SET_COOKIE, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Version};
use lockgate_policy::jwt::Shown;
use lockgate_policy::limits::{Charge, Strike};
use lockgate_policy::mtls::ClientCertificate;
use lockgate_policy::redirect::Redirect;
use lockgate_policy::rewrite::Rewrite;
use lockgate_policy::template::Captures;
use lockgate_policy::{
    Answers, Content, Denial, Edit, Gather, Mode, Need, OnError, PolicyError, Reading, ReasonRef,
    RequestView, Span, Verdict,
};
use lockgate_wire::target;

use crate::route::{Matched, Named};
use crate::snapshot::{CompiledApi, CompiledListener, Policy, Snapshot, Step};
use crate::trace::Outcome;
use crate::versions;

mod again;
mod authorize;
mod bodies;
mod calls;
mod counted;
mod decide;
mod device;
mod inspecting;
mod judgement;
mod located;
mod operation;
mod own;
mod risk;
mod routing;
mod secure;
mod seen;
mod shown;
mod socket;
mod together;

pub use again::Again;
pub(crate) use authorize::OF_BYTES;
pub use authorize::{Access, Behind, MayCall, Said, Way};
pub use counted::{answer, Stores};
pub use inspecting::{CallHead, Inspecting};
pub use judgement::{Answering, End, Judgement, Watcher};
pub use seen::{places, Seen};
use together::Together;

/// Paths that are the gate's own on every host.
pub(crate) const RESERVED: &str = "/.lockgate";

/// Told where nothing was presented, and more than one thing could have been.
const ANY_ONE: &str = "no credential was sent; any one that `WWW-Authenticate` names is enough";

/// A request's head, framed but not yet judged.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, as they arrived.
    pub target: &'a str,
    /// The Host header, or the authority of an absolute target.
    pub host: &'a str,
    /// The version of HTTP.
    pub version: Version,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// Length of the body where the head tells it.
    pub content_length: Option<u64>,
    /// Whether there is a body at all.
    pub body: bool,
    /// The other end of the socket.
    pub peer: IpAddr,
    /// Its id, where it has one: what is left to chance is drawn from it.
    pub id: &'a str,
    /// The certificate that the client showed in its handshake, if TLS trusted one.
    pub certificate: Option<&'a ClientCertificate>,
    /// Where it arrived.
    pub listener: &'a CompiledListener,
}

/// What became of a step of judging.
#[derive(Debug)]
pub enum Progress {
    /// Judged.
    Done,
    /// Wanted before going on.
    Need(Need),
}

/// What is known of a past request in place of what is no longer there: its
/// credentials, its headers, its body. Only replay has one.
pub trait Memory {
    /// What the API's step of this number says of the request; `None` where it
    /// can be asked as ever.
    fn recall(
        &self,
        api: &CompiledApi,
        route: &str,
        number: usize,
        view: &RequestView<'_>,
        now_ms: u64,
    ) -> Option<Verdict>;
}

/// A request being judged.
pub struct Judging<'s, 'a, 'j> {
    snapshot: &'s Snapshot,
    arrival: Arrival<'a>,
    memory: Option<&'a dyn Memory>,
    now_ms: u64,
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    query: Option<Cow<'a, str>>,
    /// What else the path might be taken for.
    readings: Vec<Reading>,
    asked: versions::Asked,
    next: usize,
    refused: Option<(Denial, Span)>,
    /// Ways to authenticate that must hold together, as far as they were asked.
    together: Together,
    /// What limits took, as long as later ones may refuse.
    taken: Vec<Charge>,
    /// Failures to be counted.
    strikes: Vec<Strike>,
    /// Whether the request was let in before, and its proof with it.
    again: bool,
    /// Whether a credential was presented that nobody is known to have.
    guessed: bool,
    judgement: &'j mut Judgement,
}

impl<'s, 'a, 'j> Judging<'s, 'a, 'j> {
    /// Brings the request into normal form and finds its API. What is decided
    /// goes into `judgement`.
    #[must_use]
    pub fn new(
        snapshot: &'s Snapshot,
        arrival: Arrival<'a>,
        now_ms: u64,
        judgement: &'j mut Judgement,
    ) -> Self {
        judgement.client = arrival.peer;
        let mut judging = Self {
            snapshot,
            arrival,
            memory: None,
            now_ms,
            host: Cow::Borrowed(""),
            path: Cow::Borrowed(""),
            query: None,
            readings: Vec::new(),
            asked: versions::Asked::Absent,
            next: 0,
            refused: None,
            together: Together::Broken,
            taken: Vec::new(),
            strikes: Vec::new(),
            again: false,
            guessed: false,
            judgement,
        };
        if let Err(denial) = judging.route() {
            judging.judgement.end = End::Refuse(denial);
        }
        judging
    }

    /// Judges a past request by what is known of it.
    #[must_use]
    pub fn by_memory(mut self, memory: &'a dyn Memory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Judges until a policy needs something, or to the end.
    /// `answers` answers the last need; [`Answers::None`] at first.
    pub fn run(&mut self, answers: &Answers) -> Progress {
        let mut answers = answers;
        self.locate();
        while let (End::Forward, Some(step)) = (&self.judgement.end, self.step()) {
            if !step.policy.authenticates() {
                self.close_authentication();
                if !matches!(self.judgement.end, End::Forward) {
                    break;
                }
            }
            if let Some(need) = self.take(step, answers) {
                return Progress::Need(need);
            }
            answers = &Answers::None;
            self.next += 1;
        }
        self.close_authentication();
        if !self.strikes.is_empty() {
            return Progress::Need(Need::Strike(std::mem::take(&mut self.strikes)));
        }
        self.refuse_websocket();
        self.choose_upstream();
        self.tell_certificate();
        self.keep_for_answers();
        self.leave_rest();
        Progress::Done
    }

    /// Judges to the end with facts at hand.
    pub fn complete(&mut self, obtain: &dyn Fn(Need) -> Answers) {
        let mut answers = Answers::None;
        while let Progress::Need(need) = self.run(&answers) {
            answers = obtain(need);
        }
    }

    /// The API that the request was routed to.
    #[must_use]
    pub fn api(&self) -> Option<&'s CompiledApi> {
        self.snapshot.apis.get(self.judgement.matched.as_ref()?.api)
    }

    /// Where the request was routed to.
    #[must_use]
    pub const fn matched(&self) -> Option<Matched> {
        self.judgement.matched
    }

    /// Whose memory a body is held in: a trusted proxy's requests are no one client's.
    #[must_use]
    pub fn holder(&self) -> Option<IpAddr> {
        (!self.judgement.proxy).then_some(self.judgement.client)
    }

    /// Nothing more is to be judged: the rest of the request does not come.
    pub fn abandon(&mut self) {
        self.leave_rest();
    }

    /// Method, host, path and query as they are judged.
    #[must_use]
    pub fn normal(&self) -> (&Method, &str, &str, Option<&str>) {
        (
            self.arrival.method,
            &self.host,
            &self.path,
            self.query.as_deref(),
        )
    }

    fn step(&self) -> Option<&'s Step> {
        self.api()?.steps.get(self.next)
    }

    /// Takes one policy's verdict; a need means that it is to be asked again.
    fn take(&mut self, step: &'s Step, answers: &Answers) -> Option<Need> {
        let mode = match &step.policy {
            Policy::Operation => self.document().map_or(Mode::Off, |document| document.mode),
            _ => step.mode_at(self.now_ms),
        };
        self.approach(step.joined);
        let skip = mode == Mode::Off || (step.policy.authenticates() && self.is_idle(step.joined));
        if skip {
            let outcome = if mode == Mode::Off {
                Outcome::Off
            } else {
                Outcome::NotReached
            };
            self.note(outcome, None);
            self.settle(step.joined);
            return None;
        }
        match self.ask(step, answers) {
            Ok(Verdict::Need(need)) => return self.needed((mode, step.joined), need, answers),
            // Observing changes nothing, neither by refusing nor by answering.
            Ok(Verdict::Allow(_)) if mode == Mode::Observe => {
                self.remember(step, answers);
                self.note(Outcome::Allow, None);
            }
            Ok(Verdict::Respond(_)) if mode == Mode::Observe => {
                self.note(Outcome::ObserveRespond, None);
            }
            Ok(Verdict::Allow(edits)) => {
                self.remember(step, answers);
                self.judgement.edits.extend(edits.request);
                self.judgement.answer_edits.extend(edits.answer);
                self.note(Outcome::Allow, None);
            }
            Ok(Verdict::Narrowed(identity, grounds)) => {
                if mode == Mode::Enforce {
                    self.used(answers);
                    self.judgement.identity = Some(identity);
                    self.judgement.grounds.push((self.next, grounds));
                }
                self.note(Outcome::Allow, None);
            }
            Ok(Verdict::Granted(grounds)) => {
                if mode == Mode::Enforce {
                    self.judgement.grounds.push((self.next, grounds));
                }
                self.note(Outcome::Allow, None);
            }
            Ok(Verdict::Renewed(identity, cookie)) => {
                // A cache that kept this answer would give the cookie to others.
                let uncached = HeaderValue::from_static("no-store");
                let edits = &mut self.judgement.answer_edits;
                edits.push(Edit::Set(CACHE_CONTROL, uncached));
                edits.push(Edit::Add(SET_COOKIE, cookie));
                self.identify(step.joined, identity);
                self.note(Outcome::Identify, None);
            }
            Ok(Verdict::Identify(identity)) => {
                self.used(answers);
                self.identify(step.joined, identity);
                self.note(Outcome::Identify, None);
            }
            Ok(Verdict::Respond(response)) => {
                self.note(Outcome::Respond, None);
                self.judgement.end = End::Respond(response);
            }
            Ok(Verdict::Deny(denial)) if mode == Mode::Observe => {
                self.note_guess(step, &denial);
                self.note(Outcome::ObserveDeny, Some(denial.reason));
            }
            Ok(Verdict::Deny(denial)) => self.deny(step, denial),
            Err(error) => self.fail(step, mode, error),
        }
        self.settle(step.joined);
        None
    }

    fn ask(&mut self, step: &Step, answers: &Answers) -> Result<Verdict, PolicyError> {
        let view = self.view();
        if let (Some(memory), Some(api), Some(matched)) =
            (self.memory, self.api(), self.judgement.matched)
        {
            let route = self.snapshot.router.pattern(matched);
            if let Some(verdict) = memory.recall(api, route, self.next, &view, self.now_ms) {
                return Ok(verdict);
            }
        }
        let cut;
        let answers = match (answers, &self.judgement.cut) {
            // Whoever asks for the body sees what goes on in its place.
            (Answers::Content(gather, Content::Whole(_)), Some(left)) => {
                let gather = Gather {
                    most: gather.most,
                    pending: None,
                };
                cut = Answers::Content(gather.into(), Content::Whole(left.clone()));
                &cut
            }
            _ => answers,
        };
        match &step.policy {
            Policy::IpFilter(policy) => self.filter(policy),
            Policy::Cors(policy) => Ok(policy.decide(&view)),
            Policy::ApiKey(policy) => {
                policy.decide(&view, self.judgement.client, answers, self.now_ms)
            }
            Policy::Jwt(policy) => policy.decide(&view, &self.shown(), answers, self.now_ms),
            Policy::Introspection(policy) => {
                policy.decide(&view, &self.shown(), answers, self.now_ms)
            }
            Policy::Basic(policy) => {
                policy.decide(&view, self.judgement.client, answers, self.now_ms)
            }
            Policy::Mtls(policy) => Ok(policy.decide(self.arrival.certificate, self.now_ms)),
            Policy::Session(policy) => policy.decide(&view, answers, self.now_ms),
            Policy::Signature(policy) => {
                let body = self.arrival.body;
                policy.decide(&view, &self.shown(), body, answers, self.now_ms)
            }
            Policy::Webhook(policy) => {
                let came = (self.arrival.body, self.again);
                policy.decide(&view, came, answers, self.now_ms)
            }
            Policy::Version => Ok(self.served()),
            Policy::Operation if self.judgement.operation.is_some() => Ok(Verdict::allow()),
            Policy::Operation => Ok(self.operation()),
            Policy::Authorize(rule) => Ok(self.authorize(rule)),
            Policy::Apps(policy) => policy.decide(
                &view,
                self.judgement.identity.as_ref(),
                answers,
                self.now_ms,
            ),
            Policy::Scopes(policy) => Ok(self.scopes(policy)),
            Policy::Roles(policy) => Ok(self.roles(policy)),
            Policy::Cedar(policy) => self.cedar(policy, answers),
            Policy::Decide(policy) => self.decide(policy, step, answers),
            Policy::Objects(policy) => self.objects(policy, step, answers),
            Policy::Enumeration(policy) => self.enumeration(policy, step, answers),
            Policy::Users(policy) => self.users(policy, step, answers),
            Policy::Properties(policy) => self.properties(policy, step, answers),
            Policy::Minimise(policy) => Ok(self.minimise(policy, step)),
            Policy::Device(policy) => self.device(policy, answers),
            Policy::Risk(policy) => self.risk(policy, step, answers),
            Policy::StepUp(policy) => {
                Ok(policy.decide(&view, self.judgement.identity.as_ref(), self.now_ms))
            }
            Policy::Redirect(policy) => Ok(self.redirect(policy)),
            Policy::Rewrite(policy) => Ok(self.rewrite(policy, step)),
            Policy::WebSocket(policy) => Ok(self.websocket(policy)),
            Policy::Grpc(policy) => Ok(self.call(policy, step)),
            Policy::Waf(policy) => Ok(self.waf(policy, step)),
            Policy::Inflate(policy) => Ok(self.inflate(policy, step)),
            Policy::Compress(policy) => Ok(self.compress(policy, step)),
            Policy::BodyLimit(policy) => Ok(self.body_limit(policy, step)),
            Policy::Plugin(plugin) => plugin.decide(&view, &self.subject(&view), answers),
            Policy::Headers(policy) => Ok(policy.decide(view.headers, &self.subject(&view))),
            Policy::Limits(policy) => {
                policy.decide(&self.counted(&view, step), &self.taken, answers)
            }
            Policy::Penalty(policy) => policy.decide(&self.counted(&view, step), answers),
        }
    }

    /// What proves that the caller may use its token.
    fn shown(&self) -> Shown<'_> {
        let told = self.judgement.told.as_deref();
        let listener = self.arrival.listener;
        let host = told.and_then(|told| told.host.as_ref()?.to_str().ok());
        Shown {
            certificate: self.arrival.certificate,
            secure: told.and_then(|told| told.secure).unwrap_or(listener.secure),
            authority: host.unwrap_or(self.arrival.host),
            port: told.and_then(|told| told.port.as_ref()?.to_str().ok()),
            target: self.arrival.target,
            again: self.again,
        }
    }

    fn redirect(&self, policy: &Redirect) -> Verdict {
        let named = self.named();
        policy.decide(&self.captures(&named), self.query.as_deref())
    }

    fn rewrite(&mut self, policy: &Rewrite, step: &Step) -> Verdict {
        let named = self.named();
        let rewritten = policy.rewrite(&self.captures(&named), self.query.as_deref());
        let rewritten = rewritten.and_then(|text| {
            PathAndQuery::try_from(text).map_err(|_| Denial::new(&target::reasons::FORM))
        });
        match rewritten {
            Ok(target) => {
                if step.mode_at(self.now_ms) == Mode::Enforce {
                    self.judgement.outgoing = Some(target);
                }
                Verdict::allow()
            }
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// What the route's path captured.
    fn named(&self) -> Named<'_> {
        self.judgement.matched.map_or_else(Vec::new, |matched| {
            self.snapshot.router.named(matched, &self.path)
        })
    }

    fn captures<'c>(&'c self, named: &'c [(&'c str, &'c str)]) -> Captures<'c> {
        let prefix = self.judgement.matched.map_or(0, |matched| matched.prefix);
        Captures {
            path: &self.path,
            rest: target::after_match(&self.path, prefix),
            host: &self.host,
            named,
        }
    }

    fn authentication_enforced(&self) -> bool {
        self.api().is_some_and(|api| api.authenticates(self.now_ms))
    }

    fn deny(&mut self, step: &Step, mut denial: Denial) {
        if let Some(grounds) = denial.grounds.take() {
            self.judgement.grounds.push((self.next, *grounds));
        }
        self.note(Outcome::Deny, Some(denial.reason));
        self.note_guess(step, &denial);
        if let Some(known) = denial.known.take() {
            self.judgement.known = Some(known);
        }
        if !step.policy.authenticates() {
            self.judgement.decided = Some(denial.span.unwrap_or(step.span));
            self.judgement.end = End::Refuse(denial);
        } else {
            denial = self.break_up(step.joined, denial);
            // Any one credential is enough, so the others are asked first.
            self.refused = Some(match self.refused.take() {
                None => (denial, step.span),
                Some((before, _)) if denial.says_more_than(&before) => {
                    (denial.or(before), step.span)
                }
                Some((before, span)) => (before.or(denial), span),
            });
        }
    }

    fn fail(&mut self, step: &Step, mode: Mode, error: PolicyError) {
        let denial = Denial::new(error.reason);
        self.judgement.errors.push(error);
        if mode == Mode::Observe {
            self.note(Outcome::ObserveDeny, Some(denial.reason));
        } else if step.on_error_at(self.now_ms) == OnError::Allow {
            self.note(Outcome::Error, Some(denial.reason));
        } else {
            self.note(Outcome::Error, Some(denial.reason));
            self.judgement.decided = Some(step.span);
            self.judgement.end = End::Refuse(denial);
        }
    }

    /// After the last way to authenticate: refuse, if none proved anything.
    fn close_authentication(&mut self) {
        if let Some((mut denial, span)) = self.refused.take() {
            let none = self.judgement.identity.is_none();
            if none && denial.absent && self.needs_no_credential() {
                return;
            }
            if none && matches!(self.judgement.end, End::Forward) {
                self.judgement.decided = Some(denial.span.unwrap_or(span));
                let named = denial.headers.iter().map(|(name, _)| name);
                let ways = named.filter(|name| **name == WWW_AUTHENTICATE).count();
                if denial.absent && denial.detail.is_none() && ways > 1 {
                    denial.detail = Some(ANY_ONE.into());
                }
                self.strike(&denial);
                self.judgement.end = End::Refuse(denial);
            }
        }
    }

    fn leave_rest(&mut self) {
        if let Some(api) = self.api() {
            for _ in self.judgement.trace.len()..api.steps.len() {
                self.note(Outcome::NotReached, None);
            }
        }
    }

    fn note(&mut self, outcome: Outcome, reason: Option<ReasonRef>) {
        self.judgement.trace.push(outcome, reason);
    }
}

#[cfg(test)]
mod tests;
