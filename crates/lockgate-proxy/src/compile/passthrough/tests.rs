#![allow(clippy::expect_used, missing_docs)]

use lockgate_policy::ip_filter;

use crate::bundle::{
    BalanceBy, Bundle, Credential, HashKey, HashKind, HealthCheck, Mirror, Passthrough, Protocol,
    Retry, StatusRange, Tls, TlsVersion, Upstream,
};
use crate::compile::compile;
use crate::snapshot::Snapshot;
use crate::testing::{api, bundle, prefix, server, surroundings};

/// `db.example.com` is carried on to the upstream `legacy`.
fn carrying(change: impl Fn(&mut Bundle)) -> Bundle {
    let mut made = bundle(vec![api("shop", &[prefix("/")])]);
    let mut legacy = made.upstreams[0].clone();
    legacy.name = "legacy".to_owned();
    legacy.targets = vec![server("tcp://10.0.0.7:443")];
    made.upstreams.push(legacy);
    made.listeners[0].tls = Some(Tls {
        certificates: Vec::new(),
        minimum: TlsVersion::Tls12,
        clients: None,
        hosts: Vec::new(),
        hsts: None,
        passthrough: vec![Passthrough {
            ip_filter: ip_filter::Config::default(),
            hosts: vec!["db.example.com".to_owned()],
            ended: Vec::new(),
            upstream: "legacy".to_owned(),
            idle_ms: 1_000,
        }],
    });
    change(&mut made);
    made
}

fn right(change: impl Fn(&mut Bundle)) -> Snapshot {
    compile(carrying(change), "hash", &surroundings()).expect("nothing is wrong")
}

/// The code and the place of what is wrong first.
fn wrong(change: impl Fn(&mut Bundle)) -> (&'static str, String) {
    let errors = compile(carrying(change), "hash", &surroundings()).expect_err("it is wrong");
    (errors[0].code, errors[0].pointer.clone())
}

fn entry(made: &mut Bundle) -> &mut Passthrough {
    let tls = made.listeners[0].tls.as_mut();
    &mut tls.expect("it has").passthrough[0]
}

fn legacy(made: &mut Bundle) -> &mut Upstream {
    &mut made.upstreams[1]
}

#[test]
fn a_name_goes_to_an_upstream_that_takes_no_requests() {
    let made = right(|_| {});
    let way = &made.listeners[0].passthrough[0];
    assert_eq!((&*way.upstream.name, way.idle_ms), ("legacy", 1_000));
    let group = way.upstream.group.as_ref().expect("also of one server");
    assert!(way.upstream.raw && group.rules.raw && !way.upstream.secure);
    assert!(made.upstreams[1].insecure.is_none(), "TLS is the client's");
}

#[test]
fn what_carries_nothing_is_refused() {
    let place = |rest: &str| format!("/listeners/0/tls/passthrough/0{rest}");
    let malformed = "passthrough-malformed";
    assert_eq!(
        wrong(|made| entry(made).hosts.clear()),
        (malformed, place(""))
    );
    assert_eq!(
        wrong(|made| entry(made).idle_ms = 0),
        (malformed, place(""))
    );
    for host in ["*", "", "a.*.example", "*.*.example", "127.0.0.1", "::1"] {
        let found = wrong(|made| entry(made).hosts = vec![host.to_owned()]);
        assert_eq!(found, (malformed, place("/hosts/0")), "{host}");
    }
    let twice = wrong(|made| entry(made).hosts.push("DB.example.com".to_owned()));
    assert_eq!(twice, ("passthrough-twice", place("/hosts/1")));
    let unknown = wrong(|made| entry(made).upstream = "nobody".to_owned());
    assert_eq!(unknown, ("no-upstream", place("/upstream")));
    let requests = wrong(|made| entry(made).upstream = "shop".to_owned());
    assert_eq!(requests, ("passthrough-not-tcp", place("/upstream")));
    let many = wrong(|made| {
        let one = entry(made).clone();
        let tls = made.listeners[0].tls.as_mut();
        tls.expect("it has").passthrough = vec![one; 1_001];
    });
    assert_eq!(many, (malformed, "/listeners/0/tls/passthrough".to_owned()));
}

