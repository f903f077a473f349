//! References of HTML: by number, and by the names that matter.

use super::escapes::replaced;

/// Longest that is read behind the `&`: a number with many zeros before it.
const LONGEST: usize = 24;

/// The names of what means something to a reader of HTML, SQL or a shell; some
/// are read without their semicolon (HTML, 13.5).
const NAMES: &[(&[u8], char)] = &[
    (b"lt", '<'),
    (b"LT", '<'),
    (b"gt", '>'),
    (b"GT", '>'),
    (b"amp", '&'),
    (b"AMP", '&'),
    (b"quot", '"'),
    (b"QUOT", '"'),
    (b"apos", '\''),
    (b"nbsp", '\u{a0}'),
    (b"Tab", '\t'),
    (b"NewLine", '\n'),
    (b"colon", ':'),
    (b"semi", ';'),
    (b"comma", ','),
    (b"period", '.'),
    (b"sol", '/'),
    (b"bsol", '\\'),
    (b"lpar", '('),
    (b"rpar", ')'),
    (b"lbrack", '['),
    (b"rbrack", ']'),
    (b"lbrace", '{'),
    (b"lcub", '{'),
    (b"rbrace", '}'),
    (b"rcub", '}'),
    (b"equals", '='),
    (b"plus", '+'),
    (b"num", '#'),
    (b"excl", '!'),
    (b"dollar", '$'),
    (b"percnt", '%'),
    (b"ast", '*'),
    (b"grave", '`'),
    (b"verbar", '|'),
    (b"vert", '|'),
    (b"commat", '@'),
    (b"lowbar", '_'),
];
/// The first of [`NAMES`], which need no semicolon.
const WITHOUT_SEMICOLON: usize = 8;

pub(super) fn decode(value: &[u8], out: &mut Vec<u8>) -> bool {
    replaced(value, b'&', out, |rest| {
        let near = rest.get(..rest.len().min(LONGEST))?;
        match near {
            [b'#', number @ ..] => numbered(number),
            _ => named(near),
        }
    })
}

fn numbered(number: &[u8]) -> Option<(u32, usize)> {
    let (digits, radix, before) = match number {
        [b'x' | b'X', digits @ ..] => (digits, 16, 3),
        digits => (digits, 10, 2),
    };
    let mut code = 0_u32;
    let mut count = 0;
    for digit in digits
        .iter()
        .map_while(|digit| char::from(*digit).to_digit(radix))
    {
        code = code.checked_mul(radix)?.checked_add(digit)?;
        count += 1;
    }
    let semicolon = usize::from(digits.get(count) == Some(&b';'));
    (count > 0).then_some((code, before + count + semicolon))
}

fn named(near: &[u8]) -> Option<(u32, usize)> {
    let first = near.first()?;
    if !first.is_ascii_alphabetic() {
        return None;
    }
    NAMES
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| name.first() == Some(first))
        .find_map(|(place, (name, meaning))| {
            let behind = near.strip_prefix(*name)?;
            let semicolon = behind.first() == Some(&b';');
            (semicolon || place < WITHOUT_SEMICOLON)
                .then_some((u32::from(*meaning), 1 + name.len() + usize::from(semicolon)))
        })
}
