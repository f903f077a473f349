//! What the control process gets for a request that waits: a session renewed, a token for an
//! upstream, or what is known of a device.

use std::sync::Arc;

use aws_lc_rs::digest::{digest, Context, SHA256};

/// What an order is known by: a SHA-256 of all that is said in it.
pub type Mark = [u8; 32];

/// What is to be got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Goods {
    /// The session of a cookie, sealed anew (`about` is the sign-in).
    Session,
    /// A token for an upstream (`about` is its name), for whoever has a session.
    TokenOfSession,
    /// The same, in exchange for a token of the client's (RFC 8693).
    TokenOfToken,
    /// What is known of a device (`about` is who vouches for its owner).
    Device,
}

impl Goods {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::Session,
        Self::TokenOfSession,
        Self::TokenOfToken,
        Self::Device,
    ];

    /// Its word between gate and control process.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::TokenOfSession => "token-of-session",
            Self::TokenOfToken => "token-of-token",
            Self::Device => "device",
        }
    }
}

/// An order.
#[derive(Clone, PartialEq, Eq)]
pub struct Order {
    /// What is to be got.
    pub goods: Goods,
    /// For which sign-in or upstream.
    pub about: Arc<str>,
    /// By which sign-in or issuer the credential is one.
    pub of: Arc<str>,
    /// The credential that it is got for.
    pub shown: Arc<[u8]>,
    /// What the outcome goes by.
    pub mark: Mark,
    /// Whose it is, where one person or program may not take all the room: a number of theirs.
    pub share: Option<u64>,
}

impl Order {
    /// An order of what `shown` is the credential for.
    #[must_use]
    pub fn new(goods: Goods, about: &Arc<str>, of: &Arc<str>, shown: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [goods.word().as_bytes(), about.as_bytes(), of.as_bytes()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.update(shown);
        let mut mark = Mark::default();
        mark.copy_from_slice(context.finish().as_ref());
        Self {
            goods,
            about: Arc::clone(about),
            of: Arc::clone(of),
            shown: shown.into(),
            mark,
            share: None,
        }
    }

    /// The same, of one of many who share the room.
    #[must_use]
    pub fn of_one(mut self, owner: &str) -> Self {
        let mut number = [0; 8];
        number.copy_from_slice(&digest(&SHA256, owner.as_bytes()).as_ref()[..8]);
        self.share = Some(u64::from_le_bytes(number));
        self
    }
}

impl std::fmt::Debug for Order {
    // Whoever has the credential is its holder: keep it out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Order({:?}, {}, ..)", self.goods, self.about)
    }
}

/// What came of an order.
#[derive(Clone, PartialEq, Eq)]
pub enum Brought {
    /// Here it is.
    Got(Arc<str>),
    /// The provider says no, or the session was ended.
    Refused,
    /// Nobody could be asked; in how many seconds to try again.
    Unavailable(u32),
    /// Too much is under way.
    Busy,
    /// It is being got, and whoever wants it does not wait.
    Later,
}

impl std::fmt::Debug for Brought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Got(_) => "Got(..)",
            Self::Refused => "Refused",
            Self::Unavailable(_) => "Unavailable",
            Self::Busy => "Busy",
            Self::Later => "Later",
        })
    }
}

#[cfg(test)]
mod tests;
