//! What begins with `<`.

use super::chars::{self, is_space};
use super::{Kind, Node, Open, Reader};
use crate::content::{reasons, Flaw, Sink};
use crate::reason::ReasonRef;

impl Reader {
    /// Reads the tag, comment, section or instruction here. False if the sink
    /// wants no more.
    pub(super) fn markup<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        sink: &mut S,
    ) -> Result<bool, Flaw> {
        let rest = body.get(self.at..).unwrap_or_default();
        match rest.get(1) {
            Some(b'/') => Ok(self.end_text(body, sink)? && self.end_tag(body, sink)?),
            Some(b'?') => self.aside(body, 2, b"?>", Kind::Instruction, sink),
            Some(b'!') if rest.starts_with(b"<!--") => {
                self.aside(body, 4, b"-->", Kind::Comment, sink)
            }
            Some(b'!') if rest.starts_with(b"<![CDATA[") => self.section(body),
            Some(b'!') => self.fail(markup_reason(rest)),
            Some(_) => Ok(self.end_text(body, sink)? && self.start_tag(body, sink)?),
            None => self.fail(&reasons::XML_END),
        }
    }

    fn start_tag<S: Sink + ?Sized>(&mut self, body: &[u8], sink: &mut S) -> Result<bool, Flaw> {
        if self.open.is_empty() && self.rooted {
            return self.fail(&reasons::XML_TRAILING);
        }
        if self.open.len() >= self.limits.depth {
            return self.fail(&reasons::XML_DEPTH);
        }
        let begin = self.at + 1;
        let end = self.name_end(body, begin)?;
        self.rooted = true;
        self.open.push(Open {
            around: self.path.len(),
        });
        self.path.push(b'/');
        self.path
            .extend_from_slice(body.get(begin..end).unwrap_or_default());
        if self.path.len() > self.limits.name_bytes {
            return self.fail(&reasons::XML_NAME);
        }
        self.count()?;
        self.at = end;
        sink.element(&self.path);
        self.attributes(body, sink)
    }

    /// The end of an element's start tag, which may be its own end.
    pub(super) fn end_start_tag<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        sink: &mut S,
    ) -> Result<(), Flaw> {
        if body.get(self.at) == Some(&b'/') {
            self.at += 1;
            if let Some(closed) = self.open.pop() {
                self.path.truncate(closed.around);
                sink.element_end();
            }
        }
        match body.get(self.at) {
            Some(b'>') => self.at += 1,
            Some(_) => return self.fail(&reasons::XML_SYNTAX),
            None => return self.fail(&reasons::XML_END),
        }
        Ok(())
    }

    fn end_tag<S: Sink + ?Sized>(&mut self, body: &[u8], sink: &mut S) -> Result<bool, Flaw> {
        let begin = self.at + 2;
        let end = self.name_end(body, begin)?;
        let Some(Open { around }) = self.open.pop() else {
            return self.fail(&reasons::XML_SYNTAX);
        };
        if self.path.get(around + 1..) != body.get(begin..end) {
            return self.fail(&reasons::XML_SYNTAX);
        }
        self.path.truncate(around);
        sink.element_end();
        let rest = body.get(end..).unwrap_or_default();
        let space = rest.iter().position(|byte| !is_space(*byte));
        self.at = end + space.unwrap_or(rest.len());
        match body.get(self.at) {
            Some(b'>') => self.at += 1,
            Some(_) => return self.fail(&reasons::XML_SYNTAX),
            None => return self.fail(&reasons::XML_END),
        }
        Ok(true)
    }

    /// A comment or an instruction: text around it goes on.
    fn aside<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        skip: usize,
        end: &[u8],
        kind: Kind,
        sink: &mut S,
    ) -> Result<bool, Flaw> {
        let begin = self.at + skip;
        let rest = body.get(begin..).unwrap_or_default();
        let Some(len) = memchr::memmem::find(rest, end) else {
            return self.fail(&reasons::XML_END);
        };
        let value = rest.get(..len).unwrap_or_default();
        chars::check(value, begin)?;
        let broken = match kind {
            // XML 1.0, 2.5: no "--" within, and none made with the end.
            Kind::Comment => value.ends_with(b"-") || memchr::memmem::find(value, b"--").is_some(),
            _ => {
                let name = self.name_end(body, begin)?;
                let target = body.get(begin..name).unwrap_or_default();
                // A declaration stands at the very beginning.
                target.eq_ignore_ascii_case(b"xml")
                    || name > begin + len
                    || name < begin + len && !body.get(name).copied().is_some_and(is_space)
            }
        };
        if broken {
            return self.fail(&reasons::XML_SYNTAX);
        }
        self.count()?;
        let node = Node {
            path: &self.path,
            value,
            kind,
            at: begin,
        };
        self.at = begin + len + end.len();
        Ok(sink.node(&node))
    }

    fn section(&mut self, body: &[u8]) -> Result<bool, Flaw> {
        if self.open.is_empty() {
            return self.fail(&reasons::XML_SYNTAX);
        }
        let begin = self.at + b"<![CDATA[".len();
        let rest = body.get(begin..).unwrap_or_default();
        let Some(len) = memchr::memmem::find(rest, b"]]>") else {
            return self.fail(&reasons::XML_END);
        };
        chars::check(rest.get(..len).unwrap_or_default(), begin)?;
        self.text.add(body, begin, len);
        self.at = begin + len + 3;
        Ok(true)
    }
}

