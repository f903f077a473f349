//! The form of a key: recognisable by secret scanners, checkable offline.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 32;
const CHECKSUM: usize = 6;

/// Longest and shortest key in bytes: `lg_`, an environment of 1 to 16 letters, `_`, 38 characters.
pub const KEY_BYTES: std::ops::RangeInclusive<usize> =
    (4 + 1 + RANDOM + CHECKSUM)..=(4 + 16 + RANDOM + CHECKSUM);

/// The same of keys of another form: shorter ones could be guessed, and no gateway's are longer.
pub const FOREIGN_BYTES: std::ops::RangeInclusive<usize> = 16..=512;

/// The text is no key: its prefix, length, characters or checksum are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Makes a key with 190 bits of randomness.
///
/// `environment` is 1 to 16 lower-case letters, `live` or `test` by habit.
///
/// # Errors
/// If the environment is not so, or the system has no randomness to give.
pub fn mint(environment: &str) -> Result<String, Unspecified> {
    let named = (1..=16).contains(&environment.len())
        && environment.bytes().all(|b| b.is_ascii_lowercase());
    if !named {
        return Err(Unspecified);
    }
    let mut key = format!("lg_{environment}_");
    let mut taken = 0;
    while taken < RANDOM {
        let mut bytes = [0; RANDOM];
        rand::fill(&mut bytes)?;
        // 248 is the largest multiple of 62 in a byte: beyond it a remainder would favour some letters.
        for byte in bytes
            .into_iter()
            .filter(|byte| *byte < 248)
            .take(RANDOM - taken)
        {
            key.push(char::from(ALPHABET[usize::from(byte % 62)]));
            taken += 1;
        }
    }
    let sum = checksum(key.as_bytes());
    key.extend(sum.map(char::from));
    Ok(key)
}

/// Checks a key's form, without looking anything up.
///
/// # Errors
/// [`Malformed`] if it is none.
pub fn checked(key: &[u8]) -> Result<&[u8], Malformed> {
    if !KEY_BYTES.contains(&key.len()) || !key.starts_with(b"lg_") {
        return Err(Malformed);
    }
    let (body, sum) = key.split_at(key.len() - CHECKSUM);
    let (prefix, random) = body.split_at(body.len() - RANDOM);
    let environment = prefix
        .strip_prefix(b"lg_")
        .and_then(|rest| rest.strip_suffix(b"_"))
        .ok_or(Malformed)?;
    let well_formed = environment.iter().all(u8::is_ascii_lowercase)
        && random.iter().all(u8::is_ascii_alphanumeric);
    if well_formed && sum == checksum(body) {
        Ok(key)
    } else {
        Err(Malformed)
    }
}

/// The environment that stands in a key that was [`checked`].
#[must_use]
pub fn environment(key: &str) -> Option<&str> {
    key.strip_prefix("lg_")?
        .split_once('_')
        .map(|(environment, _)| environment)
}

/// Whether a text may be a key of another form: no space and no control in it, and not one of ours mistyped.
#[must_use]
pub fn foreign(key: &[u8]) -> bool {
    FOREIGN_BYTES.contains(&key.len())
        && key.iter().all(u8::is_ascii_graphic)
        && !key.starts_with(b"lg_")
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(body);
    let mut digits = [0; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}
