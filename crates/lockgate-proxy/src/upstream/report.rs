//! How upstreams are: for people, for the control process, and for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use serde::Serialize;

use super::group::{Group, Member};
use super::state::{Health, TargetCounts, UpstreamCounts};
use crate::metrics::{escape, head, line};
use crate::snapshot::Snapshot;

/// Upstreams that are told of at most; the numbers for Prometheus know them all.
const MOST: usize = 1_000;

/// How an upstream with several servers, or with a bound, is.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Whether a request would find a server.
    pub available: bool,
    /// Requests under way, where there is a bound.
    pub under_way: u32,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Its servers.
    pub targets: Vec<TargetStanding>,
}

/// How a server is.
#[derive(Debug, Clone, Serialize)]
pub struct TargetStanding {
    /// Which.
    pub target: String,
    /// `healthy`, `unhealthy`, `ejected`, or `unknown` before its first health check.
    pub state: &'static str,
    /// Its share.
    pub weight: u16,
    /// Lower ones first.
    pub priority: u16,
    /// Requests under way.
    pub in_flight: u32,
}

/// How the upstreams of a bundle are.
#[must_use]
pub fn standing(snapshot: &Snapshot, now_ms: u64) -> Vec<Standing> {
    groups(snapshot)
        .take(MOST)
        .map(|group| {
            let (under_way, waiting) = group.state.breaker.load();
            let ranks = group.ranks();
            let members = ranks.iter().flat_map(|rank| {
                let members = rank.members.iter();
                members.map(move |member| (rank.priority, member))
            });
            let targets: Vec<TargetStanding> = members
                .map(|(priority, member)| TargetStanding {
                    target: member.target.to_string(),
                    state: word(group, member, now_ms),
                    weight: member.weight,
                    priority,
                    in_flight: member.state.in_flight.load(Ordering::Relaxed),
                })
                .collect();
            Standing {
                name: group.name.to_string(),
                available: targets.iter().any(|target| {
                    target.weight > 0 && !matches!(target.state, "unhealthy" | "unresolved")
                }),
                under_way,
                waiting,
                targets,
            }
        })
        .collect()
}

fn groups(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<Group>> {
    snapshot
        .upstreams
        .iter()
        .filter_map(|upstream| upstream.group.as_ref())
}

fn word(group: &Group, member: &Member, now_ms: u64) -> &'static str {
    let name = member.state.name.as_ref();
    let lost = name
        .is_some_and(|name| name.asked.load(Ordering::Acquire) && name.addresses.load().is_empty());
    if lost {
        return "unresolved";
    }
    let checked = group.rules.health.is_some();
    match member.state.health() {
        Health::Unhealthy if checked => "unhealthy",
        _ if group.rules.passive.failures > 0 && member.state.is_ejected(now_ms) => "ejected",
        Health::Unknown if checked => "unknown",
        _ => "healthy",
    }
}

/// The labels of what is counted by upstream.
const OF_UPSTREAM: [&str; 1] = ["upstream"];
/// And by server.
const OF_TARGET: [&str; 2] = ["upstream", "target"];

