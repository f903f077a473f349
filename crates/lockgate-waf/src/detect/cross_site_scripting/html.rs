//! Tags and attributes, as browsers read them.

use super::script::{self, Scheme};
use super::styles::{self, contains};
use super::{Found, Verdict};
use crate::rule::Severity::{Critical, Error, Notice, Warning};

/// Values of attributes are read as HTML again so deep: `<p title="<img onerror=…>">`.
const DEEPEST: u32 = 2;
/// So many tags from the beginning a `<script>` is judged by what it holds.
const MOST_SCRIPTS: usize = 64;
/// So far an element's end is looked for.
const LONGEST_SCRIPT: usize = 4096;
/// A longer name is no element that matters.
const LONGEST_NAME: usize = 24;

/// The worst that stands in the text, and where.
pub(super) fn worst(bytes: &[u8], depth: u32) -> Option<Found> {
    let mut found: Option<Found> = None;
    let mut at = 0;
    let mut scripts = 0;
    let mut inside = false;
    while let Some(skip) = bytes
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'<', 0xbc, rest))
    {
        let start = at + skip;
        let mut reader = Reader {
            bytes,
            at: start + 1,
            depth,
            found: None,
            hangs: false,
            judges: depth == 0 && scripts < MOST_SCRIPTS,
            inside,
        };
        scripts += 1;
        reader.tag(bytes.get(start) == Some(&0xbc));
        at = reader.at.max(start + 1);
        inside = reader.inside;
        if let Some(verdict) = reader.found {
            if found
                .as_ref()
                .is_none_or(|(_, before)| verdict.1 < before.1)
            {
                found = Some((start..at, verdict));
            }
            if verdict.1 == Critical {
                break;
            }
        }
    }
    found
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    found: Option<Verdict>,
    /// Nothing ends the value of the attribute that was read last.
    hangs: bool,
    /// A script's element is judged by what it holds.
    judges: bool,
    /// A script's element was opened that does nothing.
    inside: bool,
}

/// An element's name in lower case, without a namespace's prefix and null bytes.
struct Name {
    room: [u8; LONGEST_NAME],
    len: usize,
    /// Whether it is a name as elements have them.
    plain: bool,
}

impl Name {
    fn text(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }

    /// What has no room means nothing.
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.room.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

const fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

impl<'a> Reader<'a> {
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next_is(&self, byte: u8) -> bool {
        self.bytes.get(self.at + 1) == Some(&byte)
    }

    fn add(&mut self, verdict: Verdict) {
        if self.found.is_none_or(|before| verdict.1 < before.1) {
            self.found = Some(verdict);
        }
    }

    /// A tag, from behind its `<`. `odd` where the byte is one that only some
    /// encodings take for it.
    fn tag(&mut self, odd: bool) {
        let closes = self.byte() == Some(b'/');
        if closes {
            self.at += 1;
        }
        while self.byte() == Some(0) || (closes && self.byte() == Some(b'/')) {
            self.at += 1;
        }
        match self.byte() {
            Some(byte) if byte.is_ascii_alphabetic() => {}
            Some(0xc5) if self.next_is(0xbf) => {}
            Some(b'!' | b'?') => return self.declaration(),
            Some(byte) if blank(byte) => return self.after_blank(),
            _ => return,
        }
        let name = self.name();
        if odd {
            if name.text().starts_with(b"script") {
                self.add(("opens a script", Critical));
            }
            return;
        }
        if closes {
            if name.text() == b"script" {
                let severity = if self.inside { Notice } else { Critical };
                self.add(("closes a script", severity));
            }
            // `</x onclick=…>` does nothing, but `</x/><x onclick>` is read further on.
            return;
        }
        let mut element = Element::of(name.text());
        // `<script` and a blank that only some readers take for one.
        element.is_script |= name.text().strip_prefix(b"script").is_some_and(|rest| {
            rest.first()
                .is_some_and(|byte| *byte >= 0x80 || *byte < b' ')
        });
        if element.is_script {
            return self.script();
        }
        while let Some((attribute, value)) = self.attribute() {
            if let Some(verdict) = element.attribute(attribute, value, name.plain) {
                self.add(verdict);
            }
            if self.hangs && self.depth == 0 && swallows(attribute, value) {
                self.add(("sends what stands behind it elsewhere", Critical));
            }
            if self.depth < DEEPEST && memchr::memchr(b'<', value).is_some() {
                if let Some((_, verdict)) = worst(value, self.depth + 1) {
                    self.add(verdict);
                }
            }
            if self.found.is_some_and(|found| found.1 == Critical) {
                return;
            }
        }
        if name.text() == b"style" {
            self.style();
        }
        if let Some(verdict) = element.by_itself() {
            self.add(verdict);
        }
    }

