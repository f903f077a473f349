//! `Signature-Input` and `Signature` (RFC 9421 section 4), read strictly and within limits.

use http::header::HeaderName;
use http::HeaderMap;
use sfv::{BareItem, Dictionary, InnerList, ListEntry, ListSerializer, Parser, Version};

use super::component::Component;
use super::reasons::{COMPONENT_UNKNOWN, MALFORMED, TOO_MANY};
use crate::jwt::refusal::quoted;
use crate::ReasonRef;

/// What was signed, and how.
pub const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
/// The signatures.
pub const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// Bytes of both fields. One signature of RSA of 4096 bits over ten components has 1,000.
pub const FIELD_BYTES: usize = 16 * 1024;
/// Signatures of one request: a client's, and one of each proxy on its way.
pub const SIGNATURES: usize = 8;
/// Components of one signature. Real ones have three to ten.
pub const COVERED: usize = 64;
/// Bytes of a signature: RSA of 8192 bits has as many.
const SIGNATURE_BYTES: usize = 1024;
/// Bytes of `keyid`, `nonce` and `tag`.
const TEXT_BYTES: usize = 256;

/// Why there is nothing to verify: a reason, and what a client's developer is told.
pub type Flaw = (ReasonRef, String);

/// One signature of a request.
#[derive(Debug)]
pub struct Signed {
    /// What the client calls it.
    pub label: String,
    /// What it covers, in order.
    pub components: Vec<Component>,
    /// The value of `@signature-params`.
    pub parameters: String,
    /// Seconds since the epoch.
    pub created: Option<i64>,
    /// Seconds since the epoch.
    pub expires: Option<i64>,
    /// The key's name.
    pub keyid: Option<String>,
    /// The algorithm's name.
    pub alg: Option<String>,
    /// What makes it another than all others.
    pub nonce: Option<String>,
    /// What it is for.
    pub tag: Option<String>,
    /// The signature itself.
    pub signature: Vec<u8>,
}

/// The signatures that both fields speak of; `None` where there is neither field.
///
/// # Errors
/// What is wrong with them.
pub fn read(headers: &HeaderMap) -> Result<Option<Vec<Signed>>, Flaw> {
    if !headers.contains_key(SIGNATURE_INPUT) && !headers.contains_key(SIGNATURE) {
        return Ok(None);
    }
    let inputs = dictionary(headers, &SIGNATURE_INPUT)?;
    let mut signatures = dictionary(headers, &SIGNATURE)?;
    if inputs.len() > SIGNATURES || signatures.len() > SIGNATURES {
        let told = format!("there are more than {SIGNATURES} signatures");
        return Err((&TOO_MANY, told));
    }
    let signed = inputs.into_iter().map(|(label, input)| {
        let label = label.as_str();
        let malformed = |what: &str| (&MALFORMED, format!("`{}`: {what}", quoted(label)));
        let ListEntry::InnerList(input) = input else {
            return Err(malformed("its `Signature-Input` is no list in parentheses"));
        };
        let signature = match signatures.swap_remove(label) {
            Some(ListEntry::Item(item)) => item.bare_item,
            Some(ListEntry::InnerList(_)) => return Err(malformed("its `Signature` is a list")),
            None => return Err(malformed("there is no `Signature` of this label")),
        };
        let BareItem::ByteSequence(signature) = signature else {
            return Err(malformed("its `Signature` is no sequence of bytes (`:…:`)"));
        };
        if signature.len() > SIGNATURE_BYTES {
            return Err((
                &TOO_MANY,
                format!("a signature has more than {SIGNATURE_BYTES} bytes"),
            ));
        }
        one(label, &input, signature)
    });
    let signed = signed.collect::<Result<Vec<_>, _>>()?;
    if let Some(label) = signatures.keys().next() {
        let told = format!(
            "`{}`: there is no `Signature-Input` of this label",
            quoted(label.as_str())
        );
        return Err((&MALFORMED, told));
    }
    Ok(Some(signed))
}

