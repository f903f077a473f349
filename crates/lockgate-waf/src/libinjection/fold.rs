//! Folds tokens until what is left tells attacks apart: `1 + 2` is as good as `1`.

use super::sql::Sql;
use super::token::{kind, Token, KINDS, LONGEST};
use super::words::{look_up, Word};

/// How many tokens a fingerprint has.
pub(super) const MOST: usize = 5;
/// One more is read, to see what the last of them is; a power of two to index by.
const ROOM: usize = 8;

/// Names that are functions where `(` follows.
const MAY_BE_CALLED: [&[u8]; 11] = [
    b"USER_ID",
    b"USER_NAME",
    b"DATABASE",
    b"PASSWORD",
    b"USER",
    b"CURRENT_USER",
    b"CURRENT_DATE",
    b"CURRENT_TIME",
    b"CURRENT_TIMESTAMP",
    b"LOCALTIME",
    b"LOCALTIMESTAMP",
];

/// A value that is folded.
pub(super) struct Folding<'a> {
    sql: Sql<'a>,
    /// The tokens that are left.
    tokens: [Token; ROOM],
    end: usize,
}

/// What was made of the tokens at hand.
enum Step {
    /// They changed: begin again.
    Changed,
    /// Nothing folds.
    Same,
    /// It is an attack, whatever else there is.
    Evil,
}

/// How many kinds there are at most.
const PLACES: usize = 32;

/// By the place of the first token's kind a bit for the second's: whether the two may
/// fold. Where a phrase may go on from the first, they may as well.
static TWO: [u32; PLACES] = {
    let mut all = [0; PLACES];
    let mut at = 0;
    while at < KINDS.len() * KINDS.len() {
        let (first, second) = (at / KINDS.len(), at % KINDS.len());
        if two_may_fold(KINDS[first], KINDS[second]) {
            all[first] |= 1 << second;
        }
        at += 1;
    }
    all
};

/// By the places of two tokens' kinds a bit for the third's: whether the three may fold.
static THREE: [[u32; PLACES]; PLACES] = {
    let mut all = [[0; PLACES]; PLACES];
    let mut at = 0;
    while at < KINDS.len() * KINDS.len() * KINDS.len() {
        let (first, rest) = (
            at / KINDS.len() / KINDS.len(),
            at % (KINDS.len() * KINDS.len()),
        );
        let (second, third) = (rest / KINDS.len(), rest % KINDS.len());
        if three_may_fold(KINDS[first], KINDS[second], KINDS[third]) {
            all[first][second] |= 1 << third;
        }
        at += 1;
    }
    all
};

/// What [`Window::fold_two`] has an answer for, whatever the texts are.
const fn two_may_fold(first: u8, second: u8) -> bool {
    matches!(
        (first, second),
        (b's', b's')
            | (b';', b';' | b'f')
            | (b'o' | b'&', b't' | b'o')
            | (b'(', b'o' | b'(')
            | (b')', b')')
            | (b'n' | b'v', b'(')
            | (b'o', b'(')
            | (b't', b'n' | b'1' | b't' | b'(' | b'f' | b'v' | b's')
            | (b'A' | b'{', b'n')
            | (b'k' | b'\\', _)
            | (_, b'}')
    )
}

/// What [`Window::fold_three`] has an answer for, whatever the texts are.
const fn three_may_fold(first: u8, second: u8, third: u8) -> bool {
    let operands = is_operand(first) && is_operand(third);
    match (first, second, third) {
        (b'&', _, b'&') | (b'n' | b'E', b'.', b'n') => true,
        (b'o', between, b'o') => between != kind::OPEN,
        (_, b',', _) => operands,
        (b'f', b'(', after) => after != kind::CLOSE,
        (b'1' | b'v' | b'n', b'o', b'1' | b'n') | (b'v', b'o', b'v') => true,
        (operand, b'o', b't') => is_operand(operand),
        (b'k' | b'E' | b'B' | b',', b'o', b'(' | b'f') => true,
        (b'k' | b'E' | b'B' | b',', b'o', operand) => is_operand(operand),
        _ => false,
    }
}

