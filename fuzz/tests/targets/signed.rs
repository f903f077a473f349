//! Fuzz targets for signatures of requests.

use bolero::check;
use lockgate_fuzz::signed;

/// Pieces out of which interesting fields are made.
const PIECES: &[&str] = &[
    "sig=",
    "(",
    ")",
    "\"@method\"",
    "\"@target-uri\"",
    "\"@query-param\"",
    "\"x-a\"",
    "\"signature\"",
    ";name=\"a\"",
    ";key=\"sig\"",
    ";sf",
    ";bs",
    ";req",
    ";tr",
    " ",
    ", ",
    ";",
    "=",
    ";created=1",
    ";created=-1.5",
    ";keyid=\"k\"",
    ";nonce=\"n\"",
    ";tag=\"\\\"\"",
    ";alg=\"ed25519\"",
    ";expires=999999999999999",
    ";a=?1",
    ";b=:AA==:",
    "b=()",
    "\"",
    "\\",
    "@1",
    "%\"a\"",
    "sha-256=:AAAA:",
    "sig=:AAAA:",
    "?1",
    "*",
    "token",
    "\t",
];

fn made(picks: &[u8]) -> Vec<u8> {
    let pieces = picks
        .iter()
        .take(60)
        .map(|pick| PIECES[usize::from(*pick) % PIECES.len()]);
    pieces.collect::<String>().into_bytes()
}

#[test]
fn signatures() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>, Vec<u8>)>()
        .for_each(|(input, signature, query)| {
            let query: String = query
                .iter()
                .take(20)
                .map(|byte| char::from(byte % 95 + 32))
                .collect();
            signed::signature(
                &[b"sig=(", made(input).as_slice()].concat(),
                &made(signature),
                &format!("/?{query}"),
            );
            signed::signature(&made(input), b"sig=:AAAA:", &format!("/?{query}"));
        });
}

#[test]
fn raw_signatures() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>)>()
        .for_each(|(input, signature)| signed::signature(input, signature, "/"));
}
