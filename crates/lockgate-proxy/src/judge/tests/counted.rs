//! Limits in their two places: what they give back, what is only observed, and
//! who is penalised.

use lockgate_policy::limits::{By, Config, Count, PenaltyConfig, Tell};
use lockgate_policy::only::{Only, PathPattern};

use super::*;
use crate::bundle::{ApiDocument, Attached, Odd, Operation, Placed};
use crate::counters::Counters;

fn limit(name: &str, by: &[By], allow: u64) -> Config {
    Config {
        name: name.to_owned(),
        scope: "apis/shop".to_owned(),
        count: Count::Requests,
        by: by.to_vec(),
        allow,
        per_ms: 3_600_000,
        burst: allow,
        ipv4_prefix: 32,
        ipv6_prefix: 64,
        exempt: Vec::new(),
        only: Only::default(),
        tell: Tell::Always,
        legacy: false,
        penalty: None,
    }
}

fn penalty(allow: u64) -> Config {
    Config {
        count: Count::Failures,
        penalty: Some(PenaltyConfig {
            first_ms: 5_000,
            longest_ms: 60_000,
            absent: false,
        }),
        ..limit("failed-authentication", &[By::Address], allow)
    }
}

fn observed(config: Config, line: u32) -> Placed<Config> {
    Placed {
        mode: Mode::Observe,
        ..placed(config, line)
    }
}

fn with(limits: Vec<Placed<Config>>) -> Arc<Snapshot> {
    let mut api = keyed("shop", &[prefix("/")]);
    api.policies.limits = limits;
    snapshot(bundle(vec![api]))
}

fn outcomes(
    snapshot: &Snapshot,
    judgement: &Judgement,
) -> Vec<(&'static str, &'static str, Outcome)> {
    let api = &snapshot.apis[0];
    let entries = judgement.trace.entries(api);
    entries
        .map(|entry| (entry.policy, entry.part, entry.outcome))
        .collect()
}

#[test]
fn the_places_are_around_authentication() {
    let snapshot = with(vec![
        placed(limit("person", &[By::Client], 9), 20),
        placed(limit("house", &[By::Address], 9), 21),
        placed(limit("both", &[By::Address, By::Client], 9), 22),
        placed(penalty(9), 23),
    ]);
    let key = minted();
    let judgement = get("/")
        .with("x-api-key", &key)
        .knowing(&snapshot, &knowing(&key, ""));
    let allow = Outcome::Allow;
    assert_eq!(
        outcomes(&snapshot, &judgement),
        [
            ("limits", "by address", allow),
            ("limits", "by address", allow),
            ("api_key", "", Outcome::Identify),
            ("limits", "by client", allow),
            ("authorize", "", allow),
        ]
    );
    let lines: Vec<u32> = snapshot.apis[0]
        .steps
        .iter()
        .map(|step| step.span.line)
        .collect();
    assert_eq!(lines[..2], [23, 21], "a penalty is looked at first");
}

#[test]
fn a_refusal_names_the_very_limit() {
    let snapshot = with(vec![
        placed(limit("wide", &[By::Client], 9), 20),
        placed(limit("narrow", &[By::Client], 1), 21),
    ]);
    let (key, counters) = (minted(), Local::default());
    let facts = knowing(&key, "");
    let asked = get("/").with("x-api-key", &key);
    assert_eq!(
        end(&asked.counting(&snapshot, &facts, &counters)),
        "forward"
    );
    let refused = asked.counting(&snapshot, &facts, &counters);
    assert_eq!(end(&refused), "rate-limited");
    assert_eq!(refused.decided, Some(line(21)));
    let End::Refuse(denial) = &refused.end else {
        panic!("it was refused");
    };
    assert_eq!(
        denial.detail.as_deref(),
        Some("The limit \"narrow\" is used up.")
    );
    let names: Vec<&str> = denial
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["retry-after", "ratelimit-policy", "ratelimit"]);
    let value = |wanted: &str| {
        let found = denial.headers.iter().find(|(name, _)| name == wanted);
        found
            .and_then(|(_, value)| value.to_str().ok())
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        value("ratelimit-policy"),
        "\"wide\";q=9;w=3600, \"narrow\";q=1;w=3600"
    );
    let retry = value("retry-after");
    assert_eq!(
        value("ratelimit"),
        format!("\"wide\";r=8;t=400, \"narrow\";r=0;t={retry}")
    );
}

