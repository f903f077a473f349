//! Texts with `%{…}`, ready to be written out.

use crate::rule::{Collection, Piece, Template};

use super::names::{Name, Names};

/// A [`Template`] whose variables are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// In their order.
    pub parts: Box<[Part]>,
}

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(Box<[u8]>),
    /// A variable of `TX`.
    Variable(Name),
    /// Another collection, or one of its members.
    Member(Collection, Option<Box<[u8]>>),
}

impl Text {
    /// Gives its variables their numbers.
    #[must_use]
    pub fn new(template: &Template, names: &mut Names) -> Self {
        let part = |piece: &Piece| match piece {
            Piece::Text(text) => Part::Text(text.clone()),
            Piece::Macro(Collection::Tx, Some(key)) => Part::Variable(names.number(key)),
            Piece::Macro(collection, key) => Part::Member(*collection, key.clone()),
        };
        Self {
            parts: template.pieces.iter().map(part).collect(),
        }
    }

    /// What it says, where nothing in it depends on a transaction.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The only variable that it consists of.
    #[must_use]
    pub fn variable(&self) -> Option<Name> {
        match &*self.parts {
            [Part::Variable(name)] => Some(*name),
            _ => None,
        }
    }

    /// The text that it begins with whatever the transaction.
    #[must_use]
    pub fn beginning(&self) -> &[u8] {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => b"",
        }
    }
}
