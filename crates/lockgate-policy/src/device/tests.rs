use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::Method;
use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;
use crate::facts::IssuerFacts;
use crate::jwt::Revoked;
use crate::{api_key, introspection, jwt, mtls, session};

const NOW: u64 = 1_800_000_000_000;

fn config() -> Config {
    Config {
        without: false,
        unapproved: true,
        new: Then::StepUp,
        changed: Then::StepUp,
        travel: Then::StepUp,
        most: None,
        amr: vec!["mfa".into()],
        acr: Vec::new(),
        sign_in: Some("staff".into()),
    }
}

fn identity(proved_by: &'static str, claims: Value) -> Identity {
    let Value::Object(claims) = claims else {
        panic!("claims are an object");
    };
    Identity {
        proved_by,
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(claims)),
    }
}

fn person(more: Value) -> Identity {
    let mut claims = json!({"iss": "https://login.example.com", "sub": "ada", "device": "b-1"});
    let said = claims.as_object_mut().unwrap();
    said.extend(more.as_object().unwrap().clone());
    identity(session::NAME, claims)
}

fn seen(address: &str) -> Seen<'static> {
    Seen {
        address: address.parse().unwrap(),
        ja4: Some("t13d1516h2_8daaf6152771_e5627efa2ab1"),
        http2: None,
        country: Some("NL"),
        network: Some(64_500),
        location: None,
    }
}

fn decide(config: &Config, identity: &Identity, answers: &Answers, headers: &HeaderMap) -> Verdict {
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example",
        path: "/orders",
        query: None,
        headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let policy = Device::new(config).unwrap();
    let verdict = policy.decide(&view, &seen("192.0.2.77"), Some(identity), answers, NOW);
    verdict.unwrap().verdict
}

fn order(config: &Config, identity: &Identity) -> Order {
    match decide(config, identity, &Answers::None, &HeaderMap::new()) {
        Verdict::Need(Need::Order(order)) => *order,
        other => panic!("it orders nothing: {other:?}"),
    }
}

fn answer(standing: &Value) -> Answers {
    Answers::Brought(Brought::Got(standing.to_string().into()))
}

fn reason(config: &Config, standing: &Value) -> &'static str {
    let verdict = decide(
        config,
        &person(json!({})),
        &answer(standing),
        &HeaderMap::new(),
    );
    match verdict {
        Verdict::Deny(denial) => denial.reason.code,
        Verdict::Allow(_) => "ok",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_is_what_the_credential_is_bound_to() {
    let owner = json!({"iss": "https://login.example.com", "sub": "ada"});
    let with = |more: Value| {
        let mut claims = owner.as_object().unwrap().clone();
        claims.extend(more.as_object().unwrap().clone());
        Value::Object(claims)
    };
    for (proved_by, claims, kind, mark) in [
        (
            session::NAME,
            with(json!({"device": "b-1"})),
            Kind::Browser,
            "b-1",
        ),
        (
            jwt::NAME,
            with(json!({"cnf": {"jkt": "k"}})),
            Kind::Dpop,
            "k",
        ),
        (
            introspection::NAME,
            with(json!({"cnf": {"x5t#S256": "c"}})),
            Kind::Certificate,
            "c",
        ),
        (
            jwt::NAME,
            with(json!({"cnf": {"x5t#S256": "c", "jkt": "k"}})),
            Kind::Dpop,
            "k",
        ),
        (mtls::NAME, json!({"x5t#S256": "c"}), Kind::Certificate, "c"),
    ] {
        let identity = identity(proved_by, claims);
        let told = Told::by(&identity).unwrap();
        assert_eq!((told.kind, told.mark, told.subject), (kind, mark, "ada"));
    }
    let long = "x".repeat(129);
    for (proved_by, claims) in [
        // What a token says of a device is not what a session's cookie says.
        (jwt::NAME, with(json!({"device": "b-1"}))),
        (session::NAME, with(json!({"cnf": {"jkt": "k"}}))),
        (session::NAME, with(json!({}))),
        (session::NAME, with(json!({"device": ""}))),
        (session::NAME, with(json!({"device": ["b-1"]}))),
        (session::NAME, with(json!({"device": long}))),
        (session::NAME, json!({"device": "b-1", "sub": "ada"})),
        (
            session::NAME,
            json!({"device": "b-1", "sub": "a".repeat(256), "iss": "i"}),
        ),
        (
            session::NAME,
            json!({"device": "b-1", "sub": "", "iss": "i"}),
        ),
        (jwt::NAME, with(json!({"cnf": "k"}))),
        (mtls::NAME, json!({})),
        (api_key::NAME, with(json!({"device": "b-1"}))),
    ] {
        assert_eq!(Told::by(&identity(proved_by, claims)), None);
    }
}

#[test]
fn who_has_none_is_let_through_where_the_configuration_says_so() {
    let bearer = identity(jwt::NAME, json!({"iss": "i", "sub": "ada"}));
    let none = HeaderMap::new();
    let Verdict::Deny(denial) = decide(&config(), &bearer, &Answers::None, &none) else {
        panic!("let through");
    };
    assert_eq!(denial.reason.code, "device-missing");
    let without = Config {
        without: true,
        ..config()
    };
    let verdict = decide(&without, &bearer, &Answers::None, &none);
    assert!(matches!(verdict, Verdict::Allow(_)));
}

#[test]
fn what_speaks_against_it_weighs_as_the_configuration_says() {
    let new = json!({"id": "dev_1", "new": true});
    let all = json!({"id": "dev_1", "new": true, "changed": true, "travel": true});
    let strict = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        config
    };
    assert_eq!(reason(&config(), &json!({"id": "dev_1"})), "ok");
    assert_eq!(reason(&config(), &new), "step-up-wanted");
    assert_eq!(reason(&strict(|c| c.new = Then::Allow), &new), "ok");
    assert_eq!(reason(&strict(|c| c.new = Then::Deny), &new), "device-new");
    assert_eq!(reason(&strict(|c| c.new = Then::Deny), &all), "device-new");
    assert_eq!(
        reason(&strict(|c| c.changed = Then::Deny), &all),
        "device-changed"
    );
    let several = strict(|c| (c.travel, c.new) = (Then::Deny, Then::Deny));
    assert_eq!(reason(&several, &all), "device-travel");
    let approval = strict(|c| c.unapproved = false);
    assert_eq!(
        reason(&approval, &json!({"id": "dev_1"})),
        "device-unapproved"
    );
    let approved = json!({"id": "dev_1", "approved": true});
    assert_eq!(reason(&approval, &approved), "ok");
    let few = strict(|c| c.most = Some(2));
    assert_eq!(reason(&few, &json!({"id": "d", "at_once": 2})), "ok");
    assert_eq!(
        reason(&few, &json!({"id": "d", "at_once": 3})),
        "device-crowd"
    );
    let revoked = json!({"id": "d", "revoked": true, "approved": true});
    assert_eq!(
        reason(&strict(|c| c.without = true), &revoked),
        "device-revoked"
    );
}

