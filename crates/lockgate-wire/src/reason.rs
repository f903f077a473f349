//! Why something was refused: one value per reason, declared beside the code
//! that gives it and collected for the docs, the metrics and the answers.

/// Whose fault a refusal is; it decides who is told what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller can mend it.
    Client,
    /// The API behind the gate failed.
    Upstream,
    /// The gate itself, or its configuration.
    Gate,
}

impl Fault {
    /// The word used in events, metrics and docs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Gate => "gate",
        }
    }
}

/// A stable, documented reason for an answer that the gate makes itself.
///
/// `code` never changes once released; everything else is wording.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// Kebab-case and unique, for example `key-expired`.
    pub code: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    /// A short sentence for people; the `title` of RFC 9457.
    pub title: &'static str,
    /// The room that gives it: a policy's name, or `framing`, `route`,
    /// `upstream`, `gate`.
    pub room: &'static str,
    /// Whose fault it is.
    pub fault: Fault,
    /// What the caller or the operator can do about it, in a sentence or two.
    /// Shown in the docs and by `lockgate explain`; safe to show a stranger.
    pub advice: &'static str,
}

/// A reason by reference: reasons are statics, so comparing and copying is cheap.
pub type ReasonRef = &'static Reason;
