use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::super::cookies::{cookies, of_line, Cookie};

fn headers(lines: &[&'static [u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    headers
}

fn values(lines: &[&'static [u8]], name: &str) -> Vec<Vec<u8>> {
    cookies(&headers(lines), name).map(<[u8]>::to_vec).collect()
}

#[test]
fn cookies_are_found_by_their_whole_names_in_all_lines() {
    let lines: &[&[u8]] = &[b"xid=0; id=first ;\tid = a=b;ID=no", b"id=\xff\"; id; ;id="];
    let found = values(lines, "id");
    assert_eq!(found, [&b"first"[..], b"a=b", b"\xff\"", b""]);
    assert_eq!(values(lines, "i"), Vec::<Vec<u8>>::new());
    // What has no `=` is no cookie of a name.
    assert_eq!(values(&[b"id"], "id"), Vec::<Vec<u8>>::new());
}

#[test]
fn all_that_stands_in_a_line_is_told() {
    let line = HeaderValue::from_static(" a = 1;;b; =2;");
    let told: Vec<_> = of_line(&line).collect();
    let cookie = |pair, name, value| Cookie { pair, name, value };
    let wanted = [
        cookie(&b"a = 1"[..], &b"a"[..], Some(&b"1"[..])),
        cookie(b"", b"", None),
        cookie(b"b", b"b", None),
        cookie(b"=2", b"", Some(b"2")),
        cookie(b"", b"", None),
    ];
    assert_eq!(told, wanted);
}
