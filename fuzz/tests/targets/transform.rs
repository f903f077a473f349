//! Fuzz targets of the transformations of rules.

use bolero::check;
use lockgate_fuzz::transform::value;

#[test]
fn values() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>)>()
        .for_each(|(bytes, picks)| value(bytes, picks));
}

/// Pieces in which each of them finds something to do.
const PIECES: &[&[u8]] = &[
    b"%",
    b"%u",
    b"%41",
    b"%u0041",
    b"%uff1c",
    b"+",
    b"&",
    b"&#",
    b"&#x",
    b"&#60;",
    b"&lt",
    b";",
    b"\\",
    b"\\u0041",
    b"\\x41",
    b"\\477",
    b"\\n",
    b"/*",
    b"*/",
    b"<!--",
    b"-->",
    b"--",
    b"#",
    b"/",
    b"../",
    b"./",
    b".",
    b"..\\",
    b"0x",
    b"x",
    b"4",
    b"1f",
    b" ",
    b"\t",
    b"\n",
    b"\0",
    b",",
    b"(",
    b"^",
    b"\"",
    b"A",
    b"=",
    b"YWJj",
    b"\xc3\xa9",
    b"\xef\xbc\x9c",
    b"\xf0\x9f\x98\x80",
    b"\xa0",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"z",
];

#[test]
fn values_of_pieces() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>)>()
        .for_each(|(pieces, picks)| {
            let bytes: Vec<u8> = pieces
                .iter()
                .take(40)
                .flat_map(|pick| PIECES[usize::from(*pick) % PIECES.len()])
                .copied()
                .collect();
            value(&bytes, picks);
        });
}
