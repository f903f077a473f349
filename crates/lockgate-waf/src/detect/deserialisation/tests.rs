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
    let texts: [&[u8]; 31] = [
        b" rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==",
        b"\"rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==\"",
        b"rO0\r\nABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==\n",
        b"data:;base64,rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==",
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

/// The same bytes in the forms in which they are sent.
fn forms(stream: &[u8]) -> Vec<Vec<u8>> {
    let stored = |stream: &[u8]| {
        let length = u16::try_from(stream.len()).unwrap();
        let mut block = vec![1];
        block.extend(length.to_le_bytes());
        block.extend((!length).to_le_bytes());
        block.extend(stream);
        block
    };
    let zlib = [&[0x78, 0x01][..], &stored(stream)].concat();
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &stored(stream)].concat();
    let hex: String = stream.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        stream.to_vec(),
        base64(stream),
        hex.to_uppercase().into_bytes(),
        format!("0x{hex}").into_bytes(),
        hex.into_bytes(),
        base64(&zlib),
        base64(&gzip),
        zlib,
        gzip,
    ]
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for three in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(bits);
        for place in 0..4 {
            out.push(match place <= three.len() {
                true => LETTERS[(bits >> (18 - 6 * place) & 63) as usize],
                false => b'=',
            });
        }
    }
    out
}

#[test]
fn every_stream_is_found_in_every_form() {
    let streams: [&[u8]; 9] = [
        b"\xAC\xED\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1",
        b"\x00\x01\x00\x00\x00\xFF\xFF\xFF\xFF\x01\x00\x00\x00\x00\x00\x00\x00\x0c",
        b"\xFF\x01\x32\x92\x01\x00\x01\x00\x00\x00\xFF\xFF\xFF\xFF\x01\x00\x00\x00\x00\x00\x00\x00\x0c",
        b"O:4:\"Evil\":1:{s:1:\"a\";i:1;}",
        b"a:1:{i:0;O:4:\"Evil\":0:{}}",
        b"cposix\nsystem\n(S'id'\ntR.",
        b"}q\x00(X\x01\x00\x00\x00acposix\nsystem\n(X\x02\x00\x00\x00idtRu.",
        b"\x80\x03cposix\nsystem\nq\x00X\x02\x00\x00\x00idq\x01\x85q\x02Rq\x03.",
        b"\x04\x08o:\x0aEvil\x06:\x08@aai\x06",
    ];
    for stream in streams {
        for form in forms(stream) {
            let shown = String::from_utf8_lossy(&form);
            assert_eq!(severity(&form), Some(Severity::Critical), "{shown:?}");
        }
    }
    let plain: [&[u8]; 5] = [
        b"a:1:{s:1:\"a\";i:1;}",
        b"it is a text that somebody packed",
        b"\x80\x03}q\x00X\x01\x00\x00\x00aq\x01K\x01s.",
        b"{\"a\": [1, 2, 3], \"b\": \"xyz\"}",
        b"\xFF\x01\x0f\x0f\x05\x0a1234567890\x64",
    ];
    for stream in plain {
        for form in forms(stream) {
            let shown = String::from_utf8_lossy(&form);
            assert_eq!(severity(&form), None, "{shown:?}");
        }
    }
}

#[test]
fn markup_that_makes_objects_is_found() {
    let texts = [
        "<java.util.PriorityQueue serialization=\"custom\"><x/></java.util.PriorityQueue>",
        "<map><entry><jdk.nashorn.internal.objects.NativeString/></entry></map>",
        "<javax.imageio.ImageIO_-ContainsFilter><a>1</a></javax.imageio.ImageIO_-ContainsFilter>",
        "<R xmlns:c=\"clr-namespace:System.Diagnostics;assembly=System\"><c:Process/></R>",
        "<e><a1:X xmlns:a1=\"http://schemas.microsoft.com/clr/nsassem/A/B\"/></e>",
        "<A z:Type=\"B\" z:Assembly=\"C\" xmlns:z=\"http://schemas.microsoft.com/2003/10/Serialization/\"/>",
        "%TAG ! tag:yaml.org,2002:python/\n---\n!object/apply:os.system [id]",
        "%TAG !e! tag:yaml.org,2002:ruby/\n--- !e!object:Gem::Installer {}",
        "{\"@type\":\"Lcom.sun.rowset.JdbcRowSetImpl;\"}",
        "{\"@type\":\"[com.sun.rowset.JdbcRowSetImpl\"[{}]}",
    ];
    for text in texts {
        assert_eq!(
            severity(text.as_bytes()),
            Some(Severity::Critical),
            "{text}"
        );
    }
    for (name, class) in [
        ("/json_class", "Gem::Installer"),
        ("/a/0/^o", "Gem::SpecFetcher"),
        ("/a/__type", "System.IO.FileInfo, System"),
        ("/@type", "Lcom.sun.rowset.JdbcRowSetImpl;"),
    ] {
        let found = severity_of(class.as_bytes(), name);
        assert_eq!(found, Some(Severity::Critical), "{name}: {class}");
    }
    let good = [
        "List<java.lang.String> names = new ArrayList<java.lang.String>();",
        "Map<java.lang.String, List<java.util.Date>>",
        "<dc xmlns:z=\"http://schemas.microsoft.com/2003/10/Serialization/\" z:Id=\"1\"/>",
        "<Window xmlns:x=\"http://schemas.microsoft.com/winfx/2006/xaml\"/>",
        "we write it like this, you know: <java.util.Date /> and it is a date <br>",
        "%TAG ! tag:example.com,2002:app/\n---\n!thing {}",
    ];
    for text in good {
        assert_eq!(severity(text.as_bytes()), None, "{text}");
    }
    assert_eq!(
        severity_of(b"Person", "/json_class"),
        Some(Severity::Warning)
    );
    assert_eq!(severity_of(b"some text", "/^o"), None);
}
