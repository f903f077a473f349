//! What a piece of SQL goes on with: an expression's grammar, read forward.

use super::tokens::{Token, Tokens};
use super::words::{Statement, Word};

/// How what was read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the value.
    Value,
    /// With a comment that swallows what stood behind the value.
    Cut,
    /// Within a string that the quote behind the value ends.
    Held,
    /// It is no SQL from there on.
    Broken,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// `AND`, `OR`, `HAVING`.
    pub(super) boolean: bool,
    /// `||`, which may be meant so.
    pub(super) bars: bool,
    /// Behind a boolean, two constants are compared.
    pub(super) constants: bool,
    /// Behind a boolean, something is compared.
    pub(super) compared: bool,
    /// Something is compared, and no boolean stood before it.
    pub(super) compared_first: bool,
    /// `BETWEEN`, no boolean before it, and constants on both of its sides.
    pub(super) between: bool,
    /// What stands behind the last boolean is a constant alone.
    pub(super) lone: Lone,
    /// `UNION SELECT` and something that is no word of a sentence.
    pub(super) union: bool,
    /// `UNION SELECT` and a name.
    pub(super) union_of_names: bool,
    /// `(SELECT` and something that is no word of a sentence.
    pub(super) subquery: bool,
    /// `(SELECT name FROM name`.
    pub(super) subquery_of_names: bool,
    /// A call that only attacks want, behind an operator.
    pub(super) telling: bool,
    /// The same, as all of the value.
    pub(super) telling_first: bool,
    /// A call of `SLEEP`, behind an operator.
    pub(super) sleeps: bool,
    /// The same, as all of the value.
    pub(super) sleeps_first: bool,
    /// In a function's arguments or behind CASE two constants are compared.
    pub(super) decides: bool,
    /// A call of a function of SQL, or a server's variable, behind an operator.
    pub(super) function: bool,
    /// A call of any other function, behind a boolean.
    pub(super) called: bool,
    /// `;` and another statement.
    pub(super) stacked: bool,
    /// `;` and a word that begins a statement, however it goes on.
    pub(super) begins: bool,
    /// `WAITFOR DELAY`, `DROP TABLE x`: a statement that no sentence has.
    pub(super) runs: bool,
    /// A literal, a sign, a parenthesis or a type: what people do not write between
    /// two numbers.
    pub(super) spelled: bool,
    /// `ORDER BY`, `GROUP BY`, `LIMIT`.
    pub(super) sorted: bool,
    /// `INTO OUTFILE`.
    pub(super) file: bool,
    /// A table of the database's own.
    pub(super) system: bool,
    /// Operators at all.
    pub(super) operators: bool,
    /// A comma outside of parentheses and SELECT.
    pub(super) lists: bool,
    /// Parentheses that were opened before the value.
    pub(super) closes: bool,
    /// It ends where the query, or another value, has to go on: behind `UNION
    /// SELECT`, `ORDER BY`, `AND ASCII(`.
    pub(super) open: bool,
}

impl Seen {
    /// Whether there is more to it than signs, as formulas and numbers have them.
    pub(super) const fn by_words(&self) -> bool {
        (self.boolean || self.compared_first) && self.spelled
            || self.function
            || self.called
            || self.compared
            || self.sorted
            || self.subquery_of_names
            || self.union_of_names
    }
}

/// A constant that stands alone behind a boolean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Lone {
    /// None does.
    #[default]
    None,
    /// A number, or a string that begins like one.
    Number,
    /// A string.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Operand,
    Operator,
    Statement,
}

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Constant,
    Other,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// An operand was there already.
    Operator,
    /// The value begins with its own.
    Operand,
    /// The value is a statement.
    Statement,
}

/// Reads on from there; `quote` is the one that stands around the value.
pub(super) fn read(tokens: &mut Tokens<'_>, quote: Option<u8>, start: Start) -> (Seen, Ending) {
    let mut walk = Walk {
        tokens,
        quote,
        seen: Seen::default(),
        want: match start {
            Start::Operator => Want::Operator,
            Start::Operand => Want::Operand,
            Start::Statement => Want::Statement,
        },
        depth: 0,
        select: None,
        alias: false,
        last: Kind::Other,
        comparing: None,
        may_close: false,
        deciding: false,
        conditional: false,
        ranged: false,
    };
    // Each step takes a token; there are no more of them than bytes.
    let ending = loop {
        if let Some(ending) = walk.step() {
            break ending;
        }
    };
    (walk.seen, ending)
}