fn markup_reason(rest: &[u8]) -> ReasonRef {
    let is = |word: &[u8]| {
        rest.get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    if is(b"<!doctype") || is(b"<!entity") {
        &reasons::XML_DOCTYPE
    } else if [&b"<!DOCTYPE"[..], b"<![CDATA[", b"<!--"]
        .iter()
        .any(|whole| whole.starts_with(rest))
    {
        &reasons::XML_END
    } else {
        &reasons::XML_SYNTAX
    }
}

/// Checks the declaration's `version`, `encoding` and `standalone`, which come in this order.
pub(super) fn declaration(text: &[u8]) -> Result<(), ReasonRef> {
    let mut rest = text;
    let mut expected: &[&[u8]] = &[b"version", b"encoding", b"standalone"];
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.is_empty() {
            // A version has to be there.
            return match expected.len() {
                3 => Err(&reasons::XML_SYNTAX),
                _ => Ok(()),
            };
        }
        let parsed = (trimmed.len() < rest.len())
            .then(|| pseudo_attribute(trimmed))
            .flatten();
        let Some((name, value, behind)) = parsed else {
            return Err(&reasons::XML_SYNTAX);
        };
        let place = expected.iter().position(|wanted| *wanted == name);
        let version_missing = expected.len() == 3 && place != Some(0);
        let (Some(place), false) = (place, version_missing) else {
            return Err(&reasons::XML_SYNTAX);
        };
        expected = expected.get(place + 1..).unwrap_or_default();
        match name {
            b"version" if !value.starts_with(b"1.") => return Err(&reasons::XML_SYNTAX),
            b"encoding" if !is_utf8(value) => return Err(&reasons::XML_ENCODING),
            b"standalone" if !matches!(value, b"yes" | b"no") => {
                return Err(&reasons::XML_SYNTAX);
            }
            _ => rest = behind,
        }
    }
}

fn pseudo_attribute(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let equals = memchr::memchr(b'=', text)?;
    let (name, behind) = text.split_at(equals);
    let behind = behind.get(1..)?.trim_ascii_start();
    let (quote, inside) = behind.split_first()?;
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let end = memchr::memchr(*quote, inside)?;
    Some((
        name.trim_ascii_end(),
        inside.get(..end)?,
        inside.get(end + 1..)?,
    ))
}

fn is_utf8(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"utf-8") || name.eq_ignore_ascii_case(b"us-ascii")
}
