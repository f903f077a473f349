//! The router again, as slow and as plain as it can be: it walks over all
//! routes, and sorts those that match by the precedence as the book says it.

use http::Method;

use crate::bundle::{Api, PathMatch};

/// One host, path and method (`None` for any) of an API.
struct Claim {
    host: String,
    whole: bool,
    /// `None` stands for braces.
    segments: Vec<Option<String>>,
    method: Option<String>,
    api: usize,
}

pub(super) struct Walk(Vec<Claim>);

impl Walk {
    pub(super) fn new(apis: &[Api]) -> Self {
        let mut claims = Vec::new();
        for (number, api) in apis.iter().enumerate() {
            let any = vec!["*".to_owned()];
            let hosts = if api.hosts.is_empty() {
                &any
            } else {
                &api.hosts
            };
            let methods: Vec<Option<String>> = if api.methods.is_empty() {
                vec![None]
            } else {
                api.methods.iter().cloned().map(Some).collect()
            };
            for host in hosts {
                for path in &api.paths {
                    for method in &methods {
                        let (whole, segments) = pattern(path);
                        claims.push(Claim {
                            host: host.clone(),
                            whole,
                            segments,
                            method: method.clone(),
                            api: number,
                        });
                    }
                }
            }
        }
        Self(claims)
    }

    pub(super) fn conflicts(&self) -> bool {
        let claims = self.0.iter().enumerate();
        claims.clone().any(|(place, one)| {
            self.0[place + 1..]
                .iter()
                .any(|other| one.same_place(other) && one.method == other.method)
        })
    }

    /// The API, or what may be asked instead, or nothing.
    pub(super) fn find(
        &self,
        host: &str,
        path: &str,
        method: &Method,
    ) -> Result<usize, Option<String>> {
        let asked: Vec<&str> = path.split('/').skip(1).collect();
        let best = self
            .0
            .iter()
            .filter(|claim| claim.takes_host(host) && claim.takes_path(&asked))
            .min_by_key(|claim| (claim.host_rank(), claim.path_rank()));
        let best = best.ok_or(None)?;
        let place: Vec<&Claim> = self
            .0
            .iter()
            .filter(|claim| claim.same_place(best))
            .collect();
        let named = |wanted: &str| {
            let claim = place
                .iter()
                .find(|claim| claim.method.as_deref() == Some(wanted));
            claim.map(|claim| claim.api)
        };
        let by_get = || (*method == Method::HEAD).then(|| named("GET")).flatten();
        let any = || {
            let claim = place.iter().find(|claim| claim.method.is_none());
            claim.map(|claim| claim.api)
        };
        named(method.as_str())
            .or_else(by_get)
            .or_else(any)
            .ok_or_else(|| {
                let mut allow: Vec<&str> = place
                    .iter()
                    .filter_map(|claim| claim.method.as_deref())
                    .collect();
                if allow.contains(&"GET") {
                    allow.push("HEAD");
                }
                allow.sort_unstable();
                allow.dedup();
                Some(allow.join(", "))
            })
    }
}

fn pattern(path: &PathMatch) -> (bool, Vec<Option<String>>) {
    let (whole, template, text) = match path {
        PathMatch::Exact(text) => (true, false, text.as_str()),
        PathMatch::Template(text) => (true, true, text.as_str()),
        PathMatch::Prefix(text) => (false, false, text.trim_end_matches('/')),
        PathMatch::Regex(_) => unreachable!("the reference knows no expressions"),
    };
    let segments = text.split('/').skip(1).map(|segment| {
        let braces = template && segment.starts_with('{');
        (!braces).then(|| segment.replace("%61", "a"))
    });
    (whole, segments.collect())
}

impl Claim {
    fn same_place(&self, other: &Self) -> bool {
        (&self.host, self.whole, &self.segments) == (&other.host, other.whole, &other.segments)
    }

    fn takes_host(&self, host: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some(end) => host.ends_with(end),
            None => host == self.host,
        }
    }

    fn takes_path(&self, asked: &[&str]) -> bool {
        let long_enough = if self.whole {
            asked.len() == self.segments.len()
        } else {
            asked.len() >= self.segments.len()
        };
        let mut pairs = self.segments.iter().zip(asked);
        long_enough
            && pairs.all(|(segment, asked)| match segment {
                Some(literal) => literal == asked,
                None => !asked.is_empty(),
            })
    }

    /// Exact, then the longest wildcard, then any.
    fn host_rank(&self) -> (bool, std::cmp::Reverse<usize>) {
        (
            self.host.starts_with('*'),
            std::cmp::Reverse(self.host.len()),
        )
    }

    /// Whole paths with literals as far left as can be, then the longest prefix.
    fn path_rank(&self) -> (bool, std::cmp::Reverse<usize>, Vec<bool>) {
        let braces = self.segments.iter().map(Option::is_none).collect();
        (!self.whole, std::cmp::Reverse(self.segments.len()), braces)
    }
}
