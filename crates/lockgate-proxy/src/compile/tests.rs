#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_policy::{body_limit, ip_filter};

use super::*;
use crate::bundle::Listener;
use crate::bundle::{Authenticator, Placed};
use crate::testing::{
    api, bundle, exact, keyed, keys, line, placed, prefix, server, surroundings, template, waiver,
    NOW,
};
use lockgate_policy::OnError;

/// A bundle with one open API.
fn plain() -> Bundle {
    bundle(vec![api("shop", &[prefix("/")])])
}

fn compiled(bundle: Bundle) -> Result<Snapshot, Vec<ConfigError>> {
    compile(bundle, "hash", &surroundings())
}

/// Code, pointer and line of each thing that is wrong with `bundle`.
fn wrong(bundle: Bundle) -> Vec<(&'static str, String, Option<u32>)> {
    let errors = compiled(bundle).expect_err("something is wrong");
    for error in &errors {
        assert!(error.message.len() > 15, "{error} says nothing");
    }
    let told = errors.into_iter();
    told.map(|error| (error.code, error.pointer, error.span.map(|span| span.line)))
        .collect()
}

/// What is wrong after a change to a bundle that is right.
fn changed(change: impl Fn(&mut Bundle)) -> (&'static str, String, Option<u32>) {
    let mut bundle = plain();
    change(&mut bundle);
    let mut errors = wrong(bundle);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

fn keyed_with(change: impl Fn(&mut Placed<lockgate_policy::api_key::Config>)) -> Bundle {
    let mut api = keyed("shop", &[prefix("/")]);
    let Authenticator::ApiKey(way) = &mut api.policies.authenticate[0] else {
        panic!("it is a key");
    };
    change(way);
    bundle(vec![api])
}

#[test]
fn a_bundle_that_is_right_keeps_its_order_and_names() {
    let mut wanted = bundle(vec![
        api("open", &[prefix("/open")]),
        keyed("closed", &[exact("/a"), template("/b/{x}")]),
    ]);
    wanted.sequence = 12;
    let snapshot = compiled(wanted).unwrap();
    assert_eq!((&*snapshot.hash, snapshot.sequence), ("hash", 12));
    let names: Vec<&str> = snapshot.apis.iter().map(|api| &*api.name).collect();
    assert_eq!(names, ["open", "closed"]);
    assert_eq!(snapshot.problem_base, "/reasons/");
    assert_eq!(snapshot.upstreams[0].targets[0].to_string(), "127.0.0.1:9");
}

#[test]
fn policies_stand_in_the_pipelines_order_whatever_the_bundles() {
    let mut api = keyed("shop", &[prefix("/")]);
    api.policies.authenticate.push(keys("x-other-key", 13));
    api.policies.body_limit = Some(placed(body_limit::Config { bytes: 1 }, 21));
    api.policies.ip_filter = Some(placed(ip_filter::Config::default(), 22));
    let snapshot = compiled(bundle(vec![api])).unwrap();
    let steps = &snapshot.apis[0].steps;
    let told: Vec<(&str, u32)> = steps
        .iter()
        .map(|step| (step.policy.name(), step.span.line))
        .collect();
    let wanted = [
        ("ip_filter", 22),
        ("api_key", 12),
        ("api_key", 13),
        ("authorize", 11),
        ("body_limit", 21),
    ];
    assert_eq!(told, wanted);
    // Both credentials are taken off.
    assert_eq!(snapshot.apis[0].edits.len(), 2);
}

#[test]
fn another_version_is_refused_before_anything_is_read() {
    for version in [0, 2, u32::MAX] {
        let mut wanted = plain();
        wanted.bundle_version = version;
        wanted.listeners[0].address = "nonsense".to_owned();
        let told = wrong(wanted);
        assert_eq!(
            told,
            [("bundle-version", "/bundle_version".to_owned(), None)]
        );
    }
}

#[test]
fn a_listeners_address_must_be_one() {
    for address in [
        "localhost:80",
        "127.0.0.1",
        ":80",
        "127.0.0.1:65536",
        "::1:80",
        "",
    ] {
        let told = changed(|bundle| bundle.listeners[0].address = address.to_owned());
        assert_eq!(
            told,
            ("not-an-address", "/listeners/0/address".to_owned(), Some(2))
        );
    }
}

#[test]
fn plain_http_off_loopback_wants_somebody_who_answers_for_it() {
    for address in [
        "0.0.0.0:80",
        "[::]:80",
        "192.0.2.1:80",
        "[::ffff:192.0.2.1]:80",
    ] {
        let told = changed(|bundle| bundle.listeners[0].address = address.to_owned());
        assert_eq!(
            told,
            (
                "insecure-listener",
                "/listeners/0/address".to_owned(),
                Some(2)
            )
        );
        let mut waived = plain();
        waived.listeners[0].address = address.to_owned();
        waived.listeners[0].insecure = Some(waiver(NOW));
        assert!(compiled(waived).is_ok());
    }
    for address in ["127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        let mut local = plain();
        local.listeners[0].address = address.to_owned();
        assert!(compiled(local).is_ok(), "{address}");
    }
}

#[test]
fn a_trusted_proxy_must_be_a_network() {
    let told = changed(|bundle| {
        bundle.listeners[0].trusted_proxies =
            vec!["10.0.0.0/8".to_owned(), "10.0.0.0/33".to_owned()];
    });
    let pointer = "/listeners/0/trusted_proxies/1".to_owned();
    assert_eq!(told, ("not-a-network", pointer, Some(2)));
}

#[test]
fn an_upstream_needs_targets_that_are_some() {
    let told = changed(|bundle| bundle.upstreams[0].targets.clear());
    assert_eq!(
        told,
        ("no-targets", "/upstreams/0/targets".to_owned(), Some(4))
    );
    for (target, code) in [
        ("127.0.0.1:80", "not-a-target"),
        ("ftp://127.0.0.1", "not-a-target"),
        ("http://", "not-a-target"),
        ("http://127.0.0.1:80/path", "not-a-target"),
        ("http://me@127.0.0.1", "not-a-target"),
        ("https://", "not-a-target"),
        ("https://127.0.0.1:0", "not-a-target"),
        ("http://192.0.2.1:80", "insecure-upstream"),
        ("http://shop.example.com", "insecure-upstream"),
        ("http://[2001:db8::1]:80", "insecure-upstream"),
        ("http://localhost.example.com", "insecure-upstream"),
    ] {
        let told = changed(|bundle| bundle.upstreams[0].targets.push(server(target)));
        assert_eq!(
            told,
            (code, "/upstreams/0/targets/1".to_owned(), Some(4)),
            "{target}"
        );
    }
}

#[test]

fn a_port_that_is_none_is_refused() {
    for target in [
        "http://127.0.0.1:99999",
        "http://127.0.0.1:",
        "http://127.0.0.1:0",
    ] {
        let told = changed(|bundle| bundle.upstreams[0].targets.push(server(target)));
        let pointer = "/upstreams/0/targets/1".to_owned();
        assert_eq!(told, ("not-a-target", pointer, Some(4)), "{target}");
    }
}

#[test]
fn targets_are_read_with_their_ports() {
    let mut wanted = plain();
    wanted.upstreams[0].insecure = Some(waiver(NOW));
    wanted.upstreams[0].targets = [
        "http://localhost",
        "http://127.0.0.1:81/",
        "http://[::1]:82",
        "http://shop.example.com:83",
    ]
    .map(server)
    .to_vec();
    let snapshot = compiled(wanted).unwrap();
    let told: Vec<String> = snapshot.upstreams[0]
        .targets
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "localhost:80",
            "127.0.0.1:81",
            "[::1]:82",
            "shop.example.com:83"
        ]
    );
}

