//! Cedar's schema of an API: who calls, what may be asked for, and around what.

use std::collections::HashSet;

use cedar_policy::{Schema, SchemaError};
use serde_json::{json, Map, Value};

use super::shape::{record, Field, Scalar, Shape};
use super::Operation;

/// The type of who calls.
pub const CALLER: &str = "Caller";
/// The type of roles.
pub const ROLE: &str = "Role";
/// Names that are types already.
const TAKEN: [&str; 13] = [
    CALLER,
    ROLE,
    "Action",
    "Bool",
    "Boolean",
    "Entity",
    "Extension",
    "Long",
    "Record",
    "Set",
    "String",
    "datetime",
    "ipaddr",
];

/// The schema of an API with these operations, whose callers may have these claims.
///
/// # Errors
/// If names of operations or claims make none.
pub fn schema(operations: &[Operation], claims: &[Field]) -> Result<Schema, Box<SchemaError>> {
    Schema::from_json_value(json(operations, claims)).map_err(Box::new)
}

/// The same, in Cedar's JSON form of it.
pub fn json(operations: &[Operation], claims: &[Field]) -> Value {
    let mut types = Map::new();
    types.insert(
        CALLER.to_owned(),
        json!({"memberOfTypes": [ROLE], "shape": record(&caller(claims))}),
    );
    types.insert(ROLE.to_owned(), json!({}));
    let mut actions = Map::new();
    for (operation, kind) in operations.iter().zip(kinds(operations)) {
        let shape = record(&resource(operation));
        types.insert(kind.clone(), json!({ "shape": shape }));
        for group in &operation.groups {
            actions.entry(group.clone()).or_insert_with(|| json!({}));
        }
        let groups: Vec<Value> = operation
            .groups
            .iter()
            .map(|id| json!({ "id": id }))
            .collect();
        actions.insert(
            operation.name.clone(),
            json!({
                "memberOf": groups,
                "appliesTo": {
                    "principalTypes": [CALLER],
                    "resourceTypes": [kind],
                    "context": context(),
                },
            }),
        );
    }
    json!({"": {"entityTypes": types, "actions": actions}})
}

/// The types of what operations are asked for: each operation's name, as far as it can be one.
pub fn kinds(operations: &[Operation]) -> Vec<String> {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    let mut taken: HashSet<String> = TAKEN.iter().map(|name| (*name).to_owned()).collect();
    let kinds = operations.iter().map(|operation| {
        let mut name: String = operation.name.chars().map(plain).collect();
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            name.insert_str(0, "Op_");
        }
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        name
    });
    kinds.collect()
}

fn one(name: &str, scalar: Scalar, required: bool) -> Field {
    Field {
        name: name.to_owned(),
        shape: Shape::One(scalar),
        required,
    }
}

fn within(name: &str, fields: &[Field], required: bool) -> Field {
    Field {
        name: name.to_owned(),
        shape: Shape::Record(fields.to_vec()),
        required,
    }
}

fn caller(claims: &[Field]) -> Vec<Field> {
    vec![
        one("id", Scalar::Text, true),
        one("owner", Scalar::Text, true),
        one("way", Scalar::Text, true),
        one("app", Scalar::Text, false),
        one("issuer", Scalar::Text, false),
        Field {
            name: "scopes".to_owned(),
            shape: Shape::Many(Scalar::Text),
            required: true,
        },
        within("claims", claims, true),
    ]
}

fn resource(operation: &Operation) -> Vec<Field> {
    let mut fields = vec![
        one("api", Scalar::Text, true),
        one("method", Scalar::Text, true),
        one("host", Scalar::Text, true),
        one("target", Scalar::Text, true),
        within("path", &operation.path, true),
        within("query", &operation.query, true),
    ];
    if let Some(body) = &operation.body {
        fields.push(within("body", body, operation.body_required));
    }
    fields
}

/// What every request is asked around.
fn context() -> Value {
    let extension = |name: &str| json!({"type": "Extension", "name": name});
    let mut network = record(&[
        one("country", Scalar::Text, false),
        one("system", Scalar::Whole, false),
    ]);
    network["attributes"]["address"] = extension("ipaddr");
    let device = record(&[
        one("id", Scalar::Text, true),
        one("approved", Scalar::Truth, true),
        Field {
            name: "signals".to_owned(),
            shape: Shape::Many(Scalar::Text),
            required: true,
        },
    ]);
    let risk = record(&[
        one("score", Scalar::Whole, true),
        Field {
            name: "signals".to_owned(),
            shape: Shape::Many(Scalar::Text),
            required: true,
        },
    ]);
    let proof = record(&[
        one("age", Scalar::Whole, false),
        Field {
            name: "means".to_owned(),
            shape: Shape::Many(Scalar::Text),
            required: true,
        },
    ]);
    let mut time = record(&[
        one("hour", Scalar::Whole, true),
        one("weekday", Scalar::Whole, true),
    ]);
    time["attributes"]["now"] = extension("datetime");
    let mut all = json!({
        "network": network, "device": device, "risk": risk, "proof": proof, "time": time,
    });
    all["device"]["required"] = false.into();
    all["risk"]["required"] = false.into();
    json!({"type": "Record", "attributes": all})
}
