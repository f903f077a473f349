//! The attributes of an element.

use std::hash::{BuildHasher as _, Hasher as _};

use super::chars::{self, is_space};
use super::{text, Kind, Node, Reader};
use crate::content::{reasons, Flaw, Sink};

impl Reader {
    /// Reads the rest of a start tag. False if the sink wants no more.
    pub(super) fn attributes<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        sink: &mut S,
    ) -> Result<bool, Flaw> {
        self.attributes.clear();
        loop {
            let spaced = self.skip_space(body);
            match body.get(self.at) {
                None => return self.fail(&reasons::XML_END),
                Some(b'>' | b'/') => {
                    self.end_start_tag(body, sink)?;
                    return Ok(true);
                }
                Some(_) if !spaced => return self.fail(&reasons::XML_SYNTAX),
                Some(_) => {}
            }
            if !self.attribute(body, sink)? {
                return Ok(false);
            }
        }
    }

    fn attribute<S: Sink + ?Sized>(&mut self, body: &[u8], sink: &mut S) -> Result<bool, Flaw> {
        let begin = self.at;
        let end = self.name_end(body, begin)?;
        let name = body.get(begin..end).unwrap_or_default();
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        let hash = hasher.finish();
        if self.attributes.contains(&hash) {
            return self.fail(&reasons::XML_ATTRIBUTE);
        }
        if self.attributes.len() >= self.limits.attributes {
            return self.fail(&reasons::XML_TOO_MANY);
        }
        self.attributes.push(hash);
        self.at = end;
        self.skip_space(body);
        self.expect(body, b'=')?;
        self.skip_space(body);
        let quote = match body.get(self.at) {
            Some(quote @ (b'"' | b'\'')) => *quote,
            Some(_) => return self.fail(&reasons::XML_SYNTAX),
            None => return self.fail(&reasons::XML_END),
        };
        self.at += 1;
        let start = self.at;
        let plain = self.attribute_value(body, quote)?;
        let around = self.path.len();
        self.path.extend_from_slice(b"/@");
        self.path.extend_from_slice(name);
        self.count()?;
        let value = match plain {
            true => body.get(start..self.at).unwrap_or_default(),
            false => &self.scratch,
        };
        self.at += 1;
        let more = sink.node(&Node {
            path: &self.path,
            value,
            kind: Kind::Attribute,
            at: start,
        });
        self.path.truncate(around);
        Ok(more)
    }

    /// Goes to the closing quote. True if the value stands there as it is; else
    /// it is in `scratch`.
    fn attribute_value(&mut self, body: &[u8], quote: u8) -> Result<bool, Flaw> {
        let mut plain = true;
        loop {
            let rest = body.get(self.at..).unwrap_or_default();
            let Some(end) = memchr::memchr3(quote, b'<', b'&', rest) else {
                return self.fail(&reasons::XML_END);
            };
            let run = rest.get(..end).unwrap_or_default();
            chars::check(run, self.at)?;
            let stopped = rest.get(end).copied().unwrap_or(quote);
            if plain && stopped == quote {
                self.at += end;
                return Ok(true);
            }
            if plain {
                self.scratch.clear();
                plain = false;
            }
            self.scratch.extend_from_slice(run);
            self.at += end;
            match stopped {
                b'<' => return self.fail(&reasons::XML_SYNTAX),
                b'&' => self.at = text::reference(body, self.at, &mut self.scratch)?,
                _ => return Ok(false),
            }
        }
    }

    fn expect(&mut self, body: &[u8], wanted: u8) -> Result<(), Flaw> {
        match body.get(self.at) {
            Some(byte) if *byte == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(_) => self.fail(&reasons::XML_SYNTAX),
            None => self.fail(&reasons::XML_END),
        }
    }

    fn skip_space(&mut self, body: &[u8]) -> bool {
        let begin = self.at;
        while body.get(self.at).copied().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > begin
    }
}
