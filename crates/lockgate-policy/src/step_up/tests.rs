use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::json;

use http::header::{HeaderValue, LOCATION, WWW_AUTHENTICATE};

use super::*;
use crate::Reading;

const NOW_MS: u64 = 1_800_000_000_000;
const NOW: u64 = NOW_MS / 1000;

fn wanted(within_s: Option<u32>, amr: &[&str], acr: &[&str]) -> Wanted {
    let texts = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
    Wanted {
        within_s,
        amr: texts(amr),
        acr: texts(acr),
        ..Wanted::default()
    }
}

fn policy(rules: Vec<Wanted>) -> StepUp {
    let sign_in = Some("staff".into());
    StepUp::new(&Config { rules, sign_in }).unwrap()
}

fn who(proved_by: &'static str, claims: &Value) -> Identity {
    Identity {
        proved_by,
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(claims.as_object().unwrap().clone())),
    }
}

fn judged(policy: &StepUp, identity: Option<&Identity>, accept: Option<&'static str>) -> Verdict {
    let mut headers = HeaderMap::new();
    if let Some(accept) = accept {
        headers.insert("accept", HeaderValue::from_static(accept));
    }
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/refunds",
        query: Some("a=1"),
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: Some("refund"),
        readings: &[],
    };
    policy.decide(&view, identity, NOW_MS)
}

fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deny(denial) => denial.reason.code,
        Verdict::Allow(_) => "ok",
        _ => "something else",
    }
}

#[test]
fn how_long_ago_and_by_what_means() {
    let policy = policy(vec![wanted(Some(300), &["mfa", "hwk"], &["gold"])]);
    let cases = [
        (
            json!({"auth_time": NOW - 300, "amr": ["pwd", "mfa"], "acr": "gold"}),
            "ok",
        ),
        (json!({"auth_time": NOW, "amr": "hwk", "acr": "gold"}), "ok"),
        (
            json!({"auth_time": NOW + 60, "amr": ["hwk"], "acr": "gold"}),
            "ok",
        ),
        (
            json!({"auth_time": NOW + 61, "amr": ["hwk"], "acr": "gold"}),
            "step-up-wanted",
        ),
        (
            json!({"auth_time": NOW - 301, "amr": ["mfa"], "acr": "gold"}),
            "step-up-wanted",
        ),
        (
            json!({"auth_time": "1800000000", "amr": ["mfa"], "acr": "gold"}),
            "step-up-wanted",
        ),
        (json!({"amr": ["mfa"], "acr": "gold"}), "step-up-wanted"),
        (
            json!({"auth_time": NOW, "amr": ["pwd"], "acr": "gold"}),
            "step-up-wanted",
        ),
        (
            json!({"auth_time": NOW, "amr": {"mfa": true}, "acr": "gold"}),
            "step-up-wanted",
        ),
        (
            json!({"auth_time": NOW, "amr": ["mfa"], "acr": "silver"}),
            "step-up-wanted",
        ),
        (
            json!({"auth_time": NOW, "amr": ["mfa"], "acr": ["gold"]}),
            "step-up-wanted",
        ),
        (json!({}), "step-up-wanted"),
    ];
    for (claims, expected) in cases {
        let verdict = judged(&policy, Some(&who("jwt", &claims)), None);
        assert_eq!(reason(&verdict), expected, "{claims}");
    }
}

