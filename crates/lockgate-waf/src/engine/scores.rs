//! Where the Core Rule Set adds up what its rules find: a variable for each
//! level of paranoia, for requests and for answers.

use super::names::{Name, Names};

/// Those of its variables that the rules name, each with its level.
#[derive(Debug, Default)]
pub struct Scores(Vec<(Name, u8)>);

impl Scores {
    /// What of them is named.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        let mut found = Vec::new();
        for level in 1..=4 {
            for way in ["inbound", "outbound"] {
                let name = format!("{way}_anomaly_score_pl{level}");
                found.extend(names.find(name.as_bytes()).map(|name| (name, level)));
            }
        }
        Self(found)
    }

    /// The level whose score the variable is, if it is one.
    #[must_use]
    pub fn level(&self, name: Name) -> Option<u8> {
        let known = self.0.iter().find(|(known, _)| *known == name);
        known.map(|(_, level)| *level)
    }
}
