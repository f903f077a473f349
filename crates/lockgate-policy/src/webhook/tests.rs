#![allow(clippy::unwrap_used, clippy::panic)]

use aws_lc_rs::hmac;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::*;
use crate::POLICY_FAILED;

const NOW_MS: u64 = 1_800_000_000_000;
const SECRET: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn standard() -> Form {
    Form {
        header: "webhook-signature".into(),
        separator: Some(" ".into()),
        prefix: "v1,".into(),
        public_prefix: Some("v1a,".into()),
        encoding: Written::Base64,
        secret_prefix: Some("whsec_".into()),
        id: Some("webhook-id".into()),
        timestamp: Some("webhook-timestamp".into()),
        timestamp_prefix: None,
        signed: vec![
            Part::Id,
            Part::Text(".".into()),
            Part::Timestamp,
            Part::Text(".".into()),
            Part::Body,
        ],
    }
}

fn config() -> Config {
    Config {
        name: "sender".into(),
        secrets: vec!["env:SECRET".into()],
        public_keys: Vec::new(),
        form: standard(),
        tolerance_ms: 300_000,
        once: true,
        body_bytes: 64,
        forward: false,
    }
}

fn policy(config: &Config) -> Webhook {
    Webhook::new(config, &|_| Some(SECRET.to_vec())).unwrap()
}

fn signed(body: &str) -> HeaderMap {
    let key = base64(&SECRET[6..]).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("msg.1800000000.{body}").as_bytes());
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg"));
    headers.insert("webhook-timestamp", HeaderValue::from_static("1800000000"));
    let signature = format!("v1,{}", STANDARD.encode(tag));
    headers.insert(
        "webhook-signature",
        HeaderValue::try_from(signature).unwrap(),
    );
    headers
}

fn view(headers: &HeaderMap) -> RequestView<'_> {
    RequestView {
        method: &Method::POST,
        host: "a.example",
        path: "/",
        query: None,
        headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    }
}

fn whole(body: &'static [u8]) -> Answers {
    let gather = Gather {
        most: 64,
        pending: None,
    };
    Answers::Content(Box::new(gather), Content::Whole(Bytes::from_static(body)))
}

fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deny(denial) => denial.reason.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_body_is_asked_for_before_anything_is_said_and_not_for_what_is_refused_anyway() {
    let (policy, headers) = (policy(&config()), signed("{}"));
    let ask = |now_ms| {
        policy
            .decide(&view(&headers), (true, false), &Answers::None, now_ms)
            .unwrap()
    };
    let Verdict::Need(Need::Content(gather)) = ask(NOW_MS) else {
        panic!("the body is wanted");
    };
    assert_eq!(gather.most, 64);
    assert_eq!(reason(&ask(NOW_MS + 400_000)), "webhook-expired");
}

