//! `FOR` and `IF` of Windows' command line, by their grammar.

/// Bytes of a command that are read.
const MOST: usize = 160;

/// Where a `FOR` or an `IF` of Windows ends that begins at `at`, as far as it is read.
pub(super) fn read(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let rest = rest.get(..MOST).unwrap_or(rest);
    let first = rest.get(..4)?;
    let found = if first.get(..3)?.eq_ignore_ascii_case(b"for") {
        repeats(rest.get(3..)?)
    } else if first.get(..2)?.eq_ignore_ascii_case(b"if") {
        asks(rest.get(2..)?)
    } else {
        false
    };
    found.then_some(at + rest.len())
}

/// `FOR [/F "…"] %%A IN (…`.
fn repeats(rest: &[u8]) -> bool {
    let Some(sign) = rest.iter().position(|byte| *byte == b'%') else {
        return false;
    };
    // Only options stand before the variable.
    let before = rest.get(..sign).unwrap_or_default().trim_ascii();
    if !(before.is_empty() || before.starts_with(b"/")) || rest.first() != Some(&b' ') {
        return false;
    }
    let rest = rest.get(sign..).unwrap_or_default();
    let rest = rest
        .strip_prefix(b"%%")
        .unwrap_or(rest.get(1..).unwrap_or_default());
    let name = rest
        .iter()
        .take(12)
        .take_while(|byte| !matches!(byte, b' ' | b'\t'))
        .count();
    let rest = rest.get(name..).unwrap_or_default().trim_ascii_start();
    let Some(rest) = word(rest, b"in") else {
        return false;
    };
    rest.trim_ascii_start().starts_with(b"(")
}

/// `IF [/I] [NOT] …` with one of its own tests.
fn asks(rest: &[u8]) -> bool {
    if !matches!(rest.first(), Some(b' ' | b'\t')) {
        return false;
    }
    let mut rest = rest.trim_ascii_start();
    let mut sure = false;
    if let Some(more) = word(rest, b"/i") {
        rest = more.trim_ascii_start();
        sure = true;
    }
    rest = word(rest, b"not").unwrap_or(rest).trim_ascii_start();
    if let Some(more) = word(rest, b"exist") {
        let file = more.trim_ascii_start();
        let length = file.iter().take_while(|byte| **byte != b' ').count();
        let file = file.get(..length).unwrap_or_default();
        return file.iter().any(|byte| matches!(byte, b'.' | b'\\' | b'%'))
            && more.len() > length + 1;
    }
    for known in [&b"errorlevel"[..], b"cmdextversion"] {
        if let Some(more) = word(rest, known) {
            return more
                .trim_ascii_start()
                .first()
                .is_some_and(u8::is_ascii_digit);
        }
    }
    let begins = matches!(rest.first(), Some(b'%' | b'"' | b'[' | b'!' | b'('));
    let tests: [&[u8]; 6] = [b"equ", b"neq", b"lss", b"leq", b"gtr", b"geq"];
    let mut words = rest.split(|byte| *byte == b' ').take(6);
    let compares = words.any(|said| {
        tests.iter().any(|test| said.eq_ignore_ascii_case(test))
            || (begins && rest.first() != Some(&b'(') || sure)
                && said.windows(2).any(|two| two == b"==")
    });
    compares && (begins || sure || rest.first().is_some_and(u8::is_ascii_digit))
}

/// What follows a word, without case.
fn word<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let begin = text.get(..wanted.len())?;
    let rest = text.get(wanted.len()..)?;
    let apart = rest
        .first()
        .is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (begin.eq_ignore_ascii_case(wanted) && apart).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn loops_and_questions_of_windows_are_read() {
        for text in [
            "FOR /F \"delims=\" %%G IN ('dir /b') DO (call :x \"%%G\")",
            "for %i in (*) do type %i",
            "FOR /L /L %a IN (1,1,5) DO abc",
            "IF EXIST C:\\pagefile.sys (CMD) ELSE (CMD)",
            "IF NOT ERRORLEVEL 0 CMD",
            "if /i not \"%VAR%\"==\"a\" echo x",
            "if %n1% lss %n2% echo x",
        ] {
            assert!(read(text.as_bytes(), 0).is_some(), "{text}");
        }
        for text in [
            "for 50% in total (or so)",
            "for you and me",
            "if it exists then go",
            "if (a == b) { return; }",
            "if not, say so",
            "if x == y:",
        ] {
            assert!(read(text.as_bytes(), 0).is_none(), "{text}");
        }
    }
}
