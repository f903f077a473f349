//! How long a body is, as the head says (RFC 9112, 6).

use super::{field::Field, flaw::Flaw};

/// What the fields of one head say about the body's length.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Length {
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
}

impl Length {
    /// Takes note of a field, if it is one of the two that matter.
    #[inline]
    pub(super) fn note(&mut self, field: &Field<'_>, http_1_0: bool) -> Result<(), Flaw> {
        match field.name.len() {
            14 if field.is(b"content-length") => self.note_content_length(field.value),
            17 if field.is(b"transfer-encoding") => self.note_coding(field.value, http_1_0),
            _ => Ok(()),
        }
    }

    /// RFC 9110, 8.6 lets a recipient merge equal repeated values. We do not:
    /// the upstream may take another one than we judged by.
    fn note_content_length(&mut self, value: &[u8]) -> Result<(), Flaw> {
        if self.content_length.is_some() {
            return Err(Flaw::ContentLengthRepeated);
        }
        self.content_length = Some(decimal(value).ok_or(Flaw::ContentLength)?);
        self.no_conflict()
    }

    fn note_coding(&mut self, value: &[u8], http_1_0: bool) -> Result<(), Flaw> {
        if http_1_0 {
            return Err(Flaw::TransferEncodingIn10);
        }
        if self.chunked {
            return Err(Flaw::TransferEncodingRepeated);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Flaw::TransferEncoding);
        }
        self.chunked = true;
        self.no_conflict()
    }

    /// RFC 9112, 6.3: both together "ought to be handled as an error".
    fn no_conflict(&self) -> Result<(), Flaw> {
        if self.chunked && self.content_length.is_some() {
            return Err(Flaw::LengthConflict);
        }
        Ok(())
    }
}

/// Digits alone, below 2^63. Nineteen of them cannot overflow a `u64`.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    (value < 1 << 63).then_some(value)
}
