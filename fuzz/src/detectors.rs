//! What must hold for detectors, whatever a value is.

use lockgate_waf::detect::{self, Value, Where};

/// Every place where a value can stand.
const PLACES: [Where; 9] = [
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

/// Every detector ends, points into the value, and says the same twice.
///
/// # Panics
///
/// Where one of that does not hold.
pub fn look(bytes: &[u8], name: &[u8]) {
    for stood in PLACES {
        let value = Value {
            bytes,
            stood,
            name,
            declared: Some(name),
        };
        for detector in detect::ALL {
            let found = detect::look(detector, &value);
            if let Some(found) = &found {
                assert!(detector.places.contains(&stood));
                assert!(found.at.start <= found.at.end && found.at.end <= bytes.len());
                assert!(!found.what.is_empty());
            }
            assert_eq!(found, detect::look(detector, &value), "{}", detector.name);
        }
    }
}
