//! What it costs to tell where an address is: looking a database through, and a
//! look-up in two. For numbers to quote:
//! `cargo test --release -p lockgate-policy --test costs place -- --nocapture`.

use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use lockgate_policy::geo::{Database, Geo, Kind, Named};

// Not every test has values of every kind.
#[allow(dead_code)]
#[path = "../../src/geo/sample.rs"]
mod sample;

use sample::{country, database, network, Datum};

const NETWORKS: u32 = 50_000;
const LOOK_UPS: u32 = 500_000;

/// As `MaxMind` writes it: most of a record is of no use here.
fn record() -> Datum {
    let names = |text| Datum::Map(vec![("de", Datum::Text(text)), ("en", Datum::Text(text))]);
    let placed = |code| {
        Datum::Map(vec![
            ("geoname_id", Datum::Number(2_921_044)),
            ("is_in_european_union", Datum::Number(1)),
            ("iso_code", Datum::Text(code)),
            ("names", names("Some country")),
        ])
    };
    Datum::Map(vec![
        ("continent", placed("EU")),
        ("country", placed("DE")),
        ("registered_country", placed("FR")),
    ])
}

fn read(bytes: Vec<u8>, kind: Kind) -> Named {
    let (size, begun) = (bytes.len(), Instant::now());
    let database = Database::read(bytes, kind).unwrap();
    let took = begun.elapsed().as_secs_f64() * 1e3;
    println!("{took:.1} ms to look through {} KiB", size / 1024);
    Named::Read(Arc::new(database))
}

/// What this thread had of a core, whoever else wants one.
fn on_cpu_ns() -> u64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn every_network_is_found_among_many() {
    let texts: Vec<String> = (0..NETWORKS)
        .map(|number| format!("{}/24", Ipv4Addr::from(number << 9)))
        .collect();
    let all = |datum: &dyn Fn() -> Datum| -> Vec<(&str, Datum)> {
        texts.iter().map(|text| (text.as_str(), datum())).collect()
    };
    let geo = Geo {
        countries: read(database("Sample-Country", &all(&record)), Kind::Countries),
        networks: read(
            database("Sample-ASN", &all(&|| network(64500))),
            Kind::Networks,
        ),
    };
    let begun = on_cpu_ns();
    let mut found = 0;
    for turn in 0..LOOK_UPS {
        let number = turn.wrapping_mul(2_654_435_761) % NETWORKS;
        let address = IpAddr::V4(Ipv4Addr::from(number << 9 | 7));
        let place = black_box(geo.place(black_box(&address)));
        found += u32::from(place.code() == Some("DE") && place.network == Some(64500));
    }
    let each = (on_cpu_ns() - begun) / u64::from(LOOK_UPS);
    println!("{each} ns of the CPU for a place of two databases");
    assert_eq!(found, LOOK_UPS);
    let beside = IpAddr::V4(Ipv4Addr::from(1 << 8));
    assert_eq!(geo.place(&beside).code(), None);
    let few = read(
        database("Few", &[("192.0.2.0/24", country("NO"))]),
        Kind::Countries,
    );
    let few = Geo {
        countries: few,
        networks: Named::No,
    };
    assert_eq!(few.place(&IpAddr::from([192, 0, 2, 9])).code(), Some("NO"));
}
