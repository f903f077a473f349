//! Which byte stands for a character in ASCII, as Windows' code page 20127 has
//! it: the mapping that ModSecurity's recommended configuration names.

/// For U+00A0 to U+01F0; `~` where there is none.
const LATIN: &[u8; 337] = b"\
    \x20!c~$Y|~~Ca<~-R~~~23~~~.,1o>~~~~AAAAAAACEEEEIIIIDNOOOOO~OUUUUY~~\
    aaaaaaaceeeeiiii~nooooo~ouuuuy~yAaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGg\
    GgGgHhHhIiIiIiIiIi~~JjKk~LlLlLl~~LlNnNnNn~~~OoOoOoOoRrRrRrSsSsSs\
    SsTtTtTtUuUuUuUuUuUuWwYyYZ~ZzZz~b~~~~~~~~D~~~~~~~Ff~~~~I~~l~~~~O\
    Oo~~~~~~~~~t~~TUu~~~~~z~~~~~~~~~~~~~~~~~~~~~~AaIiOoUuUuUuUuUu~Aa\
    ~~~~GgGgKkOoOo~~j";

/// The byte that stands for a character.
const fn mapped(character: u16) -> Option<u8> {
    Some(match character {
        0x00a0..=0x01f0 => match LATIN[character as usize - 0xa0] {
            b'~' => return None,
            byte => byte,
        },
        0x0261 => b'g',
        0x02b9 | 0x02bc | 0x02c8 | 0x2018 | 0x2019 | 0x2032 => b'\'',
        0x02ba | 0x030e | 0x201c | 0x201d | 0x201e => b'"',
        0x02c4 | 0x02c6 | 0x0302 => b'^',
        0x02cb | 0x0300 | 0x2035 => b'`',
        0x02cd | 0x0331 | 0x0332 => b'_',
        0x02dc | 0x0303 => b'~',
        0x2000..=0x2006 => b' ',
        0x2010 | 0x2011 | 0x2013 | 0x2014 => b'-',
        0x201a => b',',
        0x2022 | 0x2026 => b'.',
        0x2039 => b'<',
        0x203a => b'>',
        0x2122 => b'T',
        // Full-width forms: the printable characters of ASCII, in their order.
        0xff01..=0xff5e => (character & 0xff) as u8 + 0x20,
        _ => return None,
    })
}

/// The byte that stands for the character of this number; where there is none,
/// the low byte, as all versions of ModSecurity that were released have it.
pub(super) const fn ascii(high: u8, low: u8) -> u8 {
    match mapped((high as u16) << 8 | low as u16) {
        Some(byte) => byte,
        None => low,
    }
}
