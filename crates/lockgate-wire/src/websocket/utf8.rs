//! UTF-8 that arrives in pieces.

/// Checks a text piece by piece; a character may be cut anywhere.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come.
    cut: [u8; 4],
    filled: usize,
}

/// The text is not UTF-8, and no more of it would mend that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

impl Utf8 {
    pub(super) fn feed(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.filled > 0 {
            let Some((first, rest)) = piece.split_first() else {
                return Ok(());
            };
            // A beginning that is right has at most three bytes.
            self.cut[self.filled] = *first;
            self.filled += 1;
            piece = rest;
            match std::str::from_utf8(&self.cut[..self.filled]) {
                Ok(_) => self.filled = 0,
                Err(error) if error.error_len().is_some() => return Err(Invalid),
                Err(_) => {}
            }
        }
        if let Err(error) = std::str::from_utf8(piece) {
            if error.error_len().is_some() {
                return Err(Invalid);
            }
            let cut = &piece[error.valid_up_to()..];
            self.cut[..cut.len()].copy_from_slice(cut);
            self.filled = cut.len();
        }
        Ok(())
    }

    /// The text is over, and the next one begins.
    pub(super) fn end(&mut self) -> Result<(), Invalid> {
        match std::mem::take(&mut self.filled) {
            0 => Ok(()),
            _ => Err(Invalid),
        }
    }
}