#[test]
fn a_person_is_sent_to_the_page_and_a_token_told_what_to_ask_for() {
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("text/html"));
    let new = answer(&json!({"id": "dev_1", "new": true, "since_s": 1_799_999_000}));
    let Verdict::Deny(page) = decide(&config(), &person(json!({})), &new, &headers) else {
        panic!("let through");
    };
    assert_eq!(page.reason.code, "step-up-page");
    let (_, location) = page
        .headers
        .iter()
        .find(|(name, _)| *name == LOCATION)
        .unwrap();
    assert_eq!(
        location,
        "/.lockgate/staff/step-up?to=/orders&amr=mfa&within=60&since=1799999000"
    );
    let claims = json!({"iss": "https://login.example.com", "sub": "ada", "cnf": {"jkt": "k"}});
    let token = identity(jwt::NAME, claims);
    let Verdict::Deny(told) = decide(&config(), &token, &new, &HeaderMap::new()) else {
        panic!("let through");
    };
    let challenge = told
        .headers
        .iter()
        .find(|(name, _)| *name == WWW_AUTHENTICATE);
    assert!(challenge
        .unwrap()
        .1
        .to_str()
        .unwrap()
        .contains("max_age=\"60\""));
    // A provider may not answer by what it knew before.
    let just_now = answer(&json!({"id": "dev_1", "new": true, "since_s": NOW / 1_000 - 7}));
    let Verdict::Deny(told) = decide(&config(), &token, &just_now, &HeaderMap::new()) else {
        panic!("let through");
    };
    let challenge = told
        .headers
        .iter()
        .find(|(name, _)| *name == WWW_AUTHENTICATE);
    assert!(challenge
        .unwrap()
        .1
        .to_str()
        .unwrap()
        .contains("max_age=\"7\""));
    let program = identity(mtls::NAME, json!({"x5t#S256": "c"}));
    let Verdict::Deny(never) = decide(&config(), &program, &new, &HeaderMap::new()) else {
        panic!("let through");
    };
    assert_eq!(never.reason.code, "step-up-impossible");
}

#[test]
fn the_control_process_is_told_what_is_seen() {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("Mozilla/5.0"));
    let verdict = decide(&config(), &person(json!({})), &Answers::None, &headers);
    let Verdict::Need(Need::Order(order)) = verdict else {
        panic!("it orders nothing");
    };
    assert_eq!(
        (order.goods, &*order.about),
        (Goods::Device, "https://login.example.com")
    );
    let said: Value = serde_json::from_slice(&order.shown).unwrap();
    assert_eq!(
        said,
        json!({
            "issuer": "https://login.example.com", "subject": "ada", "kind": "browser", "mark": "b-1",
            "address": "192.0.2.0", "agent": "Mozilla/5.0", "ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1",
            "country": "NL", "network": 64_500, "heeds": ["new", "changed", "travel"],
        })
    );
}

