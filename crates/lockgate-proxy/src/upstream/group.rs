//! The servers of one upstream as a bundle has them, and the choice between
//! them. Upstreams of one server and without any of this have no group.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue};
use lockgate_wire::headers::cookies::cookies;

use super::balance::{key_of, mixed, stable_hash, turns, want};
use super::dns::{Resolver, Service};
use super::state::{lock, Health, NameState, Registry, ServiceState, TargetState, UpstreamState};
use super::sticky::Sticky;
use super::target::{At, Target};
use crate::bundle::{Breaker, Dns, HashKey, HealthCheck, Passive, Protocol, ProxyVersion, Retry};
use crate::tls::Outbound;

/// Servers that one service in DNS may have; the rest is left out and told of.
pub const MAX_SERVICES: usize = 256;
/// Percent of its share that a server begins with when it comes back.
const COLD: u64 = 10;

/// How a request's server is chosen.
#[derive(Debug)]
pub enum Choice {
    /// In turn, by weight.
    RoundRobin,
    /// The less busy of two.
    LeastRequests,
    /// By a part of the request.
    Hash(HashKey),
    /// By the gate's cookie, and the less busy of two for those who have none.
    Sticky(Box<Sticky>),
}

/// What a bundle says of an upstream with several servers.
#[derive(Debug)]
pub struct Rules {
    /// How a request's server is chosen.
    pub choice: Choice,
    /// Asks servers how they are.
    pub health: Option<HealthCheck>,
    /// Learns it from answers.
    pub passive: Passive,
    /// Until a server that came back has its whole share, milliseconds.
    pub slow_start_ms: u32,
    /// What is sent once more.
    pub retry: Option<Retry>,
    /// How much may be under way.
    pub breaker: Option<Breaker>,
    /// How names are looked up.
    pub dns: Dns,
    /// What is spoken with them.
    pub protocol: Protocol,
    /// Each connection begins by saying whom it speaks for.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Whether they are spoken to over TLS.
    pub secure: bool,
    /// Whether connections are carried there unread, and no requests.
    pub raw: bool,
    /// How.
    pub tls: Option<Arc<Outbound>>,
}

/// A server as the bundle says it.
#[derive(Debug)]
pub struct Place {
    /// Where it is.
    pub target: Arc<Target>,
    /// Its share.
    pub weight: u16,
    /// Lower ones first.
    pub priority: u16,
}

/// The servers of an upstream.
#[derive(Debug)]
pub struct Group {
    /// The upstream's name.
    pub name: Arc<str>,
    /// What the bundle says of it.
    pub rules: Rules,
    /// What is known of it.
    pub state: Arc<UpstreamState>,
    /// Whom DNS is asked of; none where no name has to be looked up.
    pub resolver: Option<Resolver>,
    registry: Arc<Registry>,
    places: Vec<Place>,
    services: Vec<(String, Arc<ServiceState>)>,
    members: ArcSwap<Vec<Rank>>,
}

/// Servers of one priority.
#[derive(Debug)]
pub struct Rank {
    /// Lower ones first.
    pub priority: u16,
    /// Its servers.
    pub members: Vec<Member>,
    /// Places in `members`, in turn.
    turns: Vec<u16>,
}

/// One server, and what is known of it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where it is.
    pub target: Arc<Target>,
    /// Its share.
    pub weight: u16,
    /// What is known of it.
    pub state: Arc<TargetState>,
    /// What its name hashes to.
    hash: u64,
    /// What a client's cookie says of it.
    token: Option<HeaderValue>,
}

/// What a request's server is chosen by.
#[derive(Debug, Default)]
pub struct Wish {
    /// The hash of its key.
    key: Option<u64>,
    /// The gate's cookie.
    token: Option<Vec<u8>>,
    /// Whether a new one is for TLS alone.
    pub secure: bool,
}

/// Why there is no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nobody {
    /// All have failed their health checks.
    Unhealthy,
    /// DNS has named none.
    Unresolved,
    /// All that are available were tried.
    Tried,
}

