//! Names that run commands or code, load what does, or read files.

/// The longest name that matters.
const NAME: usize = 32;

/// Whether calling the name so runs, loads or reads.
pub(super) fn does(name: &[u8], before: &[u8], inner: &[u8]) -> bool {
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
        b"binding" => before == b"process",
        // What a probe shows that it ran by: `exit(md5('…'))`.
        b"exit" | b"die" | b"print" | b"print_r" | b"var_dump" | b"printf" => {
            before.is_empty() && shows(inner, name)
        }
        b"loadlibrary" | b"getenv" => given && !before.is_empty(),
        b"sleep" => before.is_empty() && inner.iter().all(u8::is_ascii_digit) && given,
        _ => false,
    }
}

/// Whether what is shown is what a function makes of a text that stands there: data shows itself.
fn shows(inner: &[u8], by: &[u8]) -> bool {
    const MAKERS: [&[u8]; 8] = [
        b"md5",
        b"sha1",
        b"crc32",
        b"strrev",
        b"str_rot13",
        b"base64_decode",
        b"hex2bin",
        b"hash",
    ];
    let length = inner
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    let (name, rest) = inner.split_at_checked(length.count()).unwrap_or_default();
    let given = rest
        .strip_prefix(b"(")
        .is_some_and(|given| text_of(given).is_some());
    given && (MAKERS.contains(&name) || matches!(by, b"exit" | b"die") && !name.is_empty())
}

/// The text that it begins with, if it is one.
fn text_of(inner: &[u8]) -> Option<&[u8]> {
    let (quote, rest) = inner.split_first()?;
    if !matches!(quote, b'\'' | b'"' | b'`') {
        return None;
    }
    rest.get(..memchr::memchr(*quote, rest)?)
}
