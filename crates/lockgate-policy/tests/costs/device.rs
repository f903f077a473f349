//! What it costs a request to be judged by its device: the order, which is the key of what is known already, and
//! the verdict by it. For numbers to quote:
//! `cargo test --release -p lockgate-policy --test costs device -- --nocapture`.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use http::Method;
use lockgate_policy::broker::Brought;
use lockgate_policy::device::{Config, Device, Seen, Then};
use lockgate_policy::{Answers, Identity, Need, RequestView, Verdict};
use serde_json::json;

const REQUESTS: u32 = 100_000;

/// What this thread had of a core, whoever else wants one.
fn on_cpu_ns() -> u64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_known_device_is_let_in() {
    let policy = Device::new(&Config {
        without: false,
        unapproved: true,
        new: Then::StepUp,
        changed: Then::StepUp,
        travel: Then::StepUp,
        most: Some(5),
        amr: vec!["mfa".into()],
        acr: Vec::new(),
        sign_in: Some("staff".into()),
    })
    .unwrap();
    let claims = json!({
        "iss": "https://login.example.com/realms/main", "sub": "0a8f2b7c-3d5e-4f60-9a1b-2c3d4e5f6a7b",
        "auth_time": 1_800_000_000, "amr": ["pwd", "mfa"], "device": "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80",
    });
    let identity = Identity {
        proved_by: "session",
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(claims.as_object().unwrap().clone())),
    };
    let mut headers = HeaderMap::new();
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example",
        path: "/orders",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let seen = Seen {
        address: [192, 0, 2, 77].into(),
        ja4: Some("t13d1516h2_8daaf6152771_e5627efa2ab1"),
        http2: Some("1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"),
        country: Some("NL"),
        network: Some(64_500),
        location: None,
    };
    let said = json!({
        "id": "dev_w5k2xlcris2uirba4wl3", "revoked": false, "new": false, "approved": false, "changed": false,
        "travel": false, "at_once": 2,
    });
    let known: Arc<str> = said.to_string().into();
    let decide = |answers: &Answers| policy.decide(&view, &seen, Some(&identity), answers, 0);
    let begun = on_cpu_ns();
    let mut let_in = 0;
    for _ in 0..REQUESTS {
        let first = black_box(decide(&Answers::None)).unwrap().verdict;
        let Verdict::Need(Need::Order(order)) = first else {
            panic!("it orders nothing");
        };
        black_box(order.mark);
        let answers = Answers::Brought(Brought::Got(Arc::clone(&known)));
        let verdict = black_box(decide(&answers)).unwrap().verdict;
        let_in += u32::from(matches!(verdict, Verdict::Allow(_)));
    }
    let each = (on_cpu_ns() - begun) / u64::from(REQUESTS);
    println!("{each} ns of the CPU for a device that is known");
    assert_eq!(let_in, REQUESTS);
}
