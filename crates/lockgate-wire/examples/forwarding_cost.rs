//! What the steps between framing and the upstream cost, in nanoseconds for a
//! request with twelve headers.
//!
//! Run with `cargo run --release -p lockgate-wire --example forwarding_cost`.

// The clock is what this program is about; the ban is for code on the request path.
#![allow(clippy::disallowed_methods)]

use std::{
    hint::black_box,
    net::IpAddr,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use lockgate_wire::{
    headers::{self, forwarding::Hop, trace},
    target::{for_matching, normalize, normalize_host, TargetSwitches},
};

const ROUNDS: u32 = 15;
const CALLS: u32 = 20_000;
/// Copies of the headers at a time: few enough to stay in the processor's cache.
const BATCH: u32 = 50;

fn main() {
    let switches = TargetSwitches::default();
    let plain = "/orders/1042/items/7?expand=product&page=2";
    show("target, plain", || {
        black_box(normalize(black_box(plain), &switches).is_ok());
    });
    show("target, to be changed", || {
        black_box(normalize(black_box("/a/./caf%c3%a9/%7Euser"), &switches).is_ok());
    });
    show("path for matching, plain", || {
        black_box(for_matching(black_box("/orders/1042/items/7")));
    });
    show("host", || {
        black_box(normalize_host(black_box("api.example.com:8080")).is_ok());
    });

    let fields = fields();
    let peer: IpAddr = [192, 0, 2, 1].into();
    let hop = Hop::new(peer, true, 8443);
    let on_a_copy = |name: &str, work: &dyn Fn(&mut HeaderMap)| {
        println!("{name:<28} {:>6.0}", cost_on(&fields, work));
    };
    on_a_copy("hop-by-hop", &headers::remove_hop_by_hop);
    let mut naming = fields.clone();
    if let Ok(list) = HeaderValue::try_from("x-none,".repeat(1000)) {
        naming.insert("connection", list);
    }
    println!(
        "{:<28} {:>6.0}",
        "hop-by-hop, 1,000 named",
        cost_on(&naming, &headers::remove_hop_by_hop)
    );
    on_a_copy("identity", &|headers| {
        headers::strip_identity(headers, false)
    });
    let told = headers::forwarded::Told::default();
    on_a_copy("forwarding", &|headers| hop.write(headers, &told));
    on_a_copy("trace", &|headers| {
        trace::continue_or_begin(headers, [7; 24]);
    });
    show("client's address", || {
        black_box(headers::forwarded::client_address(&fields, peer, |_| false).is_ok());
    });
}

fn show(name: &str, work: impl FnMut()) {
    println!("{name:<28} {:>6.0}", cost(work));
}

fn cost(mut work: impl FnMut()) -> f64 {
    median(|| {
        let start = Instant::now();
        for _ in 0..CALLS {
            work();
        }
        start.elapsed()
    })
}

/// The same on copies that are made, and dropped, outside of the time.
fn cost_on(fields: &HeaderMap, work: &dyn Fn(&mut HeaderMap)) -> f64 {
    median(|| {
        let mut time = Duration::ZERO;
        for _ in 0..CALLS / BATCH {
            let mut copies = vec![fields.clone(); BATCH as usize];
            let start = Instant::now();
            copies.iter_mut().for_each(work);
            time += start.elapsed();
            black_box(&copies);
        }
        time
    })
}

/// Nanoseconds per call: the median of the rounds.
fn median(mut round: impl FnMut() -> Duration) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| round().as_secs_f64() * 1e9 / f64::from(CALLS))
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn fields() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(32);
    for (name, value) in [
        ("host", "api.example.com"),
        ("user-agent", "python-httpx/0.28.1"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "en"),
        ("connection", "keep-alive"),
        ("content-type", "application/json"),
        ("content-length", "300"),
        ("cookie", "session=0123456789abcdef"),
        ("referer", "https://shop.example.com/"),
        ("x-api-key", "lg_live_0123456789"),
        ("x-custom", "something"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}
