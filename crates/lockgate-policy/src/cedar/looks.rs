//! What there is to look at, as requests ask for it.

/// What a policy can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Id,
    Owner,
    Way,
    App,
    Issuer,
    Scopes,
    Claims,
    Api,
    Method,
    Host,
    Target,
    Path,
    Query,
    Body,
    Network,
    Address,
    Country,
    System,
    Device,
    Risk,
    Proof,
    Time,
    Now,
}

/// Each by its way from a variable.
pub const LOOKS: [(Look, &str); 23] = [
    (Look::Id, "principal.id"),
    (Look::Owner, "principal.owner"),
    (Look::Way, "principal.way"),
    (Look::App, "principal.app"),
    (Look::Issuer, "principal.issuer"),
    (Look::Scopes, "principal.scopes"),
    (Look::Claims, "principal.claims"),
    (Look::Api, "resource.api"),
    (Look::Method, "resource.method"),
    (Look::Host, "resource.host"),
    (Look::Target, "resource.target"),
    (Look::Path, "resource.path"),
    (Look::Query, "resource.query"),
    (Look::Body, "resource.body"),
    (Look::Network, "context.network"),
    (Look::Address, "context.network.address"),
    (Look::Country, "context.network.country"),
    (Look::System, "context.network.system"),
    (Look::Device, "context.device"),
    (Look::Risk, "context.risk"),
    (Look::Proof, "context.proof"),
    (Look::Time, "context.time"),
    (Look::Now, "context.time.now"),
];

/// What some policies look at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Looks(u32);

impl Looks {
    /// Whether that is looked at, or something within it.
    pub const fn at(self, look: Look) -> bool {
        self.0 & (1 << look as u32) != 0
    }
}

impl FromIterator<Look> for Looks {
    fn from_iter<I: IntoIterator<Item = Look>>(all: I) -> Self {
        Self(
            all.into_iter()
                .fold(0, |bits, look| bits | 1 << look as u32),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::LOOKS;

    #[test]
    fn each_look_has_its_place() {
        for (at, (look, place)) in LOOKS.iter().enumerate() {
            assert_eq!(*look as usize, at, "{place}");
        }
    }
}