impl Group {
    /// The group of the upstream `name`.
    #[must_use]
    pub fn new(
        name: Arc<str>,
        rules: Rules,
        places: Vec<Place>,
        resolver: Option<Resolver>,
        registry: Arc<Registry>,
    ) -> Arc<Self> {
        let state = registry.upstream(&name);
        let services = places
            .iter()
            .filter_map(|place| match place.target.at() {
                At::Srv(name) => Some((name.clone(), state.service(name))),
                _ => None,
            })
            .collect();
        let group = Arc::new(Self {
            name,
            rules,
            state,
            resolver,
            registry,
            places,
            services,
            members: ArcSwap::default(),
        });
        group.rebuild();
        group
    }

    /// Takes in what DNS says of services.
    pub fn rebuild(&self) {
        let mut members: Vec<(u16, Member)> = Vec::new();
        for place in &self.places {
            if let At::Srv(name) = place.target.at() {
                let service = self.state.service(name);
                for service in service.services.load().iter() {
                    let target = Arc::new(service.target());
                    // Priorities of DNS stand within that of the place.
                    let priority = place.priority.saturating_add(service.priority);
                    members.push((priority, self.member(&target, service.share())));
                }
            } else {
                members.push((place.priority, self.member(&place.target, place.weight)));
            }
        }
        members.sort_by_key(|(priority, _)| *priority);
        let mut ranks: Vec<Rank> = Vec::new();
        for (priority, member) in members {
            match ranks.last_mut() {
                Some(rank) if rank.priority == priority => rank.members.push(member),
                _ => ranks.push(Rank {
                    priority,
                    members: vec![member],
                    turns: Vec::new(),
                }),
            }
        }
        for rank in &mut ranks {
            let weights: Vec<u16> = rank.members.iter().map(|member| member.weight).collect();
            rank.turns = turns(&weights);
        }
        self.members.store(Arc::new(ranks));
    }

    fn member(&self, target: &Arc<Target>, weight: u16) -> Member {
        let name = target.to_string();
        let token = match &self.rules.choice {
            Choice::Sticky(sticky) => sticky.token(&self.name, &name),
            _ => None,
        };
        Member {
            state: self.state.target(target),
            target: Arc::clone(target),
            weight,
            hash: stable_hash(name.as_bytes()),
            token,
        }
    }

    /// Its servers at the moment, by rank.
    #[must_use]
    pub fn ranks(&self) -> Arc<Vec<Rank>> {
        self.members.load_full()
    }

    /// Services that DNS is asked of.
    #[must_use]
    pub fn services(&self) -> &[(String, Arc<ServiceState>)] {
        &self.services
    }

    /// Shows each name that DNS is asked of.
    pub fn each_name(&self, mut show: impl FnMut(&str, &Arc<NameState>)) {
        for member in self.members.load().iter().flat_map(|rank| &rank.members) {
            if let (At::Name(host, _), Some(name)) = (member.target.at(), &member.state.name) {
                show(host, name);
            }
        }
    }

    /// Whether somebody has to look after it beside the requests.
    #[must_use]
    pub fn wants_keeping(&self) -> bool {
        self.rules.health.is_some() || self.resolver.is_some()
    }

    /// Whether `target` is one of its servers.
    #[must_use]
    pub fn has(&self, target: &Target) -> bool {
        let ranks = self.members.load();
        let mut members = ranks.iter().flat_map(|rank| &rank.members);
        members.any(|member| *member.target == *target)
    }

    /// Tells what happened to it.
    pub fn tell(&self, code: &'static str, message: &str) {
        self.registry.tell(code, message);
    }

    /// What a request's server is chosen by.
    #[must_use]
    pub fn wish(&self, headers: &HeaderMap, path: &str, client: IpAddr) -> Wish {
        match &self.rules.choice {
            Choice::RoundRobin | Choice::LeastRequests => Wish::default(),
            Choice::Hash(key) => Wish {
                key: key_of(key, headers, path, client),
                ..Wish::default()
            },
            Choice::Sticky(sticky) => Wish {
                token: cookies(headers, &sticky.name).next().map(<[u8]>::to_vec),
                ..Wish::default()
            },
        }
    }

