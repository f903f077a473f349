//! The APIs at one path of one host: told apart by what a request carries,
//! then by its method.

use http::{HeaderMap, Method};
use lockgate_policy::conditions::{Conditions, Held};
use lockgate_policy::ConfigError;

use super::{Found, Matched};
use crate::bundle::Api;

/// What of a request's head, besides host and path, may choose an API.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The query, as it arrived.
    pub query: Option<&'a str>,
}

/// The APIs at one path. Small, since among ten thousand no cache holds them.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) pattern: u32,
    /// Bytes of the path that it takes; paths are bounded by the head that they come in.
    pub(super) prefix: u32,
    /// Those that ask for nothing.
    plain: Option<Methods>,
    /// Those that do, the most specific first.
    conditional: Vec<(Conditions, Methods)>,
}

/// The APIs that ask for the same, by method.
#[derive(Debug, Default)]
struct Methods {
    any: Option<u32>,
    methods: Vec<(Method, u32)>,
    allow: Box<str>,
}

impl Place {
    pub(super) const fn new(pattern: u32, prefix: u32) -> Self {
        Self {
            pattern,
            prefix,
            plain: None,
            conditional: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        conditions: &Conditions,
        index: u32,
        apis: &[Api],
        pattern: &str,
    ) -> Result<(), ConfigError> {
        let methods = if conditions.is_empty() {
            self.plain.get_or_insert_with(Methods::default)
        } else {
            let same = |(known, _): &(Conditions, Methods)| known.text() == conditions.text();
            let at = self.conditional.iter().position(same).unwrap_or_else(|| {
                let new = (conditions.clone(), Methods::default());
                self.conditional.push(new);
                self.conditional.len() - 1
            });
            &mut self.conditional[at].1
        };
        methods.add(&apis[index as usize].methods, index, apis, pattern)
    }

    pub(super) fn is_conditional(&self) -> bool {
        !self.conditional.is_empty()
    }

    pub(super) fn finish(&mut self) {
        self.conditional.sort_by(|(one, _), (other, _)| {
            let text = || one.text().cmp(other.text());
            other.rank().cmp(&one.rank()).then_with(text)
        });
        let conditional = self.conditional.iter_mut().map(|(_, methods)| methods);
        for methods in conditional.chain(&mut self.plain) {
            methods.finish();
        }
    }

    pub(super) fn find(&self, asked: &Asked<'_>) -> Found<'_> {
        for (conditions, methods) in &self.conditional {
            match conditions.hold(asked.headers, asked.query) {
                Held::Yes => return methods.find(asked.method, self),
                Held::No => {}
                Held::Ambiguous => return Found::Ambiguous,
            }
        }
        match &self.plain {
            Some(methods) => methods.find(asked.method, self),
            None => Found::Unmatched,
        }
    }
}

impl Methods {
    fn add(
        &mut self,
        methods: &[String],
        api: u32,
        apis: &[Api],
        pattern: &str,
    ) -> Result<(), ConfigError> {
        if methods.is_empty() {
            if let Some(other) = self.any {
                return Err(conflict(pattern, "any method", other, apis));
            }
            self.any = Some(api);
        }
        for name in methods {
            let method = Method::from_bytes(name.as_bytes()).map_err(|_| {
                ConfigError::new(
                    "not-a-method",
                    "",
                    format!("`{name}` is not an HTTP method such as GET"),
                )
            })?;
            if let Some((_, other)) = self.methods.iter().find(|(known, _)| *known == method) {
                return Err(conflict(pattern, name, *other, apis));
            }
            self.methods.push((method, api));
        }
        Ok(())
    }

    fn finish(&mut self) {
        let mut names: Vec<&str> = self
            .methods
            .iter()
            .map(|(method, _)| method.as_str())
            .collect();
        // A GET is also a HEAD (RFC 9110 section 9.3.2), unless somebody else has it.
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        names.sort_unstable();
        self.allow = names.join(", ").into();
    }

    fn find(&self, method: &Method, place: &Place) -> Found<'_> {
        let named = |wanted: &Method| {
            self.methods
                .iter()
                .find(|(known, _)| known == wanted)
                .map(|(_, api)| *api)
        };
        let api = named(method)
            .or_else(|| {
                if *method == Method::HEAD {
                    named(&Method::GET)
                } else {
                    None
                }
            })
            .or(self.any);
        match api {
            Some(api) => Found::Route(Matched {
                api: api as usize,
                pattern: place.pattern,
                prefix: place.prefix as usize,
            }),
            None => Found::MethodNotAllowed(&self.allow),
        }
    }
}

fn conflict(pattern: &str, method: &str, other: u32, apis: &[Api]) -> ConfigError {
    let name = apis
        .get(other as usize)
        .map_or("another API", |api| api.name.as_str());
    let message = format!(
        "`{pattern}` with {method} is already taken by the API `{name}`; give one of them another host, path or method"
    );
    ConfigError::new("route-conflict", "", message)
}
