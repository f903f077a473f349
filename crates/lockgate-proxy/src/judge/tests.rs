#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use http::header::{ALLOW, WWW_AUTHENTICATE};
use lockgate_policy::{api_key, body_limit, ip_filter, BodyVerdict, Edit, Grant, KeyRecord};

use super::*;
use crate::bundle::{Api, Bundle};
use crate::counters::Local;
use crate::facts::FactStore;
use crate::places::Places;
use crate::proofs::Proofs;
use crate::sightings::Sightings;
use crate::testing::{
    api, bundle, exact, key_fact, keyed, keys, line, placed, prefix, snapshot, waiver, NOW,
};

mod counted;
mod outgoing;
mod together;

/// A request that tests change where they care.
struct Asked {
    method: Method,
    target: String,
    host: String,
    headers: HeaderMap,
    content_length: Option<u64>,
    body: bool,
    peer: IpAddr,
    now_ms: u64,
    stale: bool,
}

fn get(target: &str) -> Asked {
    Asked {
        method: Method::GET,
        target: target.to_owned(),
        host: "shop.example.com".to_owned(),
        headers: HeaderMap::new(),
        content_length: None,
        body: false,
        peer: [127, 0, 0, 1].into(),
        now_ms: NOW,
        stale: false,
    }
}

impl Asked {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    fn of(&self, snapshot: &Snapshot) -> Judgement {
        self.knowing(snapshot, &FactStore::in_memory())
    }

    fn knowing(&self, snapshot: &Snapshot, facts: &FactStore) -> Judgement {
        self.counting(snapshot, facts, &Local::default())
    }

    fn counting(&self, snapshot: &Snapshot, facts: &FactStore, counters: &Local) -> Judgement {
        let mut judgement = Judgement::default();
        let arrival = Arrival {
            version: http::Version::HTTP_11,
            method: &self.method,
            target: &self.target,
            host: &self.host,
            headers: &self.headers,
            content_length: self.content_length,
            body: self.body,
            peer: self.peer,
            listener: &snapshot.listeners[0],
            certificate: None,
            id: "",
        };
        let mut judging = Judging::new(snapshot, arrival, self.now_ms, &mut judgement);
        let stores = Stores {
            facts,
            counters,
            proofs: &Proofs::default(),
            sightings: &Sightings::default(),
            places: &Places::default(),
            stays: false,
            introspections: None,
            broker: None,
            plugins: None,
        };
        judging.complete(&|need| answer(&stores, self.stale, need, self.now_ms));
        judgement
    }
}

/// How it ended: a reason's code, or `forward`.
fn end(judgement: &Judgement) -> &'static str {
    match &judgement.end {
        End::Forward => "forward",
        End::Refuse(denial) => denial.reason.code,
        End::Respond(_) => "respond",
    }
}

/// What each policy said, and why.
fn said(snapshot: &Snapshot, judgement: &Judgement) -> Vec<(&'static str, Outcome, &'static str)> {
    let api = &snapshot.apis[judgement.matched.expect("it was routed").api];
    let entries = judgement.trace.entries(api);
    entries
        .map(|entry| {
            let reason = entry.reason.map_or("", |reason| reason.code);
            (entry.policy, entry.outcome, reason)
        })
        .collect()
}

fn filtered(mode: Mode) -> Api {
    let mut api = api("shop", &[prefix("/")]);
    let config = ip_filter::Config {
        deny: vec!["127.0.0.0/8".to_owned()],
        ..ip_filter::Config::default()
    };
    api.policies.ip_filter = Some(placed(config, 20));
    if let Some(filter) = &mut api.policies.ip_filter {
        filter.mode = mode;
    }
    api
}

fn limited(mode: Mode, waived_until: Option<u64>) -> Arc<Snapshot> {
    let mut api = api("shop", &[prefix("/")]);
    let mut limit = placed(body_limit::Config { bytes: 10 }, 21);
    limit.mode = mode;
    limit.waiver = waived_until.map(waiver);
    api.policies.body_limit = Some(limit);
    snapshot(bundle(vec![api]))
}

/// An API that takes a key in either of two headers.
fn two_ways() -> Api {
    let mut api = keyed("shop", &[prefix("/")]);
    api.policies.authenticate.push(keys("x-other-key", 13));
    api
}

fn minted() -> String {
    api_key::mint("live").expect("there is randomness")
}

