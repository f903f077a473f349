//! How rules write the names of values.

use super::transaction::Subject;

/// Writes a value's name with its collection's, such as `ARGS:id`.
pub fn write_name(subject: Subject, name: &[u8], out: &mut Vec<u8>) {
    if subject.counted {
        out.push(b'&');
    }
    out.extend_from_slice(subject.collection.name().as_bytes());
    if !name.is_empty() {
        out.push(b':');
        out.extend_from_slice(name);
    }
}
