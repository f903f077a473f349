//! What an address asks with.

/// Kinds of schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Of the web: it counts by its host.
    Web,
    /// It reaches files, code or services that speak something else.
    Inner {
        /// It needs no slashes: `netdoc:/etc/passwd`.
        bare: bool,
    },
    /// It holds its data itself.
    Data,
    /// A directory's: it counts by itself, less.
    Directory,
    /// It wraps another address.
    Wrapped,
    /// Some other: it counts by its host.
    Other,
}

/// Schemes with their kinds, in lower case and in order.
static SCHEMES: &[(&[u8], Scheme)] = &[
    (b"blob", Scheme::Wrapped),
    (b"bzip2", Scheme::Inner { bare: false }),
    (b"compress.bzip2", Scheme::Inner { bare: false }),
    (b"compress.zlib", Scheme::Inner { bare: false }),
    (b"data", Scheme::Data),
    (b"dict", Scheme::Inner { bare: false }),
    (b"expect", Scheme::Inner { bare: false }),
    (b"file", Scheme::Inner { bare: false }),
    (b"ftp", Scheme::Web),
    (b"glob", Scheme::Inner { bare: false }),
    (b"gopher", Scheme::Inner { bare: false }),
    (b"gophers", Scheme::Inner { bare: false }),
    (b"http", Scheme::Web),
    (b"https", Scheme::Web),
    (b"imap", Scheme::Directory),
    (b"jar", Scheme::Wrapped),
    (b"ldap", Scheme::Directory),
    (b"ldaps", Scheme::Directory),
    (b"local_file", Scheme::Inner { bare: false }),
    (b"netdoc", Scheme::Inner { bare: true }),
    (b"ogg", Scheme::Inner { bare: false }),
    (b"phar", Scheme::Inner { bare: false }),
    (b"php", Scheme::Inner { bare: false }),
    (b"rar", Scheme::Inner { bare: false }),
    (b"rmi", Scheme::Directory),
    (b"smb", Scheme::Directory),
    (b"ssh2", Scheme::Inner { bare: false }),
    (b"tftp", Scheme::Inner { bare: false }),
    (b"url", Scheme::Wrapped),
    (b"ws", Scheme::Web),
    (b"wss", Scheme::Web),
    (b"zip", Scheme::Inner { bare: false }),
    (b"zlib", Scheme::Inner { bare: false }),
];

/// The scheme that ends before the colon, and where it begins.
pub(super) fn before(text: &[u8], colon: usize, most: usize) -> Option<(usize, Scheme)> {
    let from = colon.saturating_sub(most);
    let before = text.get(from..colon)?;
    let count = before
        .iter()
        .rev()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-')
        })
        .count();
    let name = before.get(before.len() - count..)?;
    if name.len() < 2 {
        return None;
    }
    let mut small = [0; 16];
    let small = small.get_mut(..name.len())?;
    for (to, from) in small.iter_mut().zip(name) {
        *to = from.to_ascii_lowercase();
    }
    let kind = SCHEMES
        .binary_search_by(|(known, _)| (*known).cmp(small))
        .ok()
        .and_then(|at| SCHEMES.get(at))
        .map(|(_, kind)| *kind);
    match kind {
        Some(kind) => Some((colon - count, kind)),
        // `xhttp:`: something stood before it.
        None if text
            .get(colon + 1..)
            .is_some_and(|rest| rest.starts_with(b"//")) =>
        {
            Some((colon - count, Scheme::Other))
        }
        None => None,
    }
}

/// Whether a parameter of this name is likely to be fetched.
pub(super) fn fetches(name: &[u8]) -> bool {
    const WORDS: [&[u8]; 22] = [
        b"url",
        b"uri",
        b"link",
        b"src",
        b"dest",
        b"redirect",
        b"callback",
        b"webhook",
        b"host",
        b"target",
        b"proxy",
        b"feed",
        b"image",
        b"fetch",
        b"endpoint",
        b"site",
        b"domain",
        b"page",
        b"remote",
        b"server",
        b"return",
        b"next",
    ];
    let name = name.get(..64).unwrap_or(name);
    WORDS.iter().any(|word| {
        name.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::{before, fetches, Scheme, SCHEMES};

    #[test]
    fn schemes_are_found_before_their_colon() {
        assert!(SCHEMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(before(b"see HTTP://x", 8, 16), Some((4, Scheme::Web)));
        assert_eq!(before(b"redis://x", 5, 16), Some((0, Scheme::Other)));
        assert_eq!(before(b"note: x", 4, 16), None);
        assert!(fetches(b"/imageUrl") && !fetches(b"comment"));
    }
}
