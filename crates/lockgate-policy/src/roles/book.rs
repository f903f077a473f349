//! The roles that there are, who has each, and which include which.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::who::Who;
use crate::{ConfigError, Grounds, Identity, Span};

/// Most roles.
const MAX: usize = 10_000;
/// Most that one role includes, or is had by.
const MAX_EACH: usize = 1_000;

/// One role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Who has it: of any one of these, all must hold.
    pub who: Vec<Vec<Who>>,
    /// Roles whose rights it has as well.
    pub includes: Vec<String>,
    /// Where the configuration says it.
    pub span: Span,
}

/// All roles, compiled.
#[derive(Debug, Default)]
pub struct Book {
    numbers: HashMap<Arc<str>, usize>,
    roles: Box<[Compiled]>,
}

#[derive(Debug)]
struct Compiled {
    name: Arc<str>,
    who: Box<[Box<[Who]>]>,
    /// The role itself, and all that include it, at whatever distance; the nearest first.
    had_by: Box<[usize]>,
    grounds: Grounds,
}

impl Book {
    /// Compiles the roles.
    ///
    /// # Errors
    /// Every role that is there twice, includes one that is not there or, at whatever
    /// distance, itself. Pointers begin with the role's place.
    pub fn new(roles: &[Role]) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut wrong = |place: usize, pointer: &str, code, message: String| {
            let error = ConfigError::new(code, format!("/{place}{pointer}"), message);
            errors.push(error.at(roles[place].span));
        };
        let mut numbers: HashMap<Arc<str>, usize> = HashMap::new();
        for (place, role) in roles.iter().enumerate() {
            if numbers.insert(role.name.as_str().into(), place).is_some() {
                let message = format!("the role `{}` is there twice", role.name);
                wrong(place, "/name", "role-twice", message);
            }
            let most = role.who.iter().map(Vec::len).max().unwrap_or(0);
            let most = most.max(role.who.len()).max(role.includes.len());
            if place >= MAX || most > MAX_EACH {
                let message = format!("at most {MAX} roles, and {MAX_EACH} lines for each");
                wrong(place, "", "roles-too-many", message);
            }
            for (number, who) in role.who.iter().flatten().enumerate() {
                if let Err(message) = who.check() {
                    wrong(place, &format!("/who/{number}"), "role-who", message);
                }
            }
        }
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); roles.len()];
        for (place, role) in roles.iter().enumerate() {
            for (number, name) in role.includes.iter().enumerate() {
                let pointer = format!("/includes/{number}");
                match numbers.get(name.as_str()) {
                    Some(included) => above[*included].push(place),
                    None => wrong(
                        place,
                        &pointer,
                        "role-unknown",
                        format!("there is no role `{name}`"),
                    ),
                }
            }
        }
        let had_by: Vec<Vec<usize>> = (0..roles.len()).map(|one| nearest(one, &above)).collect();
        for (place, role) in roles.iter().enumerate() {
            let direct = above[place].iter();
            if direct
                .flat_map(|one| &had_by[*one])
                .any(|one| *one == place)
            {
                let message = format!("the role `{}` includes itself", role.name);
                wrong(place, "/includes", "role-cycle", message);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let compiled = roles.iter().zip(had_by).map(|(role, had_by)| Compiled {
            name: role.name.as_str().into(),
            who: role.who.iter().map(|all| all.clone().into()).collect(),
            had_by: had_by.into(),
            grounds: Grounds::from([Arc::from(format!("role {}", role.name))]),
        });
        Ok(Self {
            roles: compiled.collect(),
            numbers,
        })
    }

    /// The number of a role.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The names of all roles.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.roles.iter().map(|role| &*role.name).collect()
    }

    /// The name of the role with this number.
    #[must_use]
    pub fn name(&self, number: usize) -> &str {
        &self.roles[number].name
    }

    /// Numbers of a role and of all that include it, the nearest first.
    pub fn had_by(&self, number: usize) -> impl Iterator<Item = usize> + '_ {
        self.roles[number].had_by.iter().copied()
    }

    /// What is said of those who have the role.
    #[must_use]
    pub fn grounds(&self, number: usize) -> &Grounds {
        &self.roles[number].grounds
    }

    /// Whether somebody could have the role itself, and not only one that includes it.
    #[must_use]
    pub fn is_given(&self, number: usize) -> bool {
        !self.roles[number].who.is_empty()
    }

    /// Names of the roles that somebody has, those apart that are only included.
    pub fn of<'b>(&'b self, identity: &'b Identity) -> impl Iterator<Item = &'b str> {
        let has = |role: &&Compiled| role.is_had_by(identity);
        self.roles.iter().filter(has).map(|role| &*role.name)
    }

    /// Names of all roles whose rights somebody has, those that are only included too.
    pub fn all_of<'b>(&'b self, identity: &'b Identity) -> impl Iterator<Item = &'b str> {
        let held = |number: &usize| self.held(*number, identity).is_some();
        (0..self.roles.len())
            .filter(held)
            .map(|number| self.name(number))
    }

    /// By which role somebody has the rights of this one, if by any.
    #[must_use]
    pub fn held(&self, number: usize, identity: &Identity) -> Option<&Grounds> {
        let roles = self.roles[number].had_by.iter();
        roles
            .map(|number| &self.roles[*number])
            .find(|role| role.is_had_by(identity))
            .map(|role| &role.grounds)
    }
}

impl Compiled {
    fn is_had_by(&self, identity: &Identity) -> bool {
        let mut any = self.who.iter();
        any.any(|all| all.iter().all(|who| who.is(identity)))
    }
}

/// A number and all that are above it, the nearest first.
fn nearest(number: usize, above: &[Vec<usize>]) -> Vec<usize> {
    let mut found = vec![number];
    let mut seen = vec![false; above.len()];
    seen[number] = true;
    let mut at = 0;
    while let Some(&here) = found.get(at) {
        for &one in &above[here] {
            if !std::mem::replace(&mut seen[one], true) {
                found.push(one);
            }
        }
        at += 1;
    }
    found
}