#[test]
fn where_nothing_is_said_no_address_may_take_every_connection() {
    let limits = Listener::default_limits();
    assert_eq!(
        (limits.connections, limits.connections_per_ip),
        (10_000, 1_000)
    );
}

#[test]
fn a_credential_wants_a_header_name() {
    let told = changed(|bundle| {
        bundle.upstreams[0].credential = Some(Credential {
            header: "no name".to_owned(),
            secret: "file:/here".to_owned(),
        });
    });
    assert_eq!(
        told,
        (
            "not-a-header",
            "/upstreams/0/credential/header".to_owned(),
            Some(4)
        )
    );
}

#[test]
fn a_credential_wants_a_header_that_the_gate_does_not_use_itself() {
    let ours = crate::respond::X_REQUEST_ID;
    for header in [
        ours.as_str(),
        "X_Request_Id",
        "X-Forwarded-For",
        "Host",
        "Te",
    ] {
        let told = changed(|bundle| {
            bundle.upstreams[0].credential = Some(Credential {
                header: header.to_owned(),
                secret: "file:/here".to_owned(),
            });
        });
        let place = "/upstreams/0/credential/header".to_owned();
        assert_eq!(told, ("header-reserved", place, Some(4)), "{header}");
    }
}

#[test]
fn a_path_below_the_gates_own_is_refused() {
    for path in [
        prefix("/.lockgate"),
        prefix("/.lockgate/reasons"),
        exact("/.lockgate/x"),
        exact("/%2elockgate/x"),
        template("/.lockgate/{code}"),
    ] {
        let told = changed(|bundle| bundle.apis[0].paths.push(path.clone()));
        let place = "/apis/0/paths/1".to_owned();
        assert_eq!(told, ("path-reserved", place, Some(10)), "{path:?}");
    }
    let mut other = plain();
    let near = [
        exact("/.lockgates/x"),
        template("/{x}/reasons"),
        prefix("/a/.lockgate"),
    ];
    other.apis[0].paths.extend(near);
    assert!(compiled(other).is_ok());
}

