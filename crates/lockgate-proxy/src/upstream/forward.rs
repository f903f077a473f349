//! A request through a group of servers: a place under the breaker, a server,
//! a connection, and another attempt where that is safe.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode};
use lockgate_policy::ReasonRef;
use tokio::sync::Notify;

use super::balance::mixed;
use super::breaker::{Full, Permit};
use super::group::{Group, Member, Nobody, Wish};
use super::http1::Upgrading;
use super::link::{Link, Written};
use super::spoken::Spoken;
use super::state::TargetState;
use super::{Answer, Failure, Pools};
use crate::body::RequestBody;
use crate::net::ConnectionState;
use crate::reasons;
use crate::snapshot::CompiledUpstream;

/// Servers that are asked for a connection, one after the other, in one attempt.
pub(super) const MAX_CONNECTS: usize = 3;
/// How long a request waits before it asks a server again that failed it,
/// milliseconds; doubled each time. Envoy begins with 25 as well.
const PAUSE_MS: u64 = 25;
/// A client that was turned away comes back after 1 to so many seconds.
const COME_BACK_S: u64 = 3;

/// What a request holds of a group while it is under way, to its answer's last byte.
pub struct Lease {
    group: Arc<Group>,
    pub(super) member: Member,
    pub(super) permit: Option<Permit>,
    /// To be set on the answer, so that the client comes back to this server.
    pub cookie: Option<HeaderValue>,
}

impl Lease {
    pub(super) fn new(group: &Arc<Group>, member: Member, wish: &Wish) -> Box<Self> {
        member.state.in_flight.fetch_add(1, Ordering::Relaxed);
        member.state.counts.requests.fetch_add(1, Ordering::Relaxed);
        Box::new(Self {
            cookie: member.cookie(wish, &group.rules.choice),
            group: Arc::clone(group),
            member,
            permit: None,
        })
    }

    /// The exchange failed, or the answer broke off.
    pub fn failed(&self, now_ms: u64, reason: ReasonRef) {
        self.group.failed(&self.member, now_ms, reason.code);
    }

    /// The server did as it should.
    pub(super) fn succeeded(&self, now_ms: u64) {
        self.group.succeeded(&self.member, now_ms);
    }