    /// `<script`: what is in it may be no script.
    fn script(&mut self) {
        let start = self.at;
        let mut runs = true;
        let mut fetches = false;
        while let Some((attribute, value)) = self.attribute() {
            let is = |other: &[u8]| attribute.eq_ignore_ascii_case(other);
            fetches |= is(b"src")
                || is(b"href")
                || is(b"xlink:href")
                || handler(attribute, value).is_some();
            if is(b"type") {
                runs &= !is_data(value);
            }
        }
        let opened = self.bytes.get(self.at.wrapping_sub(1)) == Some(&b'>');
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // `<scr<script>ipt>` is one where tags are taken out.
        let apart = matches!(rest.first(), Some(b' ' | b'\n' | b'`'));
        let prose = opened && self.judges && apart && {
            let end = memchr::memmem::find(
                rest.get(..rest.len().min(LONGEST_SCRIPT))
                    .unwrap_or_default(),
                b"</",
            );
            super::code::does_nothing(end.and_then(|end| rest.get(..end)).unwrap_or(rest))
        };
        let severity = match fetches || runs && !prose {
            true => Critical,
            false => Notice,
        };
        if severity == Critical {
            self.at = start;
        }
        self.inside = severity != Critical;
        self.add(("opens a script", severity));
    }

    fn name(&mut self) -> Name {
        let mut name = Name {
            room: [0; LONGEST_NAME],
            len: 0,
            plain: true,
        };
        while let Some(byte) = self.byte() {
            match byte {
                b'/' | b'>' | b'<' | b'"' | b'\'' | b'=' => break,
                _ if blank(byte) => break,
                0 => {}
                b':' => name.len = 0,
                // `ſ` and `ı`, of which some make `s` and `i`.
                0xc5 if self.next_is(0xbf) => name.push(b's'),
                0xbf if name.text().ends_with(b"s") => {}
                0xc4 if self.next_is(0xb1) => name.push(b'i'),
                0xb1 if name.text().ends_with(b"i") => {}
                _ => {
                    name.plain &= byte.is_ascii_alphanumeric() || byte == b'-' || byte >= 0x80;
                    name.push(byte.to_ascii_lowercase());
                }
            }
            self.at += 1;
        }
        name
    }

    /// The next attribute of a tag and its value; none where the tag ends, or
    /// another begins within it.
    fn attribute(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let bytes = self.bytes;
        loop {
            match self.byte()? {
                b'>' => {
                    self.at += 1;
                    return None;
                }
                b'<' if self.begins_tag() => return None,
                byte if blank(byte) || byte == b'/' || byte == 0 => self.at += 1,
                _ => break,
            }
        }
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.byte() {
            match byte {
                b'=' | b'/' | b'>' => break,
                b'<' if self.begins_tag() => break,
                _ if blank(byte) => break,
                _ => self.at += 1,
            }
        }
        let name = bytes.get(start..self.at)?;
        let end = self.at;
        self.skip_blanks();
        if self.byte() != Some(b'=') {
            self.at = end;
            return Some((name, b""));
        }
        self.at += 1;
        self.skip_blanks();
        Some((name, self.value()))
    }

    fn begins_tag(&self) -> bool {
        self.bytes
            .get(self.at + 1)
            .is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!'))
    }

