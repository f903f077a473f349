//! Texts in bytes that are no text.

/// Bytes of a text within others, at least: in random ones so long a run comes
/// about once in five megabytes.
const LEAST: usize = 16;

/// Of so many bytes one may be no part of a text that is looked at as a whole.
const BROKEN: usize = 8;

/// Texts in `bytes`: all of it, where most of it is text; else its runs of text.
pub fn texts(bytes: &[u8]) -> Vec<&[u8]> {
    let broken: usize = bytes
        .utf8_chunks()
        .map(|chunk| chunk.invalid().len() + chunk.valid().bytes().filter(is_control).count())
        .sum();
    if broken * BROKEN <= bytes.len() {
        return vec![bytes];
    }
    let runs = bytes.utf8_chunks().flat_map(|chunk| {
        let control = |letter: char| letter.is_ascii() && is_control(&(letter as u8));
        chunk.valid().split(control).map(str::as_bytes)
    });
    runs.filter(|run| run.len() >= LEAST).collect()
}

/// Whether it has no byte that no text has, in whatever character set of one byte or in UTF-8.
pub fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().any(is_control)
}

const fn is_control(byte: &u8) -> bool {
    matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127)
}

#[cfg(test)]
mod tests;