    fn answered(&self, status: StatusCode, took_us: u64, now_ms: u64) {
        let counts = &self.member.state.counts;
        counts.answers.fetch_add(1, Ordering::Relaxed);
        counts.took_us.fetch_add(took_us, Ordering::Relaxed);
        if self.group.rules.passive.statuses.contains(&status.as_u16()) {
            let why = format!("status {}", status.as_u16());
            self.group.failed(&self.member, now_ms, &why);
        } else {
            self.group.succeeded(&self.member, now_ms);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.state.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request on its way through a group.
struct Journey<'a> {
    group: &'a Arc<Group>,
    upstream: &'a CompiledUpstream,
    /// For whom, where the server is told.
    spoken: Option<&'a Spoken>,
    wish: Wish,
    /// Servers that failed this request.
    tried: Vec<Arc<TargetState>>,
    /// Attempts after the first.
    again: u8,
    /// Whether it was sent once more because a connection that rested was closing.
    renewed: bool,
    /// When it is too late for another one, milliseconds since the epoch.
    until_ms: u64,
}

impl Journey<'_> {
    /// Whether a failure of this kind may be mended by another attempt; if so, one is spent.
    fn again(&mut self, now_ms: u64, covered: impl Fn(&crate::bundle::Retry) -> bool) -> bool {
        let Some(retry) = &self.group.rules.retry else {
            return false;
        };
        if !covered(retry) || self.again >= retry.attempts || now_ms >= self.until_ms {
            return false;
        }
        let counts = &self.group.state.counts;
        if !self.group.state.budget.spend() {
            counts.retries_withheld.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        counts.retries.fetch_add(1, Ordering::Relaxed);
        self.again += 1;
        true
    }

    /// How long the present attempt may take to begin its answer.
    fn first_byte_ms(&self, repeatable: bool, now_ms: u64) -> u64 {
        let whole = u64::from(self.upstream.timeouts.first_byte_ms);
        let left = self.until_ms.saturating_sub(now_ms).max(1);
        match &self.group.rules.retry {
            Some(retry) if repeatable && retry.per_try_ms != 0 => {
                left.min(u64::from(retry.per_try_ms))
            }
            // Several attempts take no longer than one may.
            Some(_) if repeatable => left,
            _ => whole,
        }
    }

    /// No server is left that has not failed this request: the same ones, after a while.
    async fn pause(&mut self) {
        self.tried.clear();
        let pause = PAUSE_MS << self.again.min(6);
        let play = mixed(self.group.state.turns.fetch_add(1, Ordering::Relaxed)) % pause;
        tokio::time::sleep(Duration::from_millis(pause / 2 + play)).await;
    }
}

impl Pools {
    /// As [`Pools::exchange`], through a group.
    pub(super) async fn forward(
        &self,
        group: &Arc<Group>,
        upstream: &CompiledUpstream,
        state: &ConnectionState,
        request: Request<RequestBody>,
        own: Vec<u8>,
        (client, spoken): (IpAddr, Option<&Spoken>),
    ) -> Result<Answer, Failure> {
        let mut permit = enter(group).await?;
        let mut wish = group.wish(request.headers(), request.uri().path(), client);
        wish.secure = state.source.tls().is_some();
        let mut journey = Journey {
            group,
            upstream,
            spoken,
            wish,
            tried: Vec::new(),
            again: 0,
            renewed: false,
            until_ms: self.clock.coarse_ms() + u64::from(upstream.timeouts.first_byte_ms),
        };
        // RFC 9110 section 9.2.2: what may be repeated. A body is gone once it was sent.
        let upgrading = request.extensions().get::<Upgrading>().is_some();
        let repeatable =
            request.method().is_idempotent() && request.body().is_empty() && !upgrading;
        // What becomes a tunnel gets a connection of its own, or a stream of one.
        let alone = upgrading && upstream.is_of_one();
        let no_body = request.method() == Method::HEAD;
        if let Some(retry) = &group.rules.retry {
            group.state.budget.pay_in(retry.budget);
        }
        let mut request = Some((request, own));
        let mut written = None;
        let mut same = None;
        loop {
            let mut link = match self.reach(&mut journey, same.take(), alone).await {
                Ok(link) => link,
                // Not a byte was sent: any request may try again.
                Err(failure) => {
                    let connecting = failure.reason.is_some_and(is_of_connecting);
                    if connecting && journey.again(self.clock.coarse_ms(), |retry| retry.connect) {
                        continue;
                    }
                    return Err(failure);
                }
            };
            match request.take() {
                Some((request, own)) => {
                    self.maps.give_back(link.begin(request, &own));
                    self.lines.replace(own);
                }
                None => {
                    let again = written.take().unwrap_or(Written::Nothing);
                    link.begin_again(again, no_body);
                }
            }
            let sent_us = self.clock.precise_us();
            let first_byte_ms = journey.first_byte_ms(repeatable, self.clock.coarse_ms());
            let answer = self.answer(&mut link, first_byte_ms, state).await;
            let took_us = self.clock.precise_us().saturating_sub(sent_us);
            let now_ms = self.clock.coarse_ms();
            let began = link.began();
            let untouched = link.is_untouched();
            let Some(lease) = &mut link.lease else {
                return Err(Failure::new(&reasons::RESET, link.target()));
            };
            match answer {
                Ok(answer) => {
                    lease.answered(answer.status, took_us, now_ms);
                    let status = answer.status.as_u16();
                    if repeatable && journey.again(now_ms, |retry| retry.statuses.contains(&status))
                    {
                        journey.tried.push(Arc::clone(&lease.member.state));
                        written = Some(link.written());
                        continue;
                    }
                    lease.permit = permit.take();
                    return Ok((answer, link));
                }
                Err(failure) => {
                    let Some(reason) = failure.reason else {
                        return Err(failure);
                    };
                    // A connection that rested may have been closing as it was used again.
                    let stale = link.rested_ms != 0 && !began && reason == &reasons::RESET;
                    if !stale {
                        lease.failed(now_ms, reason);
                    } else if (repeatable || untouched) && !journey.renewed {
                        // Once, on a new connection; from then on each is an attempt that is counted.
                        journey.renewed = true;
                        same = Some(lease.member.clone());
                        written = Some(link.written());
                        continue;
                    }
                    let covered = |retry: &crate::bundle::Retry| match reason.status {
                        504 => retry.timeout,
                        _ => retry.reset && reason == &reasons::RESET,
                    };
                    if repeatable && journey.again(now_ms, covered) {
                        journey.tried.push(Arc::clone(&lease.member.state));
                        written = Some(link.written());
                        continue;
                    }
                    return Err(failure);
                }
            }
        }
    }

    /// A connection to a server of the group; to this one, and a new one, where it is said.
    async fn reach(
        &self,
        journey: &mut Journey<'_>,
        same: Option<Member>,
        new: bool,
    ) -> Result<Box<Link>, Failure> {
        if let Some(member) = same {
            return self.lease(journey, member, true).await;
        }
        let mut failure = None;
        for _ in 0..MAX_CONNECTS {
            let now_ms = self.clock.coarse_ms();
            let picked = journey.group.pick(&journey.wish, &journey.tried, now_ms);
            let member = match (picked, failure.take()) {
                (Ok(member), _) => member,
                (Err(_), Some(failure)) => return Err(failure),
                (Err(Nobody::Tried), None) => {
                    journey.pause().await;
                    continue;
                }
                (Err(Nobody::Unresolved), None) => {
                    await_services(journey.group, journey.upstream).await?;
                    continue;
                }
                (Err(Nobody::Unhealthy), None) => {
                    let counts = &journey.group.state.counts;
                    counts.unavailable.fetch_add(1, Ordering::Relaxed);
                    return Err(turned_away(journey.group, &reasons::UNHEALTHY));
                }
            };
            match self.lease(journey, member, new).await {
                Ok(link) => return Ok(link),
                Err(other) => failure = Some(other),
            }
        }
        Err(failure.unwrap_or_else(|| turned_away(journey.group, &reasons::NAME_UNRESOLVED)))
    }

    async fn lease(
        &self,
        journey: &mut Journey<'_>,
        member: Member,
        new: bool,
    ) -> Result<Box<Link>, Failure> {
        let lease = Lease::new(journey.group, member, &journey.wish);
        let member = &lease.member;
        let rested = if new {
            None
        } else {
            self.take(&member.target, journey.upstream, journey.spoken)
        };
        if let Some(mut link) = rested {
            link.lease = Some(lease);
            return Ok(link);
        }
        match self.connect(member, journey.upstream, journey.spoken).await {
            Ok(mut link) => {
                link.lease = Some(lease);
                Ok(link)
            }
            Err(failure) => {
                // That the gate has no descriptor left is not the server's fault.
                if let Some(reason) = failure.reason.filter(|reason| is_of_connecting(reason)) {
                    lease.failed(self.clock.coarse_ms(), reason);
                }
                journey.tried.push(Arc::clone(&member.state));
                Err(failure)
            }
        }
    }

    /// Connects to a server whose address DNS may still have to say.
    async fn connect(
        &self,
        member: &Member,
        upstream: &CompiledUpstream,
        spoken: Option<&Spoken>,
    ) -> Result<Box<Link>, Failure> {
        await_name(member, upstream).await?;
        let mut link = self
            .open(&member.target, &member.addresses(), upstream, spoken)
            .await?;
        link.name.clone_from(&member.state.name);
        Ok(link)
    }
}

/// Waits until DNS was asked once for a server's address.
pub(super) async fn await_name(
    member: &Member,
    upstream: &CompiledUpstream,
) -> Result<(), Failure> {
    if let Some(name) = &member.state.name {
        let within = u64::from(upstream.timeouts.connect_ms);
        if name.addresses.load().is_empty() {
            first_answer(&name.asked, &name.answered, within).await;
        }
        if name.addresses.load().is_empty() {
            return Err(Failure::new(&reasons::NAME_UNRESOLVED, &member.target));
        }
    }
    Ok(())
}

/// Waits until DNS was asked once for a group's servers.
pub(super) async fn await_services(
    group: &Group,
    upstream: &CompiledUpstream,
) -> Result<(), Failure> {
    let within = u64::from(upstream.timeouts.connect_ms);
    for (_, service) in group.services() {
        first_answer(&service.asked, &service.answered, within).await;
    }
    if group.ranks().is_empty() {
        return Err(turned_away(group, &reasons::NAME_UNRESOLVED));
    }
    Ok(())
}

/// Waits until DNS was asked once.
async fn first_answer(asked: &AtomicBool, answered: &Notify, within_ms: u64) {
    let mut told = pin!(answered.notified());
    // From here on nothing that is told is missed.
    told.as_mut().enable();
    if !asked.load(Ordering::Acquire) {
        // Whether it was in time shows in what is known afterwards.
        let _ = tokio::time::timeout(Duration::from_millis(within_ms), told).await;
    }
}

pub(super) async fn enter(group: &Arc<Group>) -> Result<Option<Permit>, Failure> {
    let Some(limits) = &group.rules.breaker else {
        return Ok(None);
    };
    match group.state.breaker.enter(limits).await {
        Ok(permit) => Ok(Some(permit)),
        Err(full) => {
            let counts = &group.state.counts;
            counts.turned_away.fetch_add(1, Ordering::Relaxed);
            Err(turned_away(
                group,
                match full {
                    Full::Queue => &reasons::BUSY,
                    Full::Late => &reasons::QUEUE_TIMEOUT,
                },
            ))
        }
    }
}

pub(super) fn turned_away(group: &Group, reason: ReasonRef) -> Failure {
    let draw = mixed(group.state.turns.fetch_add(1, Ordering::Relaxed));
    Failure {
        reason: Some(reason),
        target: None,
        // Not all at once, or they are too many again.
        retry_after_s: Some(1 + draw % COME_BACK_S),
        why: None,
    }
}

pub(super) fn is_of_connecting(reason: ReasonRef) -> bool {
    [
        &reasons::CONNECT_FAILED,
        &reasons::CONNECT_TIMEOUT,
        &reasons::NAME_UNRESOLVED,
        &reasons::TLS_FAILED,
    ]
    .contains(&reason)
}
