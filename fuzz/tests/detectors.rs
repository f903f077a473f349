//! Fuzz targets for the detectors; run as those in `wire.rs`.

use bolero::check;
use lockgate_fuzz::detectors;

#[test]
fn raw_values() {
    check!().for_each(|input: &[u8]| detectors::look(input, b"name"));
}

/// Pieces out of which values are made that get further than random bytes.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "`",
    "1",
    " ",
    "or ",
    "and ",
    "=",
    "--",
    "#",
    "/*",
    "*/",
    "/*!",
    "union ",
    "select ",
    "(",
    ")",
    ",",
    ";",
    "null",
    "from ",
    "a.b",
    "@@x",
    "$$",
    "$a$",
    "q'[",
    "case ",
    "when ",
    "order by ",
    "drop table ",
    "exec ",
    "sleep(",
    "<",
    ">",
    "/",
    "<a ",
    "<script",
    "on",
    "onload=",
    "href=",
    "javascript:",
    "data:text/html",
    "&#x6a;",
    "&colon;",
    "style=",
    "<!--",
    "alert(1)",
    "{{",
    "}}",
    "${",
    "}",
    "<%",
    "%>",
    "#{",
    "7*7",
    "__class__",
    "constructor",
    "[",
    "]",
    "$ne",
    "$where",
    "{\"",
    "\":",
    "*)",
    "(|",
    "(&",
    "uid=",
    "//*",
    "count(",
    "|",
    "__proto__",
    "prototype",
    "\0",
    "\u{a0}",
    "é",
    "\\",
    "%00",
    "\n",
];

#[test]
fn values_of_pieces() {
    check!()
        .with_type::<(Vec<u8>, u8)>()
        .for_each(|(picks, name)| {
            let piece = |pick: &u8| PIECES[usize::from(*pick) % PIECES.len()];
            let value: String = picks.iter().take(400).map(piece).collect();
            detectors::look(value.as_bytes(), piece(name).as_bytes());
        });
}
