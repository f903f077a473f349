//! The one engine: a request's head in, a judgement out. No I/O, no async.
//!
//! The gate, `lockgate explain` and the offline engine all run this. What a
//! policy needs from outside comes back as [`Progress::Need`]; the caller
//! obtains it and goes on with the answer.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{HeaderValue, ALLOW, CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Version};
use lockgate_policy::jwt::Shown;
use lockgate_policy::limits::{Charge, Strike};
use lockgate_policy::mtls::ClientCertificate;
use lockgate_policy::redirect::Redirect;
use lockgate_policy::rewrite::Rewrite;
use lockgate_policy::template::Captures;
use lockgate_policy::{
    cors, Answers, Denial, Edit, Mode, Need, OnError, PolicyError, Reading, ReasonRef, RequestView,
    Span, Verdict,
};
use lockgate_wire::headers::forwarded::Told;
use lockgate_wire::query;
use lockgate_wire::target::{self, normalize_host};

use crate::assertion::Signer;
use crate::bundle::Duplicates;
use crate::normal::{self, Fold, Located};
use crate::reasons;
use crate::route::{Asked, Found, Matched, Named};
use crate::snapshot::{CompiledApi, CompiledListener, Forwarding, Policy, Rule, Snapshot, Step};
use crate::split::Chooser;
use crate::trace::Outcome;
use crate::versions;

mod bodies;
mod calls;
mod counted;
mod device;
mod inspecting;
mod judgement;
mod located;
mod operation;
mod secure;
mod seen;
mod shown;
mod socket;
mod together;

