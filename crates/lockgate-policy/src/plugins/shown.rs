//! What a plugin is shown: heads as JSON, without credentials.

use http::{HeaderMap, StatusCode};
use serde_json::{json, Value};

use super::{Plugin, OWN_KEY};
use crate::headers::Subject;
use crate::{Identity, RequestView};

impl Plugin {
    /// A request as the plugin sees it.
    #[must_use]
    pub fn request(&self, view: &RequestView<'_>, subject: &Subject<'_>) -> Value {
        json!({
            "id": subject.request_id,
            "method": view.method.as_str(),
            "host": view.host,
            "path": view.path,
            "query": view.query,
            "headers": self.fields(view.headers),
            "client": subject.client,
            "api": view.api,
            "operation": view.operation,
            "caller": subject.identity.map(caller),
        })
    }

    pub(super) fn response(&self, status: StatusCode, headers: &HeaderMap) -> Value {
        json!({ "status": status.as_u16(), "headers": self.fields(headers) })
    }

    /// Fields as pairs, those with credentials left out.
    fn fields(&self, headers: &HeaderMap) -> Value {
        headers
            .iter()
            .filter(|(name, value)| {
                !self.withheld.contains(name) && !value.as_bytes().starts_with(OWN_KEY)
            })
            .map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]))
            .collect()
    }
}

fn caller(identity: &Identity) -> Value {
    json!({
        "proved_by": identity.proved_by,
        "credential": &*identity.credential,
        "owner": &*identity.owner,
        "app": identity.app.as_deref(),
        "claims": identity.claims.as_deref(),
    })
}

/// A value as text: UTF-8 where it is, else each byte as the letter of its
/// number (ISO 8859-1), so that nothing is lost.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(
        |_| bytes.iter().map(|byte| char::from(*byte)).collect(),
        str::to_owned,
    )
}
