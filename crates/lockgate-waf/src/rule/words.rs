//! What a rule looks for, in words.

use std::fmt::Write as _;

use super::{Operator, Piece, Rule, Selector, Target, Template};

/// Most words and targets that are told of one rule.
const MOST: usize = 6;

/// A few words on what the first link of a rule asks, and of what.
#[must_use]
pub fn looks_for(rule: &Rule) -> String {
    let Some(link) = rule.links.first() else {
        return String::new();
    };
    let mut out = asks(&link.test.operator, link.test.negated);
    let named: Vec<String> = link
        .targets
        .iter()
        .filter(|target| !target.excluded)
        .map(name)
        .collect();
    if !named.is_empty() {
        let _ = write!(out, ", in {}", listed(&named));
    }
    let more = rule.links.len() - 1;
    if more > 0 {
        let _ = write!(
            out,
            "; and {more} more condition{}",
            if more == 1 { "" } else { "s" }
        );
    }
    out
}

fn asks(operator: &Operator, negated: bool) -> String {
    let not = if negated { "does not " } else { "" };
    let text = |template: &Template| match (template.constant(), &*template.pieces) {
        (Some(text), _) => format!("`{}`", String::from_utf8_lossy(text)),
        (None, [Piece::Macro(collection, Some(key))]) => {
            let collection = collection.name().to_ascii_lowercase();
            format!("what `{collection}.{}` says", String::from_utf8_lossy(key))
        }
        (None, _) => "what another variable says".into(),
    };
    let verb = |third: &str, bare: &str| {
        let verb = if negated { bare } else { third };
        format!("{not}{verb}")
    };
    match operator {
        Operator::UnconditionalMatch => "is always met".into(),
        Operator::NoMatch => "is never met".into(),
        Operator::Rx(_) => format!("{} a regular expression", verb("matches", "match")),
        Operator::Pm(words) => {
            let shown: Vec<String> = words
                .iter()
                .take(MOST)
                .map(|word| format!("`{}`", String::from_utf8_lossy(word)))
                .collect();
            let many = words.len() > shown.len();
            let of = if many {
                format!("one of {} words", words.len())
            } else {
                shown.join(" or ")
            };
            format!("{} {of}", verb("has", "have"))
        }
        Operator::Contains(of) | Operator::StrMatch(of) => {
            format!("{} {}", verb("has", "have"), text(of))
        }
        Operator::ContainsWord(of) => format!("{} the word {}", verb("has", "have"), text(of)),
        Operator::BeginsWith(of) => format!("{} with {}", verb("begins", "begin"), text(of)),
        Operator::EndsWith(of) => format!("{} with {}", verb("ends", "end"), text(of)),
        Operator::Streq(of) | Operator::Eq(of) => {
            format!("{} {}", verb("equals", "equal"), text(of))
        }
        Operator::Within(of) => format!(
            "is {}one of {}",
            if negated { "not " } else { "" },
            text(of)
        ),
        Operator::Ge(of) => format!(
            "is {}at least {}",
            if negated { "not " } else { "" },
            text(of)
        ),
        Operator::Gt(of) => format!(
            "is {}more than {}",
            if negated { "not " } else { "" },
            text(of)
        ),
        Operator::Le(of) => format!(
            "is {}at most {}",
            if negated { "not " } else { "" },
            text(of)
        ),
        Operator::Lt(of) => format!(
            "is {}less than {}",
            if negated { "not " } else { "" },
            text(of)
        ),
        Operator::IpMatch(_) => format!(
            "is {}an address of a list",
            if negated { "not " } else { "" }
        ),
        Operator::ValidateByteRange(_) => "has bytes that are not allowed".into(),
        Operator::ValidateUrlEncoding => "has a broken URL encoding".into(),
        Operator::ValidateUtf8Encoding => "is not UTF-8".into(),
        Operator::DetectSqli => "reads as SQL (libinjection)".into(),
        Operator::DetectXss => "reads as a script (libinjection)".into(),
        Operator::VerifyCc(_) => "has the number of a card".into(),
        Operator::VerifyCpf(_) | Operator::VerifySsn(_) | Operator::VerifySvnr(_) => {
            "has the number of a person".into()
        }
    }
}

/// A target as rules write it.
pub(super) fn name(target: &Target) -> String {
    let count = if target.counted { "the number of " } else { "" };
    let collection = target.collection.name();
    match &target.selector {
        Selector::Named(name) => format!("{count}{collection}:{}", String::from_utf8_lossy(name)),
        Selector::Matching(pattern) => format!("{count}{collection}:/{}/", pattern.source),
        Selector::Text => format!("{collection}:/*"),
        Selector::Attributes => format!("{collection}://@*"),
        Selector::All => format!("{count}{collection}"),
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.get(..MOST).unwrap_or(names).join(", ");
    match names.len().checked_sub(MOST) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests;
