//! What a transaction consists of: values with names, by where they stood.

use std::ops::Range;

use crate::bytes::Span;
use crate::rule::Collection;

use super::presence::Presence;
use super::prove::Proof;
use super::transaction::KEPT;

/// A value and its name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Member {
    /// Its name, as it came.
    pub name: Span,
    /// The value.
    pub value: Span,
    /// What it says that it is, where it says so (a file's `Content-Type`).
    pub declared: Option<Span>,
    /// What something else has proved of its value, which is harmless then.
    pub proven: Option<Proof>,
    /// How its name says the way to it.
    pub way: Way,
    /// Whether its parts are members too, so that detectors look at these instead:
    /// what is found counts once.
    pub parted: bool,
}

/// How a member's name says the way to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// The name is all of it.
    #[default]
    Name,
    /// As rules name what is in JSON: `json.items.array_0.note`, each step
    /// behind a dot.
    Json,
    /// It is a JSON pointer (RFC 6901), which stands here: a dot in a name of
    /// JSON makes rules' name say too little.
    Pointer(Span),
    /// Each step behind a slash, as in XML.
    Path,
}

/// Where members are kept. Collections are views of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Base {
    /// Of the query.
    ArgsGet,
    /// Of the body.
    ArgsPost,
    /// The request's header fields.
    RequestHeaders,
    /// Its cookies.
    Cookies,
    /// Files that are sent: the field's name, and the file's.
    Files,
    /// Their sizes.
    FileSizes,
    /// What is in them.
    FileContents,
    /// Header fields of parts: the part's name, and the whole line.
    PartHeaders,
    /// Names of parts.
    PartNames,
    /// Values of attributes in XML.
    XmlAttributes,
    /// Texts in XML, each by itself: for detectors alone, since rules know but one.
    XmlNodes,
    /// Texts of elements of XML that several texts make up: for detectors alone. Behind
    /// the texts by themselves.
    XmlElements,
    /// All text of a document of XML, as one. Behind all others.
    XmlText,
    /// Bytes in messages that are no text: for detectors alone.
    Octets,
    /// Texts within these: for detectors alone.
    OctetTexts,
    /// A body that is a file, and no text: for detectors alone.
    BodyFile,
    /// The answer's header fields.
    ResponseHeaders,
    /// What there is but one of; its place is the collection's number.
    Single,
}

impl Base {
    /// Those that have members.
    pub const ALL: [Self; BASES - 1] = [
        Self::ArgsGet,
        Self::ArgsPost,
        Self::RequestHeaders,
        Self::Cookies,
        Self::Files,
        Self::FileSizes,
        Self::FileContents,
        Self::PartHeaders,
        Self::PartNames,
        Self::XmlAttributes,
        Self::XmlNodes,
        Self::XmlElements,
        Self::XmlText,
        Self::Octets,
        Self::OctetTexts,
        Self::BodyFile,
        Self::ResponseHeaders,
    ];
}

/// How many bases there are.
pub const BASES: usize = Base::Single as usize + 1;

/// Most members of one base.
pub const MAX_MEMBERS: usize = (1 << 24) - 1;

/// A value of a transaction: a member's value, or its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(u32);

impl ValueId {
    const NAME: u32 = 1 << 31;

    /// The value, or the name, of the member at this place of a base.
    #[must_use]
    pub const fn new(base: Base, place: u32, name: bool) -> Self {
        let name = if name { Self::NAME } else { 0 };
        Self(((base as u32) << 24) | place | name)
    }

    /// The value of a collection that there is but one of, by its number.
    #[must_use]
    pub const fn single(collection: usize) -> Self {
        Self::new(Base::Single, collection as u32, false)
    }

    /// Whether it is the member's name.
    #[must_use]
    pub const fn is_name(self) -> bool {
        self.0 & Self::NAME != 0
    }

    /// Its place within its base.
    #[must_use]
    pub const fn place(self) -> usize {
        (self.0 & 0xff_ffff) as usize
    }

    /// The number of its base.
    #[must_use]
    pub const fn base(self) -> usize {
        ((self.0 & !Self::NAME) >> 24) as usize
    }
}

/// All members of a transaction.
#[derive(Debug)]
pub struct Members {
    bases: [Vec<Member>; BASES],
    there: [bool; Collection::COUNT],
    /// Which bases have members, and which names header fields have.
    pub presence: Presence,
    /// Whether there were more than can be numbered.
    pub overflowed: bool,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            bases: Default::default(),
            there: [false; Collection::COUNT],
            presence: Presence::default(),
            overflowed: false,
        }
    }
}

/// Which part of a base a collection is, and whether its names are meant.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Where the members are.
    pub base: Base,
    /// Whether their names are the values.
    pub names: bool,
}

const VALUES: [View; BASES] = all_views(false);
const NAMES: [View; BASES] = all_views(true);

