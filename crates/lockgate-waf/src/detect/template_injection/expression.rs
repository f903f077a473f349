//! What an expression between a template's delimiters does.

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It names something, or nothing that is known.
    Nothing,
    /// It begins with two constants and a sign between them; sure where the
    /// sign is none of dates (`-`, `/`).
    Reckons(bool),
    /// It calls a method of a text or a list that stands there.
    CallsLiteral,
    /// It reaches behind the objects it is given.
    Reaches {
        /// By a name that nothing else has; otherwise by one that scripts have too.
        far: bool,
    },
}

/// Reads it.
pub(super) fn does(body: &[u8]) -> Does {
    match reaches(body) {
        Some(far) => Does::Reaches { far },
        None => begins(body),
    }
}

/// Whether a body that is all of a value asks for what is an engine's own: the object that holds a template's
/// settings, a constant of the language, a member of a helper. A name alone is a placeholder.
pub(super) fn probes(body: &[u8]) -> bool {
    let (printed, body) = match body.trim_ascii().strip_prefix(b"=") {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    let body = body.trim_ascii();
    const OWN: [&[u8]; 8] = [
        b"config",
        b"self",
        b"_self",
        b"this",
        b"request",
        b"settings",
        b"app",
        b".",
    ];
    if OWN.contains(&body) {
        return true;
    }
    // `<%= ENV %>`, `<%= self.methods %>`, `<%= @x %>`, `{{= _.VERSION}}`
    let constant = body.len() > 1
        && body
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let owned = [b"self.".as_slice(), b"_.", b"@"]
        .iter()
        .any(|head| body.starts_with(head))
        && body.len() > 1
        && !body.iter().any(|byte| *byte <= b' ');
    // `new URL("…").getText()`, `call .Exec "id"`
    let makes = body
        .strip_prefix(b"new ")
        .and_then(|rest| rest.trim_ascii_start().first())
        .is_some_and(u8::is_ascii_alphabetic)
        && body.contains(&b'(');
    printed && (constant || owned) || makes || body.starts_with(b"call .") || formats(body)
}

/// `- include('user/show', {a: b}) `: EJS puts another template of its own there.
pub(super) fn includes_own(body: &[u8]) -> bool {
    let text = body
        .strip_prefix(b"-")
        .or_else(|| body.strip_prefix(b"="))
        .unwrap_or(body);
    let Some([b'\'' | b'"', path @ ..]) = text.trim_ascii_start().strip_prefix(b"include(") else {
        return false;
    };
    let length = path
        .iter()
        .take_while(|byte| is_word(**byte) || b"/-.".contains(byte));
    let (path, behind) = path.split_at_checked(length.count()).unwrap_or_default();
    let own = path.first().is_some_and(u8::is_ascii_alphabetic);
    let climbs = path.windows(2).any(|two| two == b"..");
    own && !climbs && matches!(behind, [b'\'' | b'"', ..]) && reaches(behind).is_none()
}

/// `printf "%s" "x"`: a function of Go's templates, and constants alone.
fn formats(body: &[u8]) -> bool {
    const FUNCTIONS: [&[u8]; 6] = [b"printf", b"print", b"println", b"html", b"js", b"urlquery"];
    let Some(mut rest) = FUNCTIONS
        .iter()
        .find_map(|name| body.strip_prefix(*name))
        .filter(|rest| rest.first() == Some(&b' '))
    else {
        return false;
    };
    for _ in 0..4 {
        match constant(rest.trim_ascii_start()) {
            Some((Constant::Number | Constant::Text, behind)) => rest = behind,
            _ => return false,
        }
        if rest.trim_ascii().is_empty() {
            return true;
        }
    }
    false
}

/// `#context["…"]`, `#a=…`, `(#x.y)`, `@java.lang.Runtime@getRuntime()`: OGNL. A shell's `${#list[@]}` is none.
pub(super) fn of_ognl(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    let text = text.strip_prefix(b"(").unwrap_or(text);
    match text {
        [b'#', rest @ ..] => {
            let name = rest.iter().take(64).take_while(|byte| is_word(**byte));
            let name = name.count();
            let behind = rest.get(name..).unwrap_or_default();
            name > 0
                && match behind {
                    [b'[', b'"' | b'\'', ..] => true,
                    [b'.', next, ..] => next.is_ascii_alphabetic(),
                    [b'=', next, ..] => *next != b'=',
                    _ => false,
                }
        }
        [b'@', rest @ ..] => {
            let name = rest
                .iter()
                .take(128)
                .take_while(|byte| is_word(**byte) || **byte == b'.');
            let name = name.count();
            let dots = rest.get(..name).unwrap_or_default().contains(&b'.');
            dots && rest.get(name) == Some(&b'@')
        }
        _ => false,
    }
}

/// Reads what stands between single braces, which much else is put between: it
/// reckons, or goes from one inner name of an object to another.
pub(super) fn does_alone(body: &[u8]) -> Does {
    let inner = memchr::memmem::find(body, b"__.__").or_else(|| memchr::memmem::find(body, b"__["));
    let named = inner.and_then(|at| body.get(at + 3..)).is_some_and(|rest| {
        !(rest.starts_with(b"__name")
            || rest.starts_with(b"__qual")
            || rest.starts_with(b"__module"))
    });
    let alone = !body.iter().any(|byte| *byte <= b' ');
    if named && alone {
        return Does::Reaches { far: true };
    }
    // `{if phpinfo()}`
    let asks = [b"if ".as_slice(), b"elseif ", b"while ", b"assign "];
    let asks = asks.iter().any(|word| body.starts_with(word));
    if asks && body.contains(&b'(') && reaches(body) == Some(true) {
        return Does::Reaches { far: true };
    }
    match begins(body) {
        Does::Nothing if alone && reaches(body) == Some(false) => Does::Reaches { far: false },
        other => other,
    }
}

/// `$x.y('z')`: as far as it goes.
pub(super) fn reference(body: &[u8]) -> &[u8] {
    let end = body
        .iter()
        .position(|byte| *byte <= b' ' || *byte == b'<')
        .unwrap_or(body.len());
    let body = body.get(..end).unwrap_or_default();
    let length = body
        .iter()
        .take_while(|byte| is_word(**byte) || **byte == b'!')
        .count();
    match body.get(length) {
        Some(b'.') => body,
        _ => b"",
    }
}

/// Longer constants are none of a probe's.
const LONGEST_CONSTANT: usize = 64;

fn begins(body: &[u8]) -> Does {
    let mut text = body;
    // What engines allow before an expression: `=`, `-`, `print(`, a brace more.
    while let [b' ' | b'\t' | b'\n' | b'\r' | b'=' | b'-' | b'+' | b'(' | b'{' | b'@' | b'!' | b'~'
    | b'#' | b':' | b'$', rest @ ..] = text
    {
        text = rest;
    }
    for word in [b"print".as_slice(), b"echo", b"out", b"math", b"if"] {
        if let Some(rest) = text.strip_prefix(word) {
            if let [b' ' | b'(', ..] = rest {
                text = rest.trim_ascii_start();
                text = text.strip_prefix(b"(").unwrap_or(text);
            }
        }
    }
    let Some((literal, rest)) = constant(text) else {
        return Does::Nothing;
    };
    let behind = rest.trim_ascii_start();
    if literal != Constant::Number {
        if let [b'.', name @ ..] = behind {
            let length = name
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
            let length = length.count();
            let (word, given) = name.split_at_checked(length).unwrap_or_default();
            if length > 0 && matches!(given, [b'(' | b'[' | b'.', ..]) && !joins(word, given) {
                return Does::CallsLiteral;
            }
        }
    }
    let (sign, behind) = match behind {
        [sign @ (b'*' | b'+' | b'-' | b'/' | b'%' | b'^' | b'~'), behind @ ..] => (*sign, behind),
        // `7|times:7`: a filter that a number goes through, with another.
        [b'|', filter @ ..] if literal == Constant::Number => {
            let filter = filter.trim_ascii_start();
            let name = filter.iter().take_while(|byte| is_word(**byte)).count();
            let behind = filter.get(name..).unwrap_or_default();
            let given = match behind {
                [b':' | b'(', next @ ..] => next.trim_ascii_start().first(),
                _ => None,
            };
            let given = given.is_some_and(u8::is_ascii_digit);
            // People leave blanks about the sign.
            return match name > 0 && given {
                true => Does::Reckons(rest.first() == Some(&b'|')),
                false => Does::Nothing,
            };
        }
        _ => return Does::Nothing,
    };
    let behind = behind
        .strip_prefix(b"*")
        .unwrap_or(behind)
        .trim_ascii_start();
    match constant(behind) {
        Some((Constant::Number | Constant::Text, _)) => {
            Does::Reckons(matches!(sign, b'*' | b'+' | b'%' | b'^' | b'~'))
        }
        _ => Does::Nothing,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Constant {
    Number,
    Text,
    List,
}

/// `', '.join(names)`: what a template is given is put together, as its authors do.
fn joins(word: &[u8], given: &[u8]) -> bool {
    let first = given.get(1..).unwrap_or_default().trim_ascii_start();
    let named = first.first().is_some_and(u8::is_ascii_alphabetic);
    let length = first
        .iter()
        .take_while(|byte| is_word(**byte) || **byte == b'.');
    let behind = first.get(length.count()..).unwrap_or_default();
    matches!(word, b"join" | b"format") && named && !matches!(behind, [b'(' | b'[', ..])
}

/// A number, a text or an empty list, and what stands behind it.
fn constant(text: &[u8]) -> Option<(Constant, &[u8])> {
    match text {
        [b'0'..=b'9', ..] => {
            let length = text
                .iter()
                .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
                .count();
            Some((Constant::Number, text.get(length..)?))
        }
        [quote @ (b'\'' | b'"'), rest @ ..] => {
            let near = rest.get(..rest.len().min(LONGEST_CONSTANT))?;
            let end = memchr::memchr(*quote, near)?;
            Some((Constant::Text, rest.get(end + 1..)?))
        }
        [b'[', b']', rest @ ..] | [b'(', b')', rest @ ..] | [b'{', b'}', rest @ ..] => {
            Some((Constant::List, rest))
        }
        _ => None,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a name in it reaches behind what is given; and whether only that can be meant.
fn reaches(body: &[u8]) -> Option<bool> {
    let mut at = 0;
    let mut near = None;
    while let Some(skip) = body.get(at..).and_then(|rest| {
        rest.iter()
            .position(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
    }) {
        let start = at + skip;
        let rest = body.get(start..)?;
        let length = rest
            .iter()
            .position(|byte| !is_word(*byte))
            .unwrap_or(rest.len());
        let (word, behind) = (rest.get(..length)?, rest.get(length..)?);
        at = start + length;
        let before = start.checked_sub(1).and_then(|at| body.get(at)).copied();
        let listed = || {
            let head = body.get(..start.saturating_sub(1)).unwrap_or_default();
            matches!(head.trim_ascii_end().last(), Some(b']' | b'}'))
        };
        if far(word, before, behind, listed()) {
            return Some(true);
        }
        if by_call(word) && calls(before, behind) {
            near = Some(false);
        }
    }
    near
}

/// Names by which only that is meant.
fn far(word: &[u8], before: Option<u8>, behind: &[u8], behind_list: bool) -> bool {
    if word.len() > 4 && word.starts_with(b"__") && word.ends_with(b"__") {
        // Thymeleaf's `__…__` stands outside of names.
        return true;
    }
    match word {
        b"getClass"
        | b"forName"
        | b"getRuntime"
        | b"ProcessBuilder"
        | b"freemarker"
        | b"child_process"
        | b"subclasses"
        | b"__subclasses__"
        | b"popen"
        | b"registerUndefinedFilterCallback"
        | b"getFilter"
        | b"newInstance"
        | b"getDeclaredMethod"
        | b"getMethod"
        | b"getDeclaredMethods"
        | b"ScriptEngineManager"
        | b"mainModule"
        | b"SECRET_KEY"
        | b"lipsum"
        | b"cycler"
        | b"joiner"
        | b"get_flashed_messages"
        | b"phpinfo"
        | b"passthru"
        | b"shell_exec"
        | b"proc_open"
        | b"file_get_contents"
        | b"ObjectConstructor"
        | b"getProtectionDomain"
        | b"getClassLoader"
        | b"getEngineByName"
        | b"check_output"
        | b"execSync"
        | b"spawnSync"
        | b"file_excerpt"
        | b"BeanFactory"
        | b"systemProperties"
        | b"getParentFile"
        | b"requestScope"
        | b"sessionScope"
        | b"applicationScope"
        | b"pageContext"
        | b"facesContext"
        | b"headerValues"
        | b"paramValues"
        | b"initParam"
        | b"get_admin_log"
        | b"Open3"
        | b"_context" => true,
        b"java" | b"javax" => matches!(
            behind,
            [b'.', b'l' | b'u' | b'i' | b'n' | b's', ..] | [b'/', ..]
        ),
        b"constructor" => {
            matches!(behind, [b'(', ..])
                || follows(behind, b".constructor")
                || matches!((before, behind), (Some(quote @ (b'"' | b'\'')), [end, ..]) if quote == *end)
        }
        // A filter that a text goes through.
        b"system" | b"exec" | b"eval" | b"assert" => before == Some(b'|') && !follows(behind, b"|"),
        b"require" => before != Some(b'.') && (follows(behind, b" '") || follows(behind, b" \"")),
        b"api" => before == Some(b'?'),
        b"T" => matches!(behind, [b'(', next, ..] if next.is_ascii_alphabetic()),
        b"new" => before == Some(b'?') && behind.first() == Some(&b'('),
        b"_self" => follows(behind, b".env") || follows(behind, b".set"),
        b"config" => {
            follows(behind, b".items") || follows(behind, b".from") || follows(behind, b".__")
        }
        b"session" => follows(behind, b".items("),
        // A list that a function is called for each of, which is given by its name.
        b"map" | b"filter" | b"sort" | b"reduce" => {
            before == Some(b'|') && matches!(behind, [b'(', b'"' | b'\'', ..]) && behind_list
        }
        b"env" => before == Some(b'|'),
        b"app" => follows(behind, b".request.server") || follows(behind, b".request.query"),
        b"request" => {
            follows(behind, b".application")
                || follows(behind, b"|attr")
                || follows(behind, b".args")
                || follows(behind, b"[\"")
                || follows(behind, b"['")
                || follows(behind, b".environ")
        }
        b"os" => {
            follows(behind, b".system")
                || follows(behind, b".popen")
                || follows(behind, b".environ")
        }
        b"import" => follows(behind, b" os") || follows(behind, b" subprocess"),
        b"process" => follows(behind, b".binding") || follows(behind, b".env"),
        b"global" => follows(behind, b".process"),
        b"File" | b"IO" | b"Dir" | b"Kernel" => {
            follows(behind, b".open")
                || follows(behind, b".read")
                || follows(behind, b".popen")
                || follows(behind, b".entries")
                || follows(behind, b".exec")
                || follows(behind, b".system")
        }
        b"System" => {
            follows(behind, b".Diagnostics")
                || follows(behind, b".IO.")
                || follows(behind, b".getenv")
                || follows(behind, b".cmd(")
                || follows(behind, b".shell(")
        }
        b"Process" => follows(behind, b".Start"),
        b"Runtime" => {
            behind.first().is_none_or(|byte| b".')\"".contains(byte)) && before != Some(b' ')
        }
        _ => false,
    }
}

fn follows(behind: &[u8], text: &[u8]) -> bool {
    behind.starts_with(text)
}

/// Names that reach where they are called, or are given by name.
fn by_call(word: &[u8]) -> bool {
    matches!(
        word,
        b"system"
            | b"exec"
            | b"eval"
            | b"require"
            | b"import"
            | b"alert"
            | b"prompt"
            | b"confirm"
            | b"spawn"
            | b"sleep"
            | b"dump"
            | b"attr"
            | b"readFile"
            | b"readFileSync"
            | b"assert"
            | b"create_function"
            | b"include"
            | b"evaluate"
            | b"execute"
            | b"fetch"
            | b"getenv"
            | b"toURL"
    )
}

/// Called (`x(`), or named to what calls it (`|map('x')`).
fn calls(before: Option<u8>, behind: &[u8]) -> bool {
    match behind {
        [b'(', ..] => true,
        [quote @ (b'\'' | b'"'), b')' | b',' | b'}' | b']', ..] => before == Some(*quote),
        _ => false,
    }
}
