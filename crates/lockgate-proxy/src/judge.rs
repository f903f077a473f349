//! The one engine: a request's head in, a judgement out. No I/O, no async.
//!
//! The gate, `lockgate explain` and the offline engine all run this. What a
//! policy needs from outside comes back as [`Progress::Need`]; the caller
//! obtains it and goes on with the answer.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use http::header::{HeaderValue, ALLOW, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};
use lockgate_policy::headers::Subject;
use lockgate_policy::{
    cors, Answers, BodyMachine, Caller, Denial, Edit, Identity, Mode, Need, OnError, PolicyError,
    ReasonRef, RequestView, Span, Verdict, POLICY_FAILED,
};
use lockgate_wire::headers::forwarded::client_address;
use lockgate_wire::target::{self, normalize_host, TargetSwitches};

use crate::facts::FactStore;
use crate::reasons;
use crate::route::{Found, Matched};
use crate::snapshot::{CompiledApi, CompiledListener, Policy, Rule, Snapshot, Step};
use crate::trace::{Outcome, Trace};

/// Paths that are the gate's own on every host.
pub(crate) const RESERVED: &str = "/.lockgate";

/// A request's head, framed but not yet judged.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, as they arrived.
    pub target: &'a str,
    /// The Host header, or the authority of an absolute target.
    pub host: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// Length of the body where the head tells it.
    pub content_length: Option<u64>,
    /// Whether there is a body at all.
    pub body: bool,
    /// The other end of the socket.
    pub peer: IpAddr,
    /// Where it arrived.
    pub listener: &'a CompiledListener,
    /// Its id.
    pub id: &'a str,
}

/// A policy that watches a body.
pub struct Watcher {
    /// What watches.
    pub machine: Box<dyn BodyMachine>,
    /// Number of its step, in the API and in the trace.
    pub step: usize,
    /// Whether its refusal holds; it is only written down otherwise.
    pub enforced: bool,
}

/// How a request shall end.
#[derive(Debug)]
pub enum End {
    /// It goes to the API's upstream.
    Forward,
    /// It is refused.
    Refuse(Denial),
    /// A policy answered.
    Respond(Box<http::Response<Vec<u8>>>),
}

impl Default for Judgement {
    fn default() -> Self {
        Self {
            end: End::Forward,
            matched: None,
            rewritten: None,
            outgoing: None,
            identity: None,
            known: None,
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            trace: Trace::default(),
            decided: None,
            edits: Vec::new(),
            answer_edits: Vec::new(),
            shown: None,
            undecided: Vec::new(),
            watchers: Vec::new(),
            errors: Vec::new(),
        }
    }
}

/// What was decided of a request, and why.
pub struct Judgement {
    /// How it shall end.
    pub end: End,
    /// The API that it was routed to.
    pub matched: Option<Matched>,
    /// Path and query in normal form, where they arrived in another.
    pub rewritten: Option<String>,
    /// What the upstream is asked for, where that is not what arrived.
    pub outgoing: Option<PathAndQuery>,
    /// Who calls.
    pub identity: Option<Identity>,
    /// Whose credential was refused, where that is certain; for the event alone.
    pub known: Option<Box<Identity>>,
    /// The client's address.
    pub client: IpAddr,
    /// What each policy said.
    pub trace: Trace,
    /// Where the configuration says what refused.
    pub decided: Option<Span>,
    /// Changes to the request, besides the API's own.
    pub edits: Vec<Edit>,
    /// Changes to the answer, besides the API's own.
    pub answer_edits: Vec<Edit>,
    /// The request's head as plugins see it, where one judges the answer.
    pub shown: Option<Box<serde_json::Value>>,
    /// Steps whose verdict only a running gate can know.
    pub undecided: Vec<usize>,
    /// What watches the body.
    pub watchers: Vec<Watcher>,
    /// Errors of policies, for the log.
    pub errors: Vec<PolicyError>,
}

/// What became of a step of judging.
#[derive(Debug)]
pub enum Progress {
    /// Judged.
    Done,
    /// Wanted before going on.
    Need(Need),
}

