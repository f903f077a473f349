//! Base64 within a value: the whole of it, or runs that are long enough. What
//! decodes to text takes the run's place; what does not stays as it stands. A
//! short value counts as a whole alone, and where it holds more than a word.

/// Shorter runs within a text are words.
const SHORTEST: usize = 16;
/// A shorter value holds two bytes at most.
const SHORTEST_WHOLE: usize = 4;
/// Of a hundred bytes, how many have to be text.
const TEXT_PERCENT: usize = 90;
const NONE: u8 = 0xff;
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut table = [NONE; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        table[letters[value] as usize] = value as u8;
        value += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
}

/// Whether there is a run that is long enough.
pub(super) fn may_be(value: &[u8]) -> bool {
    next(value, 0).is_some() || whole(value).is_some()
}

/// What a short value holds, if that is text with a sign that words do not have. Of words themselves hardly any
/// decodes to such: the look ends at the first byte that is no text.
fn whole(value: &[u8]) -> Option<([u8; SHORTEST], usize)> {
    if !(SHORTEST_WHOLE..SHORTEST + 2).contains(&value.len()) {
        return None;
    }
    let run = value
        .strip_suffix(b"==")
        .or_else(|| value.strip_suffix(b"="))
        .unwrap_or(value);
    let mut out = [0; SHORTEST];
    let (mut bits, mut held, mut length) = (0_u32, 0, 0);
    let mut signs = 0;
    for byte in run {
        let six = VALUES[usize::from(*byte)];
        if six == NONE {
            return None;
        }
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            let [.., byte] = (bits >> held).to_be_bytes();
            if is_strange(byte) {
                return None;
            }
            signs += usize::from(!byte.is_ascii_alphanumeric() && byte != b' ');
            *out.get_mut(length)? = byte;
            length += 1;
        }
    }
    // Six bits alone hold no byte; what is left over is zero.
    let ended = held < 6 && bits & ((1 << held) - 1) == 0;
    (ended && signs > 0).then_some((out, length))
}

/// Decodes the runs that hold text; the rest stays, so that what stands around
/// a run is seen with it.
pub(super) fn decode(value: &[u8], out: &mut Vec<u8>) -> bool {
    if let Some((text, length)) = whole(value) {
        out.extend_from_slice(text.get(..length).unwrap_or_default());
        return true;
    }
    let mut changed = false;
    let mut at = 0;
    while let Some((begin, end)) = next(value, at) {
        out.extend_from_slice(value.get(at..begin).unwrap_or_default());
        let run = value.get(begin..end).unwrap_or_default();
        let before = out.len();
        if text(run, out) {
            changed = true;
            let behind = value.get(end..).unwrap_or_default();
            let padding = behind
                .iter()
                .take(2)
                .take_while(|byte| **byte == b'=')
                .count();
            at = end + padding;
        } else {
            out.truncate(before);
            out.extend_from_slice(run);
            at = end;
        }
    }
    out.extend_from_slice(value.get(at..).unwrap_or_default());
    changed
}

/// The next run at or behind `from`.
fn next(value: &[u8], from: usize) -> Option<(usize, usize)> {
    let is = |at: usize| {
        value
            .get(at)
            .is_some_and(|byte| VALUES[usize::from(*byte)] != NONE)
    };
    // A run that is long enough has one of every so many places.
    let mut probe = from + SHORTEST - 1;
    while probe < value.len() {
        if !is(probe) {
            probe += SHORTEST;
            continue;
        }
        let mut begin = probe;
        while begin > from && is(begin - 1) {
            begin -= 1;
        }
        let mut end = probe + 1;
        while is(end) {
            end += 1;
        }
        if end - begin >= SHORTEST {
            return Some((begin, end));
        }
        probe = end + SHORTEST - 1;
    }
    None
}

/// Writes what the run says, if that is text.
fn text(run: &[u8], out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let mut strange = 0;
    for quad in run.chunks(4) {
        let mut bits = 0_u32;
        for byte in quad {
            bits = bits << 6 | u32::from(VALUES[usize::from(*byte)] & 63);
        }
        // One character alone holds no byte.
        let count = match quad.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return false,
        };
        let bytes = (bits << (6 * (4 - quad.len()))).to_be_bytes();
        let bytes = bytes.get(1..=count).unwrap_or_default();
        strange += bytes.iter().filter(|byte| is_strange(**byte)).count();
        out.extend_from_slice(bytes);
        // Random bytes give up here soon.
        if strange > 4 && strange * 100 > (out.len() - before) * (100 - TEXT_PERCENT) * 4 {
            return false;
        }
    }
    let written = out.get(before..).unwrap_or_default();
    strange * 100 <= written.len() * (100 - TEXT_PERCENT)
        || std::str::from_utf8(written).is_ok_and(|text| !text.chars().any(char::is_control))
}

const fn is_strange(byte: u8) -> bool {
    !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}
