//! Letters that markup splits, in a body that begins as XML does whatever it says it is:
//! `SEL<![CDATA[ECT]]>` and `SEL<!-- -->ECT` are one word to whoever reads it as that.

use lockgate_wire::content::{xml, Sink};
use memchr::memmem;

/// Begins what stands within a text and is none of it.
const SPLITS: [&[u8]; 3] = [b"<![CDATA[", b"<!--", b"<?"];

/// The texts in `body` that do not stand there letter by letter; none where nothing
/// splits any, and none behind what is no XML.
pub fn texts(body: &[u8]) -> Vec<Vec<u8>> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = text.trim_ascii_start();
    let Some((b'<', behind)) = text.split_first() else {
        return Vec::new();
    };
    if !SPLITS
        .iter()
        .any(|split| memmem::find(behind, split).is_some())
    {
        return Vec::new();
    }
    let mut split = Split {
        body: text,
        texts: Vec::new(),
    };
    // What is no XML has been read up to there.
    let _ = xml::Reader::new(xml::Limits::default()).run(text, usize::MAX, &mut split);
    split.texts
}

struct Split<'b> {
    body: &'b [u8],
    texts: Vec<Vec<u8>>,
}

impl Sink for Split<'_> {
    fn pair(&mut self, _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn node(&mut self, node: &xml::Node<'_>) -> bool {
        let as_it_is = self.body.get(node.at..node.at + node.value.len());
        let blank = node.value.trim_ascii().is_empty();
        if node.kind == xml::Kind::Text && as_it_is != Some(node.value) && !blank {
            self.texts.push(node.value.to_vec());
        }
        true
    }
}
