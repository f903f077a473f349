//! The transformations again, byte by byte and without a thought for speed, for
//! the tests to compare with.

use super::Transformation as T;

fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

fn space(byte: u8) -> bool {
    b" \t\n\x0b\x0c\r".contains(&byte)
}

/// What `which` makes of `input`.
pub(super) fn apply(which: T, input: &[u8]) -> Vec<u8> {
    let get = |at: usize| input.get(at).copied();
    let starts =
        |at: usize, text: &[u8]| input.get(at..).is_some_and(|rest| rest.starts_with(text));
    let number = |at: usize, len: usize| {
        let digits = input.get(at..at + len)?;
        digits
            .iter()
            .try_fold(0_u32, |n, byte| Some(n * 16 + hex(*byte)?))
    };
    let each =
        |map: &dyn Fn(u8) -> Option<u8>| input.iter().filter_map(|byte| map(*byte)).collect();
    let mut out = Vec::new();
    let mut at = 0;
    match which {
        T::Lowercase => return input.to_ascii_lowercase(),
        T::Uppercase => return input.to_ascii_uppercase(),
        T::RemoveNulls => return each(&|byte| (byte != 0).then_some(byte)),
        T::ReplaceNulls => return each(&|byte| Some(if byte == 0 { b' ' } else { byte })),
        T::RemoveWhitespace => {
            return each(&|byte| (!space(byte) && byte != 0xa0 && byte != 0xc2).then_some(byte))
        }
        T::ParityZero7Bit => return each(&|byte| Some(byte & 0x7f)),
        T::ParityEven7Bit | T::ParityOdd7Bit => {
            return each(&|byte| {
                let odd = byte.count_ones() % 2 == 1;
                let top = odd == (which == T::ParityEven7Bit);
                Some(byte & 0x7f | if top { 0x80 } else { 0 })
            })
        }
        T::Trim => return input.trim_ascii_with(true, true),
        T::TrimLeft => return input.trim_ascii_with(true, false),
        T::TrimRight => return input.trim_ascii_with(false, true),
        T::Length => return input.len().to_string().into_bytes(),
        T::Md5 => return md5::compute(input).to_vec(),
        T::Sha1 => return sha1_smol::Sha1::from(input).digest().bytes().to_vec(),
        T::HexEncode => {
            return input
                .iter()
                .flat_map(|byte| format!("{byte:02x}").into_bytes())
                .collect()
        }
        T::CompressWhitespace => {
            for (index, byte) in input.iter().enumerate() {
                if !space(*byte) {
                    out.push(*byte);
                } else if index == 0 || !space(input[index - 1]) {
                    out.push(b' ');
                }
            }
            return out;
        }
        T::NormalizePath => return path(input.to_vec()),
        T::NormalizePathWin => {
            return path(each(&|byte| Some(if byte == b'\\' { b'/' } else { byte })))
        }
        T::RemoveComments => return remove_comments(input),
        T::Base64Decode | T::Base64DecodeExt => return base64(input, which == T::Base64DecodeExt),
        _ => {}
    }
    while let Some(byte) = get(at) {
        match (which, byte) {
            (T::UrlDecode | T::UrlDecodeUni, b'+') => out.push(b' '),
            (T::UrlDecodeUni, b'%')
                if matches!(get(at + 1), Some(b'u' | b'U')) && number(at + 2, 4).is_some() =>
            {
                let code = number(at + 2, 4).unwrap();
                out.push(super::code_page::ascii((code >> 8) as u8, code as u8));
                at += 5;
            }
            (T::UrlDecode | T::UrlDecodeUni, b'%') if number(at + 1, 2).is_some() => {
                out.push(number(at + 1, 2).unwrap() as u8);
                at += 2;
            }
            (T::UrlEncode, b' ') => out.push(b'+'),
            (T::UrlEncode, _) if !byte.is_ascii_alphanumeric() && byte != b'*' => {
                out.extend(format!("%{byte:02x}").into_bytes());
            }
            (T::Base64Encode, _) => {
                const LETTERS: &[u8] =
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
                let bits: String = (at..at + 3)
                    .filter_map(get)
                    .map(|byte| format!("{byte:08b}"))
                    .collect();
                for letter in 0..4 {
                    let part: String = bits.chars().skip(letter * 6).take(6).collect();
                    out.push(if part.is_empty() {
                        b'='
                    } else {
                        LETTERS[usize::from_str_radix(&format!("{part:0<6}"), 2).unwrap()]
                    });
                }
                at += 2;
            }
            (T::HexDecode, _) => {
                let loose = |byte: u8| {
                    if byte >= b'A' {
                        (byte & 0xdf).wrapping_sub(b'A').wrapping_add(10)
                    } else {
                        byte.wrapping_sub(b'0')
                    }
                };
                if let Some(low) = get(at + 1) {
                    out.push(loose(byte).wrapping_mul(16).wrapping_add(loose(low)));
                }
                at += 1;
            }
            (T::SqlHexDecode, b'0')
                if matches!(get(at + 1), Some(b'x' | b'X')) && number(at + 2, 2).is_some() =>
            {
                at += 2;
                while let Some(byte) = number(at, 2) {
                    out.push(byte as u8);
                    at += 2;
                }
                at -= 1;
            }
            (T::HtmlEntityDecode, b'&') => match entity(&input[at..]) {
                Some((byte, len)) => {
                    out.push(byte);
                    at += len - 1;
                }
                None => out.push(b'&'),
            },
            (T::JsDecode, b'\\') => {
                let (byte, len) = js(&input[at..]);
                out.push(byte);
                at += len - 1;
            }
            (T::EscapeSeqDecode, b'\\') => {
                let (byte, len) = c_escape(&input[at..]);
                out.push(byte);
                at += len - 1;
            }
            (T::CssDecode, b'\\') => {
                let digits = (1..7).take_while(|n| number(at + 1, *n).is_some()).count();
                if digits > 0 {
                    let code = number(at + 1, digits).unwrap();
                    let low = code as u8;
                    let wide = digits >= 4 && (0xff01..=0xff5e).contains(&code);
                    out.push(if wide { low + 0x20 } else { low });
                    at += digits + usize::from(get(at + 1 + digits).is_some_and(space));
                } else {
                    match get(at + 1) {
                        Some(b'\n') | None => {}
                        Some(byte) => out.push(byte),
                    }
                    at += 1;
                }
            }
            (T::CmdLine, b'"' | b'\'' | b'\\' | b'^') => {}
            (T::CmdLine, b' ' | b',' | b';' | b'\t' | b'\r' | b'\n') => {
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            (T::CmdLine, _) => {
                if matches!(byte, b'/' | b'(') && out.last() == Some(&b' ') {
                    out.pop();
                }
                out.push(byte.to_ascii_lowercase());
            }
            (T::ReplaceComments, b'/') if starts(at, b"/*") => {
                out.push(b' ');
                at += 2;
                while get(at).is_some() && !starts(at, b"*/") {
                    at += 1;
                }
                at += 1;
            }
            (T::RemoveCommentsChar, _) => {
                let marks: [&[u8]; 6] = [b"/*", b"*/", b"<!--", b"-->", b"--", b"#"];
                match marks.iter().find(|mark| starts(at, mark)) {
                    Some(mark) => at += mark.len() - 1,
                    None => out.push(byte),
                }
            }
            (T::Utf8ToUnicode, 0) => {}
            (T::Utf8ToUnicode, 0x80..) => {
                let (text, len) = character(&input[at..]);
                out.extend(text);
                at += len - 1;
            }
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

trait TrimWith {
    fn trim_ascii_with(&self, left: bool, right: bool) -> Vec<u8>;
}

impl TrimWith for [u8] {
    fn trim_ascii_with(&self, left: bool, right: bool) -> Vec<u8> {
        let mut text: std::collections::VecDeque<u8> = self.iter().copied().collect();
        while left && text.front().is_some_and(|byte| space(*byte)) {
            text.pop_front();
        }
        while right && text.back().is_some_and(|byte| space(*byte)) {
            text.pop_back();
        }
        text.into()
    }
}

fn entity(rest: &[u8]) -> Option<(u8, usize)> {
    let run = |from: usize, is: fn(&u8) -> bool| {
        String::from_utf8(rest[from..].iter().copied().take_while(is).collect()).unwrap()
    };
    let (byte, len) = if rest.starts_with(b"&#x") || rest.starts_with(b"&#X") {
        let digits = run(3, u8::is_ascii_hexdigit);
        let value = i64::from_str_radix(digits.trim_start_matches('0'), 16);
        let value = if digits.trim_start_matches('0').is_empty() {
            0
        } else {
            value.unwrap_or(i64::MAX)
        };
        (!digits.is_empty()).then_some((value as u8, 3 + digits.len()))?
    } else if rest.starts_with(b"&#") {
        let digits = run(2, u8::is_ascii_digit);
        let value = if digits.is_empty() {
            0
        } else {
            digits.parse().unwrap_or(i64::MAX)
        };
        (!digits.is_empty()).then_some((value as u8, 2 + digits.len()))?
    } else {
        let name = run(1, u8::is_ascii_alphanumeric);
        let byte = match name.to_lowercase().as_str() {
            "quot" => b'"',
            "amp" => b'&',
            "lt" => b'<',
            "gt" => b'>',
            "nbsp" => 0xa0,
            _ => return None,
        };
        (byte, 1 + name.len())
    };
    Some((byte, len + usize::from(rest.get(len) == Some(&b';'))))
}

fn digits(rest: &[u8], from: usize, count: usize, radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(rest.get(from..from + count)?).ok()?;
    text.chars()
        .try_fold(0, |n, c| Some(n * radix + c.to_digit(radix)?))
}

fn letter(byte: u8) -> u8 {
    match byte {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => 10,
        b'r' => 13,
        b't' => 9,
        b'v' => 11,
        _ => byte,
    }
}

fn js(rest: &[u8]) -> (u8, usize) {
    if rest.len() == 1 {
        return (b'\\', 1);
    }
    if let (b'u', Some(code)) = (rest[1], digits(rest, 2, 4, 16)) {
        let wide = (0xff01..=0xff5e).contains(&code);
        return (code as u8 + if wide { 0x20 } else { 0 }, 6);
    }
    if let (b'x', Some(code)) = (rest[1], digits(rest, 2, 2, 16)) {
        return (code as u8, 4);
    }
    for len in [3, 2, 1] {
        if let Some(value @ 0..=255) = digits(rest, 1, len, 8) {
            return (value as u8, 1 + len);
        }
    }
    (letter(rest[1]), 2)
}

fn c_escape(rest: &[u8]) -> (u8, usize) {
    if rest.len() == 1 {
        return (b'\\', 1);
    }
    if let (b'x' | b'X', Some(code)) = (rest[1], digits(rest, 2, 2, 16)) {
        return (code as u8, 4);
    }
    for len in [3, 2, 1] {
        if let Some(value) = digits(rest, 1, len, 8) {
            return (value as u8, 1 + len);
        }
    }
    (letter(rest[1]), 2)
}

fn character(rest: &[u8]) -> (Vec<u8>, usize) {
    let lead = rest[0];
    let (len, bits, least) = match lead {
        0xc0..=0xdf => (2, lead & 0x1f, 0x80),
        0xe0..=0xef => (3, lead & 0x0f, 0x800),
        0xf0..=0xf4 => (4, lead & 0x07, 0x1_0000),
        _ => return (vec![lead], 1),
    };
    if rest.len() < len || rest[1..len].iter().any(|byte| byte & 0xc0 != 0x80) {
        return (Vec::new(), 1);
    }
    let code = rest[1..len]
        .iter()
        .fold(u32::from(bits), |n, byte| n * 64 + u32::from(byte & 0x3f));
    let mut out = format!("%u{code:04x}").into_bytes();
    if (0xd800..0xe000).contains(&code) {
        out.push(lead);
    }
    if code < least {
        out.push(lead);
    }
    (out, len)
}

fn base64(input: &[u8], forgiving: bool) -> Vec<u8> {
    let mut bits = String::new();
    let mut letters = 0;
    for (at, byte) in input.iter().enumerate() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'-' if forgiving => 62,
            b'_' if forgiving => 63,
            b'=' if forgiving && letters % 4 == 1 && input.get(at + 1) != Some(&b'=') => {
                return Vec::new()
            }
            b'\r' | b'\n' => continue,
            _ if forgiving => continue,
            _ => break,
        };
        letters += 1;
        bits += &format!("{value:06b}");
    }
    (0..bits.len() / 8)
        .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap())
        .collect()
}

fn remove_comments(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut inside = false;
    while at < input.len() {
        let rest = &input[at..];
        if inside {
            let len = ["*/", "-->"]
                .into_iter()
                .find(|end| rest.starts_with(end.as_bytes()));
            at += len.map_or(1, |end| end.len());
            if len.is_some() {
                inside = false;
                out.extend(input.get(at));
                at += 1;
            }
        } else if rest.starts_with(b"/*") {
            inside = true;
            at += 2;
        } else if rest.starts_with(b"<!--") {
            inside = true;
            at += 4;
        } else if rest.starts_with(b"--") || rest.starts_with(b"#") {
            return out;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    if inside {
        out.push(b' ');
    }
    out
}

/// In place, with two positions, the way ModSecurity goes.
fn path(mut text: Vec<u8>) -> Vec<u8> {
    if text.is_empty() {
        return text;
    }
    let end = text.len() as isize - 1;
    let relative = text[0] != b'/';
    let trailing = text[end as usize] == b'/';
    let (mut src, mut dst) = (0_isize, 0_isize);
    let mut root = false;
    let mut done = false;
    while !done && src <= end {
        done = src == end;
        let byte = text[src as usize];
        let part_ends = done || text[src as usize + 1] == b'/';
        let mut copy = true;
        if part_ends && (done || byte != b'/') {
            if byte == b'.' {
                let last = (dst > 0).then(|| text[dst as usize - 1]);
                if last == Some(b'.') {
                    if relative && (root || dst <= 2) {
                        root = true;
                    } else {
                        dst -= 3;
                        while dst > 0 && text[dst as usize] != b'/' {
                            dst -= 1;
                        }
                        if dst <= 0 {
                            root = true;
                            dst = isize::from(!relative && done);
                        }
                        copy = !done;
                        src += 1;
                    }
                } else if last.is_none() {
                    copy = !done;
                    src += 1;
                } else if last == Some(b'/') {
                    copy = !done;
                    if !done {
                        dst -= 1;
                    }
                    src += 1;
                }
            } else if dst > 0 {
                root = false;
            }
        }
        if !copy {
            continue;
        }
        if text[src as usize] == b'/' {
            while src < end && text[src as usize + 1] == b'/' {
                src += 1;
            }
            if relative && dst == 0 {
                src += 1;
                continue;
            }
        }
        text[dst as usize] = text[src as usize];
        dst += 1;
        src += 1;
    }
    if !trailing && dst > 0 && text[dst as usize - 1] == b'/' {
        dst -= 1;
    }
    text.truncate(dst as usize);
    text
}
