//! UTF-7 (RFC 2152), in which `+ADw-` is `<`: some readers of XML take it.

/// Bytes that are read; a document type stands at the beginning.
const READ: usize = 4096;

/// What the text says in UTF-7, if it has an angle bracket in it.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.get(..READ).unwrap_or(text);
    memchr::memmem::find(text, b"+ADw")?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'+', rest) {
        let (plain, coded) = rest.split_at_checked(at)?;
        out.extend_from_slice(plain);
        let (mut bits, mut held) = (0_u32, 0);
        let mut read = 1;
        while let Some(six) = coded.get(read).and_then(|byte| sixth(*byte)) {
            bits = bits << 6 | six;
            held += 6;
            read += 1;
            if held >= 16 {
                held -= 16;
                let [.., high, low] = (bits >> held).to_be_bytes();
                // Other signs than ASCII's are none of XML's own.
                out.push(if high == 0 { low } else { b'?' });
            }
        }
        if coded.get(read) == Some(&b'-') {
            read += 1;
        }
        rest = coded.get(read..)?;
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn sixth(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn signs_are_read_between_plus_and_minus() {
        let text = decoded(b"+ADw-a+AD4-x+ACY-y+ADs-+ADw-/a+AD4-").unwrap();
        assert_eq!(text, b"<a>x&y;</a>");
        assert_eq!(decoded(b"+ADwAIQ-DOCTYPE").unwrap(), b"<!DOCTYPE");
        assert_eq!(decoded(b"1+1 = 2"), None);
    }
}
