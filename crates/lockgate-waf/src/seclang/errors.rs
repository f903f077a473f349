//! What is wrong, and where.

use super::codes::Code;
use super::language::{self, Kind};
use super::lines::Directive;
use super::nearest::nearest;
use super::text::Text;

/// What is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file's name, as it was asked for.
    pub file: Box<str>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What kind of error.
    pub code: Code,
    /// What is wrong, and what to do: a sentence or two.
    pub message: Box<str>,
    /// The line, or what of it stands around the error.
    pub excerpt: Box<str>,
    /// How many characters of the excerpt stand before the error.
    pub caret: u32,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, line, column) = (&self.file, self.line, self.column);
        write!(
            f,
            "{file}:{line}:{column}: {} [{}]",
            self.message, self.code
        )?;
        if !self.excerpt.is_empty() {
            let room = self.caret as usize;
            write!(f, "\n  {}\n  {:room$}^", self.excerpt, "")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// What is wrong with a part of a directive.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where in the directive.
    pub at: usize,
    /// What kind of error.
    pub code: Code,
    /// What is wrong, and what to do.
    pub message: String,
    /// A word that is none of its kind, from `at` on, and its length: what may
    /// have been meant is looked for only where the fault is told.
    pub misspelt: Option<(Kind, usize)>,
}

impl Fault {
    /// An error at `at`.
    pub fn new(at: usize, code: Code, message: impl Into<String>) -> Self {
        Self {
            at,
            code,
            message: message.into(),
            misspelt: None,
        }
    }

    /// The fault that `word` is none of its kind.
    pub fn misspelt(word: Text<'_>, kind: Kind, code: Code, message: impl Into<String>) -> Self {
        Self {
            misspelt: Some((kind, word.bytes.len())),
            ..Self::new(word.at, code, message)
        }
    }
}

/// The errors that were found so far.
#[derive(Debug)]
pub(super) struct Errors {
    told: Vec<LoadError>,
    most: usize,
    untold: usize,
}

impl Errors {
    /// None yet; at most `most` will be told.
    pub fn new(most: usize) -> Self {
        Self {
            told: Vec::new(),
            most,
            untold: 0,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && self.untold == 0
    }

    /// One more, in a directive.
    pub fn add(&mut self, directive: &Directive<'_>, fault: Fault) {
        if self.told.len() >= self.most {
            self.untold += 1;
        } else {
            self.told.push(located(directive, fault));
        }
    }

    /// One more, whose place is known already.
    pub fn push(&mut self, error: LoadError) {
        if self.told.len() >= self.most {
            self.untold += 1;
        } else {
            self.told.push(error);
        }
    }

    /// One more, of a file as a whole.
    pub fn add_file(&mut self, file: &str, code: Code, message: String) {
        self.push(LoadError {
            file: file.into(),
            line: 1,
            column: 1,
            code,
            message: clean(&message),
            excerpt: "".into(),
            caret: 0,
        });
    }

    /// All of them.
    pub fn into_told(mut self) -> Vec<LoadError> {
        if self.untold > 0 {
            let file = self.told.last().map(|last| last.file.clone());
            self.most += 1;
            self.add_file(
                &file.unwrap_or_default(),
                Code::MoreErrors,
                format!("There are {} more errors.", self.untold),
            );
        }
        self.told
    }
}

/// What is wrong with a directive, and where that is in its file.
pub(super) fn located(directive: &Directive<'_>, fault: Fault) -> LoadError {
    let (line, before) = directive.place(fault.at);
    let (excerpt, caret) = excerpt(directive.line_text(fault.at), before.len());
    let mut message = fault.message;
    if let Some((kind, length)) = fault.misspelt {
        let word = directive.text().after(fault.at).first(length).bytes;
        if let Some(name) = nearest(word, language::names(kind)) {
            message += &format!(" Did you mean {name}?");
        }
    }
    LoadError {
        file: directive.file.into(),
        line,
        column: count(before).saturating_add(1),
        code: fault.code,
        message: clean(&message),
        excerpt,
        caret,
    }
}

/// Without control characters: a message may be shown on a terminal.
fn clean(message: &str) -> Box<str> {
    let shown = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    message.chars().map(shown).collect::<String>().into()
}

/// How many characters some bytes are shown as.
fn count(bytes: &[u8]) -> u32 {
    u32::try_from(String::from_utf8_lossy(bytes).chars().count()).unwrap_or(u32::MAX)
}

/// What of a line stands around its byte `at`, and how many characters of that
/// stand before it. Tabs and other control characters are shown as spaces.
fn excerpt(line: &[u8], at: usize) -> (Box<str>, u32) {
    /// Bytes on either side: two lines of a terminal.
    const AROUND: usize = 70;
    let start = at.saturating_sub(AROUND);
    let end = line.len().min(at.saturating_add(AROUND));
    let shown = |range: std::ops::Range<usize>| -> String {
        String::from_utf8_lossy(line.get(range).unwrap_or_default())
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    let mut before = shown(start..at.min(end));
    if start > 0 {
        before.insert(0, '…');
    }
    let mut after = shown(at.min(end)..end);
    if end < line.len() {
        after.push('…');
    }
    let caret = u32::try_from(before.chars().count()).unwrap_or(0);
    let whole = before + after.trim_end();
    let cut = whole.trim_start();
    let lost = u32::try_from(whole.chars().count() - cut.chars().count()).unwrap_or(0);
    (cut.into(), caret.saturating_sub(lost))
}