const fn joins(kind: u8) -> bool {
    matches!(kind, b'k' | b'n' | b'o' | b'U' | b'f' | b'E' | b'T' | b't')
}

const fn is_operand(kind: u8) -> bool {
    matches!(
        kind,
        kind::NUMBER | kind::BAREWORD | kind::STRING | kind::VARIABLE
    )
}

impl<'a> Folding<'a> {
    /// `text`, read as behind an open `quote` (0: as it stands). It is not folded yet.
    pub(super) fn new(text: &'a [u8], quote: u8, mysql: bool) -> Self {
        Self {
            sql: Sql::new(text, quote, mysql),
            tokens: [Token::NONE; ROOM],
            end: 0,
        }
    }

    /// Folds it, and says which tokens are left.
    pub(super) fn fold(&mut self) -> &[Token] {
        let mut window = Window {
            text: self.sql.text(),
            tokens: [Token::NONE; ROOM],
            end: 0,
            left: 0,
            more: true,
            comment: Token::NONE,
        };
        self.end = window.run(&mut self.sql);
        self.tokens = window.tokens;
        self.tokens()
    }

    /// The tokens that are left.
    pub(super) fn tokens(&self) -> &[Token] {
        self.tokens.get(..self.end).unwrap_or_default()
    }

    /// How many tokens there were before folding, as far as it was read.
    pub(super) fn count(&self) -> usize {
        self.sql.count
    }

    /// Whether the other dialect reads it otherwise.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.sql.ambiguous
    }
}

/// The tokens at hand.
struct Window<'a> {
    text: &'a [u8],
    tokens: [Token; ROOM],
    /// Where the next token goes; in the end, how many are left.
    end: usize,
    /// How many tokens nothing folds with any more.
    left: usize,
    /// Whether there may be another token.
    more: bool,
    /// The comment that was read last, if no other token came after it.
    comment: Token,
}

