//! How the gate is doing.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::clock::wall_ms;
use crate::counters::{CounterStats, Counters as _};
use crate::guards;
use crate::metrics::{head, line};
use crate::places;
use crate::plugins::Cost;
use crate::snapshot::Snapshot;
use crate::tls::Kept;
use crate::upstream;
use crate::worker::Shared;

/// Numbers for people and for the control process.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// Whether there is a bundle to serve by, and the gate is not going down.
    pub ready: bool,
    /// Whether the gate is going down.
    pub draining: bool,
    /// Threads.
    pub workers: usize,
    /// Open client connections.
    pub connections: u32,
    /// Requests answered.
    pub requests: u64,
    /// Keys known, revoked ones too.
    pub keys: usize,
    /// Issuers whose keys are known.
    pub key_sets: usize,
    /// Revocations of tokens that are known.
    pub revocations: usize,
    /// Verified tokens that are remembered.
    pub tokens: u64,
    /// The last fact's place in the log.
    pub facts_sequence: u64,
    /// When the control process was last heard of, milliseconds since the epoch.
    pub facts_heard_ms: u64,
    /// Events written.
    pub events_written: u64,
    /// Events dropped for want of room.
    pub events_dropped: u64,
    /// Upstreams with several servers, or with a bound.
    pub upstreams: Vec<upstream::Standing>,
    /// How often each policy that is observed would have refused.
    pub observed: BTreeMap<&'static str, u64>,
    /// What limits count in.
    pub counters: CounterStats,
    /// What each plugin has cost.
    pub plugins: Vec<Cost>,
    /// Secrets that are missing or unfit, and what that closes, in words.
    pub unfit: Vec<String>,
    /// How many policies `waf` are enforced, each of which was tried.
    pub guarded: usize,
    /// Where the policy `waf` lets attacks through that it was tried with, in words.
    pub unguarded: Vec<String>,
    /// Where it does so because the configuration wants it, in words.
    pub lenient: Vec<String>,
    /// Certificates that listeners show now, whatever files hold.
    pub certificates: Vec<Shown>,
}

/// A certificate as it is shown to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The path of its file, or the name of one that the control process looks after.
    pub name: String,
    /// The listeners that show it.
    pub listeners: Vec<String>,
    /// The hosts that it is good for.
    pub hosts: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// Its end, milliseconds since the epoch.
    pub ends_ms: i64,
    /// Whole days until then; below zero once it is over.
    pub days_left: i64,
    /// SHA-256 of it, hexadecimal.
    pub fingerprint: String,
    /// Why it is shown still, where its file or the control process has another by now.
    pub differs: Option<String>,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

fn shown(snapshot: &Snapshot, kept: &Kept, now_ms: u64) -> Vec<Shown> {
    let now = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
    let mut all: Vec<Shown> = Vec::new();
    for listener in &snapshot.listeners {
        let said = listener.tls.iter().flat_map(|tls| tls.said());
        for (said, found) in said.filter_map(|(said, found)| Some((said, found.as_ref()?))) {
            let same =
                |one: &&mut Shown| one.name == said.name() && one.fingerprint == found.fingerprint;
            if let Some(one) = all.iter_mut().find(same) {
                one.listeners.push(listener.name.to_string());
                continue;
            }
            all.push(Shown {
                name: said.name().to_owned(),
                listeners: vec![listener.name.to_string()],
                hosts: found.names.clone(),
                issuer: found.issuer.clone(),
                ends_ms: found.not_after.saturating_mul(1_000),
                days_left: found.not_after.saturating_sub(now).div_euclid(DAY),
                fingerprint: found.fingerprint.clone(),
                differs: kept.differs(said, found),
            });
        }
    }
    all
}

pub(super) fn stats(shared: &Shared, kept: &Kept, workers: usize) -> Stats {
    let draining = shared.draining.load(Ordering::Acquire);
    let events = shared.log.counters();
    let current = shared.current.load();
    let tried = current.as_ref().map(|snapshot| &*snapshot.guards);
    let tried = tried.unwrap_or_default();
    let (unguarded, lenient) = guards::told(tried);
    Stats {
        ready: !draining && shared.current.load().is_some(),
        draining,
        workers,
        connections: shared.connections.load(Ordering::Relaxed),
        requests: shared.metrics.requests(),
        keys: shared.facts.keys(),
        key_sets: shared.facts.key_sets(),
        revocations: shared.facts.revocations(),
        tokens: shared.tokens.counts().tokens,
        facts_sequence: shared.facts.sequence(),
        facts_heard_ms: shared.facts.heard_ms(),
        events_written: events.written.total(),
        events_dropped: events.dropped.total(),
        upstreams: shared
            .current
            .load()
            .as_ref()
            .map(|snapshot| upstream::standing(snapshot, wall_ms()))
            .unwrap_or_default(),
        observed: shared.metrics.observed(),
        counters: shared.counters.stats(),
        plugins: shared.ledger.costs(),
        unfit: shared
            .current
            .load()
            .as_ref()
            .map(|snapshot| snapshot.unfit.clone())
            .unwrap_or_default(),
        guarded: tried.iter().filter(|guard| guard.enforced).count(),
        unguarded,
        lenient,
        certificates: shared
            .current
            .load()
            .as_ref()
            .map(|snapshot| shown(snapshot, kept, wall_ms()))
            .unwrap_or_default(),
    }
}

