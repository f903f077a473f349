//! Small databases for tests, written as the format says
//! (<https://maxmind.github.io/MaxMind-DB/>).

use std::net::IpAddr;

/// A value of a record.
#[derive(Debug, Clone)]
pub enum Datum {
    /// UTF-8.
    Text(&'static str),
    /// Of 16 bits.
    Short(u16),
    /// Of 32 bits.
    Number(u32),
    /// Of 64 bits.
    Long(u64),
    /// With a point.
    Real(f64),
    /// Names and values.
    Map(Vec<(&'static str, Datum)>),
}

/// A country as `MaxMind` writes it.
#[must_use]
pub fn country(code: &'static str) -> Datum {
    Datum::Map(vec![(
        "country",
        Datum::Map(vec![("iso_code", Datum::Text(code))]),
    )])
}

/// An autonomous system.
#[must_use]
pub fn network(number: u32) -> Datum {
    Datum::Map(vec![
        ("autonomous_system_number", Datum::Number(number)),
        ("autonomous_system_organization", Datum::Text("Example")),
    ])
}

/// A database of networks, each an address and a length.
#[must_use]
pub fn database(kind: &'static str, networks: &[(&str, Datum)]) -> Vec<u8> {
    // Nodes by number: what is left and right of each.
    let mut nodes = vec![[Child::None; 2]];
    let mut data = Vec::new();
    for (network, datum) in networks {
        let (address, length) = network.split_once('/').expect("a network");
        let length: u32 = length.parse().expect("a length");
        let (bits, length) = match address.parse().expect("an address") {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), length + 96),
            IpAddr::V6(v6) => (u128::from(v6), length),
        };
        let offset = data.len();
        write(datum, &mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[node][side] = Child::Data(offset);
            } else if let Child::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Child::None; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Child::Node(next);
                node = next;
            }
        }
    }
    let mut out = Vec::new();
    for child in nodes.iter().flatten() {
        let record = match child {
            Child::None => nodes.len(),
            Child::Node(number) => *number,
            Child::Data(offset) => nodes.len() + 16 + offset,
        };
        out.extend(&u32::try_from(record).expect("it is small").to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let count = u32::try_from(nodes.len()).expect("it is small");
    let told = Datum::Map(vec![
        ("binary_format_major_version", Datum::Short(2)),
        ("binary_format_minor_version", Datum::Short(0)),
        ("build_epoch", Datum::Long(1_700_000_000)),
        ("database_type", Datum::Text(kind)),
        (
            "description",
            Datum::Map(vec![("en", Datum::Text("A sample"))]),
        ),
        ("ip_version", Datum::Short(6)),
        ("node_count", Datum::Number(count)),
        ("record_size", Datum::Short(24)),
    ]);
    write_metadata(&told, &mut out);
    out
}

#[derive(Debug, Clone, Copy)]
enum Child {
    None,
    Node(usize),
    Data(usize),
}

/// Like a record, with an array: the languages, of which there are none.
fn write_metadata(told: &Datum, out: &mut Vec<u8>) {
    let Datum::Map(fields) = told else { return };
    out.push(7 << 5 | u8::try_from(fields.len() + 1).expect("they are few"));
    write_text("languages", out);
    out.extend([0, 4]);
    for (name, datum) in fields {
        write_text(name, out);
        write(datum, out);
    }
}

fn write(datum: &Datum, out: &mut Vec<u8>) {
    match datum {
        Datum::Text(text) => write_text(text, out),
        Datum::Short(number) => {
            out.push(5 << 5 | 2);
            out.extend(number.to_be_bytes());
        }
        Datum::Long(number) => {
            out.extend([8, 2]);
            out.extend(number.to_be_bytes());
        }
        Datum::Number(number) => {
            out.push(6 << 5 | 4);
            out.extend(number.to_be_bytes());
        }
        Datum::Real(real) => {
            out.push(3 << 5 | 8);
            out.extend(real.to_be_bytes());
        }
        Datum::Map(fields) => {
            out.push(7 << 5 | u8::try_from(fields.len()).expect("they are few"));
            for (name, datum) in fields {
                write_text(name, out);
                write(datum, out);
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let length = text.len();
    if length < 29 {
        out.push(2 << 5 | u8::try_from(length).expect("it is short"));
    } else {
        out.push(2 << 5 | 29);
        out.push(u8::try_from(length - 29).expect("it is short"));
    }
    out.extend(text.as_bytes());
}