#[test]
fn what_stands_behind_an_enforced_refusal_is_not_reached() {
    let snapshot = with(vec![
        placed(limit("house", &[By::Address], 1), 20),
        placed(limit("person", &[By::Client], 1), 21),
    ]);
    let counters = Local::default();
    let _ = get("/").counting(&snapshot, &FactStore::in_memory(), &counters);
    let refused = get("/").counting(&snapshot, &FactStore::in_memory(), &counters);
    assert_eq!(end(&refused), "rate-limited");
    assert_eq!(
        outcomes(&snapshot, &refused),
        [
            ("limits", "by address", Outcome::Deny),
            ("api_key", "", Outcome::NotReached),
            ("limits", "by client", Outcome::NotReached),
            ("authorize", "", Outcome::NotReached),
        ]
    );
}

#[test]
fn observing_counts_apart_and_changes_nothing() {
    let snapshot = with(vec![
        observed(limit("seen", &[By::Client], 1), 20),
        placed(limit("held", &[By::Client], 3), 21),
    ]);
    let (key, counters) = (minted(), Local::default());
    let facts = knowing(&key, "");
    let asked = get("/").with("x-api-key", &key);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let judgement = asked.counting(&snapshot, &facts, &counters);
        assert_eq!(end(&judgement), "forward");
        let told = judgement.answer_edits.iter().filter_map(|edit| match edit {
            Edit::Add(_, value) => value.to_str().ok(),
            _ => None,
        });
        assert!(told.clone().count() == 2 && told.clone().all(|text| !text.contains("seen")));
        seen.push(said(&snapshot, &judgement)[1]);
    }
    assert_eq!(
        seen,
        [
            ("limits", Outcome::Allow, ""),
            ("limits", Outcome::ObserveDeny, "rate-limited"),
            ("limits", Outcome::ObserveDeny, "rate-limited"),
        ]
    );
    assert_eq!(
        end(&asked.counting(&snapshot, &facts, &counters)),
        "rate-limited"
    );
}

#[test]
fn the_same_limit_enforced_begins_with_untouched_counters() {
    let seen = with(vec![observed(limit("few", &[By::Client], 2), 20)]);
    let held = with(vec![placed(limit("few", &[By::Client], 2), 20)]);
    let (key, counters) = (minted(), Local::default());
    let facts = knowing(&key, "");
    let asked = get("/").with("x-api-key", &key);
    for _ in 0..9 {
        assert_eq!(end(&asked.counting(&seen, &facts, &counters)), "forward");
    }
    let ends: Vec<&str> = (0..3)
        .map(|_| end(&asked.counting(&held, &facts, &counters)))
        .collect();
    assert_eq!(ends, ["forward", "forward", "rate-limited"]);
}

#[test]
fn a_waiver_that_ends_enforces_what_was_observed() {
    let mut limit = observed(limit("few", &[By::Client], 1), 20);
    limit.waiver = Some(waiver(NOW + 1));
    let snapshot = with(vec![limit]);
    let (key, counters) = (minted(), Local::default());
    let facts = knowing(&key, "");
    let mut asked = get("/").with("x-api-key", &key);
    for _ in 0..3 {
        assert_eq!(
            end(&asked.counting(&snapshot, &facts, &counters)),
            "forward"
        );
    }
    asked.now_ms = NOW + 1;
    assert_eq!(
        end(&asked.counting(&snapshot, &facts, &counters)),
        "forward"
    );
    assert_eq!(
        end(&asked.counting(&snapshot, &facts, &counters)),
        "rate-limited"
    );
}

