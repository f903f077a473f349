use crate::bundle::{
    Balance, BalanceBy, Breaker, Bundle, HashKey, HashKind, HealthCheck, Retry, StatusRange,
    StickyCookie,
};
use crate::compile::compile;
use crate::snapshot::Snapshot;
use crate::testing::{api, bundle, prefix, server, surroundings, waiver, NOW};

fn plain() -> Bundle {
    bundle(vec![api("shop", &[prefix("/")])])
}

/// The first thing that is wrong once `change` is made: its code and place below the upstream.
fn wrong(change: impl Fn(&mut crate::bundle::Upstream)) -> (&'static str, String) {
    let mut wanted = plain();
    change(&mut wanted.upstreams[0]);
    let errors = compile(wanted, "hash", &surroundings()).expect_err("something is wrong");
    let place = errors[0].pointer.strip_prefix("/upstreams/0");
    (
        errors[0].code,
        place.expect("it is the upstream's").to_owned(),
    )
}

fn right(change: impl Fn(&mut crate::bundle::Upstream)) -> Snapshot {
    let mut wanted = plain();
    change(&mut wanted.upstreams[0]);
    compile(wanted, "hash", &surroundings()).expect("nothing is wrong")
}

fn check() -> HealthCheck {
    HealthCheck {
        path: "/healthz".to_owned(),
        host: None,
        every_ms: 1000,
        timeout_ms: 1000,
        expect: vec![StatusRange {
            low: 200,
            high: 299,
        }],
        unhealthy_after: 3,
        healthy_after: 2,
    }
}

fn retry() -> Retry {
    Retry {
        attempts: 1,
        connect: true,
        reset: false,
        timeout: false,
        statuses: Vec::new(),
        budget: 20,
        per_try_ms: 0,
    }
}

fn breaker() -> Breaker {
    Breaker {
        concurrent: 1,
        queue: 0,
        wait_ms: 0,
    }
}

#[test]
fn an_upstream_that_wants_nothing_has_no_group() {
    assert!(right(|_| ()).upstreams[0].group.is_none());
    assert!(
        right(|upstream| upstream.targets[0].url = "unix:/run/a.sock".to_owned()).upstreams[0]
            .group
            .is_none()
    );
    assert!(
        right(|upstream| upstream.health = Some(check())).upstreams[0]
            .group
            .is_some()
    );
    assert!(
        right(|upstream| upstream.retry = Some(retry())).upstreams[0]
            .group
            .is_some()
    );
    assert!(
        right(|upstream| upstream.breaker = Some(breaker())).upstreams[0]
            .group
            .is_some()
    );
    let two = right(|upstream| upstream.targets.push(server("http://127.0.0.1:10")));
    assert!(two.upstreams[0].group.is_some());
    let named = right(|upstream| {
        upstream.targets[0].url = "http://shop.internal".to_owned();
        upstream.insecure = Some(waiver(NOW));
    });
    assert!(named.upstreams[0]
        .group
        .as_ref()
        .is_some_and(|group| group.wants_keeping()));
}

#[test]
fn what_is_known_of_an_upstream_outlives_a_reload() {
    let around = surroundings();
    let mut wanted = plain();
    wanted.upstreams[0]
        .targets
        .push(server("http://127.0.0.1:10"));
    let one = compile(wanted.clone(), "one", &around).expect("nothing is wrong");
    wanted.upstreams[0].targets[0].weight = 7;
    let other = compile(wanted, "other", &around).expect("nothing is wrong");
    let state = |snapshot: &Snapshot| {
        let group = snapshot.upstreams[0]
            .group
            .as_ref()
            .expect("there are two targets");
        std::sync::Arc::clone(&group.ranks()[0].members[0].state)
    };
    assert!(std::sync::Arc::ptr_eq(&state(&one), &state(&other)));
}

#[test]
fn weights_that_sum_to_nothing_are_refused() {
    let told = wrong(|upstream| upstream.targets[0].weight = 0);
    assert_eq!(told, ("no-weight", "/targets".to_owned()));
    let told = wrong(|upstream| upstream.targets[0].weight = 101);
    assert_eq!(told, ("weight-malformed", "/targets/0/weight".to_owned()));
    let told = wrong(|upstream| {
        upstream.targets = vec![upstream.targets[0].clone(); 257];
    });
    assert_eq!(told, ("too-many-targets", "/targets".to_owned()));
}

