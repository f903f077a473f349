#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::fields::For;
use crate::roles::{Role, Who};
use crate::{Denial, Reading};

fn opening(to: For, fields: &[&str]) -> Opening {
    Opening {
        to,
        fields: fields.iter().map(|one| (*one).to_owned()).collect(),
    }
}

fn policy(drop: bool) -> Properties {
    let role = Role {
        name: "support".to_owned(),
        who: vec![vec![Who::Owner(vec!["helper".to_owned()])]],
        includes: Vec::new(),
        span: Span::default(),
    };
    let rule = RuleConfig {
        what: vec![Only::default()],
        open: vec![
            opening(For::Anyone, &["/a", "/b/c", "/d/*/e"]),
            opening(For::Role("support".into()), &["/note"]),
            opening(For::Scope("all".into()), &[""]),
        ],
        drop,
        query: false,
        span: Span {
            file: 0,
            line: 7,
            column: 3,
        },
    };
    let config = Config {
        rules: vec![rule],
        body_bytes: 4_000,
    };
    Properties::new(&config, &Arc::new(Book::new(&[role]).unwrap())).unwrap()
}

fn who(proved_by: &'static str) -> Identity {
    Identity {
        proved_by,
        credential: "company/ann".into(),
        owner: "ann".into(),
        app: None,
        claims: None,
    }
}

struct Ask<'a> {
    identity: Option<&'a Identity>,
    headers: HeaderMap,
    readings: Vec<Reading>,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            identity: None,
            headers: HeaderMap::from_iter([(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )]),
            readings: Vec::new(),
        }
    }
}

