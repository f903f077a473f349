//! Upstreams of a bundle: targets parsed, rules checked, and what is known of
//! unchanged ones taken over.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http::uri::{Authority, PathAndQuery};
use http::HeaderName;
use lockgate_policy::{ConfigError, Waiver};

use super::{at, secret, Surroundings};
use crate::assertion::{Assertion, Signer};
use crate::bundle::{Balance, BalanceBy, HashKind, HealthCheck, Protocol, Server, Upstream};
use crate::net::{socket_path, UNIX};
use crate::snapshot::CompiledUpstream;
use crate::token::UpstreamToken;
use crate::upstream::{At, Choice, Group, Place, Resolver, Rules, Sticky, Target, MAX_SERVERS};

/// The identity pages, which the control process serves on a socket in the state folder.
const IDENTITY: &str = "lockgate:identity";
/// That socket's name.
const IDENTITY_SOCKET: &str = "identity.sock";
/// Targets of one upstream; what is more is the work of DNS or of a balancer.
const MAX_TARGETS: usize = 256;
/// The greatest weight of a target.
const MAX_WEIGHT: u16 = 100;
/// Requests that may be under way, or wait: more is no bound.
const MAX_CONCURRENT: u32 = 1_000_000;

pub(super) fn upstream(
    index: usize,
    upstream: &Upstream,
    around: &Surroundings<'_>,
    signer: Option<&Arc<Signer>>,
) -> Result<CompiledUpstream, Vec<ConfigError>> {
    let at = at(format!("/upstreams/{index}"), upstream.span);
    let mut errors = Vec::new();
    let mut places = Vec::new();
    let mut over = Vec::new();
    for (number, server) in upstream.targets.iter().enumerate() {
        match place(server, upstream.insecure.as_ref(), around.state) {
            Ok((place, by)) => {
                places.push(place);
                over.push(by);
            }
            Err(mut error) => {
                error.pointer = format!("/targets/{number}{}", error.pointer);
                errors.push(at(error));
            }
        }
    }
    let mut add = |code, pointer: &str, message: &str| {
        errors.push(at(ConfigError::new(code, pointer, message)));
    };
    let count = upstream.targets.len();
    if count == 0 {
        let message = "an upstream needs at least one target";
        add("no-targets", "/targets", message);
    } else if count > MAX_TARGETS {
        let message = format!("{count} targets are more than {MAX_TARGETS}");
        add("too-many-targets", "/targets", &message);
    } else if upstream.targets.iter().all(|server| server.weight == 0) {
        let message = "all targets have a weight of 0, so that none would get a request";
        add("no-weight", "/targets", message);
    }
    if over.iter().any(|by| *by != over[0]) {
        let message =
            "targets over TLS, in the clear and of tcp:// are not mixed within an upstream";
        add("mixed-targets", "/targets", message);
    }
    let secure = over.contains(&Over::Tls);
    let raw = over.contains(&Over::Tcp);
    if raw {
        check_raw(upstream, &mut add);
    }
    if upstream.tls.is_some() && !secure && !places.is_empty() {
        let message = "`tls` is for targets that begin with https://";
        add("tls-without-https", "/tls", message);
    }
    let named = upstream.tls.as_ref().is_some_and(|tls| {
        tls.server_name.is_some() || !tls.trust.is_empty() || !tls.pins.is_empty()
    });
    let discovered = places
        .iter()
        .any(|place| matches!(place.target.at(), At::Srv(_)));
    if secure && discovered && !named {
        // RFC 9525 section 6.1: the name that DNS gives proves nothing.
        let message = "`https+srv://` wants `tls` with `server_name`, `trust` or `pins`: DNS alone says whom the name is to be proved for";
        add("srv-unnamed", "/tls", message);
    }
    if upstream.proxy_protocol.is_some() && upstream.protocol == Protocol::Http2 {
        let message = "an HTTP/2 connection carries many clients' requests, and could name one of them: take `protocol: h2` out, or `proxy_protocol`";
        add("proxy-protocol-shared", "/proxy_protocol", message);
    }
    check_rules(upstream, raw, &mut add);
    let mut servers: Vec<SocketAddr> = Vec::new();
    for (number, text) in upstream.dns.servers.iter().enumerate() {
        match text.parse() {
            Ok(server) if number < MAX_SERVERS => servers.push(server),
            _ => {
                let message =
                    format!("`{text}` is not one of up to {MAX_SERVERS} addresses with a port");
                add(
                    "not-a-name-server",
                    &format!("/dns/servers/{number}"),
                    &message,
                );
            }
        }
    }
    let choice = match choice(&upstream.balance, around) {
        Ok(choice) => Some(choice),
        Err(error) => {
            errors.push(at(error));
            None
        }
    };
    let credential = match upstream
        .credential
        .as_ref()
        .map(|credential| secret(credential, around))
        .transpose()
    {
        Ok(credential) => credential,
        Err(error) => {
            errors.push(at(error));
            None
        }
    };
    let said = upstream.assertion.as_ref().zip(signer);
    let assertion = said.map(|(said, signer)| Assertion::new(said, Arc::clone(signer)));
    let assertion = match assertion.transpose() {
        Ok(assertion) => assertion,
        Err(error) => {
            errors.push(at(error));
            None
        }
    };
    let token = upstream.token.as_ref().map(UpstreamToken::new).transpose();
    let token = token.unwrap_or_else(|error| {
        errors.push(at(error));
        None
    });
    let tls = match around.tls.filter(|_| secure) {
        Some(source) => {
            match source.outbound(&upstream.tls.clone().unwrap_or_default(), upstream.protocol) {
                Ok(tls) => tls,
                Err(cause) => {
                    errors.push(at(ConfigError::new("upstream-tls-unfit", "/tls", cause)));
                    None
                }
            }
        }
        None => None,
    };
    let (true, Some(choice)) = (errors.is_empty(), choice) else {
        return Err(errors);
    };
    let name: Arc<str> = upstream.name.as_str().into();
    let targets = places
        .iter()
        .map(|place| Arc::clone(&place.target))
        .collect();
    let group = (raw || wants_group(upstream, &places)).then(|| {
        let rules = Rules {
            choice,
            health: upstream.health.clone(),
            passive: upstream.passive.clone(),
            slow_start_ms: upstream.slow_start_ms,
            retry: upstream.retry.clone(),
            breaker: upstream.breaker,
            dns: upstream.dns.clone(),
            protocol: upstream.protocol,
            proxy_protocol: upstream.proxy_protocol,
            secure,
            raw,
            tls: tls.clone(),
        };
        let named = places
            .iter()
            .any(|place| matches!(place.target.at(), At::Name(..) | At::Srv(_)));
        let resolver = named.then(|| Resolver::new(servers));
        let registry = Arc::clone(&around.upstreams);
        Group::new(Arc::clone(&name), rules, places, resolver, registry)
    });
    Ok(CompiledUpstream {
        name,
        targets,
        group,
        timeouts: upstream.timeouts,
        head_bytes: upstream.head_bytes,
        credential,
        assertion,
        token,
        protocol: upstream.protocol,
        proxy_protocol: upstream.proxy_protocol,
        secure,
        raw,
        insecure: match &upstream.tls {
            Some(tls) if secure => tls.unverified.clone(),
            _ => upstream.insecure.clone(),
        },
        tls,
    })
}