struct Walk<'w, 'a> {
    tokens: &'w mut Tokens<'a>,
    quote: Option<u8>,
    seen: Seen,
    want: Want,
    depth: i32,
    /// The SELECT that is read.
    select: Option<Select>,
    /// Whether another name was given already.
    alias: bool,
    /// The operand before.
    last: Kind,
    /// What stands left of a comparison that is open.
    comparing: Option<Kind>,
    /// Whether `()` would be right.
    may_close: bool,
    /// Whether a function that decides, or CASE, was read.
    deciding: bool,
    /// Whether a statement begins with IF, behind which another stands.
    conditional: bool,
    /// Whether the comparison is BETWEEN.
    ranged: bool,
}

#[derive(Clone, Copy)]
struct Select {
    union: bool,
    from: bool,
    depth: i32,
}

const GO_ON: Option<Ending> = None;
const BROKEN: Option<Ending> = Some(Ending::Broken);

impl Walk<'_, '_> {
    fn step(&mut self) -> Option<Ending> {
        let token = self.tokens.next();
        let may_close = std::mem::take(&mut self.may_close);
        match self.want {
            Want::Operand => self.operand_at(token, may_close),
            Want::Operator => self.operator_at(token),
            Want::Statement => self.statement_at(token),
        }
    }

    fn operand_at(&mut self, token: Token, may_close: bool) -> Option<Ending> {
        self.seen.spelled |=
            !matches!(token, Token::Number | Token::Text | Token::Word(Word::Name));
        match token {
            Token::Number => self.constant(Lone::Number),
            Token::Text => {
                let lone = lone(self.tokens.text());
                self.constant(lone)
            }
            Token::Word(Word::Literal) if !self.tokens.calls() => self.constant(Lone::Number),
            Token::Unended(quote) if Some(quote) == self.quote => {
                let lone = lone(self.tokens.text());
                self.constant(lone);
                return Some(Ending::Held);
            }
            Token::Variable => self.other(true),
            Token::ServerVariable => {
                self.seen.function |= self.seen.operators;
                self.other(true)
            }
            Token::Sign | Token::Bang => {}
            Token::Word(Word::Case) => {
                self.deciding = true;
                self.seen.function |= self.seen.operators;
            }
            Token::Word(Word::Before | Word::Quantity) => {}
            Token::Arithmetic if self.tokens.text() == b"~" => {}
            Token::Star if self.select.is_some() || self.depth > 0 => self.other(true),
            Token::Open => self.depth = self.depth.saturating_add(1),
            Token::Close if may_close => {
                self.depth -= 1;
                self.want = Want::Operator;
            }
            Token::Word(Word::Select) => self.select(false),
            Token::Word(word) => return self.name(word),
            Token::End => return self.left_open(),
            _ => return BROKEN,
        }
        GO_ON
    }

    /// The value ends and an operand would follow.
    fn left_open(&mut self) -> Option<Ending> {
        let union = self.select.is_some_and(|select| select.union);
        self.seen.union |= union;
        self.seen.open = union || self.seen.sorted || self.seen.function && self.depth > 0;
        match self.seen.open {
            true => Some(Ending::Value),
            false => BROKEN,
        }
    }

    fn constant(&mut self, lone: Lone) {
        self.seen.lone = match self.comparing {
            None if self.seen.boolean || self.seen.bars => lone,
            _ => Lone::None,
        };
        self.solid();
        self.operand(Kind::Constant);
    }

    fn other(&mut self, solid: bool) {
        self.seen.lone = Lone::None;
        if solid {
            self.solid();
        }
        self.operand(Kind::Other);
    }