#[test]
fn each_caller_is_told_in_its_own_way() {
    let policy = policy(vec![wanted(Some(300), &["mfa"], &["gold"])]);
    let says = |verdict: Verdict, name: http::header::HeaderName| {
        let Verdict::Deny(denial) = verdict else {
            panic!()
        };
        let found = denial.headers.into_iter().find(|(known, _)| *known == name);
        found.unwrap().1.to_str().unwrap().to_owned()
    };
    let token = judged(&policy, Some(&who("jwt", &json!({}))), Some("text/html"));
    assert_eq!(reason(&token), "step-up-wanted");
    assert_eq!(
        says(token, WWW_AUTHENTICATE),
        "Bearer error=\"insufficient_user_authentication\", error_description=\"A newer or \
         stronger authentication is wanted.\", acr_values=\"gold\", max_age=\"300\""
    );
    let session = who("session", &json!({}));
    let page = judged(&policy, Some(&session), Some("text/html"));
    assert_eq!(reason(&page), "step-up-page");
    assert_eq!(
        says(page, LOCATION),
        "/.lockgate/staff/step-up?to=/refunds%3Fa%3D1&acr=gold&amr=mfa&within=300"
    );
    let script = judged(&policy, Some(&session), None);
    assert!(says(script, WWW_AUTHENTICATE).starts_with("Session url=\"/.lockgate/staff/step-up\""));
    let asked = judged(&policy, Some(&who("introspection", &json!({}))), None);
    assert_eq!(reason(&asked), "step-up-wanted");
    for way in ["api_key", "mtls"] {
        let verdict = judged(&policy, Some(&who(way, &json!({}))), Some("text/html"));
        assert_eq!(reason(&verdict), "step-up-impossible");
    }
    assert_eq!(reason(&judged(&policy, None, None)), "step-up-wanted");
}

#[test]
fn rules_are_for_operations_and_methods() {
    let named = |operations: &[&str], methods: &[&str]| {
        let texts = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        policy(vec![Wanted {
            operations: texts(operations),
            methods: texts(methods),
            ..wanted(None, &["mfa"], &[])
        }])
    };
    let ada = who("jwt", &json!({}));
    for (operations, methods, expected) in [
        (&["refund"][..], &[][..], "step-up-wanted"),
        (&["list"], &[], "ok"),
        (&[], &["GET"], "step-up-wanted"),
        (&[], &["POST"], "ok"),
        (&["refund"], &["POST"], "ok"),
        (&["list"], &["GET"], "ok"),
    ] {
        let verdict = judged(&named(operations, methods), Some(&ada), None);
        assert_eq!(reason(&verdict), expected, "{operations:?} {methods:?}");
    }
    // What a reader might take it for.
    let headers = HeaderMap::new();
    let readings = [Reading {
        path: "/refunds".into(),
        operation: Some("refund".into()),
    }];
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "//refunds",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &readings,
    };
    let verdict = named(&["refund"], &[]).decide(&view, Some(&ada), NOW_MS);
    assert_eq!(reason(&verdict), "step-up-wanted");
}

#[test]
fn a_rule_asks_for_something_that_can_be_said() {
    for bad in [
        wanted(None, &[], &[]),
        wanted(None, &["a b"], &[]),
        wanted(None, &[], &["a\"b"]),
        wanted(None, &[""], &[]),
    ] {
        let config = Config {
            rules: vec![bad],
            sign_in: None,
        };
        assert_eq!(StepUp::new(&config).unwrap_err().pointer, "/rules/0");
    }
    let many = vec![wanted(Some(1), &[], &[]); MAX_RULES + 1];
    let config = Config {
        rules: many,
        sign_in: None,
    };
    assert_eq!(StepUp::new(&config).unwrap_err().pointer, "/rules");
}

#[test]
fn a_form_leads_back_to_its_page() {
    let policy = policy(vec![wanted(None, &["mfa"], &[])]);
    let leads = |referer: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        headers.insert("host", HeaderValue::from_static("shop.example.com"));
        headers.insert("referer", HeaderValue::from_static(referer));
        let view = RequestView {
            method: &Method::POST,
            host: "shop.example.com",
            path: "/refunds",
            query: None,
            headers: &headers,
            content_length: None,
            api: "shop",
            operation: None,
            readings: &[],
        };
        let Verdict::Deny(denial) = policy.decide(&view, Some(&who("session", &json!({}))), NOW_MS)
        else {
            panic!()
        };
        assert_eq!(denial.reason.code, "step-up-page");
        denial.headers[0].1.to_str().unwrap().to_owned()
    };
    let page = "/.lockgate/staff/step-up?to=";
    assert_eq!(
        leads("https://shop.example.com/orders?a=1#x"),
        format!("{page}/orders%3Fa%3D1&amr=mfa")
    );
    assert_eq!(
        leads("https://evil.test/orders"),
        format!("{page}/&amr=mfa")
    );
    assert_eq!(
        leads("https://shop.example.com.evil.test/"),
        format!("{page}/&amr=mfa")
    );
    assert_eq!(
        leads("https://shop.example.com"),
        format!("{page}/&amr=mfa")
    );
}