    /// Chooses a server that is not among `tried`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn pick(
        &self,
        wish: &Wish,
        tried: &[Arc<TargetState>],
        now_ms: u64,
    ) -> Result<Member, Nobody> {
        let ranks = self.members.load();
        let untried = |member: &Member| !tried.iter().any(|one| Arc::ptr_eq(one, &member.state));
        let good = |member: &Member| untried(member) && self.available(member, now_ms);
        if let Some(token) = &wish.token {
            let mut all = ranks.iter().flat_map(|rank| &rank.members);
            let kept = all.find(|member| member.is(token));
            if let Some(member) = kept.filter(|member| good(member)) {
                return Ok(member.clone());
            }
        }
        for rank in ranks.iter() {
            if let Some(member) = self.choose(rank, wish, now_ms, tried.is_empty(), &good) {
                return Ok(member.clone());
            }
        }
        // Better one that failed of late than nobody; what fails its health check is known to be ill.
        let last = |member: &Member| untried(member) && self.is_well(member);
        for rank in ranks.iter() {
            if let Some(member) = self.choose(rank, wish, now_ms, tried.is_empty(), &last) {
                return Ok(member.clone());
            }
        }
        Err(match (ranks.is_empty(), tried.is_empty()) {
            (true, _) => Nobody::Unresolved,
            (_, true) => Nobody::Unhealthy,
            _ => Nobody::Tried,
        })
    }

    /// Whether a server may be asked at all.
    #[must_use]
    pub fn available(&self, member: &Member, now_ms: u64) -> bool {
        self.is_well(member)
            && (self.rules.passive.failures == 0 || !member.state.is_ejected(now_ms))
    }

    fn is_well(&self, member: &Member) -> bool {
        self.rules.health.is_none() || member.state.health() != Health::Unhealthy
    }

    fn choose<'a>(
        &self,
        rank: &'a Rank,
        wish: &Wish,
        now_ms: u64,
        first: bool,
        good: &dyn Fn(&Member) -> bool,
    ) -> Option<&'a Member> {
        if rank.turns.is_empty() {
            return None;
        }
        match (&self.rules.choice, wish.key) {
            (Choice::Hash(_), Some(key)) => {
                let wanting = rank.members.iter().filter(|m| m.weight > 0 && good(m));
                wanting
                    .map(|member| (want(key, member.hash, member.weight), member))
                    .max_by(|a, b| a.0.total_cmp(&b.0))
                    .map(|(_, member)| member)
            }
            (Choice::LeastRequests | Choice::Sticky(_), _) => self.least_busy(rank, now_ms, good),
            // A request without the key goes to whoever's turn it is.
            (Choice::RoundRobin | Choice::Hash(_), _) => self.in_turn(rank, now_ms, first, good),
        }
    }

    fn in_turn<'a>(
        &self,
        rank: &'a Rank,
        now_ms: u64,
        first: bool,
        good: &dyn Fn(&Member) -> bool,
    ) -> Option<&'a Member> {
        // Each miss takes a turn of its own, so that a missing server's turns go to all alike.
        let mut cold = None;
        for step in 0..2 * rank.members.len() as u64 {
            let turn = if first {
                self.state.turns.fetch_add(1, Ordering::Relaxed)
            } else {
                // A further attempt is nobody's turn, or who follows one that fails would always get two.
                mixed(self.state.turns.load(Ordering::Relaxed)).wrapping_add(step)
            };
            let member = rank.at(turn);
            if let Some(member) = member.filter(|member| good(member)) {
                let warmth = self.warmth(member, now_ms);
                if warmth >= 100 || mixed(turn) % 100 < warmth {
                    return Some(member);
                }
                cold = Some(member);
            }
        }
        let mut rest = rank.members.iter();
        cold.or_else(|| rest.find(|member| member.weight > 0 && good(member)))
    }

    fn least_busy<'a>(
        &self,
        rank: &'a Rank,
        now_ms: u64,
        good: &dyn Fn(&Member) -> bool,
    ) -> Option<&'a Member> {
        let draw = mixed(self.state.turns.fetch_add(1, Ordering::Relaxed));
        let count = rank.members.len();
        let from = |start: u64| {
            // Draws of 32 bits are even enough over 256 servers.
            let start = usize::try_from(start & 0xffff_ffff).unwrap_or(0) % count;
            let mut places = (0..count).map(move |step| (start + step) % count);
            places.find(|place| {
                let member = &rank.members[*place];
                member.weight > 0 && good(member)
            })
        };
        let first = from(draw)?;
        let second = from(draw >> 32)?;
        // Two draws of one server are a draw of it and the next.
        let second = if second == first {
            from(first as u64 + 1)?
        } else {
            second
        };
        let load = |place: usize| {
            let member = &rank.members[place];
            let busy = u64::from(member.state.in_flight.load(Ordering::Relaxed)) + 1;
            let share = u64::from(member.weight) * self.warmth(member, now_ms);
            busy * 100_000_000 / share.max(1)
        };
        let place = if load(second) < load(first) {
            second
        } else {
            first
        };
        rank.members.get(place)
    }

    /// Percent of its share that a server gets at the moment.
    fn warmth(&self, member: &Member, now_ms: u64) -> u64 {
        let slow = u64::from(self.rules.slow_start_ms);
        if slow == 0 {
            return 100;
        }
        let back = member.state.back_ms.load(Ordering::Relaxed);
        let since = now_ms.saturating_sub(back);
        if back == 0 || since >= slow {
            return 100;
        }
        COLD.max(since * 100 / slow)
    }

    /// A server failed.
    pub fn failed(&self, member: &Member, now_ms: u64, why: &str) {
        let (state, passive) = (&member.state, &self.rules.passive);
        state.counts.failures.fetch_add(1, Ordering::Relaxed);
        let row = state.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if passive.failures == 0 || row < u32::from(passive.failures) {
            return;
        }
        let _one_at_a_time = lock(&self.state.ejecting);
        if state.is_ejected(now_ms) || !self.can_spare(member, now_ms) {
            return;
        }
        let times = state.ejections.fetch_add(1, Ordering::Relaxed);
        let out_ms = u64::from(passive.eject_ms)
            .saturating_mul(1 << times.min(16))
            .min(u64::from(passive.eject_most_ms.max(passive.eject_ms)));
        // One failure more puts it out again, until it has succeeded.
        state
            .failures
            .store(u32::from(passive.failures) - 1, Ordering::Relaxed);
        state.back_ms.store(now_ms + out_ms, Ordering::Relaxed);
        state
            .ejected_until_ms
            .store(now_ms + out_ms, Ordering::Release);
        state.counts.ejections.fetch_add(1, Ordering::Relaxed);
        self.tell(
            "upstream-target-ejected",
            &format!(
                "{} of the upstream {} failed {row} times in a row ({why}): it gets no requests for {} s",
                member.target,
                self.name,
                out_ms.div_ceil(1000)
            ),
        );
    }

    /// A server answered as it should.
    pub fn succeeded(&self, member: &Member, now_ms: u64) {
        let state = &member.state;
        if state.failures.load(Ordering::Relaxed) != 0 {
            state.failures.store(0, Ordering::Relaxed);
        }
        let until = state.ejected_until_ms.load(Ordering::Relaxed);
        if until == 0 || until > now_ms {
            return;
        }
        if state
            .ejected_until_ms
            .compare_exchange(until, 0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            self.tell(
                "upstream-target-returned",
                &format!(
                    "{} of the upstream {} answers again",
                    member.target, self.name
                ),
            );
        }
        // Well for as long as it would have been out: what was is forgotten.
        let calm = u64::from(self.rules.passive.eject_ms);
        if now_ms.saturating_sub(until) >= calm {
            state.ejections.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the upstream can do without a server: not too many are out, and another is left.
    fn can_spare(&self, member: &Member, now_ms: u64) -> bool {
        let ranks = self.members.load();
        let all = || ranks.iter().flat_map(|rank| &rank.members);
        let total = all().count();
        let out = all().filter(|one| one.state.is_ejected(now_ms)).count();
        let others = all().any(|one| {
            !Arc::ptr_eq(&one.state, &member.state) && one.weight > 0 && self.available(one, now_ms)
        });
        others && (out + 1) * 100 <= total * usize::from(self.rules.passive.share)
    }

    /// Takes in what a health check found.
    pub fn checked(&self, member: &Member, found: Result<(), String>, now_ms: u64) {
        let Some(check) = &self.rules.health else {
            return;
        };
        let (after, ill_after) = (check.healthy_after, check.unhealthy_after);
        if !member
            .state
            .checked(found.is_ok(), after, ill_after, now_ms)
        {
            return;
        }
        match found {
            Ok(()) => self.tell(
                "upstream-target-healthy",
                &format!(
                    "{} of the upstream {} is well again",
                    member.target, self.name
                ),
            ),
            Err(why) => self.tell(
                "upstream-target-unhealthy",
                &format!(
                    "{} of the upstream {} fails its health check ({why}): it gets no requests",
                    member.target, self.name
                ),
            ),
        }
        self.look_whether_down(now_ms);
    }

    /// Tells once when no server is left, and once when one is.
    pub fn look_whether_down(&self, now_ms: u64) {
        let ranks = self.members.load();
        let mut all = ranks.iter().flat_map(|rank| &rank.members);
        let down = !all.any(|one| one.weight > 0 && self.available(one, now_ms));
        if self.state.down.swap(down, Ordering::AcqRel) == down {
            return;
        }
        if down {
            let message = format!("no server of the upstream {} is available", self.name);
            self.tell("upstream-down", &message);
        } else {
            let message = format!("the upstream {} has a server again", self.name);
            self.tell("upstream-up", &message);
        }
    }
}

impl Rank {
    fn at(&self, turn: u64) -> Option<&Member> {
        let period = self.turns.len() as u64;
        let place = usize::try_from(turn % period.max(1)).ok()?;
        self.members.get(usize::from(*self.turns.get(place)?))
    }
}

impl Member {
    fn is(&self, token: &[u8]) -> bool {
        let own = self.token.as_ref().map(HeaderValue::as_bytes);
        // What a client may keep is no secret from it, but what it guesses must not be told apart by time.
        own.is_some_and(|own| aws_lc_rs::constant_time::verify_slices_are_equal(own, token).is_ok())
    }

    /// The `Set-Cookie` that lets the client keep this server, unless it has it already.
    #[must_use]
    pub fn cookie(&self, wish: &Wish, choice: &Choice) -> Option<HeaderValue> {
        let (Choice::Sticky(sticky), Some(own)) = (choice, &self.token) else {
            return None;
        };
        if wish.token.as_deref().is_some_and(|token| self.is(token)) {
            return None;
        }
        sticky.set(own, wish.secure)
    }

    /// Where to connect, with the next address first. Empty where DNS has none.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let (Some(name), At::Name(_, port)) = (&self.state.name, self.target.at()) else {
            return self.target.known();
        };
        let known = name.addresses.load();
        let mut addresses: Vec<SocketAddr> = known
            .iter()
            .map(|address| (*address, *port).into())
            .collect();
        if addresses.len() > 1 {
            let turn = name.turns.fetch_add(1, Ordering::Relaxed);
            let turn = usize::try_from(turn % addresses.len() as u64).unwrap_or(0);
            addresses.rotate_left(turn);
        }
        addresses
    }
}

/// Keeps what `services` has room for, and says how many were too many.
pub fn bounded(services: &mut Vec<Service>) -> usize {
    let over = services.len().saturating_sub(MAX_SERVICES);
    services.truncate(MAX_SERVICES);
    over
}

#[cfg(test)]
mod tests;
