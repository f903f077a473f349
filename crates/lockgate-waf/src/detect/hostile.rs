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
    "1.",
    "//1.",
    "//[",
    "//a-1-2-3",
    "http://①",
    "é",
    "\u{ff0e}",
    "http://%31",
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
