//! How a client's program writes the fields of a request: in which order, and with
//! which letters. Programs differ there too, and few of those that call themselves a
//! browser in User-Agent write a browser's head.

/// Counts are written in two digits.
const MAX_COUNT: usize = 99;
/// Digits of the hash.
const DIGITS: usize = 12;

/// Fields that come and go with what is asked for, whatever program asks; and `host`,
/// which HTTP/2 and HTTP/3 say in another way.
const PASSING: [&[u8]; 14] = [
    b"authorization",
    b"content-length",
    b"content-type",
    b"cookie",
    b"expect",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"range",
    b"referer",
    b"transfer-encoding",
];

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// `user-agent`, as HTTP/2 and HTTP/3 want it.
    Small,
    /// `User-Agent`.
    Title,
    /// Any other way, or in more than one.
    Mixed,
}

impl Letters {
    fn of(name: &[u8]) -> Self {
        let mut begins = true;
        let (mut small, mut title) = (true, true);
        for byte in name {
            small &= !byte.is_ascii_uppercase();
            title &= if begins {
                !byte.is_ascii_lowercase()
            } else {
                !byte.is_ascii_uppercase()
            };
            begins = *byte == b'-';
        }
        match (small, title) {
            (true, _) => Self::Small,
            (_, true) => Self::Title,
            _ => Self::Mixed,
        }
    }
}

/// The fingerprint of a request's names in their order, such as `11t06_5d4140212abc`:
/// the version of HTTP, the letters (`s`mall, `t`itle or `m`ixed), how many fields there
/// are, and the first digits of the SHA-256 of their names in small letters with commas
/// between. Fields that depend on the request, such as cookies, are left out.
pub fn fingerprint<'a>(
    version: &str,
    names: impl Iterator<Item = &'a [u8]>,
    sha256: impl Fn(&[u8]) -> [u8; 32],
) -> String {
    let mut letters = None;
    let mut count = 0;
    let mut list = Vec::new();
    for name in names {
        if PASSING.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            continue;
        }
        let own = Letters::of(name);
        letters = match letters {
            None => Some(own),
            Some(before) if before == own => Some(own),
            Some(_) => Some(Letters::Mixed),
        };
        if count > 0 {
            list.push(b',');
        }
        list.extend(name.iter().map(u8::to_ascii_lowercase));
        count += 1;
    }
    let letter = match letters.unwrap_or(Letters::Small) {
        Letters::Small => 's',
        Letters::Title => 't',
        Letters::Mixed => 'm',
    };
    let hash = sha256(&list);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let count = count.min(MAX_COUNT);
    format!("{version}{letter}{count:02}_{}", &hash[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for the hash, so that what was hashed can be seen.
    fn shown(text: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[0] = u8::try_from(text.len()).unwrap_or(u8::MAX);
        hash[1] = text.first().copied().unwrap_or(0);
        hash
    }

    fn of(names: &[&str]) -> String {
        fingerprint("11", names.iter().map(|name| name.as_bytes()), shown)
    }

    #[test]
    fn order_and_letters_tell_programs_apart() {
        assert_eq!(of(&["User-Agent", "Accept"]), "11t02_117500000000");
        assert_eq!(of(&["Accept", "User-Agent"]), "11t02_116100000000");
        assert_eq!(of(&["user-agent", "accept"]), "11s02_117500000000");
        assert_eq!(of(&["User-Agent", "accept"]), "11m02_117500000000");
        assert_eq!(of(&["USER-AGENT"]), "11m01_0a7500000000");
        assert_eq!(of(&["User-agent"]), "11m01_0a7500000000");
        assert_eq!(of(&["sec-ch-ua", "DNT"]), "11m02_0d7300000000");
        assert_eq!(of(&["2Do", "X-1"]), "11m02_073200000000");
        assert_eq!(of(&[]), "11s00_000000000000");
    }

    #[test]
    fn what_depends_on_the_request_is_left_out() {
        let bare = of(&["User-Agent", "Accept"]);
        let names = [
            "Host",
            "COOKIE",
            "User-Agent",
            "if-none-match",
            "Accept",
            "Content-Length",
        ];
        assert_eq!(of(&names), bare);
    }

    #[test]
    fn many_are_counted_to_99() {
        assert!(of(&["x"; 120]).starts_with("11s99_"));
    }
}
