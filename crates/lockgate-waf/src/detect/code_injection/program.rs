//! A program of several statements, one of which calls a shell: read from its beginning, once.

use super::super::Finding;
use super::statement::{first_word, is_code, last_word, next_bracket, Statement, Statements};
use crate::rule::Severity;

/// Functions that call a shell and are kept, to know whether they are called.
const KEPT: usize = 4;
/// Words of a statement among which such a function is looked for.
const LOOKED_AT: usize = 8;

/// A program that calls a shell by one of its statements, where nothing but statements stands before. In a function
/// that nobody calls it runs nothing, and is what libraries are made of: a notice.
pub(super) fn find(text: &[u8]) -> Option<Finding> {
    let mut program = Program {
        text,
        functions: Vec::new(),
        ruby: None,
        shells: None,
    };
    let mut weak = None;
    let mut statements = Statements::of(text);
    let mut first = true;
    while let Some(statement) = statements.next().filter(|one| is_code(one.code)) {
        let before = std::mem::take(&mut first);
        let Some(severity) = program.judge(&statement) else {
            continue;
        };
        let found = Finding {
            at: statement.start..statement.start + statement.code.len(),
            what: "is a program that calls a shell",
            severity: Some(severity),
        };
        if severity != Severity::Critical {
            weak = weak.or(Some(found));
            continue;
        }
        // One statement by itself is for others to judge.
        let first = before && text.trim_ascii_start().starts_with(statement.code);
        let alone = first && !statements.next().is_some_and(|next| is_code(next.code));
        return (!alone).then_some(found);
    }
    weak
}

struct Program<'a> {
    text: &'a [u8],
    /// Functions in which a shell is called.
    functions: Vec<&'a [u8]>,
    /// Whether something stands there as Ruby alone has it.
    ruby: Option<bool>,
    /// Whether a module is named that runs programs by common words.
    shells: Option<bool>,
}

impl<'a> Program<'a> {
    /// How bad a statement is, if it is.
    fn judge(&mut self, statement: &Statement<'a>) -> Option<Severity> {
        let code = statement.code;
        if statement.function.is_none() && self.calls_known(code) {
            return Some(Severity::Critical);
        }
        let body = code.get(statement.head..).unwrap_or_default();
        if !(self.in_ruby(body) || self.calls_shell(body)) {
            return None;
        }
        let Some(name) = statement.function else {
            return Some(Severity::Critical);
        };
        if self.functions.len() < KEPT && !name.is_empty() {
            self.functions.push(name);
        }
        Some(Severity::Notice)
    }

    /// Whether a function is called that was seen to call a shell.
    fn calls_known(&self, code: &[u8]) -> bool {
        let words = code.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
        !self.functions.is_empty()
            && words
                .take(LOOKED_AT)
                .any(|word| self.functions.contains(&word))
    }

    fn calls_shell(&mut self, code: &[u8]) -> bool {
        let mut from = 0;
        while let Some(open) = next_bracket(code, from) {
            let before = code.get(..open).unwrap_or_default();
            if self.runs(before, code.get(open + 1..).unwrap_or_default()) {
                return true;
            }
            from = open + 1;
        }
        // `"id".execute()` of Groovy.
        let executes = memchr::memmem::find(code, b".execute(");
        let before = executes.and_then(|at| code.get(at.checked_sub(1)?));
        matches!(before, Some(b'"' | b'\''))
    }

