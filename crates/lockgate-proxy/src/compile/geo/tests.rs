#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_policy::headers;
use lockgate_policy::ip_filter::{self, PlaceRules};

use crate::bundle::{Bundle, Geo};
use crate::compile::compile;
use crate::testing::{api, bundle, placed, prefix, surroundings};

fn refused(bundle: Bundle) -> Vec<(&'static str, String)> {
    let errors = compile(bundle, "hash", &surroundings()).err();
    let errors = errors.into_iter().flatten();
    errors.map(|error| (error.code, error.pointer)).collect()
}

fn asking(rules: PlaceRules, request: &[(&str, &str)]) -> Bundle {
    let mut shop = api("shop", &[prefix("/")]);
    let filter = ip_filter::Config {
        geo: Some(rules),
        ..ip_filter::Config::default()
    };
    shop.policies.ip_filter = Some(placed(filter, 20));
    let mut changes = headers::Config::default();
    for (name, value) in request {
        changes
            .request
            .set
            .insert((*name).to_owned(), (*value).to_owned());
    }
    shop.policies.headers = Some(placed(changes, 21));
    bundle(vec![shop])
}

#[test]
fn rules_want_the_database_that_they_ask() {
    let countries = PlaceRules {
        deny_countries: vec!["FR".to_owned()],
        ..PlaceRules::default()
    };
    let networks = PlaceRules {
        deny_networks: vec![64500],
        ..PlaceRules::default()
    };
    let allowed = PlaceRules {
        allow_countries: vec!["DE".to_owned()],
        ..PlaceRules::default()
    };
    for (rules, rule) in [
        (&countries, "deny_countries"),
        (&allowed, "allow_countries"),
        (&networks, "deny_networks"),
    ] {
        let pointer = format!("/apis/0/policies/ip_filter/geo/{rule}");
        assert_eq!(
            refused(asking(rules.clone(), &[])),
            [("geo-missing", pointer)]
        );
    }
    let mut answered = asking(countries, &[]);
    answered.geo = Some(Geo {
        countries: Some("/countries.mmdb".to_owned()),
        networks: None,
    });
    assert_eq!(refused(answered), []);
    let mut other = asking(networks, &[]);
    other.geo = Some(Geo {
        countries: Some("/countries.mmdb".to_owned()),
        networks: None,
    });
    assert_eq!(refused(other)[0].0, "geo-missing");
}

#[test]
fn so_do_variables() {
    let none = PlaceRules::default;
    let at = "/apis/0/policies/headers".to_owned();
    for value in ["{country}", "AS{network}"] {
        let told = refused(asking(none(), &[("X-Place", value)]));
        assert_eq!(told, [("geo-missing", at.clone())], "{value}");
    }
    // In two braces each it is a text.
    assert_eq!(refused(asking(none(), &[("X-Place", "{{country}}")])), []);
}
