//! Fuzz targets of the detectors of attacks; see `wire.rs` for how they are run.

use bolero::check;
use lockgate_fuzz::detect::value;

#[test]
fn values() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>, u8)>()
        .for_each(|(bytes, name, place)| value(bytes, name, *place));
}

/// Pieces of which attacks and good values are made.
const PIECES: &[&[u8]] = &[
    b";",
    b"|",
    b"&&",
    b"\n",
    b"\r\n",
    b"`",
    b"$(",
    b")",
    b"${",
    b"}",
    b"$IFS",
    b"'",
    b"\"",
    b"\\",
    b" ",
    b"/",
    b"..",
    b"../",
    b"%2e",
    b"%00",
    b"\0",
    b"cat",
    b"id",
    b"/etc/passwd",
    b"/bin/sh",
    b"-c",
    b"powershell",
    b"http://",
    b"127.0.0.1",
    b"[::1]",
    b"@",
    b":",
    b"#",
    b"?",
    b"localhost",
    b"gopher://",
    b"jndi:",
    b"lower:",
    b"::-",
    b"j",
    b"Set-Cookie:",
    b"HTTP/1.1",
    b"O:4:\"Evil\":0:{}",
    b"\x80\x04",
    b"\xAC\xED\x00\x05",
    b"rO0AB",
    b"!!python/",
    b"<?php",
    b"GIF89a",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"%PDF-",
    b"<svg",
    b"<script>",
    b".php",
    b".jpg",
    b"MZ",
    b"a",
    b"Z",
    b"0",
    b"9",
    b"\xE5\x98\x8A",
    b"\xC0\xAF",
    b"for %",
    b"if ",
    b"in (",
    b"<!--#exec cmd=",
    b"system(",
    b"=",
    b",",
];

#[test]
fn values_of_pieces() {
    check!()
        .with_type::<(Vec<u8>, u8)>()
        .for_each(|(picks, place)| {
            let bytes: Vec<u8> = picks
                .iter()
                .take(40)
                .flat_map(|pick| PIECES[usize::from(*pick) % PIECES.len()])
                .copied()
                .collect();
            value(&bytes, b"url", *place);
        });
}