fn dictionary(headers: &HeaderMap, name: &HeaderName) -> Result<Dictionary, Flaw> {
    let title = if name == SIGNATURE {
        "Signature"
    } else {
        "Signature-Input"
    };
    let lines = || headers.get_all(name).iter();
    let Some(first) = lines().next() else {
        return Err((&MALFORMED, format!("there is no field `{title}`")));
    };
    let bytes: usize = lines().map(|line| line.len() + 2).sum();
    if bytes > FIELD_BYTES {
        return Err((
            &TOO_MANY,
            format!("`{title}` has more than {FIELD_BYTES} bytes"),
        ));
    }
    let text = match lines().count() {
        1 => std::borrow::Cow::Borrowed(first.as_bytes()),
        _ => lines()
            .map(|line| line.as_bytes())
            .collect::<Vec<_>>()
            .join(&b", "[..])
            .into(),
    };
    let parser = Parser::new(&*text).with_version(Version::Rfc8941);
    parser.parse::<Dictionary>().map_err(|error| {
        let at = error
            .index()
            .map_or_else(String::new, |at| format!(" at byte {at}"));
        (
            &MALFORMED,
            format!("`{title}` is no dictionary of structured fields{at}"),
        )
    })
}

fn one(label: &str, input: &InnerList, signature: Vec<u8>) -> Result<Signed, Flaw> {
    if input.items.len() > COVERED {
        return Err((
            &TOO_MANY,
            format!("a signature covers more than {COVERED} components"),
        ));
    }
    let mut components: Vec<Component> = Vec::with_capacity(input.items.len());
    for item in &input.items {
        let component = Component::read(item).map_err(|told| (&COMPONENT_UNKNOWN, told))?;
        // Which of two is meant nobody can say (RFC 9421 section 2.5).
        if components
            .iter()
            .any(|known| known.text() == component.text())
        {
            return Err((
                &MALFORMED,
                format!("`{}` is covered twice", quoted(component.text())),
            ));
        }
        components.push(component);
    }
    let mut signed = Signed {
        label: label.to_owned(),
        components,
        parameters: serialized(input),
        created: None,
        expires: None,
        keyid: None,
        alg: None,
        nonce: None,
        tag: None,
        signature,
    };
    for (name, value) in &input.params {
        match (name.as_str(), value) {
            ("created", BareItem::Integer(at)) => signed.created = Some((*at).into()),
            ("expires", BareItem::Integer(at)) => signed.expires = Some((*at).into()),
            ("keyid", BareItem::String(text)) => signed.keyid = Some(text.as_str().to_owned()),
            ("alg", BareItem::String(text)) => signed.alg = Some(text.as_str().to_owned()),
            ("nonce", BareItem::String(text)) => signed.nonce = Some(text.as_str().to_owned()),
            ("tag", BareItem::String(text)) => signed.tag = Some(text.as_str().to_owned()),
            ("created" | "expires" | "keyid" | "alg" | "nonce" | "tag", _) => {
                return Err((&MALFORMED, format!("its `{name}` is of another type")));
            }
            // It may say something that would have to be heeded.
            (other, _) => {
                let told = format!("the parameter `{}` is not known", quoted(other));
                return Err((&MALFORMED, told));
            }
        }
    }
    let texts = [&signed.keyid, &signed.alg, &signed.nonce, &signed.tag];
    if texts
        .into_iter()
        .flatten()
        .any(|text| text.len() > TEXT_BYTES)
    {
        return Err((
            &TOO_MANY,
            format!("a parameter has more than {TEXT_BYTES} bytes"),
        ));
    }
    Ok(signed)
}

/// The list, as it stands in the signature base.
fn serialized(input: &InnerList) -> String {
    let mut list = ListSerializer::new();
    let mut inner = list.inner_list();
    inner.items(&input.items);
    let _ = inner.finish().parameters(&input.params);
    list.finish().unwrap_or_default()
}
