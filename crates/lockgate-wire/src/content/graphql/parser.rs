//! Executable documents (2.2 to 2.12), by descent; its depth is bounded.

use super::lexer::{Lexer, Token};
use super::{Limits, Summary};
use crate::content::{reasons, Flaw, Progress, Sink};

const ROOT: &[u8] = b"graphql";
/// Bytes in the way to a text: 64 names of 16 letters.
const NAME_BYTES: usize = 1024;

/// What ends the reading: something wrong, or a sink that wants no more.
enum End {
    Wrong(Flaw),
    Stopped,
}

impl From<Flaw> for End {
    fn from(flaw: Flaw) -> Self {
        Self::Wrong(flaw)
    }
}

type Step = Result<(), End>;

struct Parser<'a, 's, S: ?Sized> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    sink: &'s mut S,
    name: Vec<u8>,
    limits: Limits,
    depth: usize,
    /// Selection sets that are open.
    sets: u32,
    summary: Summary,
}

pub(super) fn read<S: Sink + ?Sized>(
    document: &[u8],
    limits: &Limits,
    sink: &mut S,
) -> Result<(Summary, Progress), Flaw> {
    if document.len() > limits.bytes {
        return Err(Flaw::new(&reasons::GRAPHQL_TOO_MANY, limits.bytes));
    }
    let mut parser = Parser {
        lexer: Lexer::new(document, limits.tokens),
        token: Token::End,
        sink,
        name: ROOT.to_vec(),
        limits: *limits,
        depth: 0,
        sets: 0,
        summary: Summary::default(),
    };
    match parser.document() {
        Ok(()) => {
            parser.summary.comments = parser.lexer.comments;
            Ok((parser.summary, Progress::Done))
        }
        Err(End::Stopped) => Ok((parser.summary, Progress::Stopped)),
        Err(End::Wrong(flaw)) => Err(flaw),
    }
}

impl<S: Sink + ?Sized> Parser<'_, '_, S> {
    fn document(&mut self) -> Step {
        self.advance()?;
        loop {
            self.definition()?;
            if self.token == Token::End {
                return Ok(());
            }
        }
    }

    fn definition(&mut self) -> Step {
        match self.token {
            Token::Sign(b'{') => {
                self.summary.operations += 1;
                self.selection_set()
            }
            Token::Name(word @ (b"query" | b"mutation" | b"subscription")) => {
                self.summary.operations += 1;
                self.summary.mutations += u32::from(word == b"mutation");
                self.advance()?;
                if let Token::Name(_) = self.token {
                    self.advance()?;
                }
                if self.token == Token::Sign(b'(') {
                    self.variables()?;
                }
                self.directives()?;
                self.selection_set()
            }
            Token::Name(b"fragment") => {
                self.summary.fragments += 1;
                self.advance()?;
                if self.token == Token::Name(b"on") {
                    return self.wrong();
                }
                self.word()?;
                if self.token != Token::Name(b"on") {
                    return self.wrong();
                }
                self.advance()?;
                self.word()?;
                self.directives()?;
                self.selection_set()
            }
            // Definitions of types are for servers.
            _ => self.wrong(),
        }
    }

    fn variables(&mut self) -> Step {
        self.advance()?;
        loop {
            self.sign(b'$')?;
            let around = self.name.len();
            self.named_word()?;
            self.sign(b':')?;
            self.kind()?;
            if self.token == Token::Sign(b'=') {
                self.advance()?;
                self.value()?;
            }
            self.name.truncate(around);
            self.directives()?;
            if self.token == Token::Sign(b')') {
                return self.advance();
            }
        }
    }

    /// A variable's type.
    fn kind(&mut self) -> Step {
        let mut lists = 0;
        while self.token == Token::Sign(b'[') {
            lists += 1;
            self.advance()?;
        }
        self.word()?;
        loop {
            if self.token == Token::Sign(b'!') {
                self.advance()?;
            }
            if lists == 0 {
                return Ok(());
            }
            lists -= 1;
            self.sign(b']')?;
        }
    }

