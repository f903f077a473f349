//! What all readers have in common, and what they say of given bodies.

mod form;
mod graphql;
mod json;
mod layers;
mod multipart;
mod protobuf;
mod xml;

use super::{json::Leaf, multipart::Part, xml::Node, Flaw, Progress, Sink};

/// Writes down what it is told, a line each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    lines: Vec<String>,
    /// How many more it wants.
    most: Option<usize>,
}

impl Told {
    fn tell(&mut self, line: String) -> bool {
        self.lines.push(line);
        self.most.is_none_or(|most| self.lines.len() < most)
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

impl Sink for Told {
    fn pair(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.tell(format!("{}={}", text(name), text(value)))
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> bool {
        let mut pointer = Vec::new();
        leaf.pointer(&mut pointer);
        let (name, value) = (text(leaf.name), text(leaf.value));
        self.tell(format!("{name} {} {:?} {value}", text(&pointer), leaf.kind))
    }

    fn node(&mut self, node: &Node<'_>) -> bool {
        let (path, value) = (text(node.path), text(node.value));
        self.tell(format!("{path} {:?} {value}", node.kind))
    }

    fn part_header(&mut self, part: &[u8], line: &[u8]) -> bool {
        self.tell(format!("{}: {}", text(part), text(line)))
    }

    fn part(&mut self, part: &Part<'_>) -> bool {
        let file = part.file_name.map_or("-".to_owned(), text);
        let kind = part.content_type.map_or("-".to_owned(), text);
        let (name, content) = (text(part.name), text(part.content));
        self.tell(format!("{name} {file} {kind} {content}"))
    }
}

type Outcome = (Vec<String>, Result<Progress, Flaw>);

/// Runs to the end in slices of this size.
fn sliced(mut run: impl FnMut(usize, &mut Told) -> Result<Progress, Flaw>, size: usize) -> Outcome {
    let mut told = Told::default();
    loop {
        match run(size, &mut told) {
            Ok(Progress::More) => {}
            other => return (told.lines, other),
        }
    }
}

/// The code of what went wrong, and where.
fn code(outcome: &Outcome) -> Option<(&'static str, usize)> {
    let flaw = outcome.1.err()?;
    Some((flaw.reason.code, flaw.at))
}