type Metric<T> = (&'static str, &'static str, &'static str, fn(&T) -> u64);

/// Writes what Prometheus reads.
pub fn write(snapshot: Option<&Snapshot>, now_ms: u64, out: &mut String) {
    let groups: Vec<&Arc<Group>> = snapshot.into_iter().flat_map(groups).collect();
    for (metric, kind, help, read) in UPSTREAMS {
        head(out, metric, kind, &OF_UPSTREAM, help);
        for group in &groups {
            line(out, metric, &[("upstream", &group.name)], read(group));
        }
    }
    for (metric, kind, help, read) in PASSTHROUGH {
        head(out, metric, kind, &OF_UPSTREAM, help);
        for group in groups.iter().filter(|group| group.rules.raw) {
            line(out, metric, &[("upstream", &group.name)], read(group));
        }
    }
    let told: Vec<(&Group, Member, String)> = groups
        .iter()
        .flat_map(|group| {
            let ranks = group.ranks();
            let members = ranks.iter().flat_map(|rank| rank.members.clone());
            let named = members.map(|member| (&***group, member.target.to_string(), member));
            named
                .map(|(group, name, member)| (group, member, name))
                .collect::<Vec<_>>()
        })
        .collect();
    for (metric, kind, help, read) in TARGETS {
        head(out, metric, kind, &OF_TARGET, help);
        for (group, member, name) in &told {
            let labels = [("upstream", &*group.name), ("target", name.as_str())];
            line(out, metric, &labels, read(member));
        }
    }
    let metric = "lockgate_upstream_target_available";
    head(
        out,
        metric,
        "gauge",
        &OF_TARGET,
        "Whether a target may get requests, by upstream and target.",
    );
    for (group, member, name) in &told {
        let labels = [("upstream", &*group.name), ("target", name.as_str())];
        let available = matches!(word(group, member, now_ms), "healthy" | "unknown");
        line(out, metric, &labels, u64::from(available));
    }
    let metric = "lockgate_upstream_duration_seconds";
    let help = "From a request to its answer's head, by upstream and target.";
    head(out, metric, "summary", &OF_TARGET, help);
    for (group, member, name) in &told {
        let counts = &member.state.counts;
        let labels = format!(
            "upstream=\"{}\",target=\"{}\"",
            escape(&group.name),
            escape(name)
        );
        let us = counts.took_us.load(Ordering::Relaxed);
        // Writing to a String cannot fail.
        let _ = std::fmt::Write::write_fmt(
            out,
            format_args!(
                "{metric}_sum{{{labels}}} {}.{:06}\n{metric}_count{{{labels}}} {}\n",
                us / 1_000_000,
                us % 1_000_000,
                counts.answers.load(Ordering::Relaxed)
            ),
        );
    }
}

fn of_upstream(group: &Arc<Group>, read: fn(&UpstreamCounts) -> &AtomicU64) -> u64 {
    read(&group.state.counts).load(Ordering::Relaxed)
}

fn of_target(member: &Member, read: fn(&TargetCounts) -> &AtomicU64) -> u64 {
    read(&member.state.counts).load(Ordering::Relaxed)
}

const UPSTREAMS: [Metric<Arc<Group>>; 6] = [
    (
        "lockgate_upstream_retries_total",
        "counter",
        "Attempts after the first, by upstream.",
        |group| of_upstream(group, |counts| &counts.retries),
    ),
    (
        "lockgate_upstream_retries_withheld_total",
        "counter",
        "Attempts that `retry.budget` did not allow, by upstream.",
        |group| of_upstream(group, |counts| &counts.retries_withheld),
    ),
    (
        "lockgate_upstream_turned_away_total",
        "counter",
        "Requests that `breaker` had no room for, by upstream.",
        |group| of_upstream(group, |counts| &counts.turned_away),
    ),
    (
        "lockgate_upstream_unavailable_total",
        "counter",
        "Requests that found no target in health, by upstream.",
        |group| of_upstream(group, |counts| &counts.unavailable),
    ),
    (
        "lockgate_upstream_under_way",
        "gauge",
        "Requests under way, of those that `breaker` bounds, by upstream.",
        |group| u64::from(group.state.breaker.load().0),
    ),
    (
        "lockgate_upstream_waiting",
        "gauge",
        "Requests that wait for `breaker` to let them through, by upstream.",
        |group| group.state.breaker.load().1 as u64,
    ),
];

const PASSTHROUGH: [Metric<Arc<Group>>; 4] = [
    (
        "lockgate_passthrough_connections_total",
        "counter",
        "Connections that `passthrough` carried on unread, by upstream.",
        |group| of_upstream(group, |counts| &counts.carried),
    ),
    (
        "lockgate_passthrough_open",
        "gauge",
        "Those of them that are open, by upstream.",
        |group| of_upstream(group, |counts| &counts.carrying),
    ),
    (
        "lockgate_passthrough_received_bytes_total",
        "counter",
        "Bytes of their clients, by upstream.",
        |group| of_upstream(group, |counts| &counts.carried_in),
    ),
    (
        "lockgate_passthrough_sent_bytes_total",
        "counter",
        "Bytes for their clients, by upstream.",
        |group| of_upstream(group, |counts| &counts.carried_out),
    ),
];

const TARGETS: [Metric<Member>; 4] = [
    (
        "lockgate_upstream_requests_total",
        "counter",
        "Requests begun, further attempts too, by upstream and target.",
        |member| of_target(member, |counts| &counts.requests),
    ),
    (
        "lockgate_upstream_failures_total",
        "counter",
        "Exchanges that failed, by upstream and target.",
        |member| of_target(member, |counts| &counts.failures),
    ),
    (
        "lockgate_upstream_ejections_total",
        "counter",
        "How often failures took a target out, by upstream and target.",
        |member| of_target(member, |counts| &counts.ejections),
    ),
    (
        "lockgate_upstream_in_flight",
        "gauge",
        "Requests under way, by upstream and target.",
        |member| u64::from(member.state.in_flight.load(Ordering::Relaxed)),
    ),
];
