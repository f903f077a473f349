//! What the framing guard costs: nanoseconds for heads of three sizes, beside
//! what hyper's own parser takes for the same bytes.
//!
//! Run with `cargo run --release -p lockgate-wire --example framing_cost`.

// The clock is what this program is about; the ban is for code on the request path.
#![allow(clippy::disallowed_methods)]

use std::{hint::black_box, time::Instant};

use lockgate_wire::framing::{HeadLimits, RequestGuard};

const ROUNDS: u32 = 15;
const HEADS: u32 = 20_000;

fn main() {
    println!(
        "{:<10} {:>6} {:>8} {:>10} {:>10}",
        "head", "bytes", "headers", "guard ns", "httparse ns"
    );
    for (name, head) in [
        ("small", small()),
        ("browser", browser()),
        ("large", large()),
    ] {
        let headers = head.iter().filter(|byte| **byte == b'\n').count() - 2;
        let guard = median(|| {
            let mut guard = RequestGuard::new(HeadLimits::default());
            for _ in 0..HEADS {
                let result = guard.feed(black_box(&head), &mut |run| {
                    black_box(run);
                });
                assert!(result.is_ok(), "the head must be a good one");
            }
        });
        let parser = median(|| {
            for _ in 0..HEADS {
                let mut fields = [httparse::EMPTY_HEADER; 100];
                let mut request = httparse::Request::new(&mut fields);
                assert!(request
                    .parse(black_box(&head))
                    .is_ok_and(|status| status.is_complete()));
                black_box(&request);
            }
        });
        println!(
            "{name:<10} {:>6} {headers:>8} {guard:>10.0} {parser:>10.0}",
            head.len()
        );
    }
}

/// Nanoseconds per head: the median of the rounds.
fn median(mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e9 / f64::from(HEADS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// What a service calls another with.
fn small() -> Vec<u8> {
    b"GET /orders/1042?expand=items HTTP/1.1\r\n\
      Host: api.example.com\r\n\
      User-Agent: python-httpx/0.28.1\r\n\
      Accept: application/json\r\n\
      Accept-Encoding: gzip, br\r\n\
      X-API-Key: lg_live_0123456789abcdefghij\r\n\
      Connection: keep-alive\r\n\r\n"
        .to_vec()
}

/// What a browser sends.
fn browser() -> Vec<u8> {
    b"GET /catalogue/lamps?page=2&sort=price HTTP/1.1\r\n\
      Host: shop.example.com\r\n\
      Connection: keep-alive\r\n\
      sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
      sec-ch-ua-mobile: ?0\r\n\
      sec-ch-ua-platform: \"Linux\"\r\n\
      Upgrade-Insecure-Requests: 1\r\n\
      User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
      Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
      Sec-Fetch-Site: same-origin\r\n\
      Sec-Fetch-Mode: navigate\r\n\
      Sec-Fetch-User: ?1\r\n\
      Sec-Fetch-Dest: document\r\n\
      Referer: https://shop.example.com/catalogue\r\n\
      Accept-Encoding: gzip, deflate, br, zstd\r\n\
      Accept-Language: en-GB,en;q=0.9\r\n\
      Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n"
        .to_vec()
}

/// Many headers and a large cookie.
fn large() -> Vec<u8> {
    let mut head = b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n".to_vec();
    for number in 0..60 {
        head.extend_from_slice(
            format!("X-Custom-Header-{number}: some value of middling length {number}\r\n")
                .as_bytes(),
        );
    }
    head.extend_from_slice(b"Cookie: ");
    head.extend(std::iter::repeat_n(b'c', 4000));
    head.extend_from_slice(b"\r\n\r\n");
    head
}
