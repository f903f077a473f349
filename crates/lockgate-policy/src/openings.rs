//! What is opened by what: parts of an API, each by some names (of roles, of
//! scopes), so that a request finds those that open it without asking all.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::only::{Meant, Only};
use crate::{ConfigError, RequestView};

/// Most parts that all names of one API open together. GitHub's document has 1,200 operations.
pub const MAX: usize = 100_000;

/// Parts of an API, each opened by the name of a number.
#[derive(Debug, Clone, Default)]
pub struct Openings {
    /// By operation, where nothing but an operation is meant: the numbers of those that open it.
    named: HashMap<Box<str>, Vec<u32>, RandomState>,
    others: Box<[(Meant, u32)]>,
}

impl Openings {
    /// Compiles what each name opens; the names' numbers are their places.
    ///
    /// # Errors
    /// The first part that is none, its pointer `/PLACE/what/PLACE…`.
    pub fn new<'o>(all: impl Iterator<Item = &'o [Only]>) -> Result<Self, ConfigError> {
        let mut made = Self::default();
        let mut others = Vec::new();
        let mut count = 0;
        for (place, what) in all.enumerate() {
            let number = u32::try_from(place).unwrap_or(u32::MAX);
            for (part, only) in what.iter().enumerate() {
                let meant = Meant::new(only).map_err(|error| ConfigError {
                    pointer: format!("/{place}/what/{part}{}", error.pointer),
                    ..error
                })?;
                count += only.operations.len().max(1);
                if only.methods.is_empty() && only.paths.is_empty() && !only.operations.is_empty() {
                    for name in &only.operations {
                        let numbers = made.named.entry(name.as_str().into()).or_default();
                        if numbers.last() != Some(&number) {
                            numbers.push(number);
                        }
                    }
                } else {
                    others.push((meant, number));
                }
            }
        }
        if count > MAX {
            let message = format!("these open {count} parts of the API; at most {MAX} are taken");
            return Err(ConfigError::new("too-many-openings", "", message));
        }
        made.others = others.into();
        Ok(made)
    }

    /// The numbers of those that open the request, whatever it might be taken for.
    pub fn of<'o>(&'o self, view: &'o RequestView<'_>) -> impl Iterator<Item = u32> + 'o {
        let named = self.operation(view.operation).iter().filter(|number| {
            let mut readings = view.readings.iter();
            readings.all(|one| self.operation(one.operation.as_deref()).contains(number))
        });
        let others = self.others.iter().filter(|(meant, _)| meant.cover(view));
        named.copied().chain(others.map(|(_, number)| *number))
    }

    /// Whether something is said of the request, or of what else it might be taken for.
    #[must_use]
    pub fn speak_of(&self, view: &RequestView<'_>) -> bool {
        let named = |operation: Option<&str>| !self.operation(operation).is_empty();
        named(view.operation)
            || view
                .readings
                .iter()
                .any(|one| named(one.operation.as_deref()))
            || self.others.iter().any(|(meant, _)| meant.hold(view))
    }

    fn operation(&self, name: Option<&str>) -> &[u32] {
        name.and_then(|name| self.named.get(name))
            .map_or(&[], Vec::as_slice)
    }
}
