//! Names of a subject, in a form that no value can be mistaken in (RFC 4514).

use std::fmt::Write as _;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Attributes that have a short name, by their OID: those of RFC 4514 section 3, and three more
/// that certificates of programs have.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// An attribute by its short name, and its value where that can be read.
pub type Attribute = (&'static str, Option<Box<str>>);

/// The short names that a configuration may look for.
pub fn attributes() -> impl Iterator<Item = &'static str> {
    SHORT.iter().map(|(_, short)| *short)
}

/// The attributes with short names, in the certificate's order; without a value where that is
/// in an encoding that is not read, for another reader may well take that one.
pub fn parts(name: &X509Name<'_>) -> Box<[Attribute]> {
    name.iter_attributes()
        .filter_map(|attribute| Some((short(attribute)?, attribute.as_str().ok().map(Into::into))))
        .collect()
}

/// The whole name, the last part first.
pub fn text(name: &X509Name<'_>) -> String {
    let mut told = String::new();
    let sets: Vec<_> = name.iter_rdn().collect();
    for (number, set) in sets.iter().rev().enumerate() {
        for (place, attribute) in set.iter().enumerate() {
            if number + place > 0 {
                told.push(if place > 0 { '+' } else { ',' });
            }
            write(&mut told, attribute);
        }
    }
    told
}

fn short(attribute: &AttributeTypeAndValue<'_>) -> Option<&'static str> {
    let oid = attribute.attr_type().to_id_string();
    let found = SHORT.iter().find(|(known, _)| *known == oid);
    found.map(|(_, short)| *short)
}

fn write(told: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    match (short(attribute), attribute.as_str()) {
        (Some(short), Ok(value)) => {
            let _ = write!(told, "{short}=");
            escape(told, value);
        }
        // What has no short name is written by its number, and its value as it is encoded
        // (RFC 4514 section 2.4); here without the tag, as nothing reads it back.
        (short, _) => {
            let oid = attribute.attr_type().to_id_string();
            let _ = write!(told, "{}=#", short.unwrap_or(&oid));
            for byte in attribute.as_slice() {
                let _ = write!(told, "{byte:02x}");
            }
        }
    }
}

/// RFC 4514 section 2.4; whatever is no plain ASCII is written by its bytes.
fn escape(told: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, letter) in value.char_indices() {
        match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => {
                told.push('\\');
                told.push(letter);
            }
            '#' | ' ' if at == 0 => {
                told.push('\\');
                told.push(letter);
            }
            ' ' if at == last => told.push_str("\\ "),
            ' '..='~' => told.push(letter),
            _ => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(told, "\\{byte:02x}");
                }
            }
        }
    }
}
