//! What limits cost: the time of a decision with three of them, and bytes of
//! the process for each counter. Alone in its process, with the allocator of
//! the module. For numbers to quote:
//! `cargo test --release -p lockgate-proxy --test limit_cost -- --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![cfg(target_os = "linux")]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use http::{HeaderMap, Method};
use lockgate_policy::limits::{Asked, By, Config, Count, Limits, Seed, Tell};
use lockgate_policy::only::Only;
use lockgate_policy::{api_key, Answers, Identity, Need, RequestView, Span, Verdict};
use lockgate_proxy::counters::{Counters, Local, MOST_COUNTERS};
use mimalloc::MiMalloc;
use support::resident;

mod support;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const NOW_MS: u64 = 1_800_000_000_000;
/// Bytes of a counter, at worst: the tables have just grown.
const BUDGET: u64 = 48;
/// Measured in rounds, of which the middle one is told: other programs on the machine disturb some.
const ROUNDS: u64 = 51;
const DECISIONS: u64 = 10_000;

fn limit(name: &str, by: By, tell: Tell) -> Config {
    Config {
        name: name.to_owned(),
        scope: "defaults".to_owned(),
        count: Count::Requests,
        by: vec![by],
        allow: 1_000_000,
        per_ms: 1_000,
        burst: 1_000_000,
        ipv4_prefix: 32,
        ipv6_prefix: 64,
        exempt: Vec::new(),
        only: Only::default(),
        tell,
        legacy: false,
        penalty: None,
    }
}

fn limits(tell: Tell) -> Limits {
    let configs = [
        limit("per-client", By::Client, tell),
        limit("per-route", By::Route, tell),
        limit("per-api", By::Api, tell),
    ];
    let placed: Vec<_> = configs
        .iter()
        .map(|config| (config, Span::default()))
        .collect();
    Limits::new(&placed, Seed::of(&api_key::pepper(b"pepper"))).unwrap()
}

/// Asks and answers as the gate does; whether the request is let through.
fn decide(limits: &Limits, store: &Local, identity: &Identity, now_ms: u64) -> bool {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/orders/7",
        query: None,
        headers: &headers,
        content_length: None,
        api: "orders",
        operation: None,
        readings: &[],
    };
    let asked = Asked {
        view: &view,
        route: "/orders/{id}",
        address: IpAddr::from([203, 0, 113, 9]),
        proxy: false,
        identity: Some(identity),
        shadow: false,
        now_ms,
    };
    let Ok(Verdict::Need(Need::Take(take))) = limits.decide(&asked, &[], &Answers::None) else {
        panic!("counters are wanted");
    };
    let answer = Answers::Taken(store.take(take, now_ms));
    matches!(
        black_box(limits.decide(&asked, &[], &answer)),
        Ok(Verdict::Allow(_))
    )
}

fn identity(number: u64) -> Identity {
    Identity {
        proved_by: "api_key",
        credential: format!("key_{number:012}").into(),
        owner: "tests".into(),
        app: None,
        claims: None,
    }
}

#[test]
fn a_decision_and_a_counter_take_no_more_than_their_budgets() {
    let store = Local::default();
    let before = resident();
    let long = {
        let mut config = limit("quota", By::Client, Tell::Never);
        (config.allow, config.per_ms, config.burst) = (10, 86_400_000, 10);
        let seed = Seed::of(&api_key::pepper(b"pepper"));
        Limits::new(&[(&config, Span::default())], seed).unwrap()
    };
    let many = MOST_COUNTERS as u64 * 9 / 10;
    for number in 0..many {
        assert!(decide(&long, &store, &identity(number), NOW_MS));
    }
    let counters = store.stats().counters as u64;
    assert!(counters > many * 99 / 100, "{counters} of {many}");
    let each = (resident() - before) * 1024 / counters;
    println!("{each} bytes for each of {counters} counters");
    assert!(
        each <= BUDGET,
        "{each} bytes for each of {counters} counters"
    );

    let callers: Vec<Identity> = (0..1_000).map(identity).collect();
    // Each a minute after what was counted before, for time never goes back.
    for (minute, what, tell) in [(1, "told", Tell::Always), (2, "not told", Tell::Refused)] {
        let start_ms = NOW_MS + minute * 60_000;
        let limits = limits(tell);
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|round| {
                let begun = Instant::now();
                for turn in round * DECISIONS..(round + 1) * DECISIONS {
                    let caller = &callers[(turn % 1_000) as usize];
                    assert!(decide(&limits, &store, caller, start_ms + turn / 100));
                }
                begun.elapsed().as_secs_f64() * 1e9 / DECISIONS as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        let (ns, best) = (rounds[rounds.len() / 2], rounds[0]);
        println!("{ns:.0} ns (best {best:.0}) for three limits together, {what} in the answer");
    }
}
