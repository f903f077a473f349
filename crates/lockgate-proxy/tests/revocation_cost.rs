//! What a revocation of tokens costs: bytes of the process, and the time in which a
//! token is held against all of them. Alone in its process, with the allocator of the
//! module. For numbers to quote:
//! `cargo test --release -p lockgate-proxy --test revocation_cost -- --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::hint::black_box;
use std::time::Instant;

use lockgate_proxy::facts::FactStore;
use mimalloc::MiMalloc;
use serde_json::json;
use support::resident;

mod support;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Bytes: twice what an entry takes, since a table that has just grown is half empty.
const BUDGET: u64 = 80;
const REVOCATIONS: u64 = 1_000_000;
const LOOK_UPS: u64 = 200_000;

fn revoke(number: u64) -> String {
    let by = if number.is_multiple_of(2) {
        "token"
    } else {
        "subject"
    };
    format!(
        r#"{{"seq":{},"at_ms":5,"kind":"token.revoke","issuer":"https://login.example.com","by":"{by}","value":"{number}","before_ms":null,"until_ms":null}}"#,
        number + 1
    )
}

#[test]
fn a_revocation_takes_no_more_than_its_budget() {
    let store = FactStore::in_memory();
    let before = resident();
    let begun = Instant::now();
    for batch in 0..REVOCATIONS / 1000 {
        let facts: Vec<String> = (batch * 1000..(batch + 1) * 1000).map(revoke).collect();
        store.apply(&facts).unwrap();
    }
    let took = begun.elapsed();
    assert_eq!(store.revocations() as u64, REVOCATIONS);
    let each = (resident() - before) * 1024 / REVOCATIONS;
    println!("{each} bytes for each of {REVOCATIONS} revocations, applied in {took:.1?}");
    let revoked = store.issuer("company").revoked;
    let claims = |number: u64| {
        let claims = json!({"sub": format!("u{number}"), "jti": number.to_string(), "iat": 5});
        claims.as_object().unwrap().clone()
    };
    let of: Vec<_> = (0..1000).map(|number| claims(number * 1009)).collect();
    let begun = Instant::now();
    let mut found = 0;
    for at in 0..LOOK_UPS {
        let claims = &of[(at % 1000) as usize];
        let why = revoked.refuses("https://login.example.com", black_box(claims), 9);
        found += u64::from(why.is_some());
    }
    let each_ns = begun.elapsed().as_secs_f64() * 1e9 / LOOK_UPS as f64;
    println!("{each_ns:.0} ns to hold a token against them");
    // Those with an even number below a million.
    assert_eq!(found, LOOK_UPS / 1000 * 496);
    assert!(
        each <= BUDGET,
        "{each} bytes for each of {REVOCATIONS} revocations"
    );
}
