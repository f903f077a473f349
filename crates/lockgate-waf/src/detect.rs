//! Detectors of our own: they read a value as what would run it does.
//!
//! A detector is a pure function of one value and where it stood. It says
//! nothing of what stands in lists of known attacks: it tokenises, parses or
//! resolves, and asks whether what comes out would do something that data does
//! not do. What it finds adds to the same score as rules do.

use std::ops::Range;

use crate::bytes::ByteSet;
use crate::rule::Severity;

pub mod code_injection;
pub mod command_injection;
pub mod crlf_injection;
pub mod cross_site_scripting;
pub mod deserialisation;
pub mod external_entity;
pub mod file_upload;
pub mod jndi_lookup;
pub mod ldap_injection;
pub mod nosql_injection;
pub mod path_traversal;
mod prose;
pub mod prototype_pollution;
pub mod server_side_request_forgery;
pub mod sql_injection;
pub mod template_injection;
pub mod xpath_injection;

/// Where a value stood in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Where {
    /// The path, decoded.
    Path,
    /// The name of a parameter, in the query or the body; of a JSON member its pointer.
    ParameterName,
    /// The value of a parameter; of JSON, a leaf that is text.
    Parameter,
    /// A cookie's value.
    Cookie,
    /// A header field's value; which one is for [`Value::name`] to say.
    Header,
    /// The text of an XML element, or an attribute's value.
    Xml,
    /// A body that nothing else reads.
    Body,
    /// The name of a file that is sent.
    FileName,
    /// What is in a file that is sent: its first bytes.
    FileContent,
    /// Bytes that are no text, in a message: texts within it stand by themselves.
    Bytes,
}

impl Where {
    /// Every text of a request that something may run.
    pub const VALUES: &[Self] = &[
        Self::Path,
        Self::ParameterName,
        Self::Parameter,
        Self::Cookie,
        Self::Header,
        Self::Xml,
        Self::Body,
    ];
    /// The same, and names of files, which end up in commands, pages and paths.
    pub const VALUES_AND_FILE_NAMES: &[Self] = &[
        Self::Path,
        Self::ParameterName,
        Self::Parameter,
        Self::Cookie,
        Self::Header,
        Self::Xml,
        Self::Body,
        Self::FileName,
    ];
}

/// A value to be judged, decoded as its place is read.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// What it is.
    pub bytes: &'a [u8],
    /// Where it stood.
    pub stood: Where,
    /// Its name: a parameter's, a cookie's, a header's in lower case, a JSON
    /// pointer; of a file's content the file's name.
    pub name: &'a [u8],
    /// What it says of its content, where it says so (a file's `Content-Type`).
    pub declared: Option<&'a [u8]>,
}

/// What a detector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which bytes of the value.
    pub at: Range<usize>,
    /// What they would do, in a few words, the same for all values alike: `ends
    /// a string and goes on with OR`. Never a part of the value.
    pub what: &'static str,
    /// How sure: what it adds to the score, in place of the detector's own. `Info` adds
    /// nothing and is not told: a rule that found something here may well be right.
    pub severity: Option<Severity>,
}

/// A detector, and what is said of it.
#[derive(Debug)]
pub struct Detector {
    /// Its name everywhere, for example `sql-injection`.
    pub name: &'static str,
    /// A short sentence for people.
    pub title: &'static str,
    /// What a finding adds to the score: 5 for `Critical`, 4, 3, 2 as in the Core Rule Set.
    pub severity: Severity,
    /// The tag of the attack, as the Core Rule Set writes it (`attack-sqli`).
    pub tag: &'static str,
    /// Where it looks.
    pub places: &'static [Where],
    /// A value that lacks all bytes of any one of these sets holds nothing for it.
    pub needs: &'static [ByteSet],
    /// Shorter values hold nothing for it.
    pub min_len: usize,
    /// Whether it looks at text that was decoded further too (see `layers`).
    pub unwraps: bool,
    /// Looks. Linear in the value's length.
    pub find: fn(&Value<'_>) -> Option<Finding>,
}

impl Detector {
    /// Whether a value with these bytes may hold something for it.
    #[must_use]
    pub fn may_match(&self, bytes: &ByteSet) -> bool {
        self.needs.iter().all(|set| set.meets(bytes))
    }
}

/// All detectors, in the order in which their findings are told.
pub static ALL: &[&Detector] = &[
    &sql_injection::DETECTOR,
    &cross_site_scripting::DETECTOR,
    &nosql_injection::DETECTOR,
    &ldap_injection::DETECTOR,
    &xpath_injection::DETECTOR,
    &template_injection::DETECTOR,
    &prototype_pollution::DETECTOR,
    &command_injection::DETECTOR,
    &code_injection::DETECTOR,
    &path_traversal::DETECTOR,
    &server_side_request_forgery::DETECTOR,
    &jndi_lookup::DETECTOR,
    &crlf_injection::DETECTOR,
    &external_entity::DETECTOR,
    &deserialisation::DETECTOR,
    &file_upload::DETECTOR,
];

/// What a detector finds in a value: nothing, without looking, where the value
/// stood somewhere else or has nothing that it needs.
#[must_use]
pub fn look(detector: &Detector, value: &Value<'_>) -> Option<Finding> {
    let bytes = value.bytes;
    if bytes.len() < detector.min_len || !detector.places.contains(&value.stood) {
        return None;
    }
    if !detector.may_match(&ByteSet::of(bytes)) {
        return None;
    }
    (detector.find)(value)
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod combined;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod mixed;
