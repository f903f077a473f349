//! JavaScript, read forward by its grammar: whether a text is a script to its
//! end, and what that script would do to a page.
//!
//! One pass, without a tree: what may follow is an operand or an operator. Two
//! words with nothing between are prose, and reading ends there.

mod names;

use super::script::{after_blanks, is_word, word_end};
use names::Kind;

/// How what was read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the text.
    Whole,
    /// With a comment, or in a string that a quote behind the text ends.
    Open,
    /// It is no script from there on.
    Broken,
}

/// What a script that was read would do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// It shows itself or runs text as a script.
    pub(super) shows: bool,
    /// It hands a function that does so to another.
    pub(super) passes: bool,
    /// It reaches what makes functions of text, or calls by a name made up.
    pub(super) builds: bool,
    /// It calls or changes something of the page's.
    pub(super) page: bool,
    /// It sends or loads something.
    pub(super) sends: bool,
    /// It reads the page's cookies.
    pub(super) secrets: bool,
    /// It calls anything.
    pub(super) calls: bool,
    /// It sets anything.
    pub(super) sets: bool,
    /// It is more than one line.
    pub(super) lines: bool,
    /// It ends with an error of grammar by any reading: two words in a line, and
    /// nothing before them that could be read otherwise.
    pub(super) fails: bool,
}

impl Seen {
    /// What no data is, in any number of lines.
    pub(super) const fn attacks(&self) -> bool {
        self.shows || self.passes || self.builds || self.secrets
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A statement, or an operand.
    Operand,
    /// Behind an operand: behind a string that ended, say.
    Operator,
    /// Behind `${`, up to its `}`.
    Hole,
}

/// Brackets that are open within each other; scripts of people have fewer.
const DEEPEST: usize = 48;

/// Reads a text as a script.
pub(super) fn read(text: &[u8], start: Start) -> (Seen, Ending) {
    let mut reader = Reader {
        text,
        at: 0,
        operand: start != Start::Operator,
        hole: start == Start::Hole,
        chain: Chain::default(),
        may_begin: start != Start::Operator,
        open: [Open::Block; DEEPEST],
        depth: 0,
        seen: Seen::default(),
        holds: false,
        set: false,
        queries: false,
        vague: false,
    };
    let ending = reader.run();
    let mut seen = reader.seen;
    seen.passes |= reader.holds && seen.calls;
    (seen, ending)
}

/// Longer scripts are taken to run.
const LONGEST_PROSE: usize = 2048;

/// Whether what a script's element holds is certain to do nothing: prose, which
/// fails before anything of it runs, or what neither calls nor sets anything.
pub(super) fn does_nothing(text: &[u8]) -> bool {
    let near = text
        .get(..text.len().min(LONGEST_PROSE))
        .unwrap_or_default();
    let (seen, ending) = read(near, Start::Operand);
    match ending {
        Ending::Broken => seen.fails,
        _ => near.len() == text.len() && near.first() == Some(&b'`') && !seen.calls && !seen.sets,
    }
}

/// What a bracket that is open was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A group, or the arguments of a call of a bare name.
    Group,
    /// The arguments of a member's call.
    Member,
    List,
    /// `x[…]`; whether the page's or a literal's.
    Index(bool),
    Block,
    /// `${…}` in a template.
    Hole,
}

/// The names that an operand is made of: `a.b.c`.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    /// What its last name is.
    last: Option<Kind>,
    /// It begins with an object of the page's.
    of_page: bool,
    /// It begins with a name of a frame's, which other languages have too.
    of_frame: bool,
    /// It begins with `document`.
    of_document: bool,
    /// It begins with a string, a list, a regular expression.
    of_literal: bool,
    /// It has more than one name.
    members: bool,
    /// An index was taken of it, or `constructor`.
    computed: bool,
    /// Its last name is a handler's.
    handler: bool,
    /// Something that can be called is there.
    callable: bool,
}