#[test]
fn sockets_and_services_are_targets_too() {
    for target in [
        "unix:relative",
        "unix:",
        "unix:/a\0b",
        "http+srv://",
        "http+srv://a:80",
        "http+srv://127.0.0.1",
    ] {
        let told = wrong(|upstream| upstream.targets[0].url = target.to_owned());
        assert_eq!(told, ("not-a-target", "/targets/0".to_owned()), "{target}");
    }
    let long = format!("unix:/{}", "a".repeat(110));
    let told = wrong(|upstream| upstream.targets[0].url.clone_from(&long));
    assert_eq!(told.0, "not-a-target");
    let told = wrong(|upstream| upstream.targets[0].url = "http+srv://_http._tcp.shop".to_owned());
    assert_eq!(told.0, "insecure-upstream");
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let health = |change: fn(&mut HealthCheck)| {
        wrong(|upstream| {
            let mut check = check();
            change(&mut check);
            upstream.health = Some(check);
        })
    };
    assert_eq!(
        health(|check| check.path = "healthz".to_owned()),
        ("not-a-path", "/health/path".to_owned())
    );
    assert_eq!(
        health(|check| check.path = "/a b".to_owned()).0,
        "not-a-path"
    );
    assert_eq!(
        health(|check| check.host = Some("a b".to_owned())).1,
        "/health/host"
    );
    assert_eq!(health(|check| check.every_ms = 0).0, "health-malformed");
    assert_eq!(
        health(|check| check.healthy_after = 0).0,
        "health-malformed"
    );
    assert_eq!(health(|check| check.expect.clear()).1, "/health/expect");
    assert_eq!(
        health(|check| check.expect[0].high = 100).1,
        "/health/expect"
    );
    let again = |change: fn(&mut Retry)| {
        wrong(|upstream| {
            let mut retry = retry();
            change(&mut retry);
            upstream.retry = Some(retry);
        })
    };
    for told in [
        again(|retry| retry.attempts = 0),
        again(|retry| retry.budget = 101),
        again(|retry| retry.connect = false),
        again(|retry| retry.statuses.push(200)),
    ] {
        assert_eq!(told, ("retry-malformed", "/retry".to_owned()));
    }
    let bound = |change: fn(&mut Breaker)| {
        wrong(|upstream| {
            let mut breaker = breaker();
            change(&mut breaker);
            upstream.breaker = Some(breaker);
        })
    };
    assert_eq!(
        bound(|breaker| breaker.concurrent = 0).0,
        "breaker-malformed"
    );
    assert_eq!(bound(|breaker| breaker.queue = 1).1, "/breaker");
    assert_eq!(
        wrong(|upstream| upstream.passive.share = 0).0,
        "passive-malformed"
    );
    let told = wrong(|upstream| upstream.dns.servers.push("10.0.0.53".to_owned()));
    assert_eq!(told, ("not-a-name-server", "/dns/servers/0".to_owned()));
}

#[test]
fn a_choice_has_what_it_wants_and_nothing_else() {
    let balance = |by, key: Option<(HashKind, &str)>, cookie: Option<&str>| Balance {
        by,
        key: key.map(|(kind, name)| HashKey {
            kind,
            name: name.to_owned(),
        }),
        cookie: cookie.map(|name| StickyCookie {
            name: name.to_owned(),
            max_age_s: 0,
        }),
    };
    for wanted in [
        balance(BalanceBy::Hash, None, None),
        balance(BalanceBy::Hash, Some((HashKind::Header, "")), None),
        balance(BalanceBy::Hash, Some((HashKind::Header, "a b")), None),
        balance(BalanceBy::Hash, Some((HashKind::Cookie, "a;b")), None),
        balance(BalanceBy::Hash, Some((HashKind::Path, "x")), None),
        balance(BalanceBy::Sticky, None, None),
        balance(BalanceBy::Sticky, None, Some("a b")),
        balance(BalanceBy::RoundRobin, None, Some("a")),
    ] {
        let told = wrong(|upstream| upstream.balance = wanted.clone());
        assert_eq!(
            told,
            ("balance-malformed", "/balance".to_owned()),
            "{wanted:?}"
        );
    }
    right(|upstream| {
        upstream.balance = balance(BalanceBy::Hash, Some((HashKind::Client, "")), None)
    });
    right(|upstream| upstream.balance = balance(BalanceBy::Sticky, None, Some("lg_server")));
}

#[test]
fn a_connection_of_many_clients_names_none() {
    use crate::bundle::{Protocol, ProxyVersion};
    let told = |protocol: Protocol| {
        move |upstream: &mut crate::bundle::Upstream| {
            upstream.proxy_protocol = Some(ProxyVersion::V2);
            upstream.protocol = protocol;
        }
    };
    let snapshot = right(told(Protocol::Http1));
    assert!(snapshot.tells_clients && !right(|_| {}).tells_clients);
    assert_eq!(snapshot.upstreams[0].proxy_protocol, Some(ProxyVersion::V2));
    assert_eq!(
        wrong(told(Protocol::Http2)),
        ("proxy-protocol-shared", "/proxy_protocol".to_owned())
    );
}
