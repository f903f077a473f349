//! What reading bodies costs: nanoseconds for a body, and for each KB of it.
//!
//! Run with `cargo run --release -p lockgate-wire --example content_cost`.

// The clock is what this program is about; the ban is for code on the request path.
#![allow(clippy::disallowed_methods)]

use std::{hint::black_box, time::Instant};

use lockgate_wire::content::{
    cookies, form, graphql, json,
    layers::{Allowance, Limits, Unwrapper},
    multipart, protobuf, xml, Sink,
};

const ROUNDS: usize = 15;
/// Nanoseconds that a round takes at least.
const ROUND_NS: u128 = 5_000_000;
/// What a large body is worked in.
const SLICE: usize = 64 * 1024;

/// Takes everything, and looks at nothing.
#[derive(Default)]
struct Count {
    values: usize,
    bytes: usize,
}

impl Sink for Count {
    fn pair(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.values += 1;
        self.bytes += name.len() + value.len();
        true
    }
}

fn main() {
    println!(
        "{:<34} {:>8} {:>7} {:>10} {:>8}",
        "body", "bytes", "values", "ns", "ns/KB"
    );
    let mut reader = json::Reader::new(json::Limits::default());
    for (name, body) in [
        ("JSON, an order of 1.3 KB", order(17)),
        ("JSON, 100 KB of orders", orders(80)),
        ("JSON, 10 MB of orders", orders(8_000)),
        (
            "JSON, 100 KB of prose",
            format!("[\"{}\"]", "Some words, and others. ".repeat(4_200)),
        ),
        (
            "JSON, 100 KB of escapes",
            format!("[\"{}\"]", "\\u00e9\\n".repeat(12_500)),
        ),
        (
            "JSON, 100 KB of other letters",
            format!("[\"{}\"]", "größe €uro ".repeat(7_000)),
        ),
        (
            "JSON, 100 KB of numbers",
            format!("[{}0]", "12345,".repeat(17_000)),
        ),
        ("JSON, 100 KB of names in one object", names(7_700)),
        (
            "JSON, 1 MB, one byte each",
            format!("[{}0]", "1,".repeat(240_000)),
        ),
    ] {
        measure(name, body.as_bytes(), |body, sink| {
            reader.reset(1 << 20);
            while reader.run(body, SLICE, sink) == Ok(lockgate_wire::content::Progress::More) {}
        });
    }
    let mut forms = form::Reader::default();
    for (name, body) in [
        (
            "form, 1.3 KB",
            "name=some+words&id=12345&q=a%20b&".repeat(40),
        ),
        (
            "form, 100 KB",
            "name=some+words&id=12345&q=a%20b&".repeat(3_100),
        ),
    ] {
        measure(name, body.as_bytes(), |body, sink| {
            forms.reset(1 << 20);
            forms.run(body, b'&', usize::MAX, sink);
        });
    }
    let cookie = "session=0123456789abcdef; theme=dark; lang=en; _ga=GA1.1.1234567890.1234567890";
    measure("cookies, four", cookie.as_bytes(), |body, sink| {
        cookies::read(body, sink);
    });
    for (name, body) in [
        ("multipart, two fields", fields(2)),
        (
            "multipart, 10 fields and 1 MB",
            fields(10) + &"binary\ndata--".repeat(80_000),
        ),
    ] {
        let body = body + "\r\n--XyZ--\r\n";
        measure(name, body.as_bytes(), |body, sink| {
            let kind = b"multipart/form-data; boundary=XyZ";
            let mut reader = multipart::Reader::new(kind, multipart::Limits::default());
            while reader.run(body, SLICE, sink) == Ok(lockgate_wire::content::Progress::More) {}
        });
    }
    let mut reader = xml::Reader::new(xml::Limits::default());
    for (name, count) in [("XML, 1.3 KB", 15), ("XML, 100 KB", 1_200)] {
        let item =
            "<item id=\"17\" kind='x'><name>Some &amp; any</name><price>12.50</price></item>\n";
        let body = format!(
            "<?xml version=\"1.0\"?>\n<order>{}</order>",
            item.repeat(count)
        );
        measure(name, body.as_bytes(), |body, sink| {
            reader.reset(1 << 20);
            while reader.run(body, SLICE, sink) == Ok(lockgate_wire::content::Progress::More) {}
        });
    }
    let query = "query($id: ID!) { user(id: $id, name: \"O'Brien\") { name friends(first: 10) { id name } } }";
    measure("GraphQL, a query", query.as_bytes(), |body, sink| {
        let _ = graphql::read(body, &graphql::Limits::default(), sink);
    });
    let message = b"\x0a\x0bsome words \x10\x96\x01\x1a\x0a\x0a\x03abc\x12\x03def".repeat(45);
    measure("gRPC, 1.3 KB", &message, |body, sink| {
        let mut reader = protobuf::Reader::of_message(protobuf::Limits::default());
        let _ = reader.run(body, usize::MAX, sink);
    });
    let mut unwrapper = Unwrapper::new(Limits::default());
    for (name, value) in [
        ("layers, a word", "internationalization"),
        (
            "layers, a sentence",
            "Some words of a sentence, with O'Brien in it.",
        ),
        (
            "layers, a hash",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
        ("layers, URL in URL", "%253Cscript%253Ealert(1)"),
        ("layers, base64", "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="),
        (
            "layers, JSON",
            "{\"a\":\"some words\",\"b\":[1,2,\"others\"]}",
        ),
    ] {
        measure(name, value.as_bytes(), |value, sink| {
            unwrapper.unwrap(value, &mut Allowance::default(), &mut |form, _| {
                sink.pair(b"", form)
            });
        });
    }
}

/// About 127 names and values.
fn order(items: usize) -> String {
    let item = |number: usize| {
        format!("{{\"id\":{number},\"sku\":\"AB-{number}\",\"name\":\"A thing of some kind\",\"price\":12.5,\"n\":2}}")
    };
    let items: Vec<String> = (0..items).map(item).collect();
    format!(
        "{{\"order\":1,\"note\":\"leave it at the door\",\"items\":[{}]}}",
        items.join(",")
    )
}

fn orders(count: usize) -> String {
    format!("[{}]", vec![order(13); count].join(","))
}

fn names(count: usize) -> String {
    let members: Vec<String> = (0..count)
        .map(|number| format!("\"name{number}\":0"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn fields(count: usize) -> String {
    let field = "--XyZ\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nsome words\r\n";
    let file = "--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
        Content-Type: text/plain\r\n\r\ncontent";
    field.repeat(count) + file
}

fn measure(name: &str, body: &[u8], mut read: impl FnMut(&[u8], &mut Count)) {
    let mut once = || {
        let mut sink = Count::default();
        read(black_box(body), &mut sink);
        black_box(sink)
    };
    let values = once().values;
    let mut times = 1_u32;
    let mut results: Vec<f64> = Vec::with_capacity(ROUNDS);
    while results.len() < ROUNDS {
        let begin = Instant::now();
        for _ in 0..times {
            once();
        }
        let spent = begin.elapsed().as_nanos();
        if spent < ROUND_NS && results.is_empty() {
            times = times.saturating_mul(2);
            continue;
        }
        results.push(spent as f64 / f64::from(times));
    }
    // The fastest: whatever else runs on the machine only adds.
    let ns = results.iter().copied().fold(f64::INFINITY, f64::min);
    let kb = body.len() as f64 / 1000.0;
    println!(
        "{name:<34} {:>8} {values:>7} {ns:>10.0} {:>8.0}",
        body.len(),
        ns / kb
    );
}