    fn operand(&mut self, kind: Kind) {
        if let Some(left) = self.comparing.take() {
            let constants = left == Kind::Constant && kind == Kind::Constant;
            if self.seen.boolean || self.seen.bars {
                self.seen.compared = true;
                self.seen.constants |= constants;
            } else {
                self.seen.compared_first = true;
                self.seen.between |= constants && self.ranged;
            }
            self.seen.decides |= constants && self.deciding;
            self.seen.lone = Lone::None;
        }
        self.last = kind;
        self.want = Want::Operator;
    }

    /// A SELECT has something that a sentence would not have there.
    fn solid(&mut self) {
        if let Some(select) = self.select {
            if select.union {
                self.seen.union = true;
            } else {
                self.seen.subquery = true;
            }
        }
    }

    fn name(&mut self, word: Word) -> Option<Ending> {
        if self.tokens.calls() {
            self.called(word);
            self.tokens.next();
            self.depth = self.depth.saturating_add(1);
            self.may_close = true;
            return GO_ON;
        }
        match word {
            Word::System => {
                self.seen.system = true;
                self.other(true);
            }
            // `dbms_lock.sleep`, `user`, `sysdate`
            Word::Name | Word::Function | Word::Telling | Word::Rows | Word::As => {
                self.other(false);
                if self.is_dual() {
                    self.solid();
                }
                if let Some(select) = self.select {
                    if select.union {
                        self.seen.union_of_names = true;
                    } else if select.from {
                        self.seen.subquery_of_names = true;
                    }
                }
            }
            _ => return BROKEN,
        }
        GO_ON
    }

    /// `FROM DUAL`, and nothing that a sentence goes on with.
    fn is_dual(&self) -> bool {
        self.select.is_some_and(|select| select.from)
            && self.tokens.text().eq_ignore_ascii_case(b"dual")
            && matches!(
                self.tokens.peek(),
                Token::Close | Token::Cut | Token::Word(Word::Where | Word::Union | Word::Limit)
            )
    }

    fn called(&mut self, word: Word) {
        let first = !self.seen.operators && self.select.is_none() && !self.seen.stacked;
        let sleeps = self.tokens.text().eq_ignore_ascii_case(b"sleep");
        self.deciding |= word != Word::Name;
        match word {
            Word::Telling if first => self.seen.telling_first = true,
            Word::Telling => self.seen.telling = true,
            Word::Name => self.seen.called |= self.seen.boolean || self.seen.bars,
            _ if first => self.seen.sleeps_first |= sleeps,
            _ => {
                self.seen.function = true;
                self.seen.sleeps |= sleeps;
            }
        }
        if word != Word::Name {
            self.solid();
            // What stands in its parentheses is no value of its own.
            self.seen.operators = true;
        }
        self.seen.lone = Lone::None;
        self.last = Kind::Other;
    }

    fn select(&mut self, union: bool) {
        self.select = Some(Select {
            union,
            from: false,
            depth: self.depth,
        });
        self.alias = false;
        self.comparing = None;
        self.want = Want::Operand;
    }

    fn operator(&mut self) {
        self.seen.operators = true;
        self.alias = false;
        self.want = Want::Operand;
    }

    fn compare(&mut self) {
        self.comparing = Some(self.last);
        self.ranged = self.tokens.text().eq_ignore_ascii_case(b"between");
        self.operator();
    }