#[test]
fn limits_of_one_scope_are_one_limit_for_all_apis() {
    let shared = |name: &str, path: &str, scope: &str| {
        let mut api = api(name, &[prefix(path)]);
        let mut config = limit("few", &[By::Address], 2);
        config.scope = scope.to_owned();
        api.policies.limits = vec![placed(config, 20)];
        api
    };
    let snapshot = snapshot(bundle(vec![
        shared("a", "/a", "defaults"),
        shared("b", "/b", "defaults"),
        shared("c", "/c", "apis/c"),
    ]));
    let counters = Local::default();
    let facts = FactStore::in_memory();
    let ask = |path: &str| end(&get(path).counting(&snapshot, &facts, &counters));
    let told = ["/a", "/b", "/a", "/b", "/c"].map(ask);
    assert_eq!(
        told,
        [
            "forward",
            "forward",
            "rate-limited",
            "rate-limited",
            "forward"
        ]
    );
}

#[test]
fn a_revoked_key_is_no_guess() {
    let snapshot = with(vec![placed(penalty(1), 20)]);
    let (key, counters) = (minted(), Local::default());
    let revoked = knowing(&key, r#","revoked":true"#);
    let asked = get("/").with("x-api-key", &key);
    for _ in 0..9 {
        assert_eq!(
            end(&asked.counting(&snapshot, &revoked, &counters)),
            "key-revoked"
        );
    }
    assert_eq!(counters.stats().failing, 0);
    let guess = get("/").with("x-api-key", &minted());
    let ends: Vec<&str> = (0..3)
        .map(|_| end(&guess.counting(&snapshot, &revoked, &counters)))
        .collect();
    assert_eq!(ends, ["key-unknown", "key-unknown", "too-many-failures"]);
}

/// What is told is the first; a revoked key in it must not hide guesses in the other.
#[test]
fn one_wrong_credential_does_not_excuse_another() {
    let mut api = super::two_ways();
    api.policies.limits = vec![placed(penalty(1), 20)];
    let snapshot = snapshot(bundle(vec![api]));
    let (key, counters) = (minted(), Local::default());
    let revoked = knowing(&key, r#","revoked":true"#);
    let guess = get("/")
        .with("x-api-key", &key)
        .with("x-other-key", &minted());
    let ends: Vec<&str> = (0..3)
        .map(|_| end(&guess.counting(&snapshot, &revoked, &counters)))
        .collect();
    assert_eq!(ends, ["key-revoked", "key-revoked", "too-many-failures"]);
}

/// A right one would let in, observed or not.
#[test]
fn a_guess_at_a_way_that_is_observed_counts() {
    let mut api = super::two_ways();
    let crate::bundle::Authenticator::ApiKey(way) = &mut api.policies.authenticate[1] else {
        panic!("it is a key");
    };
    way.mode = Mode::Observe;
    way.waiver = Some(super::waiver(u64::MAX));
    api.policies.limits = vec![placed(penalty(1), 20)];
    let snapshot = snapshot(bundle(vec![api]));
    let (facts, counters) = (FactStore::in_memory(), Local::default());
    let guess = get("/").with("x-other-key", &minted());
    let ends: Vec<&str> = (0..3)
        .map(|_| end(&guess.counting(&snapshot, &facts, &counters)))
        .collect();
    assert_eq!(ends, ["key-missing", "key-missing", "too-many-failures"]);
}

#[test]
fn nobody_is_shut_out_in_another_s_name() {
    let snapshot = with(vec![placed(penalty(1), 20)]);
    let counters = Local::default();
    let facts = FactStore::in_memory();
    // The peer is no trusted proxy: what it says of somebody else is not read.
    let forged = get("/")
        .with("x-api-key", "guess")
        .with("x-forwarded-for", "203.0.113.9");
    for _ in 0..3 {
        let _ = forged.counting(&snapshot, &facts, &counters);
    }
    assert_eq!(
        end(&forged.counting(&snapshot, &facts, &counters)),
        "too-many-failures"
    );
    let mut victim = get("/").with("x-api-key", "guess");
    victim.peer = [203, 0, 113, 9].into();
    assert_eq!(
        end(&victim.counting(&snapshot, &facts, &counters)),
        "key-malformed"
    );
}

#[test]
fn a_trusted_proxy_that_names_nobody_is_not_penalised() {
    let mut api = keyed("shop", &[prefix("/")]);
    api.policies.limits = vec![placed(penalty(1), 20)];
    let mut bundle = bundle(vec![api]);
    bundle.listeners[0].trusted_proxies = vec!["127.0.0.1".to_owned()];
    let snapshot = snapshot(bundle);
    let counters = Local::default();
    let facts = FactStore::in_memory();
    let silent = get("/").with("x-api-key", "guess");
    for _ in 0..9 {
        assert_eq!(
            end(&silent.counting(&snapshot, &facts, &counters)),
            "key-malformed"
        );
    }
    let naming = get("/")
        .with("x-api-key", "guess")
        .with("x-forwarded-for", "203.0.113.9");
    let ends: Vec<&str> = (0..3)
        .map(|_| end(&naming.counting(&snapshot, &facts, &counters)))
        .collect();
    assert_eq!(
        ends,
        ["key-malformed", "key-malformed", "too-many-failures"]
    );
}

#[test]
fn a_public_api_has_no_penalties() {
    let mut api = api("shop", &[prefix("/")]);
    api.policies.limits = vec![placed(penalty(1), 20)];
    let snapshot = snapshot(bundle(vec![api]));
    assert_eq!(snapshot.apis[0].steps.len(), 1);
}

/// The codes of requests to these, one after the other, where the API keeps
/// `//` and `;`, and the limit lets one through.
fn kept(only: Only, targets: &[&str]) -> Vec<&'static str> {
    let mut shop = api("shop", &[prefix("/")]);
    shop.normal_form.double_slash = Odd::Keep;
    shop.normal_form.path_parameters = Odd::Keep;
    shop.policies.limits = vec![placed(
        Config {
            only,
            ..limit("one", &[By::Address], 1)
        },
        20,
    )];
    shop.openapi = Some(Attached {
        document: 0,
        mode: Mode::Enforce,
        span: line(30),
    });
    let operation = |name: &str, path: &str| Operation {
        name: name.to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        bases: None,
        security: None,
        span: line(31),
    };
    let mut bundle = bundle(vec![shop]);
    bundle.documents = vec![ApiDocument {
        bases: vec![String::new()],
        security: Vec::new(),
        operations: vec![
            operation("all", "/orders/all"),
            operation("one", "/orders/{id}"),
            operation("part", "/orders/{id}/{part}"),
        ],
        span: line(30),
    }];
    let snapshot = snapshot(bundle);
    let (facts, counters) = (FactStore::in_memory(), Local::default());
    let judged = |target: &&str| end(&get(target).counting(&snapshot, &facts, &counters));
    targets.iter().map(judged).collect()
}

#[test]
fn no_spelling_that_an_api_keeps_gets_past_a_limit() {
    let (through, limited) = ("forward", "rate-limited");
    let spellings = [
        "/orders/all;x",
        "/orders/all;y",
        "/orders/all%3Bz",
        "/orders//all",
        "/orders/all",
        "/orders/7",
        "/orders/7;x",
    ];
    let said = [
        through, limited, limited, limited, limited, through, through,
    ];
    let path = Only {
        paths: vec![PathPattern::Exact("/orders/all".to_owned())],
        ..Only::default()
    };
    assert_eq!(kept(path, &spellings), said);
    let operation = Only {
        operations: vec!["all".to_owned()],
        ..Only::default()
    };
    assert_eq!(kept(operation, &spellings), said);
}