pub(super) fn write(shared: &Shared, stats: &Stats, out: &mut String) {
    let tokens = shared.tokens.counts();
    let (asked, spared) = shared.refetches.counts();
    let (inquired, uninquired, known) = shared.inquiries.counts();
    let sequence = shared
        .current
        .load()
        .as_ref()
        .map_or(0, |snapshot| snapshot.sequence);
    for (metric, kind, help, value) in [
        (
            "lockgate_ready",
            "gauge",
            "Whether clients are let in: there is a bundle to serve by.",
            u64::from(stats.ready),
        ),
        (
            "lockgate_connections",
            "gauge",
            "Open client connections.",
            u64::from(stats.connections),
        ),
        (
            "lockgate_compress_memory_bytes",
            "gauge",
            "Memory that answers being packed may take at most.",
            shared.memory.packing.taken(),
        ),
        (
            "lockgate_inflate_memory_bytes",
            "gauge",
            "Memory that bodies of requests being unpacked take.",
            shared.memory.unpacking.taken(),
        ),
        (
            "lockgate_inspect_memory_bytes",
            "gauge",
            "Memory that bodies of requests being looked at take.",
            shared.memory.inspecting.taken(),
        ),
        (
            "lockgate_bundle_sequence",
            "gauge",
            "Place of the bundle at work in the order of bundles.",
            sequence,
        ),
        (
            "lockgate_facts_sequence",
            "gauge",
            "Place of the last fact in the log of facts.",
            stats.facts_sequence,
        ),
        (
            "lockgate_facts_keys",
            "gauge",
            "Keys known, revoked ones too.",
            stats.keys as u64,
        ),
        (
            "lockgate_facts_revocations",
            "gauge",
            "Revocations of tokens that are known.",
            stats.revocations as u64,
        ),
        (
            "lockgate_tokens",
            "gauge",
            "Verified tokens that are remembered.",
            tokens.tokens,
        ),
        (
            "lockgate_token_cache_hits_total",
            "counter",
            "Tokens that had been verified before.",
            tokens.hits,
        ),
        (
            "lockgate_token_cache_misses_total",
            "counter",
            "Tokens that had to be judged anew, refused ones among them.",
            tokens.misses,
        ),
        (
            "lockgate_key_refetches_total",
            "counter",
            "Times an issuer's keys were asked for anew, for a token whose key was not known.",
            asked,
        ),
        (
            "lockgate_key_refetches_spared_total",
            "counter",
            "Tokens with a key not known for which nobody was asked: just asked, or the control process is away.",
            spared,
        ),
        (
            "lockgate_ocsp_questions_total",
            "counter",
            "Times the control process was asked whether a client's certificate was revoked.",
            inquired,
        ),
        (
            "lockgate_ocsp_questions_spared_total",
            "counter",
            "Requests for which nobody could be asked so: the control process is away, or too many wait.",
            uninquired,
        ),
        (
            "lockgate_ocsp_known",
            "gauge",
            "Clients' certificates of which is remembered what their issuer's responder said.",
            known,
        ),
        (
            "lockgate_events_written_total",
            "counter",
            "Events written.",
            stats.events_written,
        ),
        (
            "lockgate_events_dropped_total",
            "counter",
            "Events dropped for want of room.",
            stats.events_dropped,
        ),
        (
            "lockgate_limits_counters",
            "gauge",
            "Counters of limits; idle ones too, until their room is wanted.",
            stats.counters.counters as u64,
        ),
        (
            "lockgate_limits_failing_addresses",
            "gauge",
            "Addresses whose failures to authenticate are counted.",
            stats.counters.failing as u64,
        ),
        (
            "lockgate_limits_penalties_total",
            "counter",
            "Penalties given for too many failures to authenticate.",
            stats.counters.penalties,
        ),
        (
            "lockgate_limits_crowded_total",
            "counter",
            "Requests that shared a counter with others, since there was no room for one of their own.",
            stats.counters.crowded,
        ),
        (
            "lockgate_limits_uncounted_total",
            "counter",
            "Failures to authenticate that were not counted, since there was no room.",
            stats.counters.uncounted,
        ),
        (
            "lockgate_enumeration_found_total",
            "counter",
            "Callers who were found to go through all there is.",
            shared.sightings.flagged(),
        ),
        (
            "lockgate_enumeration_crowded_total",
            "counter",
            "Requests of callers who were not followed, or whose object was not remembered, since there was no room.",
            shared.sightings.crowded(),
        ),
        (
            "lockgate_users_counted",
            "gauge",
            "Users that have a place of how many there are, or came today; each once for each cap.",
            shared.places.users() as u64,
        ),
        (
            "lockgate_users_refused_total",
            "counter",
            "Requests of users that would have been too many.",
            shared.places.refused(),
        ),
        (
            "lockgate_users_crowded_total",
            "counter",
            "Requests of users that were refused, since no more could be counted.",
            shared.places.crowded(),
        ),
    ] {
        head(out, metric, kind, &[], help);
        line(out, metric, &[], value);
    }
    let current = shared.current.load();
    places::write(current.as_deref(), &shared.places, wall_ms(), out);
    upstream::write(current.as_deref(), wall_ms(), out);
    let tried = current.as_ref().map(|snapshot| &*snapshot.guards);
    guards::write(tried.unwrap_or_default(), out);
    shared.introspections.write(out);
    shared.broker.write(out);
    shared.metrics.decisions.write(out);
    shared.scans.counts.write(out);
}