/// Whether there is anything to choose, to look after or to bound. What wants
/// none of it is spared the cost.
fn wants_group(upstream: &Upstream, places: &[Place]) -> bool {
    let alone = matches!(places, [place] if !place.target.known().is_empty()
        || matches!(place.target.at(), At::Unix(_)));
    !alone || upstream.health.is_some() || upstream.retry.is_some() || upstream.breaker.is_some()
}

/// Whether connections are carried there unread, by its first target.
pub(super) fn is_raw(upstream: &Upstream) -> bool {
    let first = upstream.targets.first();
    first.is_some_and(|server| {
        server.url.starts_with("tcp://") || server.url.starts_with("tcp+srv://")
    })
}

/// What holds for requests alone, and is said where there are none.
fn check_raw(upstream: &Upstream, add: &mut dyn FnMut(&'static str, &str, &str)) {
    let health = upstream.health.as_ref();
    let key = upstream.balance.key.as_ref();
    let by_request = upstream.balance.by == BalanceBy::Sticky
        || key.is_some_and(|key| key.kind != HashKind::Client);
    for (said, place) in [
        (upstream.credential.is_some(), "/credential"),
        (upstream.retry.is_some(), "/retry"),
        (upstream.protocol != Protocol::Http1, "/protocol"),
        (by_request, "/balance"),
        (
            health.is_some_and(|check| !check.path.is_empty()),
            "/health/path",
        ),
        (
            health.is_some_and(|check| check.host.is_some()),
            "/health/host",
        ),
    ] {
        if said {
            let message = "targets of tcp:// get no requests, so this could not hold";
            add("rule-without-requests", place, message);
        }
    }
}

fn check_rules(upstream: &Upstream, raw: bool, add: &mut dyn FnMut(&'static str, &str, &str)) {
    if let Some(check) = &upstream.health {
        check_health(check, raw, add);
    }
    let passive = &upstream.passive;
    if passive.failures > 0 && (passive.eject_ms == 0 || passive.share == 0 || passive.share > 100)
    {
        let message = "taking servers out wants a time, and a share from 1 to 100 percent";
        add("passive-malformed", "/passive", message);
    }
    if let Some(retry) = &upstream.retry {
        if !(1..=10).contains(&retry.attempts) || retry.budget > 100 {
            let message = "retries want 1 to 10 attempts, and a budget of up to 100 percent";
            add("retry-malformed", "/retry", message);
        }
        if !(retry.connect || retry.reset || retry.timeout || !retry.statuses.is_empty()) {
            add("retry-malformed", "/retry", "there is nothing to retry on");
        }
        if retry
            .statuses
            .iter()
            .any(|status| !(400..=599).contains(status))
        {
            let message = "only an answer of 400 to 599 is worth another attempt";
            add("retry-malformed", "/retry", message);
        }
    }
    if let Some(breaker) = &upstream.breaker {
        let wide = breaker.concurrent > MAX_CONCURRENT || breaker.queue > MAX_CONCURRENT;
        if breaker.concurrent == 0 || wide || (breaker.queue > 0 && breaker.wait_ms == 0) {
            let message =
                "a breaker lets at least 1 and at most 1000000 through, and who waits wants a time";
            add("breaker-malformed", "/breaker", message);
        }
    }
}

fn check_health(check: &HealthCheck, raw: bool, add: &mut dyn FnMut(&'static str, &str, &str)) {
    let path = check.path.parse::<PathAndQuery>();
    if raw && check.path.is_empty() {
        // Whether a connection can be had, and no more.
    } else if !check.path.starts_with('/') || path.is_err() || check.path.contains('#') {
        let message = format!("`{}` is not a path such as /healthz", check.path);
        add("not-a-path", "/health/path", &message);
    }
    let host = check.host.as_deref().map(str::parse::<Authority>);
    if host.is_some_and(|host| host.map_or(true, |host| host.as_str().contains('@'))) {
        add("not-a-host", "/health/host", "this is not a host");
    }
    if check.every_ms == 0 || check.timeout_ms == 0 {
        let message = "a health check wants an interval and a time for its answer";
        add("health-malformed", "/health", message);
    }
    if check.unhealthy_after == 0 || check.healthy_after == 0 {
        let message = "a health check wants at least one answer to believe";
        add("health-malformed", "/health", message);
    }
    let wrong = |range: &crate::bundle::StatusRange| {
        range.low > range.high || range.low < 100 || range.high > 599
    };
    if check.expect.is_empty() || check.expect.iter().any(wrong) {
        let message = "a health check expects statuses from 100 to 599";
        add("health-malformed", "/health/expect", message);
    }
}

fn choice(balance: &Balance, around: &Surroundings<'_>) -> Result<Choice, ConfigError> {
    let wrong = |message: &str| ConfigError::new("balance-malformed", "/balance", message);
    Ok(match (balance.by, &balance.key, &balance.cookie) {
        (BalanceBy::RoundRobin, None, None) => Choice::RoundRobin,
        (BalanceBy::LeastRequests, None, None) => Choice::LeastRequests,
        (BalanceBy::Hash, Some(key), None) => {
            let named = matches!(key.kind, HashKind::Header | HashKind::Cookie);
            if named == key.name.is_empty() {
                return Err(wrong(
                    "a header or cookie that is hashed has a name, nothing else has",
                ));
            }
            let mut key = key.clone();
            match key.kind {
                HashKind::Header => {
                    let header = HeaderName::try_from(key.name.as_str());
                    header
                        .map_err(|_| wrong("what is hashed is not a header's name"))?
                        .as_str()
                        .clone_into(&mut key.name);
                }
                HashKind::Cookie if !is_token(&key.name) => {
                    return Err(wrong("what is hashed is not a cookie's name"));
                }
                _ => {}
            }
            Choice::Hash(key)
        }
        (BalanceBy::Sticky, None, Some(cookie)) if is_token(&cookie.name) => {
            Choice::Sticky(Box::new(Sticky::new(cookie, &around.pepper)))
        }
        (BalanceBy::Sticky, None, Some(_)) => return Err(wrong("this is not a cookie's name")),
        _ => {
            return Err(wrong(
                "`hash` wants what is hashed, `sticky` a cookie, and the others neither",
            ))
        }
    })
}

/// Whether a name can be a cookie's (RFC 6265 section 4.1.1), as well as a header's.
fn is_token(name: &str) -> bool {
    name.len() <= 64 && HeaderName::try_from(name).is_ok()
}

/// What is spoken with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Requests in the clear.
    Clear,
    /// Requests over TLS.
    Tls,
    /// What clients say, unread.
    Tcp,
}

/// A server, and what is spoken with it.
fn place(
    server: &Server,
    insecure: Option<&Waiver>,
    state: &Path,
) -> Result<(Place, Over), ConfigError> {
    if server.weight > MAX_WEIGHT {
        let message = format!("a weight goes from 0 to {MAX_WEIGHT}");
        return Err(ConfigError::new("weight-malformed", "/weight", message));
    }
    let (target, over) = if server.url == IDENTITY {
        (At::Unix(state.join(IDENTITY_SOCKET)).into(), Over::Clear)
    } else {
        target(&server.url, insecure)?
    };
    let place = Place {
        target: Arc::new(target),
        weight: server.weight,
        priority: server.priority,
    };
    Ok((place, over))
}

fn target(text: &str, insecure: Option<&Waiver>) -> Result<(Target, Over), ConfigError> {
    let wrong = || {
        ConfigError::new(
            "not-a-target",
            "",
            format!("`{text}` is not a target such as http://127.0.0.1:9000"),
        )
    };
    let waived = |at: At, over: Over, host: &str| match insecure {
        // What is carried on unread is TLS from end to end.
        _ if over != Over::Clear => Ok((at.into(), over)),
        Some(_) => Ok((at.into(), over)),
        None => {
            let message = format!(
                "plain HTTP to `{host}` wants `insecure: {{owner, reason, until}}` in the upstream"
            );
            Err(ConfigError::new("insecure-upstream", "", message))
        }
    };
    if text.starts_with(UNIX) {
        return socket_path(text)
            .map(|path| (At::Unix(path.to_owned()).into(), Over::Clear))
            .ok_or_else(wrong);
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let service = scheme.strip_suffix("+srv");
    let (over, usual) = match service.unwrap_or(scheme) {
        "http" => (Over::Clear, Some(80)),
        "https" => (Over::Tls, Some(443)),
        "tcp" => (Over::Tcp, None),
        _ => return Err(wrong()),
    };
    if service.is_some() {
        let authority: Authority = rest.parse().map_err(|_| wrong())?;
        if authority.as_str() != authority.host() || authority.host().parse::<IpAddr>().is_ok() {
            return Err(wrong());
        }
        return waived(At::Srv(rest.to_owned()), over, rest);
    }
    let authority: Authority = rest.trim_end_matches('/').parse().map_err(|_| wrong())?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(wrong());
    }
    // `port_u16` is also none for a port that is no number up to 65535.
    let named = authority.as_str().len() > authority.host().len();
    let port = match (authority.port_u16(), usual) {
        (Some(port), _) if port > 0 => port,
        (None, Some(usual)) if !named => usual,
        _ => return Err(wrong()),
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    if host == "localhost" {
        return Ok((At::Localhost(port).into(), over));
    }
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.to_canonical().is_loopback() => {
            Ok((At::Address((ip, port).into()).into(), over))
        }
        Ok(ip) => waived(At::Address((ip, port).into()), over, host),
        Err(_) => waived(At::Name(host.to_owned(), port), over, host),
    }
}

#[cfg(test)]
mod tests;