/// A store that knows this key as `key_1`.
fn knowing(key: &str, more: &str) -> FactStore {
    let facts = FactStore::in_memory();
    facts.apply(&[key_fact(1, "key_1", key, more)]).unwrap();
    facts
}

#[test]
fn a_public_api_forwards_to_anyone_until_its_day() {
    let mut open = api("shop", &[prefix("/")]);
    open.public = Some(waiver(NOW));
    let snapshot = snapshot(bundle(vec![open]));
    let mut asked = get("/a");
    asked.now_ms = NOW - 1;
    let judged = asked.of(&snapshot);
    assert_eq!(end(&judged), "forward");
    assert_eq!(
        said(&snapshot, &judged),
        [("authorize", Outcome::Allow, "")]
    );
    assert_eq!(judged.identity, None);

    asked.now_ms = NOW;
    let judged = asked.of(&snapshot);
    assert_eq!(end(&judged), "waiver-expired");
    assert_eq!(judged.decided, Some(line(11)));
    assert_eq!(
        said(&snapshot, &judged),
        [("authorize", Outcome::Deny, "waiver-expired")]
    );
}

#[test]
fn what_is_not_routed_is_refused_before_any_policy() {
    let mut reads = filtered(Mode::Enforce);
    reads.paths = vec![exact("/a")];
    reads.methods = vec!["GET".to_owned()];
    let snapshot = snapshot(bundle(vec![reads]));
    let judged = get("/b").of(&snapshot);
    assert_eq!(end(&judged), "no-route");
    assert!(judged.matched.is_none() && judged.trace.is_empty());

    let mut asked = get("/a");
    asked.method = Method::PUT;
    let judged = asked.of(&snapshot);
    let End::Refuse(denial) = &judged.end else {
        panic!("{:?}", judged.end);
    };
    assert_eq!(denial.reason.code, "method-not-allowed");
    let allow = HeaderValue::from_static("GET, HEAD");
    assert_eq!(denial.headers, [(ALLOW, allow)]);
    assert!(judged.matched.is_none() && judged.trace.is_empty());
}

#[test]
fn a_host_or_path_that_makes_no_sense_is_refused() {
    let snapshot = snapshot(bundle(vec![api("shop", &[prefix("/")])]));
    let mut asked = get("/");
    asked.host = "a..b".to_owned();
    assert_eq!(end(&asked.of(&snapshot)), "host-invalid");
    for (target, code) in [
        ("/../etc", "target-above-root"),
        ("/a%2Fb", "target-encoded-slash"),
        ("/%00", "target-control"),
    ] {
        let judged = get(target).of(&snapshot);
        assert!(
            end(&judged).starts_with("target-"),
            "{target}: {} {code}",
            end(&judged)
        );
        assert!(judged.matched.is_none());
    }
}

#[test]
fn without_a_host_only_apis_for_any_host_answer() {
    let mut named = api("named", &[prefix("/")]);
    named.hosts = vec!["shop.example.com".to_owned()];
    let any = api("any", &[prefix("/")]);
    let both = snapshot(bundle(vec![named.clone(), any]));
    let mut asked = get("/");
    asked.host = String::new();
    assert_eq!(asked.of(&both).matched.unwrap().api, 1);
    assert_eq!(end(&asked.of(&snapshot(bundle(vec![named])))), "no-route");
}

#[test]
fn the_host_is_judged_without_port_case_and_final_dot() {
    let mut named = api("named", &[prefix("/")]);
    named.hosts = vec!["shop.example.com".to_owned()];
    let snapshot = snapshot(bundle(vec![named]));
    for host in [
        "SHOP.example.com:8080",
        "shop.example.com.",
        "shop.example.com",
    ] {
        let mut asked = get("/");
        asked.host = host.to_owned();
        assert_eq!(end(&asked.of(&snapshot)), "forward", "{host}");
    }
}

#[test]
fn a_filter_that_enforces_denies_and_leaves_the_rest() {
    let mut api = filtered(Mode::Enforce);
    api.policies.body_limit = Some(placed(body_limit::Config { bytes: 1 }, 21));
    let snapshot = snapshot(bundle(vec![api]));
    let judged = get("/").of(&snapshot);
    assert_eq!(end(&judged), "address-denied");
    assert_eq!(judged.decided, Some(line(20)));
    assert_eq!(
        said(&snapshot, &judged),
        [
            ("ip_filter", Outcome::Deny, "address-denied"),
            ("authorize", Outcome::NotReached, ""),
            ("body_limit", Outcome::NotReached, ""),
        ]
    );
}