    fn operator_at(&mut self, token: Token) -> Option<Ending> {
        match token {
            Token::Sign | Token::Star | Token::Arithmetic => self.operator(),
            Token::Word(Word::Arithmetic) => {
                self.seen.spelled = true;
                self.operator();
            }
            Token::Bars => {
                self.seen.bars = true;
                self.operator();
            }
            Token::Ampersands | Token::Word(Word::Boolean) => {
                self.seen.boolean = true;
                self.operator();
            }
            Token::Word(Word::Compare) if self.searches() => {}
            Token::Equals | Token::Unequal | Token::Word(Word::Compare) => {
                let sounds = is_name(self.tokens, b"sounds");
                if sounds && self.tokens.peek() == Token::Word(Word::Compare) {
                    self.tokens.next();
                }
                self.compare();
            }
            Token::Bang | Token::Word(Word::Before) => {
                if self.tokens.next() != Token::Word(Word::Compare) {
                    return BROKEN;
                }
                self.compare();
            }
            Token::Comma => {
                if self.select.is_some_and(|select| select.union) {
                    self.solid();
                }
                self.seen.lists |= self.depth <= 0 && self.select.is_none();
                self.comparing = None;
                self.operator();
            }
            Token::Close => {
                self.depth -= 1;
                self.seen.closes |= self.depth < 0;
                if self.select.is_some_and(|select| self.depth < select.depth) {
                    self.select = None;
                }
            }
            Token::Semicolon => {
                self.select = None;
                self.want = Want::Statement;
            }
            Token::Cut => return Some(Ending::Cut),
            Token::End => return Some(Ending::Value),
            Token::Cast => {
                self.seen.spelled = true;
                if !matches!(self.tokens.next(), Token::Word(_)) {
                    return BROKEN;
                }
            }
            Token::Word(word) => return self.clause(word),
            Token::Text if self.select.is_some() && !self.alias => self.alias = true,
            Token::Unended(quote)
                if Some(quote) == self.quote && self.select.is_some() && !self.alias =>
            {
                return Some(Ending::Held);
            }
            _ => return BROKEN,
        }
        GO_ON
    }

    /// Reads on over `IN BOOLEAN MODE`, `IN NATURAL LANGUAGE MODE`: they say how a text is searched for.
    fn searches(&mut self) -> bool {
        if !is_name(self.tokens, b"in") {
            return false;
        }
        let mut ahead = *self.tokens;
        ahead.next();
        if is_name(&ahead, b"natural") {
            ahead.next();
        } else if !is_name(&ahead, b"boolean") {
            return false;
        }
        if !is_name(&ahead, b"boolean") && !is_name(&ahead, b"language") {
            return false;
        }
        ahead.next();
        let is = is_name(&ahead, b"mode");
        if is {
            *self.tokens = ahead;
        }
        is
    }

    /// `HAVING 1`, `LIMIT 1`; with nothing behind it the word is one of a sentence: `5 limit`.
    fn limits(&mut self) {
        self.seen.sorted |= self.tokens.peek() != Token::End;
        self.operator();
    }

    fn clause(&mut self, word: Word) -> Option<Ending> {
        match word {
            Word::Union => return self.union(),
            Word::From => {
                if let Some(select) = &mut self.select {
                    select.from = true;
                }
                // A list of columns may stand before the value, or behind it alone.
                if self.quote.is_some() && self.depth <= 0 && self.select.is_none() {
                    return BROKEN;
                }
                self.operator();
            }
            Word::Where => {
                self.solid();
                self.seen.boolean |= self.select.is_some();
                self.operator();
            }
            Word::Sorting => {
                if self.tokens.next() != Token::Word(Word::By) {
                    return BROKEN;
                }
                self.seen.sorted = true;
                self.operator();
            }
            Word::Having => {
                self.seen.boolean = true;
                self.limits();
            }
            Word::Limit => self.limits(),
            Word::Into => {
                self.seen.file |= self.tokens.peek() == Token::Word(Word::File);
                if self.seen.file {
                    self.tokens.next();
                }
                self.operator();
            }
            Word::Procedure => {
                self.seen.telling |= self.tokens.peek() == Token::Word(Word::Telling);
                self.operator();
            }
            Word::Case => self.operator(),
            // CASE is a function too, and alone it is one where it ends.
            Word::After => self.seen.function |= self.deciding && is_name(self.tokens, b"end"),
            Word::As => {
                if !matches!(self.tokens.next(), Token::Word(_) | Token::Text) {
                    return BROKEN;
                }
            }
            Word::Select if self.conditional => self.select(false),
            Word::Statement(statement) if self.conditional => return self.statement(statement),
            Word::Statement(statement @ (Statement::Wait | Statement::Do)) => {
                return self.does_at_once(statement);
            }
            _ if (self.select.is_some() || self.depth > 0) && !self.alias => self.alias = true,
            _ => return BROKEN,
        }
        GO_ON
    }