    fn skip_blanks(&mut self) {
        while self.byte().is_some_and(|byte| blank(byte) || byte == 0) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> &'a [u8] {
        let bytes = self.bytes;
        let Some(quote @ (b'"' | b'\'')) = self.byte() else {
            let start = self.at;
            while self.byte().is_some_and(|byte| !blank(byte) && byte != b'>') {
                self.at += 1;
            }
            return bytes.get(start..self.at).unwrap_or_default();
        };
        let start = self.at + 1;
        let rest = bytes.get(start..).unwrap_or_default();
        match memchr::memchr(quote, rest) {
            Some(end) => {
                self.at = start + end + 1;
                rest.get(..end).unwrap_or_default()
            }
            None => {
                // Nothing ends it: what is in it may be tags all the same.
                self.hangs = true;
                self.at = start + memchr::memchr2(b'<', b'>', rest).unwrap_or(rest.len());
                rest
            }
        }
    }

    /// `<!…>`, `<?…>`
    fn declaration(&mut self) {
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        let begins = |word: &[u8]| {
            rest.get(..word.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(word))
        };
        if begins(b"import ") {
            self.add(("brings another page", Critical));
        } else if begins(b"--[if") || begins(b"[if") {
            self.add(("is a conditional comment", Warning));
        } else if begins(b"[CDATA[") || begins(b"ENTITY") || begins(b"xml-stylesheet") {
            self.add(("is XML that a page may be made of", Notice));
        }
        self.at += 1;
    }

    /// Browsers take `< script` for text; what cleans up badly does not.
    fn after_blank(&mut self) {
        self.skip_blanks();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let head = rest.get(..6).unwrap_or_default();
        let next = rest.get(6).copied().unwrap_or(b'>');
        if head.eq_ignore_ascii_case(b"script") && !next.is_ascii_alphanumeric() {
            self.add(("opens a script, nearly", Warning));
        }
    }

    /// What a `<style>` holds.
    fn style(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memmem::find(rest, b"</").unwrap_or(rest.len());
        self.at += end;
        let css = rest.get(..end).unwrap_or_default();
        let severity = match styles::run(css) || styles::fetches(css) {
            true => Critical,
            false => Notice,
        };
        self.add(("brings its own styles", severity));
    }
}

/// Whether a link that nothing ends takes what the page has behind it along.
fn swallows(attribute: &[u8], value: &[u8]) -> bool {
    let links: [&[u8]; 6] = [
        b"src",
        b"href",
        b"action",
        b"background",
        b"target",
        b"value",
    ];
    let link = links
        .iter()
        .any(|link| attribute.eq_ignore_ascii_case(link));
    let bare = value.is_empty() && !attribute.eq_ignore_ascii_case(b"value");
    // Without a query what stands behind is no part of what is asked for; and it may be text that was cut off.
    let asks = memchr::memchr(b'?', value).is_some() && elsewhere(value);
    let asks = asks && !value.iter().any(|byte| blank(*byte));
    link && value.len() <= LONGEST_LINK && (bare || asks)
}

fn is_link(attribute: &[u8]) -> bool {
    let links: [&[u8]; 4] = [b"src", b"href", b"action", b"formaction"];
    links
        .iter()
        .any(|link| attribute.eq_ignore_ascii_case(link))
}

/// Whether a link of a scheme that nobody has goes on as a script: what is
/// left of it where something is taken out of its scheme.
fn hides_script(link: &[u8]) -> bool {
    let near = link.get(..link.len().min(LONGEST_LINK)).unwrap_or_default();
    let Some(colon) = memchr::memchr(b':', near) else {
        return false;
    };
    let (scheme, rest) = near.split_at(colon);
    contains(scheme, b"script") && !rest.starts_with(b"://") && script::calls_page(rest)
}

/// A link that goes on longer is text of which the end was cut off.
pub(super) const LONGEST_LINK: usize = 256;

/// Whether a link leads to another host.
pub(super) fn elsewhere(link: &[u8]) -> bool {
    let link = link.trim_ascii_start();
    [
        b"//".as_slice(),
        b"http://",
        b"https://",
        b"ftp://",
        b"ws://",
        b"wss://",
        b"\\\\",
        b"/\\",
    ]
    .iter()
    .any(|head| starts(link, head))
}

/// Whether the type of a script says that it is data, which no browser runs.
fn is_data(kind: &[u8]) -> bool {
    let kinds: [&[u8]; 4] = [
        b"application/json",
        b"application/ld+json",
        b"text/template",
        b"text/plain",
    ];
    kinds.iter().any(|other| kind.eq_ignore_ascii_case(other))
}

/// What is known of an element.
struct Element {
    is_script: bool,
    /// It brings another document, a plug-in, or other rules for this one.
    embeds: bool,
    frame: bool,
    base: bool,
    form: bool,
    meta: bool,
    link: bool,
    animates: bool,
    /// `<meta http-equiv=…>` or `<link rel=…>` of a kind that matters.
    matters: bool,
    /// Its link leads to another host.
    absolute: bool,
    /// Its link is to another page that this one takes over.
    imports: bool,
}

impl Element {
    fn of(name: &[u8]) -> Self {
        Self {
            is_script: name == b"script",
            embeds: matches!(
                name,
                b"object" | b"embed" | b"applet" | b"portal" | b"fencedframe" | b"webview"
            ),
            frame: matches!(
                name,
                b"iframe" | b"frame" | b"frameset" | b"layer" | b"ilayer"
            ),
            base: name == b"base",
            form: name == b"form",
            meta: name == b"meta",
            link: name == b"link",
            animates: matches!(
                name,
                b"set" | b"animate" | b"animatetransform" | b"animatemotion"
            ),
            matters: false,
            absolute: false,
            imports: false,
        }
    }