/// A request being judged.
pub struct Judging<'s, 'a, 'j> {
    snapshot: &'s Snapshot,
    arrival: Arrival<'a>,
    now_ms: u64,
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    query: Option<&'a str>,
    next: usize,
    refused: Option<(Denial, Span)>,
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
            now_ms,
            host: Cow::Borrowed(""),
            path: Cow::Borrowed(""),
            query: None,
            next: 0,
            refused: None,
            judgement,
        };
        if let Err(denial) = judging.route() {
            judging.judgement.end = End::Refuse(denial);
        }
        judging
    }

    /// Judges until a policy needs something, or to the end.
    /// `answers` answers the last need; [`Answers::None`] at first.
    pub fn run(&mut self, answers: &Answers) -> Progress {
        let mut answers = answers;
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
        self.show();
        self.leave_rest();
        Progress::Done
    }

    /// Judges to the end with facts at hand.
    pub fn complete(&mut self, facts: &dyn Fn(&Need) -> Answers) {
        let mut answers = Answers::None;
        while let Progress::Need(need) = self.run(&answers) {
            answers = facts(&need);
        }
    }

    /// The API that the request was routed to.
    #[must_use]
    pub fn api(&self) -> Option<&'s CompiledApi> {
        self.snapshot.apis.get(self.judgement.matched.as_ref()?.api)
    }

    /// Method, host, path and query as they are judged.
    #[must_use]
    pub fn normal(&self) -> (&Method, &str, &str, Option<&str>) {
        (self.arrival.method, &self.host, &self.path, self.query)
    }

    fn route(&mut self) -> Result<(), Denial> {
        let trusted = &self.arrival.listener.trusted;
        if !trusted.is_empty() {
            self.judgement.client =
                client_address(self.arrival.headers, self.arrival.peer, |ip| {
                    trusted.contains(ip)
                })?;
        }
        // HTTP/1.0 knows no Host: then only APIs for any host answer.
        if !self.arrival.host.is_empty() {
            self.host = normalize_host(self.arrival.host)?.name;
        }
        let normal = target::normalize(self.arrival.target, &TargetSwitches::default())?;
        if normal.changed {
            self.judgement.rewritten = Some(match normal.query {
                Some(query) => format!("{}?{query}", normal.path),
                None => normal.path.to_string(),
            });
        }
        let found = self.preflight(&normal.match_path()).unwrap_or_else(|| {
            self.snapshot
                .router
                .find(&self.host, &normal.match_path(), self.arrival.method)
        });
        self.path = normal.path;
        self.query = normal.query;
        let rest = self.path.strip_prefix(RESERVED);
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            self.judgement.end = reserved(rest)?;
            return Ok(());
        }
        match found {
            Found::Route(matched) => {
                self.judgement.matched = Some(matched);
                self.outgoing(matched)?;
                self.insecure()
            }
            Found::MethodNotAllowed(allow) => {
                let denial = Denial::new(&reasons::METHOD_NOT_ALLOWED);
                Err(match HeaderValue::from_str(allow) {
                    Ok(value) => denial.header(ALLOW, value),
                    Err(_) => denial,
                })
            }
            Found::Nothing => Err(Denial::new(&reasons::NO_ROUTE)),
        }
    }

    /// A browser's preflight goes to the API that the request which it asks about
    /// would go to, where that answers preflights.
    fn preflight(&self, path: &str) -> Option<Found<'s>> {
        let asked = cors::preflight(self.arrival.method, self.arrival.headers)?;
        let method = Method::from_bytes(asked.as_bytes()).ok()?;
        let found = self.snapshot.router.find(&self.host, path, &method);
        let Found::Route(matched) = &found else {
            return None;
        };
        let api = self.snapshot.apis.get(matched.api)?;
        api.answers_preflights(self.now_ms).then_some(found)
    }

    /// The upstream gets what was judged, less the prefix where that is taken off.
    fn outgoing(&mut self, matched: Matched) -> Result<(), Denial> {
        let strip = self.api().is_some_and(|api| api.strip_path) && matched.prefix > 0;
        if self.judgement.rewritten.is_none() && !strip {
            return Ok(());
        }
        let matched = if strip { matched.prefix } else { 0 };
        let rest = target::after_match(&self.path, matched);
        let root = if rest.starts_with('/') || rest == "*" {
            ""
        } else {
            "/"
        };
        let text = match self.query {
            Some(query) => format!("{root}{rest}?{query}"),
            None => format!("{root}{rest}"),
        };
        // Never what arrived in place of what was judged: what cannot be sent is refused.
        let outgoing = PathAndQuery::try_from(text).map_err(|_| &target::reasons::FORM)?;
        self.judgement.outgoing = Some(outgoing);
        Ok(())
    }

    /// Plain HTTP off loopback ends with the waiver that allowed it.
    fn insecure(&mut self) -> Result<(), Denial> {
        let upstream = self
            .api()
            .and_then(|api| self.snapshot.upstreams.get(api.upstream));
        let waivers = [
            self.arrival.listener.insecure.as_ref(),
            upstream.and_then(|upstream| upstream.insecure.as_ref()),
        ];
        match waivers
            .into_iter()
            .flatten()
            .find(|waiver| !waiver.holds(self.now_ms))
        {
            Some(expired) => {
                self.judgement.decided = Some(expired.span);
                Err(Denial::new(&reasons::WAIVER_EXPIRED))
            }
            None => Ok(()),
        }
    }

    fn step(&self) -> Option<&'s Step> {
        self.api()?.steps.get(self.next)
    }

    /// Takes one policy's verdict; a need means that it is to be asked again.
    fn take(&mut self, step: &'s Step, answers: &Answers) -> Option<Need> {
        let mode = step.mode_at(self.now_ms);
        let skip =
            mode == Mode::Off || (step.policy.authenticates() && self.judgement.identity.is_some());
        if skip {
            let outcome = if mode == Mode::Off {
                Outcome::Off
            } else {
                Outcome::NotReached
            };
            self.note(outcome, None);
            return None;
        }
        if matches!(answers, Answers::Undecided) {
            self.judgement.undecided.push(self.next);
            self.note(Outcome::NotReached, None);
            return None;
        }
        match self.ask(step, answers) {
            Ok(Verdict::Need(need)) => return Some(need),
            Ok(Verdict::Allow(edits)) => {
                // What is only observed changes nothing.
                if mode == Mode::Enforce {
                    self.judgement.edits.extend(edits.request);
                    self.judgement.answer_edits.extend(edits.answer);
                }
                self.note(Outcome::Allow, None);
            }
            Ok(Verdict::Identify(identity)) => {
                self.judgement.identity = Some(identity);
                self.note(Outcome::Identify, None);
            }
            Ok(Verdict::Respond(response)) => {
                self.note(Outcome::Respond, None);
                // What is only observed answers nothing either.
                if mode == Mode::Enforce {
                    self.judgement.end = End::Respond(response);
                }
            }
            Ok(Verdict::Deny(denial)) if mode == Mode::Observe => {
                self.note(Outcome::ObserveDeny, Some(denial.reason));
            }
            Ok(Verdict::Deny(denial)) => self.deny(step, denial),
            Err(error) => self.fail(step, mode, error),
        }
        None
    }

    /// Keeps what plugins that judge the answer are shown of the request.
    fn show(&mut self) {
        let Some(api) = self.api().filter(|api| api.judges_answers) else {
            return;
        };
        let plugin = api.steps.iter().find_map(|step| match &step.policy {
            Policy::Plugin(plugin) => Some(plugin),
            _ => None,
        });
        if let (Some(plugin), End::Forward) = (plugin, &self.judgement.end) {
            let shown = plugin.request(&self.view(), &self.subject());
            self.judgement.shown = Some(Box::new(shown));
        }
    }

    fn view(&self) -> RequestView<'_> {
        RequestView {
            method: self.arrival.method,
            host: &self.host,
            path: &self.path,
            query: self.query,
            headers: self.arrival.headers,
            content_length: self.arrival.content_length,
            api: self.api().map_or("", |api| &api.name),
            operation: None,
        }
    }

    /// What is known of the request for certain.
    fn subject(&self) -> Subject<'_> {
        Subject {
            request_id: self.arrival.id,
            client: self.judgement.client,
            identity: self.judgement.identity.as_ref(),
            api: self.api().map_or("", |api| &api.name),
            operation: None,
        }
    }

    fn ask(&mut self, step: &Step, answers: &Answers) -> Result<Verdict, PolicyError> {
        let view = self.view();
        match &step.policy {
            Policy::IpFilter(policy) => Ok(policy.decide(&Caller {
                address: self.judgement.client,
                peer: self.arrival.peer,
            })),
            Policy::Cors(policy) => Ok(policy.decide(&view)),
            Policy::ApiKey(policy) => policy.decide(&view, answers, self.now_ms),
            Policy::Authorize(rule) => Ok(self.authorize(rule)),
            Policy::BodyLimit(policy) => {
                let verdict = policy.decide(&view);
                // A length that the head told is held to by the framing.
                if self.arrival.body && self.arrival.content_length.is_none() {
                    self.judgement.watchers.push(Watcher {
                        machine: Box::new(policy.watch()),
                        step: self.next,
                        enforced: step.mode_at(self.now_ms) == Mode::Enforce,
                    });
                }
                Ok(verdict)
            }
            Policy::Plugin(plugin) => plugin.decide(&view, &self.subject(), answers),
            Policy::Headers(policy) => Ok(policy.decide(view.headers, &self.subject())),
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
        self.api().is_some_and(|api| {
            let mut ways = api.steps.iter().filter(|step| step.policy.authenticates());
            ways.any(|step| step.mode_at(self.now_ms) == Mode::Enforce)
        })
    }

    fn deny(&mut self, step: &Step, mut denial: Denial) {
        self.note(Outcome::Deny, Some(denial.reason));
        if let Some(known) = denial.known.take() {
            self.judgement.known = Some(known);
        }
        if !step.policy.authenticates() {
            self.judgement.decided = Some(step.span);
            self.judgement.end = End::Refuse(denial);
        } else if self
            .refused
            .as_ref()
            .is_none_or(|(before, _)| before.absent && !denial.absent)
        {
            // Any one credential is enough, so the others are asked first.
            self.refused = Some((denial, step.span));
        }
    }

    fn fail(&mut self, step: &Step, mode: Mode, error: PolicyError) {
        self.judgement.errors.push(error);
        let denial = Denial::new(&POLICY_FAILED);
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
        if let Some((denial, span)) = self.refused.take() {
            if self.judgement.identity.is_none() && matches!(self.judgement.end, End::Forward) {
                self.judgement.decided = Some(span);
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

/// Answers needs from the process-wide store. `stale` is whether facts are too
/// old to be believed.
#[must_use]
pub fn answer(facts: &FactStore, stale: bool, need: &Need) -> Answers {
    match need {
        Need::Key(_) if stale => Answers::Stale,
        Need::Key(digest) => Answers::Key(*digest, facts.key(digest)),
        // Processes for plugins are a running gate's.
        Need::Plugin(_) => Answers::Undecided,
    }
}

#[cfg(test)]
mod tests;