    fn union(&mut self) -> Option<Ending> {
        self.seen.operators = true;
        loop {
            match self.tokens.next() {
                Token::Word(Word::Quantity) => {}
                Token::Cut => return Some(Ending::Cut),
                // `TABLE name`, `VALUES ROW(…)`
                Token::Word(Word::Rows) if matches!(self.tokens.peek(), Token::Word(_)) => {
                    self.select(true);
                    return GO_ON;
                }
                Token::Word(Word::Name) if is_name(self.tokens, b"with") => {
                    let named = matches!(self.tokens.next(), Token::Word(_))
                        && self.tokens.next() == Token::Word(Word::As)
                        && self.tokens.peek() == Token::Open;
                    if !named {
                        return BROKEN;
                    }
                }
                Token::Open => self.depth = self.depth.saturating_add(1),
                Token::Word(Word::Select) => {
                    self.select(true);
                    return GO_ON;
                }
                Token::Word(Word::Rows) if self.tokens.calls() => {
                    self.select(true);
                    return GO_ON;
                }
                _ => return BROKEN,
            }
        }
    }

    fn statement_at(&mut self, token: Token) -> Option<Ending> {
        match token {
            Token::Cut => Some(Ending::Cut),
            Token::End => Some(Ending::Value),
            Token::Semicolon | Token::Open => GO_ON,
            Token::Word(Word::Select) => {
                self.select(false);
                GO_ON
            }
            Token::Word(Word::Statement(statement)) => self.statement(statement),
            Token::Word(Word::Function) if self.tokens.text().eq_ignore_ascii_case(b"if") => {
                self.conditional = true;
                self.deciding = true;
                self.operator();
                GO_ON
            }
            _ => BROKEN,
        }
    }

    /// A statement counts when it goes on as it has to.
    fn statement(&mut self, statement: Statement) -> Option<Ending> {
        self.seen.begins = true;
        let copies = self.tokens.text().eq_ignore_ascii_case(b"copy");
        let right = match statement {
            Statement::Define => self.defines(),
            Statement::Insert => {
                self.tokens.next() == Token::Word(Word::Into)
                    && matches!(self.tokens.next(), Token::Word(_))
                    && matches!(
                        self.tokens.next(),
                        Token::Open | Token::Word(Word::Rows | Word::Select | Word::Statement(_))
                    )
            }
            Statement::Delete => {
                self.tokens.next() == Token::Word(Word::From)
                    && matches!(self.tokens.next(), Token::Word(_))
                    && self.stops(|word| matches!(word, Word::Where | Word::Limit))
            }
            Statement::Update => {
                matches!(self.tokens.next(), Token::Word(_))
                    && matches!(self.tokens.next(), Token::Word(Word::Statement(_)))
                    && matches!(self.tokens.next(), Token::Word(_))
                    && self.tokens.next() == Token::Equals
            }
            Statement::Do => self.does(),
            Statement::Wait => {
                matches!(self.tokens.next(), Token::Word(_))
                    && matches!(
                        self.tokens.next(),
                        Token::Text | Token::Unended(_) | Token::Number | Token::Variable
                    )
            }
            Statement::Alone => self.stops(|word| word == Word::Name),
            Statement::Move => match self.tokens.next() {
                Token::Word(Word::Quantity) => true,
                Token::Open => copies && self.tokens.next() == Token::Word(Word::Select),
                Token::Word(_) => match self.tokens.next() {
                    Token::Word(Word::From) | Token::Open => true,
                    Token::Word(_) => {
                        self.tokens.peek() == Token::Text || copies && is_program(self.tokens)
                    }
                    _ => false,
                },
                _ => false,
            },
        };
        if !right {
            return BROKEN;
        }
        self.seen.stacked = true;
        // What is deleted FROM may be a list of people's too.
        self.seen.runs |= !matches!(statement, Statement::Delete | Statement::Alone);
        self.loosely(copies)
    }

    /// `TABLE name`, `IF EXISTS`, then nothing that a sentence goes on with.
    fn defines(&mut self) -> bool {
        let mut named = false;
        for _ in 0..6 {
            match self.tokens.next() {
                Token::Word(Word::Name | Word::Function | Word::System) if named => {
                    return self.stops(|word| {
                        matches!(word, Word::As | Word::Select | Word::Statement(_))
                    });
                }
                Token::Word(word) => {
                    named |=
                        matches!(word, Word::Rows | Word::Procedure) || is_kind(self.tokens.text());
                }
                _ => return false,
            }
        }
        false
    }