impl Ask<'_> {
    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        self
    }

    fn decided(&self, policy: &Properties, content: Content) -> Decided {
        let view = RequestView {
            method: &Method::PATCH,
            host: "shop.example.com",
            path: "/users/7",
            query: None,
            headers: &self.headers,
            content_length: None,
            api: "shop",
            operation: Some("updateUser"),
            readings: &self.readings,
        };
        let asked = Asked {
            identity: self.identity,
            body: true,
        };
        let first = policy.decide(&view, &asked, &Answers::None).unwrap();
        let Verdict::Need(Need::Content(gather)) = first.verdict else {
            return first;
        };
        policy
            .decide(&view, &asked, &Answers::Content(gather, content))
            .unwrap()
    }

    fn refused(&self, policy: &Properties, body: &str) -> Denial {
        let content = Content::Whole(Bytes::copy_from_slice(body.as_bytes()));
        match self.decided(policy, content).verdict {
            Verdict::Deny(denial) => denial,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refusal_says_what_and_who_may() {
    let denial = Ask::default().refused(&policy(false), r#"{"a": 1, "note": "x", "ro/le~": 1}"#);
    assert_eq!(denial.reason.code, "property-not-writable");
    let told = "`/note` may be set by the role `support` or the scope `all`; `/ro~1le~0` may be set by the scope `all`";
    assert_eq!(denial.detail.as_deref(), Some(told));
    assert_eq!(denial.span.map(|span| span.line), Some(7));
    let whole = Ask::default().refused(&policy(false), "[]");
    let told = whole.detail.unwrap();
    assert_eq!(told, "the body as a whole may be set by the scope `all`");
}

#[test]
fn what_is_told_is_bounded() {
    let many: Vec<String> = (0..500)
        .map(|one| format!("\"x{one}\\u0007{}\": 1", "y".repeat(70)))
        .collect();
    let body = format!("{{{}}}", many.join(","));
    let short = Config {
        rules: Vec::new(),
        body_bytes: 1 << 20,
    };
    let mut policy = policy(false);
    policy.body_bytes = short.body_bytes;
    let told = Ask::default().refused(&policy, &body).detail.unwrap();
    assert!(told.ends_with("and 495 more"), "{told}");
    assert!(told.len() < 700 && !told.contains('\u{7}'), "{told}");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let policy = policy(true);
    let code = |ask: &Ask<'_>, content| match ask.decided(&policy, content).verdict {
        Verdict::Deny(denial) => denial.reason.code,
        other => panic!("{other:?}"),
    };
    let whole = || Content::Whole(Bytes::from_static(b"{\"a\": 1}"));
    let plain = Ask::default();
    assert_eq!(code(&plain, Content::TooLong), "property-unreadable");
    assert_eq!(
        code(&Ask::default().with("content-encoding", "gzip"), whole()),
        "property-unreadable"
    );
    assert_eq!(
        code(&Ask::default().with("content-type", "text/plain"), whole()),
        "property-unreadable"
    );
    let taken = Ask {
        readings: vec![Reading {
            path: "/users/8".into(),
            operation: Some("other".into()),
        }],
        ..Ask::default()
    };
    assert_eq!(code(&taken, whole()), "property-unreadable");
    let other = POLICY_REFUSAL;
    assert_eq!(
        code(&plain, Content::Refused(Denial::new(other))),
        other.code
    );
}

/// Any reason that is not the room's own.
const POLICY_REFUSAL: crate::ReasonRef = &crate::POLICY_FAILED;

#[test]
fn of_what_is_signed_nothing_is_left_out() {
    let policy = policy(true);
    let body = r#"{"a": 1, "role": 2}"#;
    let signer = who("signature");
    let signed = Ask {
        identity: Some(&signer),
        ..Ask::default()
    };
    for ask in [signed, Ask::default().with("signature", "sig=:AA==:")] {
        let told = ask.refused(&policy, body).detail.unwrap();
        assert!(
            told.ends_with("the body is signed, so that nothing can be left out of it"),
            "{told}"
        );
    }
    let token = who("jwt");
    let plain = Ask {
        identity: Some(&token),
        ..Ask::default()
    };
    let decided = plain.decided(&policy, Content::Whole(Bytes::from_static(body.as_bytes())));
    let left = decided.left.unwrap();
    assert_eq!(
        (&*left.body, &*left.without),
        (&br#"{"a": 1}"#[..], "/role")
    );
}

#[test]
fn it_asks_for_nothing_where_nothing_is_judged() {
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/users/7",
        query: None,
        headers: &HeaderMap::new(),
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let asked = Asked {
        identity: None,
        body: false,
    };
    let decided = policy(false).decide(&view, &asked, &Answers::None).unwrap();
    assert!(matches!(decided.verdict, Verdict::Allow(_)));
    assert!(policy(false)
        .decide(
            &view,
            &Asked {
                body: true,
                ..asked
            },
            &Answers::Stale
        )
        .is_err());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i32>().prop_map(Into::into),
        "[a-c\"\\\\\u{e9}]{0,3}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("[a-f]", inner, 0..4)
                .prop_map(|all| serde_json::Value::Object(all.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What is left of a body is one of which nothing is refused; and what is not refused stays.
    #[test]
    fn what_is_left_is_let_through(value in json(), patch in any::<bool>()) {
        let kind = if patch { "application/merge-patch+json" } else { "application/json" };
        let ask = Ask {
            headers: HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]),
            ..Ask::default()
        };
        let content = |body: &[u8]| Content::Whole(Bytes::copy_from_slice(body));
        let body = value.to_string().into_bytes();
        let strict = ask.decided(&policy(false), content(&body));
        let lenient = ask.decided(&policy(true), content(&body));
        match (&strict.verdict, &lenient.verdict, &lenient.left) {
            (Verdict::Allow(_), Verdict::Allow(_), None) => {}
            (Verdict::Deny(_), Verdict::Allow(_), Some(left)) => {
                let again = ask.decided(&policy(false), content(&left.body));
                prop_assert!(matches!(again.verdict, Verdict::Allow(_)), "{:?}", left);
            }
            // There is no object whose members could be left out.
            (Verdict::Deny(_), Verdict::Deny(_), None) => prop_assert!(!value.is_object()),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

/// Whatever is told of it is bounded: before, each of these took as long as its square.
#[test]
fn a_body_full_of_what_nobody_means_well_by_is_soon_refused() {
    let deep = "/__proto__".repeat(200_000);
    let rule = RuleConfig {
        what: vec![Only::default()],
        open: vec![opening(For::Anyone, &["/a"])],
        drop: false,
        query: false,
        span: Span::default(),
    };
    let rule = Rule::new(
        (&rule.what, &rule.open),
        &Book::new(&[]).unwrap(),
        rule.span,
    )
    .unwrap();
    let bounded = |told: &Told<'_>| {
        assert!(told.is_poison());
        assert!(told.denial().unwrap().detail.unwrap().len() < 2_000);
    };
    let mut told = Told::new(&rule, 1);
    let patch = serde_json::json!([{ "op": "add", "path": deep, "value": 1 }]);
    patch::judge(&patch, &mut told).unwrap();
    bounded(&told);
    let mut told = Told::new(&rule, 1);
    let form = format!("a{}=1", "[__proto__]".repeat(200_000));
    form::judge(form.as_bytes(), &mut told).unwrap();
    bounded(&told);
    let mut told = Told::new(&rule, 1);
    let items = vec![serde_json::json!({"__proto__": 1}); 50_000];
    let mut within = serde_json::Map::new();
    within.insert("L".repeat(200_000), items.into());
    told.poisoned(&serde_json::Value::Object(within));
    bounded(&told);
}
