//! SPIFFE IDs, as the standard has them (SPIFFE-ID section 2, X509-SVID section 2).

/// Longest name of a trust domain.
const MAX_DOMAIN: usize = 255;

/// Longest ID, bytes.
const MAX_ID: usize = 2_048;

/// The SPIFFE ID of a certificate with these URIs: exactly one, or it has none.
pub fn id<'u>(mut uris: impl Iterator<Item = &'u str>) -> Option<&'u str> {
    let only = uris.next()?;
    (uris.next().is_none() && only.len() <= MAX_ID && is_id(only)).then_some(only)
}

fn is_id(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("spiffe://") else {
        return false;
    };
    let (domain, path) = match rest.split_once('/') {
        Some((domain, path)) => (domain, Some(path)),
        None => (rest, None),
    };
    let in_domain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=MAX_DOMAIN).contains(&domain.len())
        && domain.bytes().all(in_domain)
        && path.is_none_or(|path| {
            path.split('/')
                .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_path))
        })
}
