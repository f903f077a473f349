//! What plugins print goes into the gate's log: line by line, each cut, and no
//! more of them than the log takes of one kind in a second.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::Tell;

/// Bytes of a line that are told.
const LINE: usize = 500;

/// Whom the process was asked for last, and all plugins' names.
type SaidBy = (Arc<AtomicU32>, Vec<String>);

/// Tells what comes out of `pipe`, to its end.
pub(super) async fn forward(mut pipe: pipe::Receiver, (plugin, names): SaidBy, tell: Tell) {
    let mut piece = [0; 4096];
    let mut lines = Lines::default();
    while let Ok(count @ 1..) = pipe.read(&mut piece).await {
        lines.take(&piece[..count], &mut |line| {
            let place = plugin.load(Ordering::Relaxed) as usize;
            let name = names
                .get(place)
                .map_or("a plugin, as it was loaded,", String::as_str);
            tell("plugin-printed", &format!("{name} printed: {line}"));
        });
    }
}

/// A line as far as it has come, cut to what is told of it.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, piece: &[u8], told: &mut dyn FnMut(&str)) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.add(&rest[..end]);
            let text = String::from_utf8_lossy(&self.0);
            // A control character could write over the operator's terminal.
            let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
            if !text.trim().is_empty() {
                told(&text);
            }
            self.0.clear();
            rest = &rest[end + 1..];
        }
        self.add(rest);
    }

    fn add(&mut self, piece: &[u8]) {
        let room = LINE.saturating_sub(self.0.len());
        self.0.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece, &mut |line| all.push(line.to_owned()));
        }
        all
    }

    #[test]
    fn lines_are_told_whole_cut_and_clean() {
        assert_eq!(told(&[b"a", b"b\nc\n\n", b"d"]), ["ab", "c"]);
        assert_eq!(told(&[b"\x1b[2Ja\xff\n"]), ["[2Ja\u{fffd}"]);
        let long = told(&[&[b'x'; 4096], &[b'x'; 4096], b"\nshort\n"]);
        assert_eq!((long[0].len(), long[1].as_str()), (LINE, "short"));
    }
}
