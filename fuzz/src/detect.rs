//! What must hold for detectors of attacks, whatever a value is.

use lockgate_waf::detect::{look, Value, Where, ALL};

/// Every place in which a value can stand.
pub const PLACES: [Where; 10] = [
    Where::Path,
    Where::ParameterName,
    Where::Parameter,
    Where::Cookie,
    Where::Header,
    Where::Xml,
    Where::Body,
    Where::FileName,
    Where::FileContent,
    Where::Bytes,
];

/// In every place each detector ends, points into the value, says the same
/// again, and the same without the first look at the bytes: nothing is dismissed
/// that would be found.
pub fn value(bytes: &[u8], name: &[u8], declared: Option<&[u8]>) {
    for stood in PLACES {
        let value = Value {
            bytes,
            stood,
            name,
            declared,
        };
        for detector in ALL {
            let found = look(detector, &value);
            if let Some(found) = &found {
                assert!(detector.places.contains(&stood));
                assert!(found.at.start <= found.at.end && found.at.end <= bytes.len());
                assert!(!found.what.is_empty());
            }
            if detector.places.contains(&stood) && bytes.len() >= detector.min_len {
                assert_eq!(found, (detector.find)(&value), "{}", detector.name);
            }
        }
    }
}
