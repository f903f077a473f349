use super::{find, FIELDS};
use crate::detect::{Value, Where};
use crate::rule::Severity;

fn severity(text: &str, stood: Where) -> Option<Severity> {
    find(&Value {
        bytes: text.as_bytes(),
        stood,
        name: b"next",
        declared: None,
    })
    .and_then(|found| {
        assert!(found.at.end <= text.len());
        found.severity
    })
}

#[test]
fn heads_of_ones_own_are_found() {
    assert!(FIELDS.windows(2).all(|pair| pair[0] < pair[1]));
    for text in [
        "/home\r\nSet-Cookie: a=b",
        "\r\nLocation: https://evil.example/",
        "en\nset-cookie:a=b",
        "x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html",
        "x\r\nX-Forwarded-For: 127.0.0.1",
        "x HTTP/1.1\r\nHost: a\r\n\r\nGET /admin HTTP/1.1",
        "嘊嘍Set-Cookie: a=b",
        "me@example.com\nBcc: you@example.com",
        "foo\rContent-Length: 0",
        "a\r\nAccess-Control-Allow-Origin: *",
    ] {
        assert_eq!(
            severity(text, Where::Parameter),
            Some(Severity::Critical),
            "{text:?}"
        );
    }
    assert_eq!(
        severity("/a\r\nAnything: b", Where::Path),
        Some(Severity::Critical)
    );
    assert_eq!(
        severity("a\r\nAnything: b", Where::Parameter),
        Some(Severity::Warning)
    );
}

#[test]
fn text_with_lines_passes() {
    for text in [
        "Dear all,\r\n\r\nthe meeting is at ten.\r\n\r\nSubject: the plan\r\nNote: bring it\r\n",
        "name: Bob\nage: 12\ncity: Rome\n",
        "a,b,c\r\n1,2,3\r\n",
        "first line\nsecond line",
        "fn main() {\n    let a: u8 = 1;\n}\n",
        "To do today:\n- cats: feed\n- dogs: walk",
        "GET is a method\nPOST is another one",
        "HTTP/1.1 is old\nHTTP is a protocol",
        "嘉: 你好",
    ] {
        assert_eq!(severity(text, Where::Parameter), None, "{text:?}");
    }
    let mail = "I got this strange mail today:\r\n\r\nFrom: a@b\r\nContent-Type: text/plain\r\n";
    assert_eq!(severity(mail, Where::Parameter), Some(Severity::Notice));
}

#[test]
fn a_field_behind_a_blank_is_found_where_nothing_is_listed() {
    for before in ["", "x", "/foo", "http://a.example/"] {
        for end in ["\r\n", "\n", "\r", "\r\n\r\n"] {
            for field in [
                "Set-Cookie: a=b",
                "Location: http://a.example/",
                "X-Injected: yes",
            ] {
                for blank in [" ", "\t"] {
                    let text = format!("{before}{end}{blank}{field}");
                    let found = severity(&text, Where::Parameter);
                    assert_eq!(found, Some(Severity::Critical), "{text:?}");
                }
            }
        }
    }
    for text in [
        "headers:\n Location: Berlin\n Host: me",
        "a: b\n Host: c",
        "it is written\n Host: like this",
        "words\n  and: more",
    ] {
        let found = severity(text, Where::Parameter);
        assert!(
            found.is_none_or(|found| found > Severity::Warning),
            "{text:?}: {found:?}"
        );
    }
}