    /// Whether what is called before the bracket runs what it is given.
    fn runs(&mut self, before: &[u8], inner: &[u8]) -> bool {
        let (name, owner) = called(before);
        let inner = inner.trim_ascii_start();
        let given = !matches!(inner.first(), None | Some(b')' | b'0'..=b'9'));
        let text = matches!(inner.first(), Some(b'\'' | b'"' | b'`' | b'['));
        match name {
            b"system" => {
                let known = matches!(owner, b"" | b"os" | b"Kernel" | b"posix" | b"__import__");
                given && (known || text)
            }
            b"popen"
            | b"popen2"
            | b"popen3"
            | b"Popen"
            | b"capture2"
            | b"capture2e"
            | b"capture3"
            | b"check_output"
            | b"check_call"
            | b"getoutput"
            | b"getstatusoutput"
            | b"execSync"
            | b"spawnSync"
            | b"execFileSync"
            | b"shell_exec"
            | b"passthru"
            | b"proc_open"
            | b"pcntl_exec"
            | b"ProcessBuilder"
            | b"create_subprocess_shell"
            | b"create_subprocess_exec" => given,
            b"run" | b"call" | b"spawn" | b"exec" | b"execFile" | b"execv" | b"execve"
            | b"execvp" => given && (text || owner == b"subprocess") && self.names_shells(),
            _ => false,
        }
    }

    /// Modules in whose programs `run("…")` and `exec("…")` run commands.
    fn names_shells(&mut self) -> bool {
        const MODULES: &[&str] = &[
            "subprocess",
            "child_process",
            "getRuntime",
            "import os",
            "'os'",
            "\"os\"",
        ];
        let text = self.text;
        *self.shells.get_or_insert_with(|| holds(text, MODULES))
    }

    /// Where backticks run what stands in them, and not in JavaScript.
    fn is_ruby(&mut self) -> bool {
        const SIGNS: &[&str] = &["puts ", "require '", "require \"", "\nend"];
        let text = self.text;
        *self.ruby.get_or_insert_with(|| holds(text, SIGNS))
    }

    /// Ruby and Perl call without brackets: `system "id"`, `` x = `id` ``, `%x(id)`.
    fn in_ruby(&mut self, code: &[u8]) -> bool {
        let code = value_of(code);
        let first = first_word(code);
        let rest = code.get(first.len()..).unwrap_or_default();
        let text = matches!(rest, [b' ', b'\'' | b'"', ..]);
        match first {
            b"system" => text,
            b"exec" | b"spawn" => text && self.is_ruby(),
            b"" => {
                let ticked = matches!(code, [b'`', inner, .., b'`'] if *inner != b'`');
                let marked = matches!(code, [b'%', b'x', b'(' | b'{' | b'[' | b'|' | b'!', _, ..]);
                marked || ticked && self.is_ruby()
            }
            _ => false,
        }
    }
}

/// What is assigned, shown or returned; all of it, where it is neither.
fn value_of(code: &[u8]) -> &[u8] {
    let mut code = code;
    for word in ["puts ", "print ", "return ", "p "] {
        code = code.strip_prefix(word.as_bytes()).unwrap_or(code);
    }
    let name = |name: &[u8]| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'$');
        !name.is_empty() && name.iter().all(plain)
    };
    let equals = memchr::memchr(b'=', code)
        .filter(|at| name(code.get(..*at).unwrap_or_default().trim_ascii_end()));
    let value = equals.and_then(|at| code.get(at + 1..)).unwrap_or(code);
    value.trim_ascii_start()
}

/// The name before a bracket, and that of what it is a member of.
fn called(before: &[u8]) -> (&[u8], &[u8]) {
    let (rest, name) = last_word(before.trim_ascii_end());
    let member = [".", "::", "->"]
        .iter()
        .find_map(|sign| rest.strip_suffix(sign.as_bytes()));
    let Some(owner) = member else {
        return (name, b"");
    };
    // `__import__('os').system`: the name of the call before it.
    if owner.ends_with(b")") {
        let open = memchr::memrchr(b'(', owner).unwrap_or_default();
        return (name, last_word(owner.get(..open).unwrap_or_default()).1);
    }
    (name, last_word(owner).1)
}

fn holds(text: &[u8], signs: &[&str]) -> bool {
    let mut signs = signs.iter();
    signs.any(|sign| memchr::memmem::find(text, sign.as_bytes()).is_some())
}