#[test]
fn a_secret_is_trimmed_and_one_that_is_missing_closes_its_routes_alone() {
    for (reference, there) in [("file:/here", true), ("file:/gone", false)] {
        let mut wanted = plain();
        wanted.upstreams[0].credential = Some(Credential {
            header: "X-Gate-Token".to_owned(),
            secret: reference.to_owned(),
        });
        let snapshot = compiled(wanted).unwrap();
        let secret = snapshot.upstreams[0].credential.as_ref().unwrap();
        assert_eq!(secret.header, "x-gate-token");
        assert_eq!(secret.value.is_some(), there);
        if let Some(value) = &secret.value {
            assert_eq!(value, "hush");
            assert!(value.is_sensitive());
        }
    }
}

#[test]
fn a_secret_that_fits_no_header_is_as_good_as_none() {
    let mut wanted = plain();
    wanted.upstreams[0].credential = Some(Credential {
        header: "x".to_owned(),
        secret: "file:/here".to_owned(),
    });
    let around = Surroundings {
        state: std::path::Path::new(""),
        tls: None,
        secret: &|_| Some(b"two\nlines".to_vec()),
        ..surroundings()
    };
    let snapshot = compile(wanted, "hash", &around).unwrap();
    assert!(snapshot.upstreams[0]
        .credential
        .as_ref()
        .unwrap()
        .value
        .is_none());
}

#[test]
fn an_api_wants_an_upstream_and_paths() {
    let told = changed(|bundle| bundle.apis[0].upstream = Some("nowhere".to_owned()));
    assert_eq!(
        told,
        ("no-upstream", "/apis/0/upstream".to_owned(), Some(10))
    );
    let told = changed(|bundle| bundle.apis[0].paths.clear());
    assert_eq!(told, ("no-paths", "/apis/0/paths".to_owned(), Some(10)));
    let told = changed(|bundle| bundle.apis[0].paths.push(exact("nope")));
    assert_eq!(told, ("not-a-path", "/apis/0/paths/1".to_owned(), Some(10)));
    let told = changed(|bundle| bundle.apis[0].methods.push("NO WAY".to_owned()));
    assert_eq!(
        told,
        ("not-a-method", "/apis/0/paths/0".to_owned(), Some(10))
    );
    let told = changed(|bundle| {
        let mut twin = bundle.apis[0].clone();
        twin.name = "twin".to_owned();
        bundle.apis.push(twin);
    });
    assert_eq!(
        told,
        ("route-conflict", "/apis/1/paths/0".to_owned(), Some(10))
    );
}