impl Chain {
    /// Whether what is taken of it by an index may be a function of the page's.
    const fn indexes(&self) -> bool {
        self.of_page || self.of_frame || self.of_literal || self.computed
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// What is read next is an operand.
    operand: bool,
    hole: bool,
    chain: Chain,
    /// A statement may begin without `;`: behind a line's end, `)` or `}`.
    may_begin: bool,
    open: [Open; DEEPEST],
    depth: usize,
    seen: Seen,
    /// A list holds a function that shows something.
    holds: bool,
    /// A name was just set to something.
    set: bool,
    /// `$` was called.
    queries: bool,
    /// Something was read that may mean something else: `/`, a bracket's end, a keyword.
    vague: bool,
}

/// Goes on, or ends so.
type Step = Result<(), Ending>;

impl Reader<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self) -> Ending {
        loop {
            if let Err(ending) = self.blanks() {
                return ending;
            }
            let Some(&byte) = self.text.get(self.at) else {
                return Ending::Whole;
            };
            self.set &= self.operand;
            let step = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'\\' | 0x80.. => self.word(),
                b'0'..=b'9' => self.number(),
                b'"' | b'\'' => self.string(byte),
                b'`' => self.template_begins(),
                b'(' | b'[' | b'{' => self.opens(byte),
                b')' | b']' | b'}' => self.closes(),
                _ if self.operand => self.prefix(byte),
                _ => self.operator(byte),
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    /// Blanks and comments.
    fn blanks(&mut self) -> Step {
        loop {
            match (self.byte(0), self.byte(1)) {
                (b'\n' | b'\r', _) if self.at < self.text.len() => {
                    self.may_begin = true;
                    self.seen.lines |= !self.rest().trim_ascii().is_empty();
                    self.at += 1;
                }
                (0..=b' ', _) if self.at < self.text.len() => self.at += 1,
                (b'/', b'/') => self.line()?,
                (b'<', b'!') if self.rest().starts_with(b"<!--") => self.line()?,
                (b'/', b'*') => {
                    let body = self.text.get(self.at + 2..).unwrap_or_default();
                    let end = memchr::memmem::find(body, b"*/").ok_or(Ending::Open)?;
                    self.at += end + 4;
                }
                _ => return Ok(()),
            }
        }
    }

    /// A comment up to the line's end.
    fn line(&mut self) -> Step {
        let end = memchr::memchr2(b'\n', b'\r', self.rest()).ok_or(Ending::Open)?;
        self.at += end;
        Ok(())
    }

    fn word(&mut self) -> Step {
        let start = self.at;
        let mut escaped = false;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\\' if self.byte(1) == b'u' => {
                    escaped = true;
                    self.at += 2;
                    if self.byte(0) == b'{' {
                        let end = self.rest().iter().take(10).position(|byte| *byte == b'}');
                        self.at += end.ok_or(Ending::Broken)? + 1;
                    }
                }
                b'\\' => return Err(Ending::Broken),
                _ if is_word(byte) || byte >= 0x80 => self.at += 1,
                _ => break,
            }
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        let kind = match names::kind(word) {
            _ if escaped => Kind::Escaped,
            // `import('…')`
            Kind::Prefix if word == b"import" && self.byte(0) == b'(' => Kind::Sends,
            kind => kind,
        };
        match kind {
            Kind::Infix if !self.operand => {
                self.operand = true;
                return Ok(());
            }
            _ if !self.operand && !self.may_begin => {
                self.seen.fails = !self.vague && kind == Kind::Other && word.is_ascii();
                return Err(Ending::Broken);
            }
            // What goes before: an operand still follows.
            Kind::Prefix | Kind::Infix => {
                self.operand = true;
                self.vague = true;
            }
            Kind::Head => {
                self.vague = true;
                self.operand = false;
                self.chain = Chain::default();
            }
            _ => {
                self.operand = false;
                self.chain = Chain {
                    last: Some(kind),
                    of_page: matches!(kind, Kind::Page | Kind::Document | Kind::Location),
                    of_frame: kind == Kind::Frame,
                    of_document: kind == Kind::Document,
                    handler: super::html::is_handler(word),
                    callable: true,
                    ..Chain::default()
                };
                self.named(kind);
            }
        }
        self.may_begin = false;
        Ok(())
    }

    /// A function that shows something, named and not called.
    fn named(&mut self, kind: Kind) {
        if !matches!(kind, Kind::Shows | Kind::Asks) || self.calls_next() {
            return;
        }
        match self.depth.checked_sub(1).and_then(|top| self.open.get(top)) {
            Some(Open::Member) => self.seen.passes = true,
            Some(Open::List | Open::Block) => self.holds = true,
            _ => self.holds |= self.set,
        }
    }

    /// Whether a call follows.
    fn calls_next(&self) -> bool {
        matches!(
            after_blanks(self.rest()),
            [b'(' | b'`' | b'.', ..] | [b'?', b'.', ..]
        )
    }

    fn number(&mut self) -> Step {
        if !self.operand && !self.may_begin {
            return Err(Ending::Broken);
        }
        while is_word(self.byte(0)) || (self.byte(0) == b'.' && self.byte(1).is_ascii_digit()) {
            self.at += 1;
        }
        self.literal()
    }

    /// Behind a literal.
    fn literal(&mut self) -> Step {
        self.operand = false;
        self.may_begin = false;
        self.chain = Chain {
            of_literal: true,
            ..Chain::default()
        };
        Ok(())
    }

    fn string(&mut self, quote: u8) -> Step {
        if !self.operand && !self.may_begin {
            return Err(Ending::Broken);
        }
        self.at += 1;
        loop {
            let skip = memchr::memchr3(quote, b'\\', b'\n', self.rest()).ok_or(Ending::Open)?;
            self.at += skip + 1;
            match self.text.get(self.at - 1) {
                Some(b'\\') => self.at += 1,
                Some(b'\n') => return Err(Ending::Broken),
                _ => return self.literal(),
            }
        }
    }

    fn template_begins(&mut self) -> Step {
        if !self.operand {
            // `top.open`…``, which no other language would be.
            self.seen.page |= self.chain.of_frame && self.chain.members;
            self.called(false);
        }
        self.at += 1;
        self.template()
    }

    /// The text of a template, up to its end or its next `${`.
    fn template(&mut self) -> Step {
        loop {
            let skip = memchr::memchr3(b'`', b'\\', b'$', self.rest()).ok_or(Ending::Open)?;
            self.at += skip + 1;
            match self.text.get(self.at - 1) {
                Some(b'\\') => self.at += 1,
                Some(b'$') if self.byte(0) == b'{' => {
                    self.at += 1;
                    self.push(Open::Hole)?;
                    self.operand = true;
                    return Ok(());
                }
                Some(b'$') => {}
                _ => {
                    self.literal()?;
                    self.chain.callable = true;
                    return Ok(());
                }
            }
        }
    }

    fn push(&mut self, open: Open) -> Step {
        *self.open.get_mut(self.depth).ok_or(Ending::Broken)? = open;
        self.depth += 1;
        self.may_begin = false;
        Ok(())
    }

    fn opens(&mut self, byte: u8) -> Step {
        self.at += 1;
        let open = match byte {
            b'{' => Open::Block,
            b'(' if self.operand => Open::Group,
            b'(' => {
                let spaced = self
                    .text
                    .get(self.at.wrapping_sub(2))
                    .is_some_and(|byte| *byte <= b' ');
                self.called(spaced);
                let chain = self.chain;
                match chain.members || chain.of_literal || chain.last.is_none() {
                    true => Open::Member,
                    false => Open::Group,
                }
            }
            _ if self.operand => Open::List,
            _ => Open::Index(self.chain.indexes()),
        };
        self.operand = true;
        self.push(open)
    }

    fn closes(&mut self) -> Step {
        self.at += 1;
        self.vague = true;
        if self.hole && self.depth == 0 && self.text.get(self.at - 1) == Some(&b'}') {
            return Err(Ending::Whole);
        }
        let top = self.depth.checked_sub(1);
        let open = top.and_then(|top| self.open.get(top)).copied();
        self.depth = top.unwrap_or(0);
        if open == Some(Open::Hole) {
            return self.template();
        }
        self.operand = false;
        self.may_begin = true;
        // `(alert)(1)`
        let function = self
            .chain
            .last
            .filter(|kind| open == Some(Open::Group) && matches!(kind, Kind::Shows | Kind::Asks));
        self.chain = Chain {
            last: function,
            of_literal: open == Some(Open::List),
            computed: matches!(open, Some(Open::Index(true))),
            members: matches!(open, Some(Open::Member | Open::Index(_))),
            callable: true,
            ..Chain::default()
        };
        Ok(())
    }

    /// A call of what was read last.
    fn called(&mut self, spaced: bool) {
        let chain = self.chain;
        if !chain.callable {
            return;
        }
        self.seen.calls = true;
        // `confirm (again)` is prose.
        let prose = spaced
            && after_blanks(self.rest())
                .first()
                .is_some_and(u8::is_ascii_alphabetic);
        match chain.last {
            Some(Kind::Shows | Kind::Later) => self.seen.shows |= !prose,
            Some(Kind::Asks) => self.seen.shows |= !prose && (!chain.members || chain.of_page),
            Some(Kind::Sends) => self.seen.sends |= !prose,
            Some(Kind::Builds) => self.seen.builds |= chain.members,
            Some(Kind::Writes) => self.seen.page = true,
            Some(Kind::Selects) => self.queries = true,
            Some(Kind::Places) => self.seen.page |= self.queries,
            Some(Kind::Escaped) => self.seen.builds = true,
            _ => {}
        }
        let finds = matches!(chain.last, Some(Kind::Finds));
        self.seen.page |= chain.of_page && chain.members && !finds;
        self.seen.builds |= chain.computed;
    }

    /// `.name` of what was read last.
    fn member(&mut self) -> Step {
        let text = self.text;
        let from = self.at + (self.rest().len() - after_blanks(self.rest()).len());
        let end = word_end(text, from);
        if end == from {
            return match text.get(from) {
                Some(b'\\') => {
                    self.at = from;
                    self.operand = true;
                    Ok(())
                }
                _ => Err(Ending::Broken),
            };
        }
        let word = text.get(from..end).unwrap_or_default();
        self.at = end;
        let kind = names::kind(word);
        self.seen.secrets |= self.chain.of_document && word == b"cookie";
        self.chain.computed |= self.chain.last == Some(Kind::Builds) && kind == Kind::Builds;
        // `window.document.cookie`
        let of_window = self.chain.of_page || self.chain.of_frame;
        self.chain.of_document |= of_window && kind == Kind::Document;
        self.chain.of_page |= of_window && matches!(kind, Kind::Document | Kind::Location);
        // `alert.call(…)`
        if !matches!(word, b"call" | b"apply" | b"bind") {
            self.chain.last = Some(kind);
        }
        self.chain.members = true;
        self.chain.callable = true;
        self.chain.handler = super::html::is_handler(word);
        Ok(())
    }

    /// What stands where an operand is awaited.
    fn prefix(&mut self, byte: u8) -> Step {
        match byte {
            b'+' | b'-' | b'!' | b'~' | b';' | b',' => self.at += 1,
            b'.' if self.rest().starts_with(b"...") => self.at += 3,
            b'.' if self.byte(1).is_ascii_digit() => {
                self.at += 1;
                return self.number();
            }
            b'/' => return self.pattern(),
            b'*' if self.at > 0 => self.at += 1,
            b'<' if self.ends_script() => return Err(Ending::Open),
            _ => return Err(Ending::Broken),
        }
        Ok(())
    }

    /// `/…/flags`
    fn pattern(&mut self) -> Step {
        self.at += 1;
        let mut class = false;
        loop {
            let byte = *self.text.get(self.at).ok_or(Ending::Broken)?;
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'\n' => return Err(Ending::Broken),
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => break,
                _ => {}
            }
        }
        self.at = word_end(self.text, self.at);
        self.literal()
    }

    fn ends_script(&self) -> bool {
        let head = self.rest().get(..8);
        head.is_some_and(|head| head.eq_ignore_ascii_case(b"</script"))
    }

    fn operator(&mut self, byte: u8) -> Step {
        self.vague |= byte == b'/';
        let next = self.byte(1);
        let len = match (byte, next) {
            (b'.', b'.') => return Err(Ending::Broken),
            (b'.', _) => {
                self.at += 1;
                return self.member();
            }
            (b'?', b'.') if !self.byte(2).is_ascii_digit() => {
                self.at += 2;
                if matches!(self.byte(0), b'(' | b'[') {
                    return Ok(());
                }
                return self.member();
            }
            (b'+', b'+') | (b'-', b'-') => {
                self.seen.sets = true;
                self.at += 2;
                return Ok(());
            }
            (b'=', b'>') => 2,
            (b'=', b'=') => 2 + usize::from(self.byte(2) == b'='),
            (b'!', b'=') => 2 + usize::from(self.byte(2) == b'='),
            (b'<', b'/') if self.ends_script() => return Err(Ending::Open),
            (b'=', _) => {
                self.assigned();
                1
            }
            (b'&' | b'|' | b'?' | b'*' | b'<' | b'>', _) if next == byte => 2,
            (b'+' | b'|' | b'&', b'=') => {
                self.assigned();
                2
            }
            (b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' | b'<' | b'>', _) => {
                1 + usize::from(next == b'=')
            }
            (b';' | b',' | b'?' | b':', _) => 1,
            _ => return Err(Ending::Broken),
        };
        self.at += len;
        self.operand = true;
        self.set &= byte == b'=' && next != b'=' && next != b'>';
        Ok(())
    }

    fn assigned(&mut self) {
        self.set = true;
        self.seen.sets = true;
        let behind = after_blanks(self.text.get(self.at + 1..).unwrap_or_default());
        let chain = self.chain;
        let text = matches!(behind.first(), Some(b'"' | b'\'' | b'`'));
        match chain.last {
            Some(Kind::Writes) if chain.members => self.seen.page = true,
            Some(Kind::Location) => self.seen.page |= text || chain.of_page && chain.members,
            _ => self.seen.page |= chain.of_page && (chain.members || chain.computed),
        }
        if chain.handler {
            let end = word_end(behind, 0);
            let kind = names::kind(behind.get(..end).unwrap_or_default());
            self.seen.passes |= matches!(kind, Kind::Shows | Kind::Asks);
        }
    }
}

#[cfg(test)]
mod tests;
