//! Places in documents: JSON Pointers (RFC 6901) in which a step `*` stands for every item of a list.

/// Most places of one set, and most steps of one of them.
pub const MAX: usize = 64;

/// Why a text is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin with `/`, and is not empty.
    Slash,
    /// `~` is followed by neither `0` nor `1`.
    Escape,
    /// It has too many steps, or there are too many.
    Long,
}

/// Some places, by number.
#[derive(Debug, Clone)]
pub struct Places {
    nodes: Vec<Node>,
    /// By place: the numbers of the nodes that its stars lead into.
    stars: Vec<Vec<usize>>,
}

/// A step on the way to places.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Members of an object, by name.
    pub members: Vec<(Box<str>, usize)>,
    /// What a star leads into.
    pub items: Option<usize>,
    /// Places that end here.
    pub places: Vec<usize>,
}

impl Node {
    /// Whether a place ends here.
    pub fn ends(&self) -> bool {
        !self.places.is_empty()
    }

    /// The node of a member.
    pub fn member(&self, name: &str) -> Option<usize> {
        let found = self.members.iter().find(|(known, _)| **known == *name);
        found.map(|(_, node)| *node)
    }
}

impl Default for Places {
    /// None: every document begins somewhere nevertheless.
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            stars: Vec::new(),
        }
    }
}

impl Places {
    /// Reads places; each has the number of its turn.
    ///
    /// # Errors
    /// The number of the first that is none, and why.
    pub fn new<'p>(pointers: impl Iterator<Item = &'p str>) -> Result<Self, (usize, Malformed)> {
        let mut made = Self::default();
        for (place, pointer) in pointers.enumerate() {
            if place >= MAX {
                return Err((place, Malformed::Long));
            }
            made.add(place, pointer).map_err(|why| (place, why))?;
        }
        Ok(made)
    }

    /// Where every document begins.
    pub(super) fn root(&self) -> &Node {
        self.node(0)
    }

    pub(super) fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// The nodes that the stars of a place lead into, the outermost first.
    #[must_use]
    pub fn stars(&self, place: usize) -> &[usize] {
        self.stars.get(place).map_or(&[], Vec::as_slice)
    }

    /// The node that its first star leads into.
    pub(super) fn first_star(&self, place: usize) -> Option<usize> {
        self.stars(place).first().copied()
    }

    /// The node that its last star leads into.
    pub(super) fn last_star(&self, place: usize) -> Option<usize> {
        self.stars(place).last().copied()
    }

    fn add(&mut self, place: usize, pointer: &str) -> Result<(), Malformed> {
        let mut node = 0;
        let mut stars = Vec::new();
        for step in steps(pointer)? {
            match step? {
                None => {
                    node = self.items(node);
                    stars.push(node);
                }
                Some(name) => node = self.member(node, &name),
            }
        }
        self.nodes[node].places.push(place);
        self.stars.push(stars);
        Ok(())
    }

    fn items(&mut self, node: usize) -> usize {
        let next = self.nodes.len();
        let found = *self.nodes[node].items.get_or_insert(next);
        if found == next {
            self.nodes.push(Node::default());
        }
        found
    }

    fn member(&mut self, node: usize, name: &str) -> usize {
        if let Some(found) = self.nodes[node].member(name) {
            return found;
        }
        let next = self.nodes.len();
        self.nodes[node].members.push((name.into(), next));
        self.nodes.push(Node::default());
        next
    }
}

/// The steps of a pointer: names, and none where a star stands for items.
pub(super) fn steps(
    pointer: &str,
) -> Result<impl Iterator<Item = Result<Option<String>, Malformed>> + '_, Malformed> {
    let rest = match pointer.strip_prefix('/') {
        Some(rest) => Some(rest),
        None if pointer.is_empty() => None,
        None => return Err(Malformed::Slash),
    };
    if pointer.matches('/').count() > MAX {
        return Err(Malformed::Long);
    }
    let steps = rest.into_iter().flat_map(|rest| rest.split('/'));
    Ok(steps.map(|step| match step {
        "*" => Ok(None),
        name => unescaped(name).map(Some),
    }))
}

/// A step without its escapes.
fn unescaped(step: &str) -> Result<String, Malformed> {
    let mut pieces = step.split('~');
    let mut made = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let mut letters = piece.chars();
        made.push(match letters.next() {
            Some('0') => '~',
            Some('1') => '/',
            _ => return Err(Malformed::Escape),
        });
        made.push_str(letters.as_str());
    }
    Ok(made)
}
