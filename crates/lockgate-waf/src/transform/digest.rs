//! Lengths and digests. None of them protects anything: rules compare them.

/// `length`: the number of bytes, in decimal digits.
pub(super) fn length(input: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut number = input.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.get_mut(start..).unwrap_or_default().reverse();
    out.get(start..) != Some(input)
}

/// `md5`: sixteen bytes (RFC 1321).
pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&md5::compute(input).0);
    true
}

/// `sha1`: twenty bytes (RFC 3174).
pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&sha1_smol::Sha1::from(input).digest().bytes());
    true
}