    fn attribute(&mut self, name: &[u8], value: &[u8], plain: bool) -> Option<Verdict> {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if let Some(verdict) = handler(name, value) {
            return Some(if plain {
                verdict
            } else {
                (verdict.0, verdict.1.max(Error))
            });
        }
        if is(b"srcdoc") && !value.is_empty() {
            return Some(("brings a document of its own", Critical));
        }
        if is(b"style") {
            return styles::run(value).then_some(("runs a script from styles", Critical));
        }
        if self.meta && is(b"http-equiv") {
            let kinds: [&[u8]; 4] = [
                b"refresh",
                b"set-cookie",
                b"content-security",
                b"origin-trial",
            ];
            self.matters |= kinds.iter().any(|kind| contains(value, kind));
        }
        if self.meta && is(b"content") {
            self.matters |= contains(value, b"charset=utf-7");
        }
        if self.link && is(b"href") {
            self.absolute = starts(value, b"//") || memchr::memmem::find(value, b"://").is_some();
            self.absolute |= starts(value, b"data:");
        }
        if self.link && is(b"rel") {
            let kinds: [&[u8]; 7] = [
                b"stylesheet",
                b"import",
                b"preconnect",
                b"preload",
                b"prefetch",
                b"prerender",
                b"manifest",
            ];
            self.matters = kinds.iter().any(|kind| contains(value, kind));
            self.imports = contains(value, b"import");
        }
        // Data islands: what an element shows is HTML that stands in data.
        if is(b"datasrc") && value.starts_with(b"#") {
            return Some(("takes what it shows from data", Critical));
        }
        if self.base && is(b"href") {
            return Some(("turns the page's links elsewhere", Critical));
        }
        if self.animates && is(b"attributename") {
            let sets = contains(value, b"href") || contains(value, b"on");
            return sets.then_some(("changes links or handlers", Critical));
        }
        if (self.embeds && (is(b"data") || is(b"src") || is(b"code") || is(b"codebase")))
            || (self.frame && is(b"src"))
        {
            self.matters = !starts(value, b"https://");
            // `//host`, `file:`: no editor writes them.
            let scheme = memchr::memchr(b':', value).is_some_and(|colon| colon < 12);
            self.absolute = starts(value, b"//") || scheme && self.matters;
        }
        if (self.form && is(b"action") || is(b"formaction")) && elsewhere(value) {
            return Some(("sends a form elsewhere", Critical));
        }
        if is(b"[innerHTML]") || is(b"dangerouslySetInnerHTML") || is(b"v-html") {
            return Some(("runs a script from a framework's attribute", Critical));
        }
        match script::scheme(value) {
            Scheme::Harmless if is_link(name) && hides_script(value) => {
                Some(("has a link that is a script", Critical))
            }
            Scheme::Harmless => self.framework(name, value),
            Scheme::Script => Some(("has a link that is a script", Critical)),
            // An image from `data:` runs no script, whatever it is.
            Scheme::Document if is(b"srcset") || is(b"poster") => None,
            Scheme::Document => Some(("has a link that is a document", Critical)),
        }
    }

