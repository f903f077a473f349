//! What the watchers cost: gigabytes per second for bodies, and nanoseconds
//! per frame for small ones.
//!
//! Run with `cargo run --release -p lockgate-wire --example watching_cost`.

// The clock is what this program is about; the ban is for code on the request path.
#![allow(clippy::disallowed_methods)]

use std::{hint::black_box, time::Instant};

use lockgate_wire::{
    client_hello, grpc,
    http2::{self, Budget, Budgets},
    websocket::{Rules, Sender, Watcher},
};

const ROUNDS: usize = 15;
/// What a socket gives at once.
const READ: usize = 64 * 1024;

fn main() {
    println!(
        "{:<34} {:>9} {:>8} {:>9}",
        "stream", "bytes", "GB/s", "ns/frame"
    );
    let big = vec![0xaa; 60_000];
    let ascii = vec![b'a'; 60_000];
    let text = "grüße €uro ".repeat(4_000).into_bytes();
    for (name, first, payload, count) in [
        ("websocket, binary 60 kB", 0x82, &big[..], 200),
        ("websocket, ASCII text 60 kB", 0x81, &ascii[..], 200),
        ("websocket, other text 60 kB", 0x81, &text[..], 200),
        ("websocket, text 20 B", 0x81, &ascii[..20], 100_000),
    ] {
        let stream = websocket(first, payload).repeat(count);
        measure(name, &stream, count, |stream| {
            let mut watcher = Watcher::new(Sender::Client, Rules::default());
            stream.chunks(READ).all(|piece| watcher.feed(piece).is_ok())
        });
    }
    let free = Budget::new(u32::MAX, 0);
    let budgets = Budgets {
        ping: free,
        ..Budgets::default()
    };
    for (name, kind, length, count) in [
        ("http2, DATA 16 KiB", 0, 16_384_u32, 1000),
        ("http2, PING", 6, 8, 200_000),
    ] {
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 1]);
        frame.resize(9 + length as usize, 0);
        let stream = [&[0, 0, 0, 4, 0, 0, 0, 0, 0][..], &frame.repeat(count)].concat();
        measure(name, &stream, count, |stream| {
            let mut watcher = http2::Watcher::after_preface(budgets, 0);
            stream
                .chunks(READ)
                .all(|piece| watcher.feed(piece, 0).is_ok())
        });
    }
    let message = [&[0, 0, 0, 0, 100][..], &[7; 100]].concat();
    measure(
        "grpc, messages of 100 B",
        &message.repeat(100_000),
        100_000,
        |stream| {
            let mut body = grpc::Messages::of_client(1000);
            stream.chunks(READ).all(|piece| body.feed(piece).is_ok())
        },
    );
    let encoded = b"AAECAwQFBgcICQoL".repeat(100_000);
    measure("grpc-web-text, decoded", &encoded, 100_000, |stream| {
        let mut decoder = grpc::TextDecoder::default();
        let mut out = Vec::with_capacity(READ);
        stream.chunks(READ).all(|piece| {
            out.clear();
            decoder.feed(piece, &mut out).is_ok()
        })
    });
    let hello = hello();
    measure("client hello, to JA4 without hash", &hello, 1, |message| {
        let hello = client_hello::ClientHello::parse(message);
        hello.is_some_and(|hello| {
            black_box(client_hello::Ja4::new(&hello.parts(false)));
            true
        })
    });
}

fn measure(name: &str, stream: &[u8], frames: usize, work: impl Fn(&[u8]) -> bool) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            assert!(work(black_box(stream)), "the stream must be a good one");
            start.elapsed().as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let seconds = rounds[ROUNDS / 2];
    println!(
        "{name:<34} {:>9} {:>8.2} {:>9.1}",
        stream.len(),
        stream.len() as f64 / seconds / 1e9,
        seconds * 1e9 / frames as f64
    );
}

fn websocket(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0xfe);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// A hello of a browser's size.
fn hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 32]);
    (0..16_u16).for_each(|suite| body.extend((0xc02b - suite).to_be_bytes()));
    body.extend([1, 0]);
    let mut extensions = Vec::new();
    for kind in [5_u16, 10, 11, 18, 23, 27, 35, 45, 0xfe0d, 0xff01] {
        extensions.extend(kind.to_be_bytes());
        extensions.extend([0, 100]);
        extensions.extend([9; 100]);
    }
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let length = (body.len() as u32).to_be_bytes();
    [&[1][..], &length[1..], &body].concat()
}