#[test]
fn no_request_goes_there() {
    let code = "upstream-takes-no-requests";
    let alone = wrong(|made| made.apis[0].upstream = Some("legacy".to_owned()));
    assert_eq!(alone, (code, "/apis/0/upstream".to_owned()));
    let mirrored = wrong(|made| {
        made.apis[0].mirror = Some(Mirror {
            upstream: "legacy".to_owned(),
            share: 1,
            methods: vec!["GET".to_owned()],
            bytes: 1,
        });
    });
    assert_eq!(mirrored, (code, "/apis/0/mirror/upstream".to_owned()));
}

#[test]
fn rules_for_requests_are_refused() {
    let refused = |change: &dyn Fn(&mut Upstream)| {
        let (code, place) = wrong(|made| change(legacy(made)));
        assert_eq!(code, "rule-without-requests", "{place}");
        place
            .strip_prefix("/upstreams/1")
            .expect("it is its")
            .to_owned()
    };
    let place = refused(&|upstream| {
        upstream.credential = Some(Credential {
            header: "x-gate-token".to_owned(),
            secret: "file:/here".to_owned(),
        });
    });
    assert_eq!(place, "/credential");
    let place = refused(&|upstream| {
        upstream.retry = Some(Retry {
            attempts: 1,
            connect: true,
            reset: false,
            timeout: false,
            statuses: Vec::new(),
            budget: 20,
            per_try_ms: 0,
        });
    });
    assert_eq!(place, "/retry");
    assert_eq!(
        refused(&|upstream| upstream.protocol = Protocol::Http2),
        "/protocol"
    );
    let hashed = |kind, name: &str| {
        let name = name.to_owned();
        move |upstream: &mut Upstream| {
            upstream.balance.by = BalanceBy::Hash;
            upstream.balance.key = Some(HashKey {
                kind,
                name: name.clone(),
            });
        }
    };
    assert_eq!(refused(&hashed(HashKind::Header, "x-tenant")), "/balance");
    assert_eq!(refused(&hashed(HashKind::Path, "")), "/balance");
    let by_client = hashed(HashKind::Client, "");
    right(|made| by_client(legacy(made)));
    let health = |path: &str| HealthCheck {
        path: path.to_owned(),
        host: None,
        every_ms: 1_000,
        timeout_ms: 1_000,
        expect: vec![StatusRange {
            low: 200,
            high: 299,
        }],
        unhealthy_after: 1,
        healthy_after: 1,
    };
    let asked = |upstream: &mut Upstream| upstream.health = Some(health("/healthz"));
    assert_eq!(refused(&asked), "/health/path");
    right(|made| legacy(made).health = Some(health("")));
    let nothing = wrong(|made| made.upstreams[0].health = Some(health("")));
    assert_eq!(
        nothing,
        ("not-a-path", "/upstreams/0/health/path".to_owned())
    );
}

#[test]
fn targets_are_of_one_kind_and_say_their_port() {
    let targets = |texts: &[&str]| {
        let targets: Vec<_> = texts.iter().map(|text| server(text)).collect();
        move |made: &mut Bundle| legacy(made).targets = targets.clone()
    };
    let mixed = targets(&["tcp://10.0.0.7:443", "https://10.0.0.8:443"]);
    assert_eq!(wrong(&mixed).0, "mixed-targets");
    for text in [
        "tcp://10.0.0.7",
        "tcp://",
        "tcp://10.0.0.7:0",
        "udp://10.0.0.7:1",
        "tcp+srv://a.b:1",
    ] {
        assert_eq!(wrong(targets(&[text])).0, "not-a-target", "{text}");
    }
    right(targets(&["tcp+srv://_db._tcp.example.com"]));
    right(targets(&[
        "tcp://db.internal:5432",
        "tcp://[2001:db8::1]:5432",
    ]));
}
