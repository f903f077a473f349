//! W3C Trace Context: the trace that a request belongs to.

use http::{HeaderMap, HeaderName, HeaderValue};

/// `traceparent`.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`, which only has a meaning beside a valid `traceparent`.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of all `tracestate` lines; W3C asks to carry 512 at least.
const STATE_BYTES: usize = 4096;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The whole trace.
    pub trace_id: [u8; 16],
    /// The call that this one belongs to.
    pub parent_id: [u8; 8],
    /// Bit 0: someone upstream of us keeps the trace.
    pub flags: u8,
}

impl TraceParent {
    /// Reads a header value (W3C Trace Context, 3.2). Capitals, zero
    /// identifiers and version `ff` are invalid; later versions may be longer.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (fields, rest) = value.split_at_checked(55)?;
        let [version] = hex(&fields[..2])?;
        let trace_id = hex(&fields[3..35])?;
        let parent_id = hex(&fields[36..52])?;
        let [flags] = hex(&fields[53..])?;
        let dashes = fields[2] == b'-' && fields[35] == b'-' && fields[52] == b'-';
        let length = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let named = trace_id != [0; 16] && parent_id != [0; 8];
        (dashes && length && named).then_some(Self {
            trace_id,
            parent_id,
            flags,
        })
    }

    /// A new trace out of random bytes. It is marked as kept by nobody: whoever
    /// keeps it says so.
    #[must_use]
    pub fn begin(random: [u8; 24]) -> Self {
        let mut new = Self {
            trace_id: [0; 16],
            parent_id: [0; 8],
            flags: 0,
        };
        new.trace_id.copy_from_slice(&random[..16]);
        new.parent_id.copy_from_slice(&random[16..]);
        // Zero is invalid, however improbable.
        new.trace_id[15] |= u8::from(new.trace_id == [0; 16]);
        new.parent_id[7] |= u8::from(new.parent_id == [0; 8]);
        new
    }

    /// As a header of version 00, which is what we write whatever we read.
    #[must_use]
    pub fn to_header(self) -> HeaderValue {
        let mut text = [b'-'; 55];
        text[..2].copy_from_slice(b"00");
        write_hex(&self.trace_id, &mut text[3..35]);
        write_hex(&self.parent_id, &mut text[36..52]);
        write_hex(&[self.flags & 1], &mut text[53..]);
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The trace's identifier in hexadecimal.
    #[must_use]
    pub fn trace_hex(&self) -> [u8; 32] {
        let mut text = [0; 32];
        write_hex(&self.trace_id, &mut text);
        text
    }
}

/// Puts our own place into the request: in its trace if it brought a valid one
/// (W3C: exactly one header), else in a new one without `tracestate`.
pub fn continue_or_begin(headers: &mut HeaderMap, random: [u8; 24]) -> TraceParent {
    let mut ours = TraceParent::begin(random);
    let told = {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let first = values
            .next()
            .and_then(|value| TraceParent::parse(value.as_bytes()));
        first.filter(|_| values.next().is_none())
    };
    if let Some(told) = told {
        ours.trace_id = told.trace_id;
        ours.flags = told.flags & 1;
    }
    let state: usize = headers
        .get_all(&TRACESTATE)
        .iter()
        .map(HeaderValue::len)
        .sum();
    if state > STATE_BYTES || (state > 0 && told.is_none()) {
        headers.remove(&TRACESTATE);
    }
    headers.insert(TRACEPARENT, ours.to_header());
    ours
}

/// Lower-case digits alone; other readers differ about capitals.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}