#[test]
fn what_is_remembered_is_the_attempt_and_not_its_signature() {
    let (policy, headers) = (policy(&config()), signed("{}"));
    let mut two = headers.clone();
    let value = headers["webhook-signature"].to_str().unwrap();
    two.insert(
        "webhook-signature",
        HeaderValue::try_from(format!("v1,AAAA {value}")).unwrap(),
    );
    let mark = |headers: &HeaderMap| match policy.decide(
        &view(headers),
        (true, false),
        &whole(b"{}"),
        NOW_MS,
    ) {
        Ok(Verdict::Need(Need::First(proved))) => (proved.mark, proved.until_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(mark(&headers), mark(&two));
    assert_eq!(mark(&headers).1, NOW_MS + 300_000);
}

#[test]
fn where_there_is_no_room_to_remember_nobody_is_let_in() {
    let (policy, headers) = (policy(&config()), signed("{}"));
    let Ok(Verdict::Need(Need::First(proved))) =
        policy.decide(&view(&headers), (true, false), &whole(b"{}"), NOW_MS)
    else {
        panic!("it is asked whether it came before");
    };
    let full = Answers::First(proved, First::Full);
    let verdict = policy
        .decide(&view(&headers), (true, false), &full, NOW_MS)
        .unwrap();
    assert_eq!(reason(&verdict), "webhook-replays-full");
}

#[test]
fn what_is_still_open_is_not_held_to_the_time_again() {
    let (policy, headers) = (policy(&config()), signed(""));
    let late = NOW_MS + 3_600_000;
    let verdict = policy
        .decide(&view(&headers), (false, true), &Answers::None, late)
        .unwrap();
    assert!(matches!(verdict, Verdict::Identify(_)), "{verdict:?}");
}

#[test]
fn a_body_that_is_gone_was_held_against_its_signature() {
    let (policy, headers) = (policy(&config()), signed("{}"));
    let gone = || {
        let gather = Gather {
            most: 64,
            pending: None,
        };
        Answers::Content(Box::new(gather), Content::Gone)
    };
    let late = NOW_MS + 3_600_000;
    let ask = |headers: &HeaderMap| {
        let verdict = policy.decide(&view(headers), (true, true), &gone(), late);
        verdict.unwrap()
    };
    assert!(matches!(ask(&headers), Verdict::Identify(_)));
    assert_eq!(reason(&ask(&HeaderMap::new())), "webhook-missing");
}

#[test]
fn a_body_that_cannot_be_had_is_refused_with_what_is_said_of_it() {
    let (policy, headers) = (policy(&config()), signed("{}"));
    let gather = Box::new(Gather {
        most: 64,
        pending: None,
    });
    let refused = Answers::Content(gather, Content::Refused(Denial::new(&POLICY_FAILED)));
    let verdict = policy
        .decide(&view(&headers), (true, false), &refused, NOW_MS)
        .unwrap();
    assert_eq!(reason(&verdict), "policy-failed");
    let stale = policy.decide(&view(&headers), (true, false), &Answers::Stale, NOW_MS);
    assert_eq!(stale.unwrap_err().policy, "webhook");
}

#[test]
fn the_signature_is_taken_off_unless_it_is_asked_for_and_nothing_tells_a_secret() {
    let policy = policy(&config());
    assert_eq!(policy.edits().unwrap().header(), "webhook-signature");
    assert!(!format!("{policy:?} {:?}", whole(b"hush")).contains("hush"));
    assert!(!format!("{policy:?}").contains("MfKQ"));
    let forwarding = Config {
        forward: true,
        ..config()
    };
    assert!(Webhook::new(&forwarding, &|_| None)
        .unwrap()
        .edits()
        .is_none());
    assert_eq!(Webhook::new(&forwarding, &|_| None).unwrap().lacking(), 1);
}

#[test]
fn a_form_that_proves_nothing_is_no_form() {
    let wrong = |change: &dyn Fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        Webhook::new(&config, &|_| None).unwrap_err().pointer
    };
    assert_eq!(wrong(&|config| config.secrets.clear()), "/secrets");
    assert_eq!(
        wrong(&|config| config.secrets = vec![String::new(); 17]),
        "/secrets"
    );
    assert_eq!(
        wrong(&|config| config.public_keys = vec!["whpk_AAAA".into()]),
        "/public_keys/0"
    );
    assert_eq!(
        wrong(&|config| config.body_bytes = MAX_BODY_BYTES + 1),
        "/body_bytes"
    );
    assert_eq!(
        wrong(&|config| config.form.header = "a b".into()),
        "/form/header"
    );
    assert_eq!(
        wrong(&|config| config.form.separator = Some(String::new())),
        "/form/separator"
    );
    assert_eq!(
        wrong(&|config| config.form.timestamp_prefix = Some("t=".into())),
        "/form/timestamp"
    );
    assert_eq!(
        wrong(&|config| config.form.signed = vec![Part::Body]),
        "/form/signed"
    );
    assert_eq!(
        wrong(&|config| config.form.signed.reverse()),
        "/form/signed"
    );
    assert_eq!(wrong(&|config| config.form.id = None), "/form/signed");
    let runs_together = vec![Part::Id, Part::Timestamp, Part::Body];
    assert_eq!(
        wrong(&|config| config.form.signed.clone_from(&runs_together)),
        "/form/signed"
    );
    let timeless = |config: &mut Config| {
        config.form.timestamp = None;
        config.form.signed = vec![Part::Body];
    };
    assert_eq!(wrong(&timeless), "/once");
    let keyed = |config: &mut Config| {
        config.public_keys = vec!["whpk_NtFvNpKCzcNKkvUWJwg/dhoPYY1oWMjZLUKMW/4JV4w=".into()];
        config.form.public_prefix = None;
    };
    assert_eq!(wrong(&keyed), "/public_keys");
}