impl Window<'_> {
    #[inline]
    fn at(&mut self, place: usize) -> &mut Token {
        &mut self.tokens[place % ROOM]
    }

    /// The token `ahead` of those that are settled.
    #[inline]
    fn get(&self, ahead: usize) -> Token {
        self.tokens[(self.left + ahead) % ROOM]
    }

    /// Has the token `ahead` of those that are settled be of another kind.
    fn turn(&mut self, ahead: usize, kind: u8) {
        let token = self.at(self.left + ahead);
        *token = token.turned(kind);
    }

    fn run(&mut self, sql: &mut Sql<'_>) -> usize {
        // What can stand before anything says nothing.
        loop {
            let Some(token) = sql.next() else {
                return 0;
            };
            if !(matches!(token.kind(), kind::COMMENT | kind::OPEN | kind::TYPE)
                || token.is_unary())
            {
                *self.at(0) = token;
                break;
            }
        }
        self.end = 1;
        loop {
            if self.end >= MOST {
                self.shorten();
            }
            if !self.more || self.left >= MOST {
                self.left = self.end;
                break;
            }
            self.fill(sql, 2);
            if self.end - self.left < 2 {
                self.left = self.end;
                continue;
            }
            if self.two_may_fold() {
                match self.fold_two() {
                    Step::Changed => continue,
                    Step::Same => {}
                    Step::Evil => return self.left + 2,
                }
            }
            self.fill(sql, 3);
            if self.end - self.left < 3 {
                self.left = self.end;
                continue;
            }
            if !self.three_may_fold() || matches!(self.fold_three(), Step::Same) {
                self.left += 1;
            }
        }
        if self.left < MOST && self.comment.kind() != kind::NONE {
            *self.at(self.left) = self.comment;
            self.left += 1;
        }
        self.left.min(MOST)
    }

    /// Reads until there are `wanted` tokens that are not settled.
    #[inline]
    fn fill(&mut self, sql: &mut Sql<'_>, wanted: usize) {
        while self.more && self.end <= MOST && self.end - self.left < wanted {
            match sql.next() {
                Some(token) if token.kind() == kind::COMMENT => self.comment = token,
                Some(token) => {
                    self.comment = Token::NONE;
                    *self.at(self.end) = token;
                    self.end += 1;
                }
                None => self.more = false,
            }
        }
    }

    /// Five tokens that are an expression in brackets, or the end of one and the
    /// beginning of another, are as good as their first.
    fn shorten(&mut self) {
        let [a, b, c, d, e, sixth, ..] = &self.tokens;
        let shorter = matches!(
            [a.kind(), b.kind(), c.kind(), d.kind(), e.kind()],
            [b'1', b'o' | b',', b'(', b'1', b')']
                | [b'n', b'o', b'(', b'n' | b'1', b')']
                | [b'1', b')', b',', b'(', b'1']
                | [b'n', b')', b'o', b'(', b'n']
        );
        if shorter {
            self.left = 0;
            if self.end > MOST {
                let sixth = *sixth;
                *self.at(1) = sixth;
                self.end = 2;
            } else {
                self.end = 1;
            }
        }
    }

    #[inline]
    fn two_may_fold(&self) -> bool {
        let (first, second) = (self.get(0), self.get(1));
        first.begins() || TWO[first.place()] >> second.place() & 1 != 0
    }

    #[inline]
    fn three_may_fold(&self) -> bool {
        let [first, second, third] = [0, 1, 2].map(|ahead| self.get(ahead).place());
        THREE[first][second] >> third & 1 != 0
    }

    /// Drops the second of the tokens at hand.
    fn drop_second(&mut self, left: usize) -> Step {
        self.end -= 1;
        self.left = left;
        Step::Changed
    }

    #[inline]
    fn fold_two(&mut self) -> Step {
        let (first, second) = (self.get(0), self.get(1));
        let back = self.left.saturating_sub(1);
        let (kind, next) = (first.kind(), second.kind());
        match (kind, next) {
            // `'a' 'b'` is one string, and `;;` one end.
            (b's', b's') | (b';', b';') => return self.drop_second(self.left),
            (b'o' | b'&', b't') => return self.drop_second(0),
            (b'o' | b'&', _) if second.is_unary() => return self.drop_second(0),
            (b'(', _) if second.is_unary() => return self.drop_second(back),
            _ => {}
        }
        if first.begins() && joins(kind) && (joins(next) || next == kind::LOGIC) {
            if let Some(phrase) = self.join(first, second) {
                *self.at(self.left) = first.joined(&phrase);
                return self.drop_second(back);
            }
        }
        match (kind, next) {
            (b';', b'f') if matches!(second.text(self.text), [b'i' | b'I', b'f' | b'F', ..]) => {
                // `IF` of Transact-SQL.
                self.turn(1, kind::TSQL);
                Step::Changed
            }
            (b'n' | b'v', b'(') if first.is_one_of(self.text, &MAY_BE_CALLED) => {
                self.turn(0, kind::FUNCTION);
                Step::Changed
            }
            (b'k', _) if first.is_one_of(self.text, &[b"IN", b"NOT IN"]) => {
                let turned = if next == kind::OPEN {
                    kind::OPERATOR
                } else {
                    kind::BAREWORD
                };
                self.turn(0, turned);
                Step::Changed
            }
            (b'o', b'(' | b'}') if first.is_one_of(self.text, &[b"LIKE", b"NOT LIKE"]) => {
                if next == kind::OPEN {
                    self.turn(0, kind::FUNCTION);
                }
                Step::Same
            }
            (b't', b'n' | b'1' | b't' | b'(' | b'f' | b'v' | b's') => {
                *self.at(self.left) = second;
                self.drop_second(0)
            }
            (b'A', b'n') => {
                // There are too many collations to list them: they have a `_`.
                let named = second
                    .text(self.text)
                    .split(|byte| *byte == 0)
                    .next()
                    .unwrap_or_default();
                if named.contains(&b'_') {
                    self.turn(1, kind::TYPE);
                    self.left = 0;
                }
                Step::Same
            }
            (b'\\', _) if second.is_arithmetic() => {
                // Transact-SQL reads `\%1` as `0 % 1`, and `\1` as `1`.
                self.turn(0, kind::NUMBER);
                self.left = 0;
                Step::Changed
            }
            (b'\\', _) => {
                *self.at(self.left) = second;
                self.drop_second(0)
            }
            (b'(', b'(') | (b')', b')') => self.drop_second(0),
            (b'{', b'n') if second.len() == 0 => {
                // MySQL runs {``.``.id}.
                self.turn(1, kind::EVIL);
                Step::Evil
            }
            (b'{', b'n') => {
                // ODBC's {name expression}: only the expression counts.
                self.left = 0;
                self.end -= 2;
                Step::Changed
            }
            (_, b'}') => self.drop_second(0),
            _ => Step::Same,
        }
    }

    #[inline]
    fn fold_three(&mut self) -> Step {
        let (first, second, third) = (self.get(0), self.get(1), self.get(2));
        let unary = second.is_unary();
        match (first.kind(), second.kind(), third.kind()) {
            // What is calculated or listed is as good as its first.
            (b'1', b'o', b'1')
            | (b'&', _, b'&')
            | (b'v', b'o', b'v' | b'1' | b'n')
            | (b'n' | b'1', b'o', b'1' | b'n')
            | (b'n', b'.', b'n') => self.drop_two(),
            (b'o', between, b'o') if between != kind::OPEN => self.drop_two(),
            (operand, b'o', b't') if is_operand(operand) && second.casts() => self.drop_two(),
            (operand, b',', other) if is_operand(operand) && is_operand(other) => self.drop_two(),
            // A sign says nothing.
            (b'E' | b'B' | b',', _, b'(') if unary => self.drop_sign(third),
            (b'k' | b'E' | b'B', _, b'f') if unary => self.drop_sign(third),
            (b'k' | b'E' | b'B', _, other) if unary && is_operand(other) => self.drop_sign(third),
            (b',', _, other) if unary && is_operand(other) => {
                // Once without its sign, it may fold with what stands before.
                *self.at(self.left + 1) = third;
                self.left = 0;
                self.end -= 3;
                Step::Changed
            }
            (b',', _, b'f') if unary => self.drop_sign(third),
            (b'E', b'.', b'n') => self.drop_sign(third),
            (b'f', b'(', after) if after != kind::CLOSE => {
                // `USER()` is a function, `USER(a)` is none.
                if first.is_one_of(self.text, &[b"USER"]) {
                    self.turn(0, kind::BAREWORD);
                }
                Step::Same
            }
            _ => Step::Same,
        }
    }

    fn drop_two(&mut self) -> Step {
        self.end -= 2;
        self.left = 0;
        Step::Changed
    }

    /// The third of the tokens at hand takes the place of the second.
    fn drop_sign(&mut self, third: Token) -> Step {
        *self.at(self.left + 1) = third;
        self.drop_second(0)
    }

    /// The phrase that two tokens make.
    fn join(&self, first: Token, second: Token) -> Option<Word> {
        let (one, two) = (first.len(), second.len());
        if one + two + 1 > LONGEST {
            return None;
        }
        let mut both = [b' '; LONGEST];
        both.get_mut(..one)?.copy_from_slice(first.text(self.text));
        both.get_mut(one + 1..one + 1 + two)?
            .copy_from_slice(second.text(self.text));
        look_up(both.get(..one + 1 + two)?).filter(|phrase| phrase.kind != kind::NONE)
    }
}

#[cfg(test)]
mod tests;
