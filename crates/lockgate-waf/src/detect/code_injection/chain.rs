//! A statement that is a chain of names, members and calls.

/// Longer chains are nobody's probe.
const LINKS: usize = 32;
/// The longest name that matters.
const NAME: usize = 32;

/// Reads a chain at the beginning of the text: how long it is and what it does, where something in it runs.
pub(super) fn runs(text: &[u8]) -> Option<(usize, &'static str)> {
    let mut rest = keyword(text);
    let mut found = None;
    let mut before: &[u8] = b"";
    for _ in 0..LINKS {
        let length = rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\\')))
            .unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(length)?;
        let mut behind = behind;
        let mut called = false;
        while let [open @ (b'(' | b'['), ..] = behind {
            let inner = within(behind)?;
            called |= *open == b'(' && does(name, before, inner);
            if called {
                found = found.or(Some("calls what runs commands or code, or reads files"));
            }
            if *open == b'(' && name.is_empty() && inner.is_empty() && found.is_none() {
                return None;
            }
            behind = behind.get(inner.len() + 2..)?;
        }
        before = name;
        rest = match behind {
            [b'.', next @ ..]
            | [b':', b':', next @ ..]
            | [b'-', b'>', next @ ..]
            | [b'?', b'.', next @ ..] => next,
            _ => {
                rest = behind;
                break_off(rest)?;
                return found.map(|what| (text.len() - rest.len(), what));
            }
        };
    }
    None
}

/// Past `return`, `echo`, `print`, `new`, `throw`, `await`, `var x =`.
fn keyword(text: &[u8]) -> &[u8] {
    const WORDS: [&[u8]; 7] = [
        b"return ", b"echo ", b"print ", b"new ", b"throw ", b"await ", b"die ",
    ];
    let word = WORDS.iter().find_map(|word| text.strip_prefix(*word));
    word.map_or(text, |rest| rest.trim_ascii_start())
}

/// What a statement may end with.
fn break_off(rest: &[u8]) -> Option<()> {
    match rest.trim_ascii_start() {
        []
        | [b';' | b'\'' | b'"' | b')' | b'}' | b'#' | b'.' | b'+' | b'|' | b'&' | b',' | b'%'
        | b'?', ..]
        | [b'/' | b'-', ..] => Some(()),
        _ => None,
    }
}

/// What stands between a parenthesis and its partner, strings read as strings.
fn within(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(end), byte) if end == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"' | b'`') => quote = Some(*byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return text.get(1..at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether calling the name so runs, loads or reads.
fn does(name: &[u8], before: &[u8], inner: &[u8]) -> bool {
    let mut room = [0; NAME];
    let Some(lower) = room.get_mut(..name.len()) else {
        return false;
    };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let name = lower.strip_prefix(b"\\").unwrap_or(lower);
    let inner = inner.trim_ascii();
    let given = !inner.is_empty();
    match name {
        b"phpinfo" | b"phpversion" | b"getruntime" | b"processbuilder" | b"__subclasses__"
        | b"getallheaders" => true,
        b"shell_exec"
        | b"passthru"
        | b"proc_open"
        | b"pcntl_exec"
        | b"popen"
        | b"execsync"
        | b"spawnsync"
        | b"execfilesync"
        | b"check_output"
        | b"file_get_contents"
        | b"file_put_contents"
        | b"readfile"
        | b"highlight_file"
        | b"show_source"
        | b"create_function"
        | b"call_user_func"
        | b"call_user_func_array"
        | b"__import__"
        | b"readfilesync"
        | b"writefilesync"
        | b"scandir"
        | b"instance_eval"
        | b"class_eval"
        | b"getenginebyname"
        | b"system"
        | b"shellexec" => given,
        b"require" => text_of(inner).is_some_and(|module| {
            let module = module.strip_prefix(b"node:").unwrap_or(module);
            matches!(
                module,
                b"child_process"
                    | b"fs"
                    | b"os"
                    | b"vm"
                    | b"net"
                    | b"http"
                    | b"dns"
                    | b"open3"
                    | b"socket"
            )
        }),
        b"exec" | b"eval" | b"assert" | b"execute" | b"include" | b"unserialize" | b"compile"
        | b"open" => {
            given
                && (text_of(inner).is_some() || inner.ends_with(b")") || inner.starts_with(b"$"))
                && !(before.is_empty() && name == b"open")
                && (name != b"exec"
                    || before.is_empty()
                    || !matches!(before, b"re" | b"regex" | b"RegExp"))
        }
        b"run" | b"call" | b"check_call" => before == b"subprocess" && given,
        b"spawn" | b"fork" | b"execfile" => before != b"thread" && text_of(inner).is_some(),
        b"forname" => text_of(inner).is_some_and(|class| class.starts_with(b"java")),
        b"binding" | b"exit" | b"kill" => before == b"process",
        b"loadlibrary" | b"getenv" => given && !before.is_empty(),
        b"sleep" => inner.iter().all(u8::is_ascii_digit) && given,
        _ => false,
    }
}

/// The text that it begins with, if it is one.
fn text_of(inner: &[u8]) -> Option<&[u8]> {
    let (quote, rest) = inner.split_first()?;
    if !matches!(quote, b'\'' | b'"' | b'`') {
        return None;
    }
    rest.get(..memchr::memchr(*quote, rest)?)
}