const fn all_views(names: bool) -> [View; BASES] {
    let mut views = [View {
        base: Base::Single,
        names,
    }; BASES];
    let mut at = 0;
    while at < Base::ALL.len() {
        views[at].base = Base::ALL[at];
        at += 1;
    }
    views
}

/// The views of the bases from this one, so many.
const fn some(of: &'static [View; BASES], first: Base, count: usize) -> &'static [View] {
    of.split_at(first as usize).1.split_at(count).0
}

/// What a collection consists of; nothing for what is no collection of members.
#[must_use]
pub const fn views(collection: Collection, attributes: bool) -> &'static [View] {
    use Collection as C;
    match collection {
        C::Args => some(&VALUES, Base::ArgsGet, 2),
        C::ArgsGet => some(&VALUES, Base::ArgsGet, 1),
        C::ArgsPost => some(&VALUES, Base::ArgsPost, 1),
        C::ArgsNames => some(&NAMES, Base::ArgsGet, 2),
        C::ArgsGetNames => some(&NAMES, Base::ArgsGet, 1),
        C::ArgsPostNames => some(&NAMES, Base::ArgsPost, 1),
        C::RequestHeaders => some(&VALUES, Base::RequestHeaders, 1),
        C::RequestHeadersNames => some(&NAMES, Base::RequestHeaders, 1),
        C::RequestCookies => some(&VALUES, Base::Cookies, 1),
        C::RequestCookiesNames => some(&NAMES, Base::Cookies, 1),
        C::Files | C::MultipartFilename => some(&VALUES, Base::Files, 1),
        C::FilesNames => some(&NAMES, Base::Files, 1),
        C::FilesSizes => some(&VALUES, Base::FileSizes, 1),
        C::FilesContent => some(&VALUES, Base::FileContents, 1),
        C::MultipartPartHeaders => some(&VALUES, Base::PartHeaders, 1),
        C::MultipartName => some(&VALUES, Base::PartNames, 1),
        C::Xml if attributes => some(&VALUES, Base::XmlAttributes, 1),
        C::Xml => some(&VALUES, Base::XmlText, 1),
        C::ResponseHeaders => some(&VALUES, Base::ResponseHeaders, 1),
        C::ResponseHeadersNames => some(&NAMES, Base::ResponseHeaders, 1),
        _ => &[],
    }
}

impl Members {
    /// Forgets everything.
    pub fn clear(&mut self) {
        let single = Base::Single as usize;
        for base in &mut self.bases[..single] {
            base.clear();
            base.shrink_to(KEPT);
        }
        // What is not there is not looked at, whatever stands in its place.
        self.bases[single].resize(Collection::COUNT, Member::default());
        self.there = [false; Collection::COUNT];
        self.presence = Presence::default();
        self.overflowed = false;
    }

    /// Adds a member.
    pub fn push(&mut self, base: Base, member: Member) {
        let members = &mut self.bases[base as usize];
        if members.len() >= MAX_MEMBERS {
            self.overflowed = true;
            return;
        }
        members.push(member);
        self.presence.add(base);
    }

    /// Says what there is but one of.
    pub fn set(&mut self, collection: Collection, value: Span) {
        let place = collection as usize;
        if let Some(member) = self.bases[Base::Single as usize].get_mut(place) {
            *member = Member {
                value,
                ..Member::default()
            };
            self.there[place] = true;
        }
    }

    /// Whether what there is but one of is there, by the collection's number.
    #[must_use]
    pub fn has_single(&self, collection: usize) -> bool {
        self.there.get(collection).is_some_and(|there| *there)
    }

    /// What there is but one of, if it is there.
    #[must_use]
    pub fn single(&self, collection: Collection) -> Option<Span> {
        let place = collection as usize;
        let member = self.bases[Base::Single as usize].get(place)?;
        self.there[place].then_some(member.value)
    }

    /// Says that a member's parts are members too.
    pub fn part(&mut self, base: Base, place: usize) {
        if let Some(member) = self.bases[base as usize].get_mut(place) {
            member.parted = true;
        }
    }

    /// Says what is proved of a member's value.
    pub fn prove(&mut self, base: Base, place: usize, proof: Option<Proof>) {
        if let Some(member) = self.bases[base as usize].get_mut(place) {
            member.proven = proof;
        }
    }

    /// The members of a base.
    #[must_use]
    pub fn of(&self, base: Base) -> &[Member] {
        &self.bases[base as usize]
    }

    /// The numbers of a base's members.
    #[must_use]
    pub fn range(&self, base: Base) -> Range<u32> {
        0..u32::try_from(self.of(base).len()).unwrap_or(0)
    }

    /// Name and value of a value's member.
    #[must_use]
    pub fn get(&self, id: ValueId) -> Member {
        let base = self.bases.get(id.base());
        base.and_then(|base| base.get(id.place()))
            .copied()
            .unwrap_or_default()
    }

    /// The value itself.
    #[must_use]
    pub fn value(&self, id: ValueId) -> Span {
        let member = self.get(id);
        if id.is_name() {
            member.name
        } else {
            member.value
        }
    }
}
