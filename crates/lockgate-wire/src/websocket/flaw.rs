//! What can be wrong with a frame, and what each side is told of it.

use super::{reasons, Breach, Sender};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Mask,
    Reserved,
    Control,
    Fragments,
    Length,
    Close,
    AfterClose,
    Utf8,
    FrameTooLarge,
    MessageTooLarge,
}

impl Flaw {
    /// The breach; RFC 6455, 7.4.1 has the codes.
    pub(super) fn by(self, sender: Sender) -> Breach {
        let (close_code, client, upstream) = match self {
            Self::Mask => (1002, &reasons::MASK, &reasons::UPSTREAM_FRAME),
            Self::Reserved => (1002, &reasons::RESERVED, &reasons::UPSTREAM_FRAME),
            Self::Control => (1002, &reasons::CONTROL, &reasons::UPSTREAM_FRAME),
            Self::Fragments => (1002, &reasons::FRAGMENTS, &reasons::UPSTREAM_FRAME),
            Self::Length => (1002, &reasons::LENGTH, &reasons::UPSTREAM_FRAME),
            Self::Close => (1002, &reasons::CLOSE, &reasons::UPSTREAM_FRAME),
            Self::AfterClose => (1002, &reasons::AFTER_CLOSE, &reasons::UPSTREAM_FRAME),
            Self::Utf8 => (1007, &reasons::UTF8, &reasons::UPSTREAM_UTF8),
            Self::FrameTooLarge => (
                1009,
                &reasons::FRAME_TOO_LARGE,
                &reasons::UPSTREAM_TOO_LARGE,
            ),
            Self::MessageTooLarge => (
                1009,
                &reasons::MESSAGE_TOO_LARGE,
                &reasons::UPSTREAM_TOO_LARGE,
            ),
        };
        Breach {
            reason: match sender {
                Sender::Client => client,
                Sender::Server => upstream,
            },
            close_code,
        }
    }
}