#[test]
fn an_api_is_public_or_authenticated_and_never_neither_or_both() {
    let closed = changed(|bundle| bundle.apis[0].public = None);
    let place = "/apis/0/policies/authenticate".to_owned();
    assert_eq!(closed, ("closed-api", place.clone(), Some(10)));
    let closed = changed(|bundle| {
        bundle.apis[0].public = None;
        bundle.apis[0].authorize = Authorize::Authenticated;
    });
    assert_eq!(closed, ("closed-api", place, Some(10)));
    let both = ("open-and-closed", "/apis/0/public".to_owned(), Some(10));
    assert_eq!(
        changed(|bundle| bundle.apis[0].authorize = Authorize::Authenticated),
        both
    );
    assert_eq!(
        changed(|bundle| bundle.apis[0].policies.authenticate.push(keys("x", 12))),
        both
    );
    for (public, authorize) in [
        (Some(waiver(NOW)), Authorize::Authenticated),
        (Some(waiver(NOW)), Authorize::Public),
        (None, Authorize::Public),
    ] {
        let mut api = keyed("shop", &[prefix("/")]);
        (api.public, api.authorize) = (public, authorize);
        assert_eq!(wrong(bundle(vec![api])), std::slice::from_ref(&both));
    }
}

#[test]
fn a_policys_error_stands_below_the_policy() {
    let told = changed(|bundle| {
        bundle.apis[0].policies.ip_filter = Some(placed(
            ip_filter::Config {
                allow: vec!["10.0.0.0/8".to_owned()],
                deny: vec!["::1".to_owned(), "nonsense".to_owned()],
                ..ip_filter::Config::default()
            },
            22,
        ));
    });
    let pointer = "/apis/0/policies/ip_filter/deny/1".to_owned();
    assert_eq!(told, ("not-a-network", pointer, Some(22)));
    for (header, code) in [
        ("content-length", "header-reserved"),
        ("not a name", "not-a-header"),
        ("", "not-a-header"),
    ] {
        let told = wrong(keyed_with(|way| way.config.header = header.to_owned()));
        let pointer = "/apis/0/policies/authenticate/0/header".to_owned();
        assert_eq!(told, [(code, pointer, Some(12))], "{header}");
    }
}

#[test]
fn authentication_never_lets_through_on_errors() {
    let told = wrong(keyed_with(|way| way.on_error = OnError::Allow));
    let pointer = "/apis/0/policies/authenticate/0/on_error".to_owned();
    assert_eq!(told, [("fail-open-authentication", pointer, Some(12))]);
    // Other policies may, if they say so.
    let mut lenient = plain();
    let mut filter = placed(ip_filter::Config::default(), 22);
    filter.on_error = OnError::Allow;
    lenient.apis[0].policies.ip_filter = Some(filter);
    assert!(compiled(lenient).is_ok());
}

