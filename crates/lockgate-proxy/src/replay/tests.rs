#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;

use lockgate_policy::{body_limit, conditions, headers, ip_filter, plugins, waf, Mode};
use serde_json::json;

use super::*;
use crate::bundle::{Authenticator, Authorize};
use crate::events::Verdict as Said;
use crate::testing::{api, bundle, keyed, keys, placed, prefix, waiver, NOW};

const BEFORE: &str = "before";

fn text(bundle: &Bundle) -> String {
    serde_json::to_string(bundle).unwrap()
}

/// A replay through `proposed` of what `before` judged.
fn replay(before: &Bundle, proposed: &Bundle) -> Replay {
    let before = HashMap::from([(BEFORE.to_owned(), text(before))]);
    Replay::new(text(proposed).as_bytes(), &before, &HashMap::new()).unwrap()
}

fn said(policy: &str, outcome: Outcome, reason: Option<&str>) -> Said {
    Said {
        policy: policy.to_owned(),
        outcome,
        reason: reason.map(str::to_owned),
    }
}

/// A request that was let through with a key.
fn served() -> Exchange {
    Exchange {
        method: "GET".to_owned(),
        host: "shop.example.com".to_owned(),
        path: "/shop/1".to_owned(),
        listener: "public".to_owned(),
        api: Some("shop".to_owned()),
        route: Some("/shop/*".to_owned()),
        peer: [203, 0, 113, 9].into(),
        key: Some("key_1".to_owned()),
        identity: Some("crm".to_owned()),
        status: 200,
        bundle: BEFORE.to_owned(),
        verdicts: vec![
            said("api_key", Outcome::Identify, None),
            said("authorize", Outcome::Allow, None),
        ],
        ..Exchange::default()
    }
}

/// A request that was refused for this reason.
fn refused(reason: &str, verdicts: Vec<Said>) -> Exchange {
    Exchange {
        status: 403,
        reason: Some(reason.to_owned()),
        verdicts,
        ..served()
    }
}

fn event(then: Exchange) -> Event {
    let mut event = Event::new(if then.reason.is_none() {
        Body::Access(Box::new(then))
    } else {
        Body::Security(Box::new(then))
    });
    event.at_ms = NOW;
    event.id = "r1".to_owned();
    event
}

/// What would become of one request: the change, and the group that tells of it.
fn one(replay: &mut Replay, then: Exchange) -> (String, Option<Group>) {
    replay.event(&event(then));
    let summary = replay.summary();
    assert_eq!(summary.requests, 1);
    let counted = [
        (summary.same, "same"),
        (summary.newly_refused, "newly-refused"),
        (summary.newly_allowed, "newly-allowed"),
        (summary.other_reason, "other-reason"),
        (summary.undecidable, "undecidable"),
    ];
    let mut found = counted.iter().filter(|(count, _)| *count == 1);
    let (_, word) = found.next().unwrap();
    assert!(found.next().is_none());
    (word.to_string(), summary.groups.first().cloned())
}

fn shop() -> Bundle {
    bundle(vec![keyed("shop", &[prefix("/shop")])])
}

#[test]
fn nothing_changes_where_the_configuration_is_the_same() {
    let (change, group) = one(&mut replay(&shop(), &shop()), served());
    assert_eq!((change.as_str(), group), ("same", None));
}

#[test]
fn an_address_that_is_filtered_now_would_be_refused_and_the_line_is_named() {
    let mut proposed = shop();
    proposed.apis[0].policies.ip_filter = Some(placed(
        ip_filter::Config {
            deny: vec!["203.0.113.0/24".to_owned()],
            ..ip_filter::Config::default()
        },
        33,
    ));
    let (change, group) = one(&mut replay(&shop(), &proposed), served());
    let group = group.unwrap();
    assert_eq!(change, "newly-refused");
    assert_eq!(group.after.as_deref(), Some("address-denied"));
    assert_eq!(group.place.unwrap().line, 33);
    assert_eq!(group.key.as_deref(), Some("key_1"));
    assert_eq!(group.address, None);
    assert_eq!(group.examples, ["r1"]);
}

