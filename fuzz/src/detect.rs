//! Promises of the detectors of attacks.

use lockgate_waf::detect::{look, Value, Where, ALL};

/// Every place in which a value can stand.
pub const PLACES: [Where; 9] = [
    Where::Path,
    Where::ParameterName,
    Where::Parameter,
    Where::Cookie,
    Where::Header,
    Where::Xml,
    Where::Body,
    Where::FileName,
    Where::FileContent,
];

/// What is found lies within the value, is found again, and is found without the
/// first look at the bytes as well: nothing is dismissed that would be found.
pub fn value(bytes: &[u8], name: &[u8], place: u8) {
    let stood = PLACES[usize::from(place) % PLACES.len()];
    let value = Value {
        bytes,
        stood,
        name,
        declared: None,
    };
    for detector in ALL {
        let found = look(detector, &value);
        if let Some(found) = &found {
            assert!(found.at.start <= found.at.end && found.at.end <= bytes.len());
            assert!(!found.what.is_empty());
        }
        if detector.places.contains(&stood) && bytes.len() >= detector.min_len {
            assert_eq!(found, (detector.find)(&value), "{}", detector.name);
        }
    }
}
