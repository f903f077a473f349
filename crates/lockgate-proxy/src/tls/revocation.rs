//! Lists of revoked certificates (RFC 5280 section 5), and which of them are asked together.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateRevocationListDer as ListDer;
use x509_parser::prelude::{CertificateRevocationList, FromDer, ParsedExtension};

/// Revocation lists of one listener.
const MAX_LISTS: usize = 100;
/// Sets of them. Authorities that renewed their key under the same name have two lists for a while:
/// four of them at once would be unusual.
const MAX_SETS: usize = 16;

/// Lists in PEM.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn read(lists: &[Vec<u8>]) -> Result<Vec<ListDer<'static>>, String> {
    let mut read = Vec::new();
    for pem in lists {
        let before = read.len();
        for der in ListDer::pem_slice_iter(pem) {
            read.push(der.map_err(|_| "`crl` is no PEM file of revocation lists")?);
        }
        if read.len() == before {
            return Err("`crl` holds no revocation list in PEM".to_owned());
        }
        if read.len() > MAX_LISTS {
            return Err(format!("`crl` holds more than {MAX_LISTS} lists"));
        }
    }
    Ok(read)
}

/// The lists of all issuers that bear one name: each with the identifier of its issuer's key.
struct Namesakes {
    name: Vec<u8>,
    lists: Vec<(Option<Vec<u8>>, ListDer<'static>)>,
}

/// Every way to take one list of each name. Of two that bear one issuer's name the library asks the
/// first alone, whatever the second revokes (webpki's `find` among authoritative lists); so those of
/// authorities that share a name, as one does that renewed its key, are asked in sets of their own.
///
/// # Errors
/// Where two lists are of one authority, or too many have one name.
pub(super) fn sets(lists: Vec<ListDer<'static>>) -> Result<Vec<Vec<ListDer<'static>>>, String> {
    let mut names: Vec<Namesakes> = Vec::new();
    for der in lists {
        let (_, list) = CertificateRevocationList::from_der(&der)
            .map_err(|_| "`crl` holds a revocation list that cannot be read")?;
        let (name, key) = (list.issuer().as_raw().to_vec(), key_of(&list));
        let Some(there) = names.iter_mut().find(|each| each.name == name) else {
            names.push(Namesakes {
                name,
                lists: vec![(key, der)],
            });
            continue;
        };
        // Without the identifier (RFC 5280 section 5.2.1 demands it) nobody knows whose list it is.
        let told_apart = |(other, _): &(Option<Vec<u8>>, _)| other.is_some() && *other != key;
        if key.is_none() || !there.lists.iter().all(told_apart) {
            return Err(format!(
                "`crl` holds two lists of {}, of which one alone would be asked: keep the newest; \
                 two authorities of one name want lists that tell their keys apart \
                 (authorityKeyIdentifier), or hosts of their own",
                list.issuer()
            ));
        }
        there.lists.push((key, der));
    }
    let mut sets = vec![Vec::new()];
    for Namesakes { lists, .. } in &names {
        if sets.len() * lists.len() > MAX_SETS {
            return Err(format!(
                "`crl` holds lists of too many authorities that share a name: together they can be \
                 taken in more than {MAX_SETS} ways; give some of them hosts of their own"
            ));
        }
        let with = |set: &Vec<ListDer<'static>>| {
            let set = set.clone();
            lists.iter().map(move |(_, list)| {
                let mut set = set.clone();
                set.push(list.clone());
                set
            })
        };
        sets = sets.iter().flat_map(with).collect();
    }
    Ok(sets)
}

/// The identifier of the key that signed a list.
fn key_of(list: &CertificateRevocationList<'_>) -> Option<Vec<u8>> {
    let mut said = list.extensions().iter();
    said.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => {
            Some(authority.key_identifier.as_ref()?.0.to_vec())
        }
        _ => None,
    })
}
