//! Long hostile values: each detector ends soon with all of them, whatever it finds.

use super::{Value, Where, ALL};

/// Bytes of a value: a quarter of what a body may bring; what starts again at each of them never ends.
const LONG: usize = 1 << 18;

/// What makes a careless reader start again at every byte.
const PIECES: &[&str] = &[
    ";",
    ";\"",
    ";cat ",
    "$(",
    "`",
    "`a",
    "$$",
    ";$",
    ";$a",
    "${",
    ";${a",
    "%",
    "%25",
    ";%a",
    "[",
    ";a[",
    "\\",
    "/",
    "../",
    "..",
    "a/",
    "/etc/x ",
    " /a",
    "' /etc/x",
    "http://",
    "http://a@",
    ":",
    "a:",
    "://",
    "a://b",
    "&a",
    "&amp",
    "&#",
    "(",
    "system(",
    "system('",
    "\n",
    "\ncat\n",
    "<(",
    "{",
    ";{a,",
    " ",
    "\t",
    "\0",
    "sudo ",
    ";sudo ",
    ";X=1 ",
    ";>a ",
    ">&&&",
    ";cat >&&",
    ";x ${IFS",
    ";$a=",
    "`x=",
    ";?\\a?t",
    "1.",
    "//1.",
    "//[",
    "//a-1-2-3",
    "http://①",
    "é",
    "\u{ff0e}",
    "http://%31",
    "file:",
    ":php",
    "data:",
    "http:\\",
    "http:\\a",
    "|cat /etc/passwd",
    "${jndi:",
    "${${",
    "a: b\r\n",
    "\r\nSet-Cookie: a",
    "O:1:",
    "a:1:{",
    "\u{0}\u{4}\u{8}",
    "<?",
    "PK\u{1}\u{2}",
    "_$$ND_FUNC$$_",
    "!!python/",
    "rO0AB",
    "(I1\n",
    "''",
    ";c''",
    ";c$@",
    ";c${x}",
    ";c$(x)",
    ";c`x`",
    ";c\\\n",
    "X=1 ",
    ">a ",
    "x=1\n",
    "import os\n",
    "x.system(\n",
    "\"\"\"\n",
    "/*\n",
    "def f\n",
    "class.",
    "classLoader",
    "&classLoader=",
    "\u{a0}",
];

#[test]
fn long_values_end() {
    for piece in PIECES {
        let text: Vec<u8> = piece.bytes().cycle().take(LONG).collect();
        for stood in [
            Where::Parameter,
            Where::Body,
            Where::FileContent,
            Where::FileName,
        ] {
            for detector in ALL.iter().filter(|one| one.places.contains(&stood)) {
                let found = (detector.find)(&Value {
                    bytes: &text,
                    stood,
                    name: b"a",
                    declared: Some(b"text/plain"),
                });
                assert!(found.is_none_or(|found| found.at.end <= text.len()));
            }
        }
    }
}

/// What means something to one of the detectors that go by signs which they need.
const TELLING: &[&str] = &[
    "*)(|(uid=*",
    ")(a=b",
    "*(|(mail=*))",
    ")\0",
    ")%00",
    "*)",
    ")!(",
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "@(7*7)",
    "<%=7*7%>",
    "{%if x%}",
    "<#assign x=1>",
    "#set($x=7*7)",
    "$x.class.forName('y')",
    "{7*7}",
    "__proto__[x]=1",
    "\"__proto__\": {}",
    "constructor[prototype][x]=1",
    "constructor.prototype.x=1",
    "${jndi:ldap://a.example/x}",
    "' or 1=1--",
    "<script>alert(1)</script>",
    "=",
    "x",
];

#[test]
fn what_is_found_has_the_bytes_that_are_needed() {
    let mut state = 11_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let mut found = [0; ALL.len()];
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..=next(3) {
            let pieces = [TELLING, PIECES][next(2)];
            text.extend_from_slice(pieces[next(pieces.len())].as_bytes());
        }
        // A sign less: what was found by it is found no more, or by others.
        if next(2) == 0 {
            text.remove(next(text.len()));
        }
        for (detector, found) in ALL.iter().zip(&mut found) {
            let stood = detector.places[next(detector.places.len())];
            let value = Value {
                bytes: &text,
                stood,
                name: b"a",
                declared: None,
            };
            if text.len() >= detector.min_len && (detector.find)(&value).is_some() {
                *found += 1;
                let text = String::from_utf8_lossy(&text);
                let bytes = crate::bytes::ByteSet::of(value.bytes);
                assert!(detector.may_match(&bytes), "{} {text:?}", detector.name);
            }
        }
    }
    let most = ALL.iter().zip(found).filter(|(_, found)| *found > 20);
    assert!(most.count() > 10, "{found:?}");
}