#[test]
fn a_proof_confirms_it_by_the_means_that_are_wanted_alone() {
    let proved = |claims: Value| {
        let order = order(&config(), &person(claims));
        let said: Value = serde_json::from_slice(&order.shown).unwrap();
        said.get("proved_s").and_then(Value::as_u64)
    };
    let at = 1_799_999_000;
    assert_eq!(
        proved(json!({"auth_time": at, "amr": ["pwd", "mfa"]})),
        Some(at)
    );
    assert_eq!(proved(json!({"auth_time": at, "amr": ["pwd"]})), None);
    assert_eq!(proved(json!({"amr": ["mfa"]})), None);
    let ahead = NOW / 1_000 + 60;
    assert_eq!(
        proved(json!({"auth_time": ahead, "amr": ["mfa"]})),
        Some(ahead)
    );
    assert_eq!(
        proved(json!({"auth_time": ahead + 1, "amr": ["mfa"]})),
        None
    );
    assert_eq!(
        proved(json!({"auth_time": "1799999000", "amr": ["mfa"]})),
        None
    );
}

#[test]
fn a_certificate_that_was_revoked_is_refused_before_anybody_is_asked() {
    let program = identity(mtls::NAME, json!({"x5t#S256": "c"}));
    let none = HeaderMap::new();
    let Verdict::Need(Need::Issuer(name)) = decide(&config(), &program, &Answers::None, &none)
    else {
        panic!("it asks for nothing");
    };
    assert_eq!(&*name, CERTIFICATES);
    let facts = IssuerFacts {
        keys: None,
        revoked: Arc::new(Revoked::default()),
    };
    let verdict = decide(&config(), &program, &Answers::Issuer(facts), &none);
    assert!(matches!(verdict, Verdict::Need(Need::Order(_))));
    let verdict = decide(&config(), &program, &Answers::Stale, &none);
    assert!(matches!(verdict, Verdict::Deny(denial) if denial.reason.code == "facts-stale"));
}

#[test]
fn where_nobody_can_say_it_is_the_policys_own_failure() {
    for brought in [Brought::Unavailable(2), Brought::Got("{}".into())] {
        let headers = HeaderMap::new();
        let view = RequestView {
            method: &Method::GET,
            host: "shop.example",
            path: "/",
            query: None,
            headers: &headers,
            content_length: None,
            api: "shop",
            operation: None,
            readings: &[],
        };
        let policy = Device::new(&config()).unwrap();
        let person = person(json!({}));
        let answers = Answers::Brought(brought);
        let verdict = policy.decide(&view, &seen("192.0.2.1"), Some(&person), &answers, NOW);
        assert_eq!(verdict.unwrap_err().reason.code, "device-unavailable");
    }
}

#[test]
fn what_a_caller_can_bring_about_is_no_failure_of_the_policy() {
    for (brought, reason) in [
        (Brought::Busy, "device-unavailable"),
        (Brought::Later, "device-unavailable"),
        (Brought::Refused, "device-missing"),
    ] {
        let answers = Answers::Brought(brought);
        let verdict = decide(&config(), &person(json!({})), &answers, &HeaderMap::new());
        assert!(matches!(verdict, Verdict::Deny(denial) if denial.reason.code == reason));
    }
}

#[test]
fn what_is_told_is_bounded() {
    let agent = [b"\xff\"".as_slice(), &[b'a'; 4_000]].concat();
    let long = "1:1;".repeat(500);
    let seen = Seen {
        http2: Some(&long),
        ..seen("192.0.2.1")
    };
    let person = person(json!({}));
    let told = Told::by(&person).unwrap();
    let said = seen.sighting(&told, Some(&agent), (None, &[]));
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["http2"].as_str().unwrap().len(), 200);
    assert_eq!(said["agent"].as_str().unwrap().chars().count(), 256);
    let nameless = seen.sighting(&told, None, (None, &[]));
    let nameless: Value = serde_json::from_slice(&nameless).unwrap();
    assert_eq!(nameless["agent"], "-");
}

#[test]
fn a_config_that_confirms_by_nothing_is_refused() {
    for change in [
        (|c| c.amr.clear()) as fn(&mut Config),
        |c| c.amr = vec!["a b".into()],
        |c| c.acr = vec!["\"".into()],
        |c| c.most = Some(0),
    ] {
        let mut config = config();
        change(&mut config);
        assert_eq!(Device::new(&config).unwrap_err().code, "device-malformed");
    }
}

proptest! {
    #[test]
    fn whoever_roams_within_a_network_is_where_they_were(last in any::<u8>(), other in any::<u8>()) {
        let ordered = |last: u8| {
            let address: IpAddr = [192, 0, 2, last].into();
            let seen = Seen { address, ..seen("192.0.2.1") };
            let person = person(json!({}));
            seen.sighting(&Told::by(&person).unwrap(), None, (None, &[]))
        };
        prop_assert_eq!(ordered(last), ordered(other));
    }

    #[test]
    fn more_that_speaks_against_it_never_lets_it_through(
        new in any::<bool>(), changed in any::<bool>(), travel in any::<bool>(), approved in any::<bool>(),
    ) {
        let with = json!({"id": "d", "new": new, "changed": changed, "travel": travel, "approved": approved});
        let more = json!({"id": "d", "new": true, "changed": changed, "travel": travel, "approved": approved});
        if reason(&config(), &with) != "ok" {
            prop_assert_ne!(reason(&config(), &more), "ok");
        }
    }
}
