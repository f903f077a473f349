use super::find;
use crate::detect::{Value, Where};
use crate::rule::Severity;

fn severity_of(text: &[u8], name: &str) -> Option<Severity> {
    find(&Value {
        bytes: text,
        stood: Where::Parameter,
        name: name.as_bytes(),
        declared: None,
    })
    .and_then(|found| {
        assert!(found.at.end <= text.len() && found.at.start <= found.at.end);
        found.severity
    })
}

fn severity(text: &[u8]) -> Option<Severity> {
    severity_of(text, "data")
}

#[test]
fn objects_are_found() {
    let texts: [&[u8]; 27] = [
        b"gASVKAAAAAAAAACMCGJ1aWx0aW5zlIwEZXZhbJSTlIwDMSsxlIWUUpQu",
        b"BAhvOglFdmlsAA==",
        b"Tzo0OiJFdmlsIjowOnt9",
        b"\xAC\xED\x00\x05sr\x00\x11java.util.HashMap",
        b"rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==",
        b"aced00057372001164",
        b"ACED00057372",
        b"\x00\x01\x00\x00\x00\xFF\xFF\xFF\xFF\x01\x00\x00\x00\x00\x00\x00\x00",
        b"AAEAAAD/////AQAAAAAAAAAMAgAA",
        b"O:8:\"stdClass\":1:{s:1:\"a\";i:1;}",
        b"a:1:{i:0;O:4:\"Evil\":0:{}}",
        b"O:+4:\"Evil\":0:{}",
        b"C:11:\"ArrayObject\":21:{x:i:0;a:0:{};m:a:0:{}}",
        b"x|O:4:\"Evil\":0:{}",
        b"cos\nsystem\n(S'id'\ntR.",
        b"c__builtin__\neval\n(V1+1\ntR.",
        b"(S'id'\nios\nsystem\n.",
        b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
        b"\x80\x03cposix\nsystem\nq\x00X\x02\x00\x00\x00idq\x01\x85q\x02Rq\x03.",
        b"\x04\x08o:\x0aEvil\x00",
        b"\x04\x08[\x06o:\x08Foo\x00",
        b"!!python/object/apply:os.system ['id']",
        b"a: !ruby/object:Gem::Installer\n  i: x",
        b"!!javax.script.ScriptEngineManager [x]",
        b"!<tag:yaml.org,2002:python/object:x.y>",
        b"{\"a\":\"_$$ND_FUNC$$_function(){}()\"}",
        b"new java.lang.ProcessBuilder(x)",
    ];
    for text in texts {
        assert_eq!(
            severity(text),
            Some(Severity::Critical),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
    assert_eq!(
        severity_of(
            b"System.Windows.Forms.AxHost, System.Windows.Forms",
            "/a/$type"
        ),
        Some(Severity::Critical)
    );
    for name in ["/@type", "json.order.@type", "@class"] {
        assert_eq!(
            severity_of(b"com.example.a.Some", name),
            Some(Severity::Warning),
            "{name}"
        );
    }
    assert_eq!(severity(b"!!com.example.Some [a]"), Some(Severity::Warning));
}

#[test]
fn classes_of_the_platform_are_nobodys_data() {
    for text in [
        "{\"@type\":\"java.net.Inet4Address\",\"val\":\"a.example\"}",
        "[{ \"a\": { \"@class\" : \"javax.naming.InitialContext\" } }]",
    ] {
        assert_eq!(
            severity(text.as_bytes()),
            Some(Severity::Critical),
            "{text}"
        );
    }
    let found = severity_of(b"java.net.URL", "/@type");
    assert_eq!(found, Some(Severity::Critical));
    for text in [
        "{\"@type\": \"Person\", \"name\": \"java.net\"}",
        "{\"@type\":\"com.example.Order\"}",
    ] {
        assert_eq!(severity(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn segments_of_paths_are_read_by_themselves() {
    for text in ["/items/rO0ABXNyABFqYXZhLnV0aWwuSGFz", "/a/b/aced00057372/c"] {
        let value = Value {
            bytes: text.as_bytes(),
            stood: Where::Path,
            name: b"",
            declared: None,
        };
        let found = find(&value).and_then(|found| found.severity);
        assert_eq!(found, Some(Severity::Critical), "{text}");
    }
}

#[test]
fn plain_data_passes() {
    let texts: [&[u8]; 20] = [
        b"a:1:{s:4:\"name\";s:3:\"Bob\";}",
        b"i:1;",
        b"s:4:\"name\";",
        b"O: the letter",
        b"O:8 is a group",
        b"NOTICE: 8:00",
        b"cats\nand dogs.",
        b"cos\nsin\n",
        b"(see below\nfor more)",
        b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",
        b"!!str 12",
        b"Wow!! python/ruby are fun!",
        b"Hey!!! That's great",
        b"java.lang.RuntimeException: x at java.util.List.of(List.java:1)",
        b"See example.com. And java.util.List.",
        b"rO0m for one",
        b"AAEAAAD",
        b"10:00 and 20:00",
        b"https://schema.org/Person",
        b"{\"a\": [1, 2.5]}",
    ];
    for text in texts {
        assert_eq!(severity(text), None, "{:?}", String::from_utf8_lossy(text));
    }
    assert_eq!(severity_of(b"Person", "/@type"), None);
    assert_eq!(severity_of(b"https://schema.org/Person", "/@type"), None);
}
