//! What it costs to say whose an answer of 100 KB is, and to take out of it what is others', beside reading it once.
//! For numbers to quote: `cargo test --release -p lockgate-policy --test costs owned -- --nocapture`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method};
use lockgate_policy::objects::{
    Answer, Asked, Config, Known, Must, Objects, Relations, Rule, Whose,
};
use lockgate_policy::only::Only;
use lockgate_policy::roles::Book;
use lockgate_policy::{Answers, Identity, RequestView, Span};
use serde_json::{json, Value};

const BYTES: usize = 100_000;
const ROUNDS: u32 = 200;

fn answer(others: bool) -> Vec<u8> {
    let mut orders = Vec::new();
    let mut written = 0;
    while written < BYTES {
        let number = orders.len();
        let customer = if others && number % 10 == 9 {
            "bob"
        } else {
            "ada"
        };
        let order = json!({
            "id": format!("o-{number:06}"), "customer": customer, "sum": 1_999, "paid": true,
            "lines": [{"sku": "LK-001", "count": 2, "text": "a lock of brass"}], "note": null,
        });
        written += order.to_string().len() + 1;
        orders.push(order);
    }
    json!({"orders": orders}).to_string().into_bytes()
}

fn each(name: &str, work: impl Fn() -> bool) {
    assert!(work(), "{name}");
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    println!("{name}: {:?}", begun.elapsed() / ROUNDS);
}

#[test]
fn owned() {
    let rule = |filter| Rule {
        what: vec![Only::default()],
        whose: Whose::Answer(Answer {
            pointer: "/orders/*/customer".to_owned(),
            filter,
        }),
        must: Must::Equal(Known::Claim(vec!["sub".to_owned()])),
        unless: Vec::new(),
        hidden: false,
        span: Span::default(),
    };
    let (book, relations) = (
        Arc::new(Book::new(&[]).unwrap()),
        Relations::new(&[]).unwrap(),
    );
    let objects = |filter| {
        let config = Config {
            rules: vec![rule(filter)],
            body_bytes: 1,
            answer_bytes: 1 << 20,
            not_found: None,
        };
        Objects::new(&config, &book, &relations).unwrap()
    };
    let identity = Identity {
        proved_by: "jwt",
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(json!({"sub": "ada"}).as_object().unwrap().clone())),
    };
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/orders",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let asked = Asked {
        identity: Some(&identity),
        captures: &[],
        body: false,
    };
    let pending = |policy: &Objects| {
        let decided = policy.decide(&view, &asked, &Answers::None).unwrap();
        decided.pending.unwrap()
    };
    let (own, mixed) = (answer(false), answer(true));
    println!("an answer of {} bytes", own.len());
    each("serde_json reads it", || {
        serde_json::from_slice::<Value>(&own).is_ok()
    });
    let (refusing, filtering) = (objects(false), objects(true));
    let (held, sieved) = (pending(&refusing), pending(&filtering));
    each("it is the caller's own", || {
        refusing.judge(&held, &own).is_ok_and(|out| out.is_none())
    });
    each("a tenth of it is others', and taken out", || {
        filtering
            .judge(&sieved, &mixed)
            .is_ok_and(|out| out.is_some())
    });
}
