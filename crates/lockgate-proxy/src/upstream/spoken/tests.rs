#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::rc::Rc;

use lockgate_wire::proxy_protocol::{parse, Header, Progress};

use super::*;
use crate::net::Ends;
use crate::testing::{bundle, snapshot};

fn came_from(peer: &str, port: u16, to: Option<&str>) -> Rc<ConnectionState> {
    let listener = &snapshot(bundle(Vec::new())).listeners[0];
    let state = ConnectionState::new(peer.parse().unwrap(), listener, 80, 0);
    state.source.ends.set(Ends {
        port,
        to: to.map(|to| to.parse().unwrap()),
    });
    state
}

fn read(header: &[u8]) -> Header {
    match parse(header).unwrap() {
        Progress::Done(read) => {
            assert_eq!(read.consumed, header.len());
            read
        }
        Progress::Need(_) => panic!("it is not whole"),
    }
}

#[test]
fn both_versions_name_the_client_and_where_it_came_to() {
    let state = came_from("203.0.113.7", 40_000, Some("192.0.2.1:443"));
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let spoken = Spoken::of(version, &state, state.source.peer);
        let told = read(&spoken.header()).addresses.unwrap();
        assert_eq!(told.source, "203.0.113.7:40000".parse().unwrap());
        assert_eq!(told.destination, "192.0.2.1:443".parse().unwrap());
    }
}

#[test]
fn whom_a_proxy_speaks_for_has_no_port() {
    let state = came_from("10.0.0.1", 40_000, Some("10.0.0.2:443"));
    let client = "2001:db8::7".parse().unwrap();
    let spoken = Spoken::of(ProxyVersion::V1, &state, client);
    assert_eq!(
        spoken.header(),
        b"PROXY TCP6 2001:db8::7 ::ffff:10.0.0.2 0 443\r\n"
    );
}

#[test]
fn nobody_is_named_for_a_client_without_an_address() {
    let state = came_from("0.0.0.0", 0, None);
    let first = Spoken::of(ProxyVersion::V1, &state, state.source.peer).header();
    assert_eq!(first, b"PROXY UNKNOWN\r\n");
    let second = Spoken::of(ProxyVersion::V2, &state, state.source.peer).header();
    // Relayed, for whom is not known (proxy-protocol.txt, 2.2).
    assert_eq!(second[12..14], [0x21, 0x00]);
    assert_eq!(read(&second).addresses, None);
    let known = Spoken::of(ProxyVersion::V1, &state, "198.51.100.9".parse().unwrap());
    assert_eq!(known.header(), b"PROXY TCP4 198.51.100.9 0.0.0.0 0 0\r\n");
}

#[test]
fn the_gate_speaks_for_itself_when_it_asks() {
    assert_eq!(own(ProxyVersion::V1), b"PROXY UNKNOWN\r\n");
    let second = own(ProxyVersion::V2);
    assert_eq!(second[12..], [0x20, 0x00, 0x00, 0x00]);
    assert_eq!(read(&second).addresses, None);
}

#[test]
fn two_clients_are_never_the_same() {
    let here = came_from("203.0.113.7", 40_000, Some("192.0.2.1:443"));
    let same = came_from("203.0.113.7", 40_000, Some("192.0.2.1:443"));
    let spoken = |state: &ConnectionState| Spoken::of(ProxyVersion::V2, state, state.source.peer);
    assert_eq!(spoken(&here), spoken(&same));
    for other in [
        came_from("203.0.113.7", 40_001, Some("192.0.2.1:443")),
        came_from("203.0.113.8", 40_000, Some("192.0.2.1:443")),
        came_from("203.0.113.7", 40_000, Some("192.0.2.1:8443")),
    ] {
        assert_ne!(spoken(&here), spoken(&other));
    }
    assert_ne!(
        spoken(&here),
        Spoken::of(ProxyVersion::V1, &here, here.source.peer),
        "an upstream may have changed its mind"
    );
}
