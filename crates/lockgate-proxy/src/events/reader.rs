//! Reading.
use super::segment::Name;
/// Place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub name: Name,
    pub offset: u64,
}