#[test]
fn authentication_that_is_not_enforced_wants_a_waiver() {
    for mode in [Mode::Observe, Mode::Off] {
        let told = wrong(keyed_with(|way| way.mode = mode));
        let pointer = "/apis/0/policies/authenticate/0/mode".to_owned();
        assert_eq!(told, [("unenforced-authentication", pointer, Some(12))]);
        let waived = keyed_with(|way| {
            way.mode = mode;
            way.waiver = Some(waiver(NOW));
        });
        assert!(compiled(waived).is_ok());
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut wanted = bundle(vec![
        api("first", &[prefix("/")]),
        api("second", &[prefix("/"), exact("nope")]),
        keyed("third", &[]),
    ]);
    wanted.listeners[0].address = "nonsense".to_owned();
    wanted.upstreams[0].targets = vec![server("ftp://a"), server("nonsense")];
    wanted.apis[2].upstream = Some("nowhere".to_owned());
    wanted.apis[2]
        .policies
        .authenticate
        .push(keys("no name", 14));
    wanted.apis[0].public = None;
    let told: Vec<(&str, String)> = wrong(wanted)
        .into_iter()
        .map(|(code, pointer, _)| (code, pointer))
        .collect();
    let wanted = [
        ("not-an-address", "/listeners/0/address"),
        ("not-a-target", "/upstreams/0/targets/0"),
        ("not-a-target", "/upstreams/0/targets/1"),
        ("route-conflict", "/apis/1/paths/0"),
        ("not-a-path", "/apis/1/paths/1"),
        ("closed-api", "/apis/0/policies/authenticate"),
        ("no-upstream", "/apis/2/upstream"),
        ("no-paths", "/apis/2/paths"),
        ("not-a-header", "/apis/2/policies/authenticate/1/header"),
    ];
    assert_eq!(
        told,
        wanted.map(|(code, pointer)| (code, pointer.to_owned()))
    );
}

#[test]
fn numbers_of_an_api_outlive_its_bundle() {
    let around = surroundings();
    let first = compile(plain(), "one", &around).unwrap();
    let second = compile(plain(), "two", &around).unwrap();
    assert!(first.apis[0].metrics.is(&second.apis[0].metrics));
}

#[test]
fn a_bundle_reads_back_as_it_was_written_and_knows_no_more() {
    let mut full = plain();
    full.apis[0].policies.body_limit = Some(placed(body_limit::Config { bytes: 1 }, 21));
    full.apis[0].span = line(3);
    let text = serde_json::to_string(&full).unwrap();
    let again: Bundle = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    for (from, to) in [
        ("\"sequence\"", "\"sequences\""),
        ("\"bytes\":1", "\"bytes\":1,\"more\":2"),
        ("\"mode\":\"enforce\"", "\"mode\":\"enforced\""),
        ("{\"prefix\":", "{\"glob\":"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(
            serde_json::from_str::<Bundle>(&text.replacen(from, to, 1)).is_err(),
            "{to}"
        );
    }
}

#[test]
fn a_listener_in_the_file_system_is_local_and_its_callers_are_nobody() {
    let at = |address: &str, trusted: &[&str]| {
        let mut bundle = plain();
        address.clone_into(&mut bundle.listeners[0].address);
        bundle.listeners[0].trusted_proxies = trusted.iter().map(|&one| one.to_owned()).collect();
        bundle
    };
    let nobody = crate::net::NO_ADDRESS;
    for (trusted, believed) in [
        (&[][..], false),
        (&["10.0.0.0/8"], false),
        (&["unix"], true),
    ] {
        let snapshot = compiled(at("unix:/run/gate.sock", trusted)).unwrap();
        let listener = &snapshot.listeners[0];
        assert_eq!(listener.trusts(nobody), believed);
        // All who have no address have one share together.
        assert_eq!(listener.each(nobody).is_none(), believed);
        // Whoever is named with that address is not one of them.
        assert!(!listener.trusts_named(nobody) && listener.each_named(nobody).is_some());
        assert!(!listener.of_the_named().trusts(nobody));
        assert!(!listener.believing_nobody().trusts(nobody));
    }
    let longest = format!("unix:/{}", "x".repeat(crate::net::MAX_SOCKET_PATH - 1));
    assert!(compiled(at(&longest, &[])).is_ok());
    for address in [
        "unix:",
        "unix:gate.sock",
        "unix:/a\0b",
        &format!("{longest}x"),
    ] {
        let found = wrong(at(address, &[]));
        assert_eq!(found[0].0, "not-an-address", "{address}");
    }
    assert_eq!(wrong(at("127.0.0.1:0", &["unix"]))[0].0, "not-a-network");
    let second = wrong(at("unix:/run/gate.sock", &["unix", "10.0.0.0/8", "here"]));
    assert_eq!(second[0].1, "/listeners/0/trusted_proxies/2");
    let mut spoken_for = at("unix:/run/gate.sock", &["unix"]);
    spoken_for.listeners[0].proxy_protocol = true;
    assert!(compiled(spoken_for).is_ok());
    let mut needless = at("127.0.0.1:0", &[]);
    needless.listeners[0].socket.group = Some("www-data".to_owned());
    assert_eq!(wrong(needless)[0].0, "socket-needless");
    for mode in [0o1660, 0o440] {
        let mut odd = at("unix:/run/gate.sock", &[]);
        odd.listeners[0].socket.mode = mode;
        assert_eq!(wrong(odd)[0].0, "mode-malformed");
    }
}
