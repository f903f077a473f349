//! `grpc-timeout`: how long the client waits, in up to eight digits and a unit.

use super::reasons;
use crate::reason::ReasonRef;

/// Digits, by the specification.
const MAX_DIGITS: usize = 8;
/// The largest number of that many digits.
const MAX_VALUE: u64 = 99_999_999;
/// Units of at least a microsecond, the smallest first, in microseconds.
const UNITS: [(u8, u64); 5] = [
    (b'u', 1),
    (b'm', 1_000),
    (b'S', 1_000_000),
    (b'M', 60_000_000),
    (b'H', 3_600_000_000),
];

/// Reads a timeout, in microseconds. Nanoseconds are rounded up.
///
/// # Errors
/// `grpc-timeout` if it is not one.
pub fn parse_timeout(value: &[u8]) -> Result<u64, ReasonRef> {
    let wrong: ReasonRef = &reasons::TIMEOUT;
    let (unit, digits) = value.split_last().ok_or(wrong)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong);
    }
    let number = digits.iter().fold(0, |number: u64, digit| {
        number * 10 + u64::from(digit - b'0')
    });
    if *unit == b'n' {
        return Ok(number.div_ceil(1000));
    }
    let (_, micros) = UNITS
        .iter()
        .find(|(letter, _)| letter == unit)
        .ok_or(wrong)?;
    Ok(number.saturating_mul(*micros))
}

/// Writes a timeout given in microseconds, rounded up to what eight digits
/// hold; 99999999 hours at most.
#[must_use]
pub fn format_timeout(micros: u64) -> String {
    let fits = UNITS
        .iter()
        .map(|(letter, unit)| (*letter, micros.div_ceil(*unit)))
        .find(|(_, number)| *number <= MAX_VALUE);
    let (letter, number) = fits.unwrap_or((b'H', MAX_VALUE));
    format!("{number}{}", char::from(letter))
}