#[test]
fn a_filter_that_observes_writes_down_and_goes_on() {
    let snapshot = snapshot(bundle(vec![filtered(Mode::Observe)]));
    let judged = get("/").of(&snapshot);
    assert_eq!(end(&judged), "forward");
    assert_eq!(judged.decided, None);
    assert_eq!(
        said(&snapshot, &judged),
        [
            ("ip_filter", Outcome::ObserveDeny, "address-denied"),
            ("authorize", Outcome::Allow, ""),
        ]
    );
}

#[test]
fn a_filter_that_is_off_is_not_asked() {
    let snapshot = snapshot(bundle(vec![filtered(Mode::Off)]));
    let judged = get("/").of(&snapshot);
    assert_eq!(end(&judged), "forward");
    assert_eq!(said(&snapshot, &judged)[0], ("ip_filter", Outcome::Off, ""));
}

#[test]
fn a_mode_whose_waiver_is_over_enforces() {
    for mode in [Mode::Observe, Mode::Off] {
        let mut api = filtered(mode);
        if let Some(filter) = &mut api.policies.ip_filter {
            filter.waiver = Some(waiver(NOW));
        }
        let snapshot = snapshot(bundle(vec![api]));
        let mut asked = get("/");
        assert_eq!(end(&asked.of(&snapshot)), "address-denied");
        asked.now_ms -= 1;
        assert_eq!(end(&asked.of(&snapshot)), "forward");
    }
}