pub use counted::{answer, Stores};
pub use inspecting::{CallHead, Inspecting};
pub use judgement::{End, Judgement, Watcher};
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

    fn route(&mut self) -> Result<(), Denial> {
        // Methods differ by their letters (RFC 9110 section 9.1), and servers that fold them are many:
        // what no rule for POST would look at must not arrive as one.
        let method = self.arrival.method.as_str();
        if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(Denial::new(&reasons::METHOD_CASE));
        }
        let listener = self.arrival.listener;
        let peer = self.arrival.peer.to_canonical();
        self.judgement.client = peer;
        if listener.trusts(peer) {
            self.judgement.proxy = true;
            let trusts = |ip| listener.trusts_named(ip);
            let told = Told::read(self.arrival.headers, peer, trusts)?;
            self.judgement.client = told.client().unwrap_or(peer);
            self.judgement.proxy = told.client().is_none_or(trusts);
            self.judgement.told = Some(Box::new(told));
        }
        // HTTP/1.0 knows no Host: then only APIs for any host answer.
        if !self.arrival.host.is_empty() {
            self.host = normalize_host(self.arrival.host)?.name;
        }
        let target = self.arrival.target;
        let query = memchr::memchr(b'?', target.as_bytes()).map(|at| &target[at + 1..]);
        let asked = Asked {
            method: self.arrival.method,
            headers: self.arrival.headers,
            query,
        };
        let Located {
            normal,
            found,
            readings,
        } = match self.preflight(&asked) {
            Some(located) => located,
            None => normal::find(self.snapshot, &self.host, target, &asked)?,
        };
        self.path = normal.path;
        self.query = normal.query.map(Cow::Borrowed);
        let mut changed = normal.changed;
        if let Found::Route(matched) = &found {
            changed |= self.single_parameters(*matched)?;
        }
        if changed {
            self.judgement.rewritten = Some(match &self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_string(),
            });
        }
        if self.arrival.listener.redirect_port != 0 {
            self.judgement.end = self.to_https()?;
            return Ok(());
        }
        let rest = self.path.strip_prefix(RESERVED);
        let own = match &found {
            Found::Route(matched) => self.snapshot.apis.get(matched.api).map(|api| api.own),
            _ => None,
        };
        let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(rest) = rest.filter(|_| own != Some(true)) {
            let signer = self.snapshot.signer.as_deref();
            self.judgement.end = match signer.filter(|_| rest == "/jwks.json") {
                Some(signer) => keys(signer),
                None => reserved(rest)?,
            };
            return Ok(());
        }
        match found {
            Found::Route(matched) => {
                self.judgement.matched = Some(matched);
                if let Some(Forwarding::One(upstream)) = self.api().map(|api| &api.forwarding) {
                    self.judgement.upstream = Some(*upstream);
                }
                self.version(matched);
                self.one_version(&readings)?;
                self.outgoing(matched)?;
                self.judgement.operation = self.operation_of(&self.path);
                self.readings = readings
                    .into_iter()
                    .map(|fold| self.reading(fold.path))
                    .collect();
                self.insecure()
            }
            Found::MethodNotAllowed(allow) => {
                let denial = Denial::new(&reasons::METHOD_NOT_ALLOWED);
                Err(match HeaderValue::from_str(allow) {
                    Ok(value) => denial.header(ALLOW, value),
                    Err(_) => denial,
                })
            }
            Found::Unmatched => Err(Denial::new(&reasons::NOT_MATCHED)),
            Found::Ambiguous => Err(Denial::new(&reasons::MATCH_AMBIGUOUS)),
            Found::Nothing => Err(Denial::new(&reasons::NO_ROUTE)),
        }
    }

    /// Treats a parameter that is there twice as the API wants it; whether that
    /// changed the query.
    fn single_parameters(&mut self, matched: Matched) -> Result<bool, Denial> {
        let api = self.snapshot.apis.get(matched.api);
        let duplicates = api.map_or(Duplicates::Keep, |api| api.duplicates);
        let Some(query) = self
            .query
            .as_deref()
            .filter(|_| duplicates != Duplicates::Keep)
        else {
            return Ok(false);
        };
        if query::duplicate(query).is_none() {
            return Ok(false);
        }
        if duplicates == Duplicates::Reject {
            return Err(Denial::new(&reasons::DUPLICATE_PARAMETER));
        }
        let single = query::without_duplicates(query, duplicates == Duplicates::Last);
        // What stands behind a `;` is nothing that could be taken out without a guess.
        if query::duplicate(&single).is_some() {
            return Err(Denial::new(&reasons::DUPLICATE_PARAMETER));
        }
        self.query = Some(Cow::Owned(single));
        Ok(true)
    }

    /// A browser's preflight goes to the API that the request which it asks about
    /// would go to, where that answers preflights.
    fn preflight(&self, asked: &Asked<'_>) -> Option<Located<'s, 'a>> {
        let question = cors::preflight(asked.method, asked.headers)?;
        let method = Method::from_bytes(question.as_bytes()).ok()?;
        let asked = Asked {
            method: &method,
            ..*asked
        };
        let located = normal::find(self.snapshot, &self.host, self.arrival.target, &asked).ok()?;
        let Found::Route(matched) = &located.found else {
            return None;
        };
        let api = self.snapshot.apis.get(matched.api)?;
        api.answers_preflights(self.now_ms).then_some(located)
    }

    /// The upstream gets what was judged, less the prefix where that is taken off.
    fn outgoing(&mut self, matched: Matched) -> Result<(), Denial> {
        let stripped = self.stripped(matched);
        if self.judgement.rewritten.is_none() && stripped == 0 {
            return Ok(());
        }
        let rest = target::after_match(&self.path, stripped);
        let root = if rest.starts_with('/') || rest == "*" {
            ""
        } else {
            "/"
        };
        let text = match &self.query {
            Some(query) => format!("{root}{rest}?{query}"),
            None => format!("{root}{rest}"),
        };
        // Never what arrived in place of what was judged: what cannot be sent is refused.
        let outgoing = PathAndQuery::try_from(text).map_err(|_| &target::reasons::FORM)?;
        self.judgement.outgoing = Some(outgoing);
        Ok(())
    }

    /// Once all agree that it goes on: where to, which may depend on who calls.
    fn choose_upstream(&mut self) {
        if !matches!(self.judgement.end, End::Forward) || self.judgement.upstream.is_some() {
            return;
        }
        let Some(Forwarding::Split(split)) = self.api().map(|api| &api.forwarding) else {
            return;
        };
        let (upstream, by) = split.choose(&Chooser {
            headers: self.arrival.headers,
            query: self.query.as_deref(),
            identity: self.judgement.identity.as_ref(),
            client: self.judgement.client,
            request: self.arrival.id,
        });
        self.judgement.upstream = Some(upstream);
        self.judgement.chosen_by = by;
        if let Err(denial) = self.insecure() {
            self.judgement.end = End::Refuse(denial);
        }
    }

    /// Which version is asked for, where that goes, and what is said of its end.
    fn version(&mut self, matched: Matched) {
        let Some(listed) = self.api().and_then(|api| api.versions.as_ref()) else {
            return;
        };
        let rest = target::after_match(&self.path, matched.prefix);
        let form = target::for_matching(rest);
        self.asked = listed.asked(&form, self.query.as_deref(), self.arrival.headers);
        let versions::Asked::Version { number, .. } = self.asked else {
            return;
        };
        let Some(version) = listed.get(number) else {
            return;
        };
        self.judgement.version = Some(number);
        if version.upstream.is_some() {
            self.judgement.upstream = version.upstream;
        }
        if !version.answer_edits.is_empty() {
            let prefix = self.path.len() - rest.len();
            let link = listed.successor(number, &self.path, prefix, self.query.as_deref());
            let edits = &mut self.judgement.answer_edits;
            edits.extend(version.answer_edits.iter().cloned());
            edits.extend(link);
        }
    }

    /// Refuses a path in which another reader would find another version.
    fn one_version(&self, readings: &[Fold]) -> Result<(), Denial> {
        let Some(listed) = self.api().and_then(|api| api.versions.as_ref()) else {
            return Ok(());
        };
        let differs = readings.iter().any(|fold| {
            let rest = fold.prefix.and_then(|prefix| fold.path.get(prefix..));
            rest.is_some_and(|rest| {
                listed.asked(rest, self.query.as_deref(), self.arrival.headers) != self.asked
            })
        });
        if differs {
            return Err(Denial::new(&reasons::TARGET_AMBIGUOUS));
        }
        Ok(())
    }

    /// Whether the version is served.
    fn served(&self) -> Verdict {
        let listed = self.api().and_then(|api| api.versions.as_ref());
        match listed.map_or(Ok(()), |listed| listed.serve(self.asked, self.now_ms)) {
            Ok(()) => Verdict::allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// Bytes of the path, in the form that is matched, that the upstream does not get.
    fn stripped(&self, matched: Matched) -> usize {
        let segment = match self.asked {
            versions::Asked::Version { segment, .. } => segment,
            _ => 0,
        };
        match self.api() {
            Some(api) if api.strip_path => matched.prefix + segment,
            _ => 0,
        }
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
            Policy::Device(policy) => self.device(policy, answers),
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

    fn authorize(&self, rule: &Rule) -> Verdict {
        match rule {
            Rule::Public(waiver) if waiver.holds(self.now_ms) => Verdict::allow(),
            Rule::Public(_) => Verdict::Deny(Denial::new(&reasons::WAIVER_EXPIRED)),
            Rule::Authenticated
                if self.judgement.identity.is_some() || !self.authentication_enforced() =>
            {
                Verdict::allow()
            }
            Rule::Authenticated => Verdict::Deny(Denial::new(&reasons::NOT_AUTHENTICATED)),
        }
    }

    fn authentication_enforced(&self) -> bool {
        self.api().is_some_and(|api| api.authenticates(self.now_ms))
    }

    fn deny(&mut self, step: &Step, mut denial: Denial) {
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
        } else if step.on_error == OnError::Allow {
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
            if self.judgement.identity.is_none() && matches!(self.judgement.end, End::Forward) {
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

/// The public keys of what upstreams are told (RFC 7517 section 8.5.2 for the type).
fn keys(signer: &Signer) -> End {
    let mut response = http::Response::new(signer.published().to_vec());
    let fields = response.headers_mut();
    let kind = HeaderValue::from_static("application/jwk-set+json");
    fields.insert(CONTENT_TYPE, kind);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    End::Respond(Box::new(response))
}

/// What the gate says of itself: `reasons/<code>` is where the `type` of a
/// refusal leads. Nothing below the prefix ever goes to an upstream.
fn reserved(rest: &str) -> Result<End, Denial> {
    let code = rest.strip_prefix("/reasons/").unwrap_or("");
    let known = crate::reasons()
        .into_iter()
        .find(|reason| reason.code == code);
    let reason = known.ok_or(&reasons::NO_ROUTE)?;
    let page = serde_json::json!({
        "reason": reason.code,
        "status": reason.status,
        "title": reason.title,
        "given_by": reason.room,
        "advice": reason.advice,
    });
    let mut response = http::Response::new(page.to_string().into_bytes());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(End::Respond(Box::new(response)))
}

#[cfg(test)]
mod tests;
