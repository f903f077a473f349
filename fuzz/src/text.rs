//! Promises of the readers of targets, hosts and headers.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_wire::{
    headers::{
        self,
        forwarded::{client_address, Told},
        forwarding::Hop,
        trace,
    },
    target::{for_matching, normalize, normalize_host, Odd, TargetSwitches},
};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A normal form is its own, has no dot-segments, and is a URI.
pub fn target(raw: &str, switches: [u8; 4]) {
    let odd = |byte: u8| [Odd::Reject, Odd::Normalize, Odd::Keep][usize::from(byte % 3)];
    let switches = TargetSwitches {
        double_slash: odd(switches[0]),
        encoded_slash: odd(switches[1]),
        backslash: odd(switches[2]),
        path_parameters: odd(switches[3]),
        ..TargetSwitches::default()
    };
    let Ok(normal) = normalize(raw, &switches) else {
        return;
    };
    let path = normal.path.as_ref();
    assert!(path.starts_with('/') || path == "*");
    assert!(!path
        .split('/')
        .any(|segment| segment == "." || segment == ".."));
    let again = normalize(path, &switches).map(|again| (again.path.into_owned(), again.changed));
    assert_eq!(again, Ok((path.to_owned(), false)));
    let whole = match normal.query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let uri: http::Uri = whole.parse().expect("a normal form is a URI");
    assert_eq!((uri.path(), uri.query()), (path, normal.query));
    let matched = for_matching(path);
    assert_eq!(matched.matches('/').count(), path.matches('/').count());
}

/// A host's normal form is its own, and an authority.
pub fn host(raw: &str) {
    if let Ok(normal) = normalize_host(raw) {
        let text = normal.to_string();
        assert_eq!(normalize_host(&text), Ok(normal));
        let authority: http::uri::Authority = text.parse().expect("a normal host is an authority");
        assert_eq!(authority.as_str(), text);
    }
}

/// Whatever stands left of what the trusted proxy wrote, the proxy counts;
/// and what is written for the upstream is readable again.
pub fn forwarded(written: &[u8]) {
    for (name, own) in [
        ("x-forwarded-for", &b", 192.0.2.1"[..]),
        ("forwarded", b", for=192.0.2.1;proto=http"),
    ] {
        let Ok(value) = HeaderValue::from_bytes(&[written, own].concat()) else {
            return;
        };
        // Bytes beyond ASCII make the whole line unreadable, and the walk ends at the proxy.
        let expected = if value.to_str().is_ok() {
            CLIENT
        } else {
            PROXY
        };
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), value);
        assert_eq!(
            client_address(&headers, PROXY, |address| address == PROXY),
            Ok(expected)
        );

        let told = Told::read(&headers, PROXY, |address| address == PROXY).expect("one list alone");
        Hop::new(PROXY, false, 80).write(&mut headers, &told);
        for name in ["x-forwarded-for", "forwarded"] {
            let list = headers.get(name).and_then(|list| list.to_str().ok());
            assert!(
                list.is_some_and(|list| list.contains("10.0.0.1")),
                "written"
            );
        }
        assert_eq!(
            client_address(&headers, PROXY, |address| address == PROXY),
            Ok(expected),
            "both say the same"
        );
    }
}

/// Headers of any kind come out without what must not go on.
pub fn headers(lines: &[(String, String)]) {
    let mut map = HeaderMap::new();
    for (name, value) in lines.iter().take(64) {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            map.append(name, value);
        }
    }
    headers::remove_hop_by_hop(&mut map);
    headers::strip_identity(&mut map, false);
    trace::continue_or_begin(&mut map, [1; 24]);
    assert!(!map.contains_key("transfer-encoding") && !map.contains_key("upgrade"));
    assert!(map.keys().all(|name| !headers::is_identity(name.as_str())));
    let parent = map.get("traceparent").expect("written");
    assert!(trace::TraceParent::parse(parent.as_bytes()).is_some());
    let te = map.get_all("te").iter().all(|value| value == "trailers");
    assert!(te, "nothing but trailers may be asked of the upstream");
}