#[test]
fn the_filter_judges_the_client_that_a_trusted_proxy_names() {
    let mut wanted = bundle(vec![filtered(Mode::Enforce)]);
    wanted.listeners[0].trusted_proxies = vec!["127.0.0.1".to_owned()];
    let trusting = snapshot(wanted);
    let asked = get("/").with("x-forwarded-for", "192.0.2.7");
    let judged = asked.of(&trusting);
    assert_eq!(judged.client, IpAddr::from([192, 0, 2, 7]));
    assert_eq!(end(&judged), "forward");

    let alone = snapshot(bundle(vec![filtered(Mode::Enforce)]));
    let judged = asked.of(&alone);
    assert_eq!(judged.client, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(end(&judged), "address-denied");
}

#[test]
fn a_known_key_identifies_and_opens() {
    let snapshot = snapshot(bundle(vec![keyed("shop", &[prefix("/")])]));
    let key = minted();
    let judged = get("/")
        .with("x-api-key", &key)
        .knowing(&snapshot, &knowing(&key, ""));
    assert_eq!(end(&judged), "forward");
    let identity = judged.identity.as_ref().unwrap();
    assert_eq!(identity.proved_by, "api_key");
    assert_eq!((&*identity.credential, &*identity.owner), ("key_1", "ann"));
    assert_eq!(
        said(&snapshot, &judged),
        [
            ("api_key", Outcome::Identify, ""),
            ("authorize", Outcome::Allow, "")
        ]
    );
    // The credential does not go on to the upstream.
    let edit = Edit::Remove("x-api-key".parse().unwrap());
    assert_eq!(*snapshot.apis[0].edits, [edit]);
}

#[test]
fn each_key_that_does_not_open_has_its_reason() {
    let snapshot = snapshot(bundle(vec![keyed("shop", &[prefix("/")])]));
    let (key, other) = (minted(), minted());
    let known = |more: &str| knowing(&key, more);
    let expired = format!(r#","expires_ms":{NOW}"#);
    for (sent, facts, code) in [
        (vec![], known(""), "key-missing"),
        (vec![&key[..], &other], known(""), "key-repeated"),
        (vec!["secret"], known(""), "key-malformed"),
        (vec![&other], known(""), "key-unknown"),
        (vec![&key], known(r#","revoked":true"#), "key-revoked"),
        (vec![&key], known(&expired), "key-expired"),
        (vec![&key], known(r#","apis":["other"]"#), "key-not-for-api"),
        (vec![&key], known(r#","apis":[]"#), "key-not-for-api"),
    ] {
        let mut asked = get("/");
        for value in sent {
            asked = asked.with("x-api-key", value);
        }
        let judged = asked.knowing(&snapshot, &facts);
        assert_eq!(end(&judged), code);
        assert_eq!(judged.decided, Some(line(12)));
        assert_eq!(judged.identity, None);
        assert_eq!(
            said(&snapshot, &judged),
            [
                ("api_key", Outcome::Deny, code),
                ("authorize", Outcome::NotReached, "")
            ]
        );
    }
    let named = known(r#","apis":["shop"],"expires_ms":null"#);
    let judged = get("/").with("x-api-key", &key).knowing(&snapshot, &named);
    assert_eq!(end(&judged), "forward");
}

#[test]
fn facts_that_are_too_old_deny() {
    let snapshot = snapshot(bundle(vec![keyed("shop", &[prefix("/")])]));
    let key = minted();
    let mut asked = get("/").with("x-api-key", &key);
    asked.stale = true;
    let judged = asked.knowing(&snapshot, &knowing(&key, ""));
    assert_eq!(end(&judged), "facts-stale");
    // Nothing is looked up for a key that cannot be one, so it needs no facts.
    let mut asked = get("/").with("x-api-key", "no key");
    asked.stale = true;
    assert_eq!(end(&asked.of(&snapshot)), "key-malformed");
}

#[test]
fn a_need_is_asked_for_once_and_answered_before_going_on() {
    let snapshot = snapshot(bundle(vec![keyed("shop", &[prefix("/")])]));
    let key = minted();
    let asked = get("/").with("x-api-key", &key);
    let mut judgement = Judgement::default();
    let arrival = Arrival {
        version: http::Version::HTTP_11,
        method: &asked.method,
        target: &asked.target,
        host: &asked.host,
        headers: &asked.headers,
        content_length: None,
        body: false,
        peer: asked.peer,
        listener: &snapshot.listeners[0],
        certificate: None,
        id: "",
    };
    let mut judging = Judging::new(&snapshot, arrival, NOW, &mut judgement);
    let Progress::Need(Need::Key(digest)) = judging.run(&Answers::None) else {
        panic!("a key wants to be looked up");
    };
    let grant = Grant {
        owner: "bob".into(),
        terms: Arc::default(),
    };
    let record = KeyRecord::new(digest, "key_9", Arc::new(grant));
    let progress = judging.run(&Answers::Key(digest, Some(Arc::new(record))));
    assert!(matches!(progress, Progress::Done));
    assert_eq!(end(&judgement), "forward");
    assert_eq!(&*judgement.identity.unwrap().credential, "key_9");
}

#[test]
fn a_record_of_another_digest_proves_nothing() {
    let snapshot = snapshot(bundle(vec![keyed("shop", &[prefix("/")])]));
    let (key, other) = (minted(), minted());
    let facts = knowing(&other, "");
    let wrong = api_key::digest(&api_key::pepper(crate::testing::PEPPER), other.as_bytes());
    let record = facts.key(&wrong);
    assert!(record.is_some());
    let mut judgement = Judgement::default();
    let asked = get("/").with("x-api-key", &key);
    let arrival = Arrival {
        version: http::Version::HTTP_11,
        method: &asked.method,
        target: &asked.target,
        host: &asked.host,
        headers: &asked.headers,
        content_length: None,
        body: false,
        peer: asked.peer,
        listener: &snapshot.listeners[0],
        certificate: None,
        id: "",
    };
    let mut judging = Judging::new(&snapshot, arrival, NOW, &mut judgement);
    judging.complete(&|need| match need {
        Need::Key(asked) => Answers::Key(asked, record.clone()),
        other => panic!("nobody wants {other:?}"),
    });
    assert_eq!(end(&judgement), "key-unknown");
}

#[test]
fn any_one_of_several_credentials_is_enough() {
    let snapshot = snapshot(bundle(vec![two_ways()]));
    let key = minted();
    let facts = knowing(&key, "");
    let first = get("/").with("x-api-key", &key).knowing(&snapshot, &facts);
    assert_eq!(end(&first), "forward");
    assert_eq!(
        said(&snapshot, &first)[..2],
        [
            ("api_key", Outcome::Identify, ""),
            ("api_key", Outcome::NotReached, "")
        ]
    );
    // The other way, after the first had nothing, and after it had something wrong.
    for bad in [None, Some("nonsense")] {
        let mut asked = get("/").with("x-other-key", &key);
        if let Some(bad) = bad {
            asked = asked.with("x-api-key", bad);
        }
        let second = asked.knowing(&snapshot, &facts);
        assert_eq!(end(&second), "forward");
        assert_eq!(second.decided, None);
        assert_eq!(
            said(&snapshot, &second)[1],
            ("api_key", Outcome::Identify, "")
        );
    }
}

#[test]
fn a_bad_credential_says_more_than_an_absent_one() {
    let snapshot = snapshot(bundle(vec![two_ways()]));
    for (header, at) in [("x-api-key", 12), ("x-other-key", 13)] {
        let judged = get("/").with(header, "nonsense").of(&snapshot);
        assert_eq!(end(&judged), "key-malformed");
        assert_eq!(judged.decided, Some(line(at)));
    }
    // Of two that are bad, and of two that are absent, the first is told.
    let both = get("/")
        .with("x-api-key", "nonsense")
        .with("x-other-key", &minted());
    assert_eq!(end(&both.of(&snapshot)), "key-malformed");
    let none = get("/").of(&snapshot);
    assert_eq!((end(&none), none.decided), ("key-missing", Some(line(12))));
    // Whatever is told, each way in is named.
    let End::Refuse(denial) = &none.end else {
        panic!("it is refused");
    };
    let ways = [
        "ApiKey header=\"x-api-key\"",
        "ApiKey header=\"x-other-key\"",
    ];
    assert_eq!(
        denial.headers,
        ways.map(|way| (WWW_AUTHENTICATE, HeaderValue::from_static(way)))
    );
    assert!(denial.detail.as_deref().unwrap().contains("any one"));
    assert_eq!(said(&snapshot, &none).len(), 3);
}

#[test]
fn authentication_that_observes_lets_anyone_through_until_its_day() {
    let mut api = keyed("shop", &[prefix("/")]);
    let crate::bundle::Authenticator::ApiKey(way) = &mut api.policies.authenticate[0] else {
        panic!("it is a key");
    };
    way.mode = Mode::Observe;
    way.waiver = Some(waiver(NOW));
    let snapshot = snapshot(bundle(vec![api]));
    let mut asked = get("/");
    asked.now_ms = NOW - 1;
    let judged = asked.of(&snapshot);
    assert_eq!(end(&judged), "forward");
    assert_eq!(
        said(&snapshot, &judged),
        [
            ("api_key", Outcome::ObserveDeny, "key-missing"),
            ("authorize", Outcome::Allow, "")
        ]
    );
    asked.now_ms = NOW;
    assert_eq!(end(&asked.of(&snapshot)), "key-missing");
}

#[test]
fn one_way_that_is_off_does_not_open_the_other() {
    let mut api = two_ways();
    let crate::bundle::Authenticator::ApiKey(way) = &mut api.policies.authenticate[0] else {
        panic!("it is a key");
    };
    way.mode = Mode::Off;
    way.waiver = Some(waiver(u64::MAX));
    let key = minted();
    let snapshot = snapshot(bundle(vec![api]));
    let facts = knowing(&key, "");
    // A right key in the header that nobody asks about proves nothing.
    let judged = get("/").with("x-api-key", &key).knowing(&snapshot, &facts);
    assert_eq!(end(&judged), "key-missing");
    assert_eq!(judged.decided, Some(line(13)));
    let judged = get("/")
        .with("x-other-key", &key)
        .knowing(&snapshot, &facts);
    assert_eq!(end(&judged), "forward");
}

#[test]
fn a_length_above_the_bound_is_refused_by_the_head() {
    let snapshot = limited(Mode::Enforce, None);
    for (length, wanted) in [(10, "forward"), (11, "body-too-large")] {
        let mut asked = get("/");
        asked.body = true;
        asked.content_length = Some(length);
        let judged = asked.of(&snapshot);
        assert_eq!(end(&judged), wanted);
        // What the head tells, the framing holds to: nobody needs to count.
        assert!(judged.watchers.is_empty());
    }
}

/// Whether a chunked body of eleven bytes is refused under way.
fn counted(mut judgement: Judgement) -> bool {
    let chunk = bytes::Bytes::from_static(b"01234567890");
    judgement
        .watchers
        .iter_mut()
        .any(|watcher| matches!(watcher.machine.on_chunk(&chunk), BodyVerdict::Deny(_)))
}

#[test]
fn a_body_of_unknown_length_is_counted_where_the_bound_is_enforced() {
    let mut asked = get("/");
    asked.body = true;
    assert!(counted(asked.of(&limited(Mode::Enforce, None))));
    // One that observes counts too, for the log alone; one that is off does not.
    let observed = asked.of(&limited(Mode::Observe, None));
    assert!(!observed.watchers[0].enforced);
    assert!(counted(observed));
    assert!(asked.of(&limited(Mode::Off, None)).watchers.is_empty());
    asked.body = false;
    let judged = asked.of(&limited(Mode::Enforce, None));
    assert!(judged.watchers.is_empty());
}

#[test]
fn the_gates_own_paths_go_to_no_upstream() {
    let snapshot = snapshot(bundle(vec![api("shop", &[prefix("/")])]));
    for target in [
        "/.lockgate/reasons/no-route",
        "/x/../%2elockgate/reasons/no-route?x",
    ] {
        let judged = get(target).of(&snapshot);
        let End::Respond(answer) = &judged.end else {
            panic!("{:?}", judged.end);
        };
        assert_eq!(answer.status(), 200);
        let page: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(page["reason"], "no-route");
        assert!(judged.matched.is_none());
    }
    for target in [
        "/.lockgate/",
        "/.lockgate",
        "/.lockgate/",
        "/.lockgate/reasons/",
        "/.lockgate/reasons/none",
        "/.lockgate/x",
    ] {
        assert_eq!(end(&get(target).of(&snapshot)), "no-route", "{target}");
    }
    assert_eq!(end(&get("/.lockgatex").of(&snapshot)), "forward");
}

#[test]
fn a_bound_whose_waiver_is_over_counts_chunked_bodies_too() {
    let mut asked = get("/");
    asked.body = true;
    for mode in [Mode::Observe, Mode::Off] {
        assert!(counted(asked.of(&limited(mode, Some(NOW)))), "{mode:?}");
    }
}

#[test]
fn plain_http_off_loopback_ends_with_its_waiver() {
    let over = |change: &dyn Fn(&mut Bundle)| {
        let mut wanted = bundle(vec![filtered(Mode::Enforce)]);
        change(&mut wanted);
        let snapshot = snapshot(wanted);
        let mut asked = get("/");
        asked.peer = [192, 0, 2, 1].into();
        let after = asked.of(&snapshot);
        assert_eq!(after.decided, Some(line(7)));
        assert_eq!(
            said(&snapshot, &after),
            [
                ("ip_filter", Outcome::NotReached, ""),
                ("authorize", Outcome::NotReached, "")
            ]
        );
        asked.now_ms = NOW - 1;
        assert_eq!(end(&asked.of(&snapshot)), "forward");
        end(&after)
    };
    let listener = over(&|bundle| bundle.listeners[0].insecure = Some(waiver(NOW)));
    assert_eq!(listener, "waiver-expired");
    let upstream = over(&|bundle| bundle.upstreams[0].insecure = Some(waiver(NOW)));
    assert_eq!(upstream, "waiver-expired");
}

#[test]
fn an_error_of_a_policy_denies_unless_the_configuration_lets_it_through() {
    // No policy can fail by what a stranger sends; an answer to another question makes one.
    let snapshot = snapshot(bundle(vec![keyed("shop", &[prefix("/")])]));
    let step = &snapshot.apis[0].steps[0];
    let lenient = Step {
        on_error: OnError::Allow,
        ..Step::enforced(
            Policy::IpFilter(Box::new(
                ip_filter::IpFilter::new(&Default::default()).unwrap(),
            )),
            line(33),
        )
    };
    for (step, mode, outcome, ended) in [
        (step, Mode::Enforce, Outcome::Error, "policy-failed"),
        (step, Mode::Observe, Outcome::ObserveDeny, "forward"),
        (&lenient, Mode::Enforce, Outcome::Error, "forward"),
    ] {
        let asked = get("/");
        let mut judgement = Judgement::default();
        let arrival = Arrival {
            version: http::Version::HTTP_11,
            method: &asked.method,
            target: &asked.target,
            host: &asked.host,
            headers: &asked.headers,
            content_length: None,
            body: false,
            peer: asked.peer,
            listener: &snapshot.listeners[0],
            certificate: None,
            id: "",
        };
        let mut judging = Judging::new(&snapshot, arrival, NOW, &mut judgement);
        let error = PolicyError::new("api_key", "no answer");
        judging.fail(step, mode, error);
        assert_eq!(end(&judgement), ended);
        assert_eq!(said(&snapshot, &judgement)[0].1, outcome);
        assert_eq!(judgement.errors.len(), 1);
        let decided = (ended == "policy-failed").then_some(step.span);
        assert_eq!(judgement.decided, decided);
    }
}