#[test]
fn what_a_filter_refused_would_be_let_through_without_it_if_the_credential_is_known() {
    let mut before = bundle(vec![api("shop", &[prefix("/shop")])]);
    before.apis[0].policies.ip_filter = Some(placed(
        ip_filter::Config {
            deny: vec!["203.0.113.0/24".to_owned()],
            ..ip_filter::Config::default()
        },
        33,
    ));
    let denied = || {
        let mut then = refused(
            "address-denied",
            vec![
                said("ip_filter", Outcome::Deny, Some("address-denied")),
                said("authorize", Outcome::NotReached, None),
            ],
        );
        (then.key, then.identity) = (None, None);
        then
    };
    let open = bundle(vec![api("shop", &[prefix("/shop")])]);
    let (change, group) = one(&mut replay(&before, &open), denied());
    assert_eq!(change, "newly-allowed");
    let group = group.unwrap();
    assert_eq!(group.before.as_deref(), Some("address-denied"));
    assert_eq!(group.address, Some([203, 0, 113, 9].into()));

    // Nobody looked at its credential: whether it had one is not known.
    let (change, group) = one(&mut replay(&before, &shop()), denied());
    assert_eq!(change, "undecidable");
    assert_eq!(group.unwrap().why, Some("credential-not-looked-at"));
}

#[test]
fn a_path_that_is_served_no_more_would_be_refused() {
    let proposed = bundle(vec![keyed("shop", &[prefix("/store")])]);
    let (change, group) = one(&mut replay(&shop(), &proposed), served());
    assert_eq!(change, "newly-refused");
    let group = group.unwrap();
    assert_eq!(group.after.as_deref(), Some("no-route"));
    assert_eq!(group.api.as_deref(), Some("shop"));
}

