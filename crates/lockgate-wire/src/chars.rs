//! Which bytes may stand where, as one table of bits: a look-up per byte and
//! no branches in the loops that read what strangers send.

/// RFC 9110, 5.6.2: what a method or a header name is made of.
pub(crate) const TOKEN: u8 = 1;
/// What a path may hold on the wire: RFC 3986's characters, and those that
/// WHATWG's URL leaves bare. Not more than `http::Uri` takes.
pub(crate) const PATH: u8 = 2;
/// The same for a query.
pub(crate) const QUERY: u8 = 4;
/// What a DNS name is made of in practice: letters, digits, `-`, `.`, `_`.
/// RFC 3986's reg-name allows percent-encoding and punctuation besides, which
/// no name server answers to and which readers take differently.
pub(crate) const HOST: u8 = 8;
/// RFC 3986, 2.3: may be percent-encoded or not, and means the same.
pub(crate) const UNRESERVED: u8 = 16;
/// A path's characters whose normal form is themselves, slash included: RFC
/// 3986's pchar without triplets, and without `;`, which is switched.
pub(crate) const PLAIN: u8 = 32;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let alnum = byte.is_ascii_alphanumeric();
        let mut class = 0;
        if alnum
            || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
            || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
        {
            class |= TOKEN;
        }
        if matches!(byte, 0x21 | 0x24..=0x3b | 0x3d | 0x40..=0x5f | 0x61..=0x7a | 0x7c | 0x7e)
            || matches!(byte, b'"' | b'{' | b'}')
        {
            class |= PATH;
        }
        if matches!(byte, 0x21 | 0x24..=0x3b | 0x3d | 0x3f..=0x7e) {
            class |= QUERY;
        }
        if alnum || matches!(byte, b'-' | b'.' | b'_') {
            class |= HOST;
        }
        if alnum || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            class |= UNRESERVED;
        }
        if class & UNRESERVED != 0
            || matches!(
                byte,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
            )
            || matches!(byte, b'=' | b':' | b'@' | b'/')
        {
            class |= PLAIN;
        }
        table[at] = class;
        at += 1;
    }
    table
}

/// Whether `byte` is of the class.
#[inline]
pub(crate) const fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Whether all of `bytes` are of the class.
#[inline]
pub(crate) fn all(bytes: &[u8], class: u8) -> bool {
    bytes
        .iter()
        .fold(class, |left, byte| left & CLASS[*byte as usize])
        != 0
}