    /// Attributes that frameworks take for scripts (`v-`, `ng-`, `x-`, `@click`).
    fn framework(&self, name: &[u8], value: &[u8]) -> Option<Verdict> {
        // `class="ng-click:…"`, `hx-vals="js:…"`
        let within = |attribute: &[u8], head: &[u8], word: &[u8]| {
            starts(name, attribute) && starts(value, head) && contains(value, word)
        };
        let of_framework = is_directive(name)
            || within(b"class", b"ng-", b":")
            || within(b"hx-", b"js:", b"(")
            || within(b"hx-", b"javascript:", b"(");
        (of_framework && script::uses_page(value))
            .then_some(("runs a script from a framework's attribute", Critical))
    }

    fn by_itself(&self) -> Option<Verdict> {
        if self.meta && self.matters {
            return Some(("changes how the page is loaded", Critical));
        }
        if self.link && self.matters {
            // Styles of the page's own host are none that an attacker wrote.
            let severity = match (self.absolute, self.imports) {
                (true, _) => Critical,
                (_, true) => Error,
                _ => Notice,
            };
            return Some(("brings its own styles", severity));
        }
        if self.embeds {
            let severity = if self.matters { Critical } else { Error };
            return Some(("embeds what can run scripts", severity));
        }
        if self.frame {
            let severity = match (self.absolute, self.matters) {
                (true, _) => Critical,
                (_, true) => Error,
                _ => Warning,
            };
            return Some(("brings another page", severity));
        }
        None
    }
}

fn starts(text: &[u8], head: &[u8]) -> bool {
    text.get(..head.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(head))
}

/// Whether a framework takes the attribute's value for a script (`v-`, `ng-`, `x-`, `@click`, `(click)`).
pub(super) fn is_directive(name: &[u8]) -> bool {
    name.starts_with(b"@")
        || name.starts_with(b":")
        || name.starts_with(b"(")
        || name.starts_with(b"[")
        || name == b"_"
        || [
            "ng-", "v-", "x-", "data-ng-", "data-on", "hx-on", "on:", "use:",
        ]
        .iter()
        .any(|prefix| starts(name, prefix.as_bytes()))
}

/// English words that begin like an event's handler.
const WORDS: [&[u8]; 8] = [
    b"one", b"once", b"only", b"onto", b"online", b"ongoing", b"onset", b"onward",
];

/// Whether this is the name of an event's handler.
pub(super) fn is_handler(name: &[u8]) -> bool {
    name.len() >= 5
        && starts(name, b"on")
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == 0)
        && !WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
}

fn handler(name: &[u8], value: &[u8]) -> Option<Verdict> {
    let at = name
        .iter()
        .position(|byte| !b"\"'`\0\x01\x0b".contains(byte))?;
    let name = name.get(at..)?;
    if !is_handler(name) || value.is_empty() {
        return None;
    }
    // `onClick={…}` is how a framework's source is written.
    let source = value.first() == Some(&b'{') && name.iter().any(u8::is_ascii_uppercase);
    let source = source && name.iter().any(u8::is_ascii_lowercase);
    // `{() =>`: a value without quotes ends at the blank, and is no script.
    let broken = source && !value.contains(&b'}');
    Some((
        "runs a script on an event",
        match (source, broken) {
            (true, true) => Notice,
            (true, false) => Error,
            _ => Critical,
        },
    ))
}