#[test]
fn a_key_is_held_to_the_apis_that_it_opens() {
    let moved = bundle(vec![keyed("store", &[prefix("/shop")])]);
    let before = HashMap::from([(BEFORE.to_owned(), text(&shop()))]);
    for (opens, wanted) in [("shop", "newly-refused"), ("store", "same")] {
        let fact = format!(r#"{{"id":"key_1","digest":"","owner":"ann","apis":["{opens}"]}}"#);
        let grants = HashMap::from([("key_1".to_owned(), fact)]);
        let mut replay = Replay::new(text(&moved).as_bytes(), &before, &grants).unwrap();
        let (change, group) = one(&mut replay, served());
        assert_eq!(change, wanted, "a key for {opens}");
        let reason = group.and_then(|group| group.after);
        assert_eq!(reason.is_some(), wanted == "newly-refused");
        assert!(reason.is_none_or(|reason| reason == "key-not-for-api"));
    }
}

#[test]
fn scopes_of_a_key_are_known_and_those_of_others_are_not() {
    let mut scoped = shop();
    let opens = serde_json::from_value(json!({
        "from_openapi": false, "schemes": [],
        "opens": [{ "scope": "orders:read", "what": [{ "methods": ["GET"], "operations": [], "paths": [] }] }],
    }));
    scoped.apis[0].policies.scopes = Some(placed(opens.unwrap(), 60));
    scoped.apis[0].authorize = Authorize::Ruled;
    let before = HashMap::from([(BEFORE.to_owned(), text(&shop()))]);
    for (id, scopes, wanted) in [
        ("key_1", r#"["orders:read"]"#, ("same", None, None)),
        (
            "key_1",
            r#"["orders:write"]"#,
            ("newly-refused", Some("scope-missing"), None),
        ),
        (
            "key_1",
            "null",
            ("newly-refused", Some("scope-missing"), None),
        ),
        (
            "key_2",
            r#"["orders:read"]"#,
            ("undecidable", None, Some("policy-new")),
        ),
    ] {
        let fact = format!(r#"{{"id":"{id}","digest":"","owner":"ann","scopes":{scopes}}}"#);
        let grants = HashMap::from([(id.to_owned(), fact)]);
        let mut replay = Replay::new(text(&scoped).as_bytes(), &before, &grants).unwrap();
        let (change, group) = one(&mut replay, served());
        let group = group.as_ref();
        let after = group.and_then(|group| group.after.as_deref());
        assert_eq!(
            (change.as_str(), after, group.and_then(|group| group.why)),
            wanted,
            "{id} with {scopes}"
        );
    }
}

#[test]
fn a_key_in_another_header_cannot_be_told_and_one_more_header_changes_nothing() {
    let mut moved = shop();
    moved.apis[0].policies.authenticate = vec![keys("x-other", 12)];
    let (change, group) = one(&mut replay(&shop(), &moved), served());
    assert_eq!(change, "undecidable");
    assert_eq!(group.unwrap().why, Some("credential-elsewhere"));

    let mut more = shop();
    let ways = &mut more.apis[0].policies.authenticate;
    ways.insert(0, keys("x-other", 12));
    let (change, _) = one(&mut replay(&shop(), &more), served());
    assert_eq!(change, "same");
}

#[test]
fn a_missing_key_is_still_missing_and_let_through_once_all_may_call() {
    let missing = || {
        let mut then = refused(
            "key-missing",
            vec![
                said("api_key", Outcome::Deny, Some("key-missing")),
                said("authorize", Outcome::NotReached, None),
            ],
        );
        (then.key, then.identity) = (None, None);
        then
    };
    assert_eq!(one(&mut replay(&shop(), &shop()), missing()).0, "same");
    let open = bundle(vec![api("shop", &[prefix("/shop")])]);
    assert_eq!(
        one(&mut replay(&shop(), &open), missing()).0,
        "newly-allowed"
    );
}

#[test]
fn an_exception_holds_at_the_time_of_the_request() {
    let mut open = api("shop", &[prefix("/shop")]);
    open.public = Some(waiver(NOW + 1));
    let open = bundle(vec![open]);
    let mut then = served();
    then.verdicts = vec![said("authorize", Outcome::Allow, None)];
    (then.key, then.identity) = (None, None);
    assert_eq!(one(&mut replay(&open, &open), then.clone()).0, "same");

    let mut ended = api("shop", &[prefix("/shop")]);
    ended.public = Some(waiver(NOW));
    let (change, group) = one(&mut replay(&open, &bundle(vec![ended])), then);
    assert_eq!(change, "newly-refused");
    assert_eq!(group.unwrap().after.as_deref(), Some("waiver-expired"));
}

#[test]
fn a_body_that_was_read_is_held_to_the_new_limit_and_one_that_was_not_is_undecidable() {
    let limited = |bytes| {
        let mut bundle = shop();
        bundle.apis[0].policies.body_limit = Some(placed(body_limit::Config { bytes }, 40));
        bundle
    };
    let mut then = served();
    then.method = "POST".to_owned();
    then.bytes_in = 500;
    then.verdicts.push(said("body_limit", Outcome::Allow, None));
    let (change, group) = one(&mut replay(&limited(1000), &limited(499)), then.clone());
    assert_eq!(change, "newly-refused");
    assert_eq!(group.unwrap().after.as_deref(), Some("body-too-large"));
    assert_eq!(
        one(&mut replay(&limited(1000), &limited(500)), then.clone()).0,
        "same"
    );

    then.verdicts[2] = said("body_limit", Outcome::Deny, Some("body-too-large"));
    then.reason = Some("body-too-large".to_owned());
    let (change, group) = one(&mut replay(&limited(400), &limited(900)), then);
    assert_eq!(change, "undecidable");
    assert_eq!(group.unwrap().why, Some("body-not-read"));
}

#[test]
fn a_body_that_was_not_read_is_as_good_as_it_was_under_the_same_bound() {
    let mut bundle = shop();
    bundle.apis[0].policies.body_limit = Some(placed(body_limit::Config { bytes: 100 }, 40));
    let mut then = served();
    then.method = "POST".to_owned();
    then.reason = Some("upstream-connect-failed".to_owned());
    then.verdicts.push(said("body_limit", Outcome::Allow, None));
    assert_eq!(one(&mut replay(&bundle, &bundle), then.clone()).0, "same");
    then.verdicts[2] = said("body_limit", Outcome::Deny, Some("body-too-large"));
    then.reason = Some("body-too-large".to_owned());
    assert_eq!(one(&mut replay(&bundle, &bundle), then).0, "same");
}

#[test]
fn what_failed_behind_the_policies_had_been_let_through() {
    let mut then = served();
    then.reason = Some("upstream-connect-failed".to_owned());
    then.status = 502;
    assert_eq!(one(&mut replay(&shop(), &shop()), then).0, "same");
}

#[test]
fn a_head_that_is_not_kept_cannot_be_judged() {
    for (method, path, why) in [
        ("", "", "head-not-kept"),
        ("GET", "/shop/lg_live_[secret]", "path-not-whole"),
        ("GET", "/shop/long…", "path-not-whole"),
    ] {
        let mut then = served();
        (then.method, then.path) = (method.to_owned(), path.to_owned());
        let (change, group) = one(&mut replay(&shop(), &shop()), then);
        assert_eq!(change, "undecidable", "{path}");
        assert_eq!(group.unwrap().why, Some(why));
    }
}

#[test]
fn a_crowd_of_addresses_is_counted_in_bounded_memory() {
    let mut replay = replay(&shop(), &bundle(vec![keyed("shop", &[prefix("/store")])]));
    let all = u32::try_from(GROUPS_MAX).unwrap() + 500;
    for address in 0..all {
        let mut then = served();
        (then.key, then.identity) = (None, None);
        then.peer = std::net::Ipv4Addr::from(address).into();
        replay.event(&event(then));
    }
    let summary = replay.summary();
    assert_eq!(summary.newly_refused, u64::from(all));
    assert!(summary.groups.len() <= GROUPS_MAX + 1);
    assert_eq!(
        summary.groups[0].requests, 500,
        "those that are told apart no more"
    );
    assert_eq!(summary.groups[0].address, None);
    let told: u64 = summary.groups.iter().map(|group| group.requests).sum();
    assert_eq!(told, u64::from(all));
}

#[test]
fn bundles_that_are_not_kept_are_counted() {
    let mut replay =
        Replay::new(text(&shop()).as_bytes(), &HashMap::new(), &HashMap::new()).unwrap();
    replay.event(&event(served()));
    let summary = replay.summary();
    assert_eq!((summary.unknown_bundle, summary.same), (1, 1));
}

#[test]
fn where_headers_have_a_say_in_the_route_nothing_can_be_told() {
    let mut beta = keyed("beta", &[prefix("/shop")]);
    let header = conditions::Config {
        part: conditions::Part::Header,
        name: "x-beta".to_owned(),
        test: conditions::Test::Present(true),
    };
    beta.conditions = vec![header];
    let proposed = bundle(vec![keyed("shop", &[prefix("/shop")]), beta]);
    let (change, group) = one(&mut replay(&shop(), &proposed), served());
    assert_eq!(change, "undecidable");
    assert_eq!(group.unwrap().why, Some("route-needs-headers"));
}

#[test]
fn a_policy_that_only_changes_what_goes_on_makes_nothing_undecidable() {
    let mut proposed = shop();
    proposed.apis[0].policies.headers = Some(placed(headers::Config::default(), 50));
    assert_eq!(one(&mut replay(&shop(), &proposed), served()).0, "same");
}

#[test]
fn each_route_of_an_api_is_held_to_its_own_policies() {
    let routes = |admin: &str| {
        let mut route = keyed("shop", &[prefix("/shop/admin")]);
        route.route = Some("admin".to_owned());
        route.policies.authenticate = vec![keys(admin, 60)];
        bundle(vec![keyed("shop", &[prefix("/shop")]), route])
    };
    let before = routes("x-admin");
    assert_eq!(
        one(&mut replay(&before, &routes("x-moved")), served()).0,
        "same"
    );
    let mut then = served();
    then.path = "/shop/admin/1".to_owned();
    then.route = Some("/shop/admin/*".to_owned());
    assert_eq!(one(&mut replay(&before, &before), then.clone()).0, "same");
    let (change, group) = one(&mut replay(&before, &routes("x-moved")), then);
    assert_eq!(change, "undecidable");
    assert_eq!(group.unwrap().why, Some("credential-elsewhere"));
}

#[test]
fn what_a_plugin_said_holds_while_its_code_and_configuration_are_the_same() {
    let asked = |digest: &str, mode| {
        let mut bundle = shop();
        let config = plugins::Config {
            name: "checks:Tenant".to_owned(),
            plugin: 0,
            digest: digest.to_owned(),
            deadline_ms: 50,
            request: true,
            response: false,
            credentials: Vec::new(),
        };
        let mut placed = placed(config, 55);
        placed.mode = mode;
        bundle.apis[0].policies.plugins = vec![placed];
        bundle
    };
    let then = || {
        let denied = said("plugins", Outcome::Deny, Some("plugin-denied"));
        let before = vec![
            said("api_key", Outcome::Identify, None),
            said("authorize", Outcome::Allow, None),
            denied,
        ];
        refused("plugin-denied", before)
    };
    let before = asked("a", Mode::Enforce);
    assert_eq!(one(&mut replay(&before, &before), then()).0, "same");
    // It is observed: what it said lets through.
    let observed = asked("a", Mode::Observe);
    assert_eq!(
        one(&mut replay(&before, &observed), then()).0,
        "newly-allowed"
    );
    for (proposed, why) in [
        (asked("b", Mode::Enforce), "policy-changed"),
        (asked("a", Mode::Enforce), "policy-new"),
    ] {
        let was = if why == "policy-new" {
            shop()
        } else {
            asked("a", Mode::Enforce)
        };
        let (change, group) = one(&mut replay(&was, &proposed), served());
        assert_eq!(
            (change.as_str(), group.unwrap().why),
            ("undecidable", Some(why))
        );
    }
}

/// A shop whose callers bring tokens of an issuer for this audience.
fn tokens(audience: &str) -> Bundle {
    let mut shop = shop();
    shop.apis[0].policies.authenticate = vec![serde_json::from_value(json!({
        "jwt": {
            "mode": "enforce", "on_error": "deny", "waiver": null,
            "span": { "file": 0, "line": 70, "column": 1 },
            "config": { "issuer": "company", "place": { "header": "authorization" }, "forward": false },
        }
    }))
    .unwrap()];
    shop.issuers = vec![serde_json::from_value(json!({
        "name": "company",
        "span": { "file": 0, "line": 3, "column": 1 },
        "rules": {
            "issuer": "https://login.example.com", "audiences": [audience], "algorithms": ["ES256"],
            "types": ["at+jwt"], "skew_ms": 30_000, "max_age_ms": null, "require": [],
            "token_bytes": 8192, "stale_for_ms": 60_000, "keys": { "published": "discovery" },
        }
    }))
    .unwrap()];
    shop
}

#[test]
fn a_token_holds_while_what_its_issuer_demands_is_the_same() {
    let then = Exchange {
        key: Some("company/ann".to_owned()),
        identity: Some("ann".to_owned()),
        verdicts: vec![
            said("jwt", Outcome::Identify, None),
            said("authorize", Outcome::Allow, None),
        ],
        ..served()
    };
    let before = tokens("shop");
    let (same, _) = one(&mut replay(&before, &before), then.clone());
    assert_eq!(same, "same");
    let (change, group) = one(&mut replay(&before, &tokens("other")), then);
    assert_eq!(change, "undecidable");
    assert_eq!(group.unwrap().why, Some("credential-elsewhere"));
}

#[test]
fn a_preflight_is_answered_while_its_policy_is_the_same() {
    let sharing = |origin: &str| {
        let mut shop = shop();
        let config = json!({
            "origins": [origin], "methods": [], "headers": [], "expose": [], "credentials": false,
            "max_age_s": 600, "private_network": false,
        });
        let config = serde_json::from_value(config).unwrap();
        shop.apis[0].policies.cors = Some(placed(config, 80));
        shop
    };
    let then = Exchange {
        method: "OPTIONS".to_owned(),
        key: None,
        identity: None,
        status: 204,
        verdicts: vec![said("cors", Outcome::Respond, None)],
        ..served()
    };
    let before = sharing("https://shop.example.com");
    let (same, _) = one(&mut replay(&before, &before), then.clone());
    assert_eq!(same, "same");
    let other = sharing("https://other.example.com");
    assert_eq!(one(&mut replay(&before, &other), then).0, "undecidable");
}

/// A shop that `waf` guards by the last of these rule sets.
fn guarded(sets: &[(&str, &str)]) -> Bundle {
    let mut shop = shop();
    let sets = sets.iter().map(|(name, text)| {
        json!({
            "name": name, "files": [{ "name": "own.conf", "text": text }], "entries": ["own.conf"],
            "span": { "file": 0, "line": 5, "column": 1 },
        })
    });
    shop.rule_sets = sets
        .map(|set| serde_json::from_value(set).unwrap())
        .collect();
    let config = json!({
        "set": shop.rule_sets.len() - 1, "native": false, "overrule": false, "variables": {}, "threshold": 5, "exclude": [],
        "inspect_bytes": 131_072, "longer": "refuse", "answers": null, "scan": null,
    });
    shop.apis[0].policies.waf = Some(placed(serde_json::from_value(config).unwrap(), 90));
    shop
}

const ONE: &str = "SecRule ARGS \"@streq evil\" \"id:1,phase:2,deny\"\n";
const TWO: &str = "SecRule ARGS \"@streq worse\" \"id:2,phase:2,deny\"\n";

fn looked_at(outcome: Outcome, reason: Option<&str>) -> Exchange {
    let verdicts = vec![
        said("api_key", Outcome::Identify, None),
        said("authorize", Outcome::Allow, None),
        said("waf", outcome, reason),
    ];
    match reason {
        Some(reason) => refused(reason, verdicts),
        None => Exchange {
            verdicts,
            ..served()
        },
    }
}

#[test]
fn the_same_rules_are_the_same_wherever_a_bundle_has_them() {
    let was = guarded(&[("own", ONE)]);
    let remarked = format!("# A remark.\n{ONE}");
    let moved = guarded(&[("other", TWO), ("own", &remarked)]);
    for then in [
        looked_at(Outcome::Allow, None),
        looked_at(Outcome::Deny, Some("waf-refused")),
    ] {
        let mut replay = replay(&was, &moved);
        assert_eq!(one(&mut replay, then).0, "same");
        assert_eq!(replay.summary().other_rules, []);
    }
}

#[test]
fn other_rules_are_told_and_nobody_claims_to_know_what_they_find() {
    let was = guarded(&[("own 1", &format!("{ONE}{TWO}"))]);
    let changed = ONE.replace("evil", "bad");
    let third = TWO.replace("id:2", "id:3");
    // At the same place of the list as before.
    let proposed = guarded(&[("own 2", &format!("{changed}{third}"))]);
    for then in [
        looked_at(Outcome::Allow, None),
        looked_at(Outcome::Deny, Some("waf-refused")),
    ] {
        let mut replay = replay(&was, &proposed);
        let (change, group) = one(&mut replay, then);
        assert_eq!(
            (change.as_str(), group.unwrap().why),
            ("undecidable", Some("rules-changed"))
        );
        let told = OtherRules {
            api: "shop".to_owned(),
            before: "own 1".to_owned(),
            after: "own 2".to_owned(),
            added: 1,
            gone: 1,
            changed: 1,
            requests: 1,
        };
        assert_eq!(replay.summary().other_rules, [told]);
    }
}

#[test]
fn what_ended_before_the_rules_is_told_as_ever_and_so_is_what_they_only_observe() {
    let was = guarded(&[("own", ONE)]);
    let mut proposed = guarded(&[("own", TWO)]);
    let early = refused(
        "key-missing",
        vec![
            said("api_key", Outcome::Deny, Some("key-missing")),
            said("authorize", Outcome::NotReached, None),
            said("waf", Outcome::NotReached, None),
        ],
    );
    let early = Exchange {
        key: None,
        identity: None,
        status: 401,
        ..early
    };
    assert_eq!(one(&mut replay(&was, &proposed), early).0, "same");
    proposed.apis[0].policies.waf.as_mut().unwrap().mode = Mode::Observe;
    let then = looked_at(Outcome::Allow, None);
    assert_eq!(one(&mut replay(&was, &proposed), then).0, "same");
}

#[test]
fn settings_of_waf_count_and_an_exclusion_counts_while_it_holds() {
    let excluding = |until_ms: u64, owner: &str| {
        let mut shop = guarded(&[("own", ONE)]);
        let waiver = lockgate_policy::Waiver {
            owner: owner.into(),
            ..waiver(until_ms)
        };
        shop.apis[0].policies.waf.as_mut().unwrap().config.exclude = vec![waf::Exclude {
            rule: "1".to_owned(),
            at: Some("query/q".to_owned()),
            request: None,
            waiver,
        }];
        shop
    };
    let change = |was: &Bundle, proposed: &Bundle| {
        let (_, group) = one(&mut replay(was, proposed), looked_at(Outcome::Allow, None));
        group.map(|group| (group.change, group.why.unwrap_or_default()))
    };
    let was = excluding(NOW + 1, "ann");
    assert_eq!(change(&was, &excluding(NOW + 9, "bob")), None);
    let over = excluding(NOW, "ann");
    assert_eq!(change(&over, &guarded(&[("own", ONE)])), None);
    let changed = Some(("undecidable", "policy-changed"));
    assert_eq!(change(&was, &over), changed);
    let mut proposed = was.clone();
    let placed = proposed.apis[0].policies.waf.as_mut().unwrap();
    placed.config.inspect_bytes = 1024;
    assert_eq!(change(&was, &proposed), changed);
}

#[test]
fn a_scan_counts_where_there_was_a_body() {
    let was = guarded(&[("own", ONE)]);
    let mut proposed = was.clone();
    let placed = proposed.apis[0].policies.waf.as_mut().unwrap();
    placed.config.scan = Some(waf::Scan {
        clamd: "127.0.0.1:3310".to_owned(),
        timeout_ms: 5_000,
        bytes: 1 << 20,
        at_once: 8,
        on_error: waf::Unscanned::Refuse,
    });
    for (bytes_in, change) in [(0, None), (9, Some("undecidable"))] {
        let then = Exchange {
            bytes_in,
            ..looked_at(Outcome::Allow, None)
        };
        let (_, group) = one(&mut replay(&was, &proposed), then);
        assert_eq!(group.map(|group| group.change), change);
    }
}

/// An API that takes webhooks.
fn hooked(tolerance_ms: u32) -> Bundle {
    let form = json!({
        "header": "x-sign", "separator": null, "prefix": "", "public_prefix": null,
        "encoding": "hex", "secret_prefix": null, "id": null, "timestamp": "x-time",
        "timestamp_prefix": null, "signed": ["timestamp", {"text": "."}, "body"],
    });
    let config = json!({
        "name": "sender", "secrets": ["env:LOCKGATE_NO_SUCH_SECRET"], "public_keys": [], "form": form,
        "tolerance_ms": tolerance_ms, "once": true, "body_bytes": 64, "forward": false,
    });
    let mut hooked = shop();
    let config = serde_json::from_value(config).unwrap();
    hooked.apis[0].policies.authenticate = vec![Authenticator::Webhook(placed(config, 40))];
    hooked
}

#[test]
fn a_webhook_is_judged_by_what_was_said_of_it_as_long_as_its_entry_is_the_same() {
    let then = |outcome, reason: Option<&str>| {
        let verdicts = vec![
            said("webhook", outcome, reason),
            said("authorize", Outcome::Allow, None),
        ];
        match reason {
            None => Exchange {
                key: Some("webhook:sender".to_owned()),
                verdicts,
                ..served()
            },
            Some(reason) => refused(reason, verdicts),
        }
    };
    let (change, _) = one(
        &mut replay(&hooked(1000), &hooked(1000)),
        then(Outcome::Identify, None),
    );
    assert_eq!(change, "same");
    let wrong = then(Outcome::Deny, Some("webhook-wrong"));
    let (change, _) = one(&mut replay(&hooked(1000), &hooked(1000)), wrong);
    assert_eq!(change, "same");
    let (change, group) = one(
        &mut replay(&hooked(1000), &hooked(2000)),
        then(Outcome::Identify, None),
    );
    assert_eq!(
        (change.as_str(), group.unwrap().why),
        ("undecidable", Some("credential-elsewhere"))
    );
}

#[test]
fn who_has_a_role_belongs_to_what_roles_decided() {
    use lockgate_policy::only::Only;
    use lockgate_policy::roles::{Config, Opening, Role, Who};
    let ruled = |owner: &str, line: u32| {
        let mut bundle = shop();
        bundle.roles = vec![Role {
            name: "support".to_owned(),
            who: vec![vec![Who::Owner(vec![owner.to_owned()])]],
            includes: Vec::new(),
            span: crate::testing::line(line),
        }];
        let opens = vec![Opening {
            role: "support".to_owned(),
            what: vec![Only::default()],
        }];
        bundle.apis[0].policies.roles = Some(placed(Config { opens }, line + 1));
        bundle
    };
    let then = || {
        let before = vec![
            said("api_key", Outcome::Identify, None),
            said("authorize", Outcome::Allow, None),
            said("roles", Outcome::Deny, Some("role-missing")),
        ];
        refused("role-missing", before)
    };
    let was = ruled("ann", 60);
    assert_eq!(one(&mut replay(&was, &was), then()).0, "same");
    assert_eq!(one(&mut replay(&was, &ruled("ann", 70)), then()).0, "same");
    let (change, group) = one(&mut replay(&was, &ruled("bob", 60)), then());
    assert_eq!(
        (change.as_str(), group.unwrap().why),
        ("undecidable", Some("policy-changed"))
    );
}
