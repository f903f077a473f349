//! Promises of the reader of PROXY protocol headers.

use lockgate_wire::proxy_protocol::{parse, write_v1, Progress, MAX_HEADER, V2};

/// A verdict stays whatever follows, a need is never met by fewer bytes, and
/// what was read is read again from what is written.
pub fn header(input: &[u8]) {
    let whole = parse(input);
    // A need is a promise, so only the ends at which one is met are tried.
    let mut end = 0;
    while end < input.len() {
        match parse(&input[..end]) {
            Ok(Progress::Need(need)) => {
                assert!(need > end && need <= MAX_HEADER);
                end = need;
            }
            certain => {
                assert_eq!(certain, whole);
                break;
            }
        }
    }
    let Ok(Progress::Done(header)) = whole else {
        return;
    };
    assert!(header.consumed <= input.len() && header.consumed <= MAX_HEADER);
    let written = V2 {
        addresses: header.addresses.as_ref(),
        own: false,
        authority: header.authority.as_deref(),
        alpn: header.alpn.as_deref(),
        unique_id: header.unique_id.as_deref(),
        checksum: true,
    };
    for bytes in [
        written.write(),
        write_v1(header.addresses.as_ref()).into_bytes(),
    ] {
        match parse(&bytes) {
            Ok(Progress::Done(again)) => {
                assert_eq!(again.addresses, header.addresses);
                assert_eq!(again.consumed, bytes.len());
            }
            other => panic!("{other:?}"),
        }
    }
}
