use super::find;
use crate::detect::{Value, Where};
use crate::rule::Severity;

fn severity_as(text: &str, stood: Where, name: &str) -> Option<Severity> {
    find(&Value {
        bytes: text.as_bytes(),
        stood,
        name: name.as_bytes(),
        declared: None,
    })
    .and_then(|found| {
        assert!(found.at.end <= text.len() && found.at.start <= found.at.end);
        found.severity
    })
}

fn severity(text: &str) -> Option<Severity> {
    severity_as(text, Where::Parameter, "q")
}

#[test]
fn addresses_inside_are_found() {
    for text in [
        "http://127.0.0.1/",
        "http://127.0.0.1:22",
        "https://localhost:8443/admin",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://0177.1/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://10.0.0.1.nip.io/",
        "http://192.168.1.1/",
        "http:127.0.0.1",
        "http:/\\127.0.0.1",
        "//127.0.0.1/x",
        "HTTP://LOCALHOST/",
        "ftp://10.0.0.1/x",
        "ws://127.0.0.1:9222/",
        "redis://127.0.0.1:6379",
        "gopher://127.0.0.1:6379/_SET%20x",
        "dict://localhost:11211/stat",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "php://filter/convert.base64-encode/resource=index.php",
        "php://input",
        "phar://x.jpg/y",
        "expect://id",
        "data://text/plain;base64,PD9waHA=",
        "netdoc:/etc/passwd",
        "jar:http://127.0.0.1!/x",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "url=http://127.0.0.1/",
        "{\"a\":\"http://127.0.0.1/\"}",
        "http://①②⑦.⓪.⓪.①/",
        "ldap://127.0.0.1:1389/a",
        "169.254.169.254/latest/meta-data",
    ] {
        assert_eq!(severity(text), Some(Severity::Critical), "{text}");
    }
    assert_eq!(
        severity_as("localhost:8080", Where::Parameter, "callback_url"),
        Some(Severity::Critical)
    );
}

#[test]
fn public_addresses_and_plain_networks_pass() {
    for text in [
        "https://example.com/a?b=http://other.example/",
        "http://8.8.8.8/",
        "https://user@example.com/",
        "10.0.0.5",
        "192.168.1.1",
        "10.0.0.0/8 is a network",
        "from 10.0.0.5:1234 to 10.0.0.6:80 in the log",
        "mailto:me@example.com",
        "data:image/png;base64,iVBORw0KGgo=",
        "To test it open http://localhost:3000 in your browser and look",
        "time: 10:00",
        "a:b",
        "note: see //comments",
        "::1",
        "C:\\Users\\me",
        "12:30/13:00",
        "urn:isbn:0451450523",
        "https://example.com:443/",
        "s3://bucket/key",
        "git@github.com:a/b.git",
        "http://example.com/?next=/home",
        "postgres://user:pw@db.example.com/x",
        "1.5/2",
        "127.5/2 of it",
    ] {
        assert_eq!(severity(text), None, "{text}");
    }
    for name in ["referer", "origin", "host", "x-forwarded-for"] {
        assert_eq!(
            severity_as("http://localhost:3000/", Where::Header, name),
            None
        );
    }
}

#[test]
fn a_client_is_named_by_an_address_only_to_mislead() {
    let agent = |text: &str| severity_as(text, Where::Header, "user-agent");
    assert_eq!(agent("http://127.0.0.1:80/x"), Some(Severity::Critical));
    assert_eq!(
        agent("Mozilla/5.0 (compatible; x; +http://10.0.0.5/bot)"),
        None
    );
    assert_eq!(agent("127.0.0.1/1.0"), None);
}

#[test]
fn a_host_behind_much_else_is_found() {
    let letters = "a".repeat(400);
    let zeros = "0".repeat(300);
    let slashes = "/".repeat(400);
    for text in [
        format!("http://{letters}@169.254.169.254/latest/meta-data/"),
        format!("http://u:{letters}@localhost:6379/"),
        format!("gopher://{letters}@127.0.0.1:6379/_x"),
        format!("http://{zeros}251.0376.0251.0376/"),
        format!("http://{}251.0376.0251.0376/", &zeros[..30]),
        format!("http://0x{}a9.254.169.254/", &zeros[..30]),
        format!("http://{}25177524776/", &zeros[..40]),
        format!("http:{slashes}169.254.169.254/"),
    ] {
        assert_eq!(severity(&text), Some(Severity::Critical), "{text}");
    }
    // More long addresses within each other than are read tell by themselves.
    let many = format!("http:\\{letters};").repeat(12);
    assert_eq!(severity(&format!("{many}x")), Some(Severity::Notice));
    let pieces = "\\a".repeat(20);
    let text = format!("http://{pieces}@169.254.169.254/");
    assert_eq!(severity(&text), Some(Severity::Critical));
    for text in [
        format!("http:\\{letters}@example.com/a"),
        format!("https://{letters}@example.com/a"),
        format!("https://example.com/{letters}"),
    ] {
        assert_eq!(severity(&text), None, "{text}");
    }
}

#[test]
fn blanks_before_and_behind_hide_no_address() {
    let addresses = [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "//127.0.0.1/x",
        "169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://localhost:6379/_x",
    ];
    let blanks = [
        " ", "\t", "\n", "\r\n", "\0", "\u{a0}", "\u{3000}", "\u{feff}", "\u{2003}",
    ];
    for address in addresses {
        for blank in blanks {
            for many in [1, 2, 15, 300, 5000] {
                let before = blank.repeat(many);
                let text = format!("{before}{address}");
                assert_eq!(
                    severity(&text),
                    Some(Severity::Critical),
                    "{many} {blank:?} {address}"
                );
            }
        }
        let behind = format!("{address}{}", " \n".repeat(300));
        assert_eq!(severity(&behind), Some(Severity::Critical), "{address}");
    }
    let found = find(&Value {
        bytes: b"   http://127.0.0.1/ ",
        stood: Where::Parameter,
        name: b"q",
        declared: None,
    });
    assert_eq!(found.map(|found| found.at), Some(3..20));
    let prose = format!(
        "{}To test it open http://localhost:3000 in your browser",
        " ".repeat(300)
    );
    assert_eq!(severity(&prose), None);
    assert_eq!(
        severity(&format!("{}https://example.com/", " ".repeat(300))),
        None
    );
}
