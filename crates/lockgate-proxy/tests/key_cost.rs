//! What a key costs: bytes of the process, and the time of a look-up. Alone in
//! its process, with the allocator of the module. For numbers to quote:
//! `cargo test --release -p lockgate-proxy --test key_cost -- --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::hint::black_box;
use std::time::Instant;

use lockgate_policy::Digest;
use lockgate_proxy::facts::FactStore;
use mimalloc::MiMalloc;
use support::resident;

mod support;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Bytes. Of a million keys, a tenth of a small machine.
const BUDGET: u64 = 200;
/// A little more than 7/8 of a power of two: the tables have just grown, and are half empty.
const KEYS: u64 = 1_000_000;
const LOOK_UPS: u64 = 2_000_000;

/// A digest as random as an HMAC.
fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    let mut state = number;
    for part in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    Digest(bytes)
}

/// As `bench/gate_keys.py` and the admin API write it.
fn put(number: u64) -> String {
    let digest = digest(number).to_hex();
    let owner = number % 1000;
    format!(
        r#"{{"seq":{},"at_ms":5,"kind":"key.put","key":{{"id":"key_{number:012}","digest":"{digest}","name":"n","owner":"owner-{owner}","environment":"live","apis":["shop"],"expires_ms":null}}}}"#,
        number + 1
    )
}

fn look_up(store: &FactStore, numbers: impl Fn(u64) -> u64) -> f64 {
    let digests: Vec<Digest> = (0..100_000).map(|n| digest(numbers(n))).collect();
    let begun = Instant::now();
    for at in 0..LOOK_UPS {
        let found = store.key(black_box(&digests[(at % 100_000) as usize]));
        assert!(black_box(found).is_some());
    }
    begun.elapsed().as_secs_f64() * 1e9 / LOOK_UPS as f64
}

#[test]
fn a_key_takes_no_more_than_its_budget() {
    let store = FactStore::in_memory();
    let before = resident();
    for batch in 0..KEYS / 1000 {
        let facts: Vec<String> = (batch * 1000..(batch + 1) * 1000).map(put).collect();
        store.apply(&facts).unwrap();
    }
    assert_eq!(store.keys() as u64, KEYS);
    let each = (resident() - before) * 1024 / KEYS;
    println!("{each} bytes for each of {KEYS} keys");
    println!("{:.1} ns for one of 10", look_up(&store, |n| n % 10));
    let spread = |n: u64| n.wrapping_mul(7919) % KEYS;
    println!("{:.1} ns for one of 100,000", look_up(&store, spread));
    assert!(each <= BUDGET, "{each} bytes for each of {KEYS} keys");
}