    fn does(&mut self) -> bool {
        let word = self.tokens.text();
        let is = |other: &[u8]| word.eq_ignore_ascii_case(other);
        let runs = is(b"exec") || is(b"execute") || is(b"call");
        let names = is(b"attach") || is(b"prepare") || is(b"backup");
        match self.tokens.next() {
            Token::Variable | Token::Word(Word::Telling | Word::System) => true,
            Token::Open => runs,
            Token::Text => is(b"do"),
            Token::Word(word) => {
                (runs && self.tokens.rest().first() == Some(&b'('))
                    || (is(b"begin") && word == Word::Function && self.tokens.calls())
                    || ((runs || names)
                        && matches!(self.tokens.next(), Token::Text | Token::Variable))
            }
            _ => false,
        }
    }

    /// Without `;` before it a statement has to be one that no sentence goes on with.
    fn does_at_once(&mut self, statement: Statement) -> Option<Ending> {
        let next = self.tokens.peek();
        let sure = statement == Statement::Wait
            || matches!(
                next,
                Token::Variable | Token::Word(Word::Telling | Word::System)
            );
        if sure {
            self.statement(statement)
        } else {
            BROKEN
        }
    }

    /// Whether a statement may end here, or go on with one of these words.
    fn stops(&mut self, goes_on: impl Fn(Word) -> bool) -> bool {
        match self.tokens.peek() {
            Token::End | Token::Cut | Token::Semicolon | Token::Open | Token::Comma => true,
            Token::Unended(quote) => Some(quote) == self.quote,
            Token::Word(word) => goes_on(word) || is_change(self.tokens),
            _ => false,
        }
    }

    /// To the end of the value, however the statement goes on.
    fn loosely(&mut self, copies: bool) -> Option<Ending> {
        loop {
            match self.tokens.next() {
                Token::Cut => return Some(Ending::Cut),
                Token::End => return Some(Ending::Value),
                Token::Unended(quote) if Some(quote) == self.quote => return Some(Ending::Held),
                Token::Unended(_) => return BROKEN,
                Token::Word(Word::System) => self.seen.system = true,
                Token::Word(Word::Telling) => self.seen.telling = true,
                // PostgreSQL runs it.
                Token::Word(Word::Name) if copies && is_name(self.tokens, b"program") => {
                    self.seen.file |= self.tokens.peek() == Token::Text;
                }
                _ => {}
            }
        }
    }
}

/// What a string is to a boolean: MySQL takes `'1abc'` for 1.
fn lone(text: &[u8]) -> Lone {
    match text.get(1) {
        Some(b'0'..=b'9') => Lone::Number,
        _ => Lone::Text,
    }
}

fn is_name(tokens: &Tokens<'_>, name: &[u8]) -> bool {
    tokens.text().eq_ignore_ascii_case(name)
}

/// Whether `PROGRAM` comes next.
fn is_program(tokens: &Tokens<'_>) -> bool {
    let mut ahead = *tokens;
    ahead.next();
    is_name(&ahead, b"program")
}

/// What statements define, beside tables and procedures.
fn is_kind(word: &[u8]) -> bool {
    const KINDS: [&[u8]; 11] = [
        b"view",
        b"index",
        b"trigger",
        b"role",
        b"login",
        b"function",
        b"column",
        b"database",
        b"schema",
        b"user",
        b"sequence",
    ];
    KINDS.iter().any(|kind| word.eq_ignore_ascii_case(kind))
}

/// Whether the next word says how something is changed: `ADD`, `CASCADE`.
fn is_change(tokens: &Tokens<'_>) -> bool {
    const CHANGES: [&[u8]; 8] = [
        b"add",
        b"modify",
        b"cascade",
        b"restrict",
        b"purge",
        b"change",
        b"owner",
        b"identified",
    ];
    let mut ahead = *tokens;
    ahead.next();
    CHANGES
        .iter()
        .any(|change| ahead.text().eq_ignore_ascii_case(change))
}
