//! Blocks of code in a text of Markdown, which show commands to people.

use super::place::PROSE;
use super::text::Text;

/// What stands before a block of code and behind it.
pub(super) const FENCE: &[u8] = b"```";

/// Blanks that may stand before a fence: in lists it is indented.
const BLANKS: usize = 8;

/// Fences, as far as a text was read.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// A block was begun.
    within: bool,
    /// Where the last fence of the text stands, once that was asked for.
    last: Option<usize>,
}

impl Fences {
    /// Passes one, which begins or ends a block where it begins a line.
    pub(super) fn pass(&mut self, text: &[u8], here: usize) {
        let from = here.saturating_sub(BLANKS);
        let before = text.get(from..here).unwrap_or_default().trim_ascii_end();
        let line = text.get(from + before.len()..here).unwrap_or_default();
        if here == 0 || line.contains(&b'\n') {
            self.within = !self.within;
        }
    }

    /// Whether what stands here is shown: between two fences, in a text that begins with words.
    pub(super) fn show(&mut self, whole: &Text<'_>, here: usize) -> bool {
        if !self.within || whole.words(PROSE) < PROSE {
            return false;
        }
        let last = || memchr::memmem::rfind(whole.bytes, FENCE).unwrap_or_default();
        *self.last.get_or_insert_with(last) > here
    }
}

#[cfg(test)]
mod tests {
    use super::{Fences, Text, FENCE};

    fn shows(text: &str) -> bool {
        let here = text.find("HERE").unwrap_or_default();
        let mut fences = Fences::default();
        for at in memchr::memmem::find_iter(text.as_bytes(), FENCE).take_while(|at| *at < here) {
            fences.pass(text.as_bytes(), at);
        }
        fences.show(&Text::new(text.as_bytes()), here)
    }

    #[test]
    fn what_stands_between_fences_of_a_text_is_shown() {
        for text in [
            "How to install it\n```\nHERE\n```\n",
            "# How to install it\r\n\r\n```sh\r\nls\r\nHERE; x\r\n```",
            "How to install it\n\n1. So:\n\n   ```\n   HERE\n   ```\n",
            "How to install it\n```\nls\n```\nand then\n```\nHERE\n```\n",
        ] {
            assert!(shows(text), "{text}");
        }
        for text in [
            "```\nHERE\n```\n",
            "x\n```\nHERE\n```\n",
            "How to install it\n```\nls\n```\nHERE",
            "How to install it\n```\nls\n```\nHERE\n```\nls\n```\n",
            "How to install it\n```\nHERE",
            "How to install it ```HERE``` now",
            "How to install it: HERE\n",
        ] {
            assert!(!shows(text), "{text}");
        }
    }
}
