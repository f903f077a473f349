//! Fields of documents, and to whom each is open: JSON Pointers as in [`super::Places`], each with
//! the numbers of those who may have what stands there and below.

use std::collections::HashMap;

use super::places::{steps, Malformed};

/// Most fields of one set. Precedent: 1,000 properties of a document in OpenAPI linters' defaults.
pub const MAX_FIELDS: usize = 2_000;

/// Most that fields can be open to, by number: one bit for each.
pub const MAX_HOLDERS: usize = 64;

/// Whom something is open to: a bit for each number.
pub type Holders = u64;

/// Some fields.
#[derive(Debug, Clone)]
pub struct Fields {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    members: HashMap<Box<str>, usize>,
    items: Option<usize>,
    /// To whom all of it is open.
    whole: Holders,
    /// To whom it is, or something within it.
    some: Holders,
}

/// What is open of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// All of it.
    Whole,
    /// What fields lead to below this node.
    Within(usize),
    /// Nothing.
    Nothing,
}

impl Default for Fields {
    /// Nothing is open.
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Fields {
    /// Reads pointers, each with the number of one to whom it is open.
    ///
    /// # Errors
    /// The place of the first that is none, and why.
    pub fn new<'p>(
        all: impl Iterator<Item = (usize, &'p str)>,
    ) -> Result<Self, (usize, Malformed)> {
        let mut made = Self::default();
        for (place, (holder, pointer)) in all.enumerate() {
            if place >= MAX_FIELDS || holder >= MAX_HOLDERS {
                return Err((place, Malformed::Long));
            }
            made.add(holder, pointer).map_err(|why| (place, why))?;
        }
        Ok(made)
    }

    /// What is open of a document to some.
    #[must_use]
    pub fn root(&self, held: Holders) -> Open {
        match self.nodes[0].whole & held {
            0 => Open::Within(0),
            _ => Open::Whole,
        }
    }

    /// What is open to some of a member of what `open` is open of.
    #[must_use]
    pub fn member(&self, open: Open, name: &str, held: Holders) -> Open {
        let Open::Within(node) = open else {
            return open;
        };
        self.of(self.nodes[node].members.get(name).copied(), held)
    }

    /// The same of an item.
    #[must_use]
    pub fn item(&self, open: Open, held: Holders) -> Open {
        let Open::Within(node) = open else {
            return open;
        };
        self.of(self.nodes[node].items, held)
    }

    /// Whether fields lead into the members of an object there.
    #[must_use]
    pub fn has_members(&self, node: usize) -> bool {
        !self.nodes[node].members.is_empty()
    }

    /// Whether fields lead into the items of a list there.
    #[must_use]
    pub fn has_items(&self, node: usize) -> bool {
        self.nodes[node].items.is_some()
    }

    /// To whom all is open of what steps lead to.
    #[must_use]
    pub fn holders<'s>(&self, steps: impl Iterator<Item = &'s str>) -> Holders {
        let mut nodes = vec![0];
        let mut whole = self.nodes[0].whole;
        for step in steps {
            let is_item =
                step == "-" || (!step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()));
            let below = nodes.iter().flat_map(|node| {
                let node: &Node = &self.nodes[*node];
                let items = node.items.filter(|_| is_item);
                node.members.get(step).copied().into_iter().chain(items)
            });
            nodes = below.collect();
            whole |= nodes
                .iter()
                .fold(0, |all, node| all | self.nodes[*node].whole);
        }
        whole
    }

    fn of(&self, node: Option<usize>, held: Holders) -> Open {
        match node.map(|node| (node, &self.nodes[node])) {
            Some((_, node)) if node.whole & held != 0 => Open::Whole,
            Some((number, node)) if node.some & held != 0 => Open::Within(number),
            _ => Open::Nothing,
        }
    }

    fn add(&mut self, holder: usize, pointer: &str) -> Result<(), Malformed> {
        let bit = 1 << holder;
        let mut node = 0;
        for step in steps(pointer)? {
            self.nodes[node].some |= bit;
            let next = self.nodes.len();
            let below = match step? {
                None => *self.nodes[node].items.get_or_insert(next),
                Some(name) => *self.nodes[node]
                    .members
                    .entry(name.into_boxed_str())
                    .or_insert(next),
            };
            if below == next {
                self.nodes.push(Node::default());
            }
            node = below;
        }
        self.nodes[node].some |= bit;
        self.nodes[node].whole |= bit;
        Ok(())
    }
}
