//! Promises of the readers of bodies.

use lockgate_wire::content::{
    cookies, form, graphql, json,
    layers::{self, Allowance, Unwrapper},
    multipart, ndjson, protobuf, xml, Flaw, Progress, Sink,
};
use lockgate_wire::grpc::Messages;

/// Writes down what it is told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    told: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Sink for Told {
    fn pair(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.bytes += value.len();
        self.told.push((name.to_vec(), value.to_vec()));
        true
    }

    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        assert!(leaf.name.starts_with(b"json"));
        let mut pointer = Vec::new();
        leaf.pointer(&mut pointer);
        assert!(pointer.is_empty() || pointer.starts_with(b"/"));
        if leaf.kind == json::Kind::Text {
            assert!(std::str::from_utf8(leaf.value).is_ok(), "text is UTF-8");
        }
        self.pair(&pointer, leaf.value)
    }

    fn part_header(&mut self, part: &[u8], line: &[u8]) -> bool {
        self.pair(part, line)
    }

    fn octets(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.pair(name, value)
    }
}

/// What is told and how it ends are the same, whatever the slices.
fn sliced<R>(
    size: usize,
    make: impl Fn() -> R,
    run: impl Fn(&mut R, usize, &mut Told) -> Result<Progress, Flaw>,
) -> (Told, R) {
    let go = |size: usize| {
        let (mut reader, mut told) = (make(), Told::default());
        let end = loop {
            match run(&mut reader, size, &mut told) {
                Ok(Progress::More) => {}
                other => break other,
            }
        };
        (told, end, reader)
    };
    let whole = go(usize::MAX);
    let pieces = go(size.max(1));
    assert_eq!((&whole.0, &whole.1), (&pieces.0, &pieces.1));
    (whole.0, whole.2)
}

/// JSON, alone and in lines, with documents of GraphQL in it.
pub fn json(body: &[u8], size: usize) {
    let make = || json::Reader::new(json::Limits::default());
    let (told, _) = sliced(size, make, |reader, size, told| {
        reader.run(body, size, told)
    });
    assert!(told.bytes <= body.len(), "it grows no text");
    let make = || ndjson::Reader::new(json::Limits::default());
    sliced(size, make, |reader, size, told| {
        reader.run(body, size, told)
    });
    let mut told = Told::default();
    let mut envelope = graphql::Envelope::new(&mut told, graphql::Limits::default());
    let _ = make_json().run(body, usize::MAX, &mut envelope);
}

fn make_json() -> json::Reader {
    json::Reader::new(json::Limits::default())
}

/// Forms, and cookies.
pub fn form(body: &[u8], size: usize) {
    let run =
        |reader: &mut form::Reader, size, told: &mut Told| Ok(reader.run(body, b'&', size, told));
    let (told, _) = sliced(size, form::Reader::default, run);
    assert!(told.bytes <= body.len());
    let mut told = Told::default();
    cookies::read(body, &mut told);
    assert!(told.bytes <= body.len());
}

/// A form of parts, with the boundary `b`.
pub fn multipart(content_type: &[u8], body: &[u8], size: usize) {
    for content_type in [&b"multipart/form-data; boundary=b"[..], content_type] {
        let make = || multipart::Reader::new(content_type, multipart::Limits::default());
        let (_, reader) = sliced(size, make, |reader, size, told| {
            reader.run(body, size, told)
        });
        assert!(reader.error().is_none() || reader.strict().is_some());
    }
}

/// XML.
pub fn xml(body: &[u8], size: usize) {
    let make = || xml::Reader::new(xml::Limits::default());
    let (told, _) = sliced(size, make, |reader, size, told| {
        reader.run(body, size, told)
    });
    assert!(told.bytes <= body.len(), "nothing is expanded");
}

/// Messages of gRPC.
pub fn protobuf(body: &[u8], size: usize) {
    for make in [
        protobuf::Reader::of_call,
        protobuf::Reader::of_message,
        protobuf::Reader::of_body,
    ] {
        let make = || make(protobuf::Limits::default());
        sliced(size, make, |reader, size, told| {
            reader.run(body, size, told)
        });
    }
}

/// Messages of a call are told as each of them is told by itself.
pub fn call(messages: &[(bool, Vec<u8>)], size: usize) {
    let mut body = Vec::new();
    let mut alone = Told::default();
    let mut good = true;
    for (packed, message) in messages {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        body.push(u8::from(*packed));
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(message);
        if *packed || !good {
            continue;
        }
        let mut reader = protobuf::Reader::of_message(protobuf::Limits::default());
        good = reader.run(message, usize::MAX, &mut alone).is_ok();
    }
    let make = || protobuf::Reader::of_call(protobuf::Limits::default());
    let (told, reader) = sliced(size, make, |reader, size, told| {
        reader.run(&body, size, told)
    });
    if good {
        assert_eq!(told, alone);
        let packed = messages.iter().filter(|(packed, _)| *packed).count();
        assert_eq!(reader.compressed() as usize, packed);
    }
    let mut framing = Messages::of_client(u32::MAX);
    assert_eq!(framing.feed(&body), Ok(()));
    assert_eq!(framing.end(), Ok(()));
    assert_eq!(framing.messages(), messages.len() as u64);
}

/// Records of JSON (RFC 7464) are told as each of them is told by itself.
pub fn records(records: &[Vec<u8>], size: usize) {
    let mut body = Vec::new();
    for record in records {
        body.push(ndjson::RECORD_BEGIN);
        body.extend_from_slice(record);
    }
    let make = || {
        let mut reader = ndjson::Reader::new(json::Limits::default());
        reader.split_at(ndjson::RECORD_BEGIN);
        reader
    };
    let (told, _) = sliced(size, make, |reader, size, told| {
        reader.run(&body, size, told)
    });
    let mut values = Vec::new();
    let records = records.iter();
    let mut pieces = records.flat_map(|record| record.split(|byte| *byte == ndjson::RECORD_BEGIN));
    let good = pieces
        .by_ref()
        .filter(|record| !record.trim_ascii().is_empty())
        .all(|record| {
            let mut alone = Told::default();
            let read = make_json().run(record, usize::MAX, &mut alone);
            values.extend(alone.told.into_iter().map(|(_, value)| value));
            read.is_ok()
        });
    if good {
        let told: Vec<_> = told.told.into_iter().map(|(_, value)| value).collect();
        assert_eq!(told, values);
    }
}

/// A document of GraphQL.
pub fn graphql(document: &[u8]) {
    let mut told = Told::default();
    let _ = graphql::read(document, &graphql::Limits::default(), &mut told);
    assert!(told.bytes <= document.len() * 2);
}

/// Encodings within a value.
pub fn layers(value: &[u8]) {
    let limits = layers::Limits::default();
    let mut written = 0;
    Unwrapper::new(limits).unwrap(value, &mut Allowance::default(), &mut |form, layers| {
        assert!(!layers.is_empty() && layers.len() <= limits.depth * layers::KINDS);
        written += form.len();
        true
    });
    assert!(written <= (value.len() * 8 + limits.work) * 2);
}