    fn selection_set(&mut self) -> Step {
        self.sign(b'{')?;
        self.enter()?;
        self.sets += 1;
        self.summary.depth = self.summary.depth.max(self.sets);
        loop {
            if self.token == Token::Sign(b'.') {
                self.advance()?;
                self.spread()?;
            } else {
                self.field()?;
            }
            if self.token == Token::Sign(b'}') {
                break;
            }
        }
        self.sets -= 1;
        self.depth -= 1;
        self.advance()
    }

    fn spread(&mut self) -> Step {
        if let Token::Name(word) = self.token {
            self.advance()?;
            if word != b"on" {
                return self.directives();
            }
            self.word()?;
        }
        self.directives()?;
        self.selection_set()
    }

    fn field(&mut self) -> Step {
        self.summary.fields += 1;
        let around = self.name.len();
        let Token::Name(mut name) = self.token else {
            return self.wrong();
        };
        self.advance()?;
        if self.token == Token::Sign(b':') {
            self.summary.aliases += 1;
            self.advance()?;
            let Token::Name(real) = self.token else {
                return self.wrong();
            };
            name = real;
            self.advance()?;
        }
        self.summary.introspects |= matches!(name, b"__schema" | b"__type");
        self.push(name)?;
        if self.token == Token::Sign(b'(') {
            self.arguments()?;
        }
        self.directives()?;
        if self.token == Token::Sign(b'{') {
            self.selection_set()?;
        }
        self.name.truncate(around);
        Ok(())
    }

    fn arguments(&mut self) -> Step {
        self.advance()?;
        loop {
            let around = self.name.len();
            self.named_word()?;
            self.sign(b':')?;
            self.value()?;
            self.name.truncate(around);
            if self.token == Token::Sign(b')') {
                return self.advance();
            }
        }
    }

    fn directives(&mut self) -> Step {
        while self.token == Token::Sign(b'@') {
            self.summary.directives += 1;
            self.advance()?;
            let around = self.name.len();
            self.named_word()?;
            if self.token == Token::Sign(b'(') {
                self.arguments()?;
            }
            self.name.truncate(around);
        }
        Ok(())
    }

    fn value(&mut self) -> Step {
        match self.token {
            Token::Text => {
                if !self.sink.pair(&self.name, &self.lexer.text) {
                    return Err(End::Stopped);
                }
                self.advance()
            }
            Token::Number | Token::Name(_) => self.advance(),
            Token::Sign(b'$') => {
                self.advance()?;
                self.word()
            }
            Token::Sign(b'[') => {
                self.enter()?;
                self.advance()?;
                while self.token != Token::Sign(b']') {
                    self.value()?;
                }
                self.depth -= 1;
                self.advance()
            }
            Token::Sign(b'{') => {
                self.enter()?;
                self.advance()?;
                while self.token != Token::Sign(b'}') {
                    let around = self.name.len();
                    self.named_word()?;
                    self.sign(b':')?;
                    self.value()?;
                    self.name.truncate(around);
                }
                self.depth -= 1;
                self.advance()
            }
            _ => self.wrong(),
        }
    }

    fn enter(&mut self) -> Step {
        self.depth += 1;
        match self.depth > self.limits.depth {
            true => Ok(self.lexer.fail(&reasons::GRAPHQL_DEPTH)?),
            false => Ok(()),
        }
    }

    fn push(&mut self, word: &[u8]) -> Step {
        if self.name.len() + word.len() >= NAME_BYTES {
            return Ok(self.lexer.fail(&reasons::GRAPHQL_DEPTH)?);
        }
        self.name.push(b'.');
        self.name.extend_from_slice(word);
        Ok(())
    }

    /// A name, which names what follows.
    fn named_word(&mut self) -> Step {
        if let Token::Name(word) = self.token {
            self.push(word)?;
        }
        self.word()
    }

    fn word(&mut self) -> Step {
        match self.token {
            Token::Name(_) => self.advance(),
            _ => self.wrong(),
        }
    }

    fn sign(&mut self, sign: u8) -> Step {
        match self.token == Token::Sign(sign) {
            true => self.advance(),
            false => self.wrong(),
        }
    }

    fn advance(&mut self) -> Step {
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn wrong(&self) -> Step {
        Ok(self.lexer.fail(&reasons::GRAPHQL_SYNTAX)?)
    }
}
