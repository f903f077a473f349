//! gRPC's status codes, and which fits an HTTP status.

use super::reasons;
use crate::reason::{Fault, Reason};

/// gRPC's status codes; as a number they are `grpc-status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // https://grpc.io/docs/guides/status-codes/ says it at length.
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// What a client must take an answer without `grpc-status` for, by gRPC's
    /// `http-grpc-status-mapping.md`: for upstreams that answer so.
    #[must_use]
    pub const fn of_http(status: u16) -> Self {
        match status {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// What the gate's own refusals say.
    ///
    /// They differ from [`Code::of_http`] where the gate knows more. 400 is
    /// INVALID_ARGUMENT and not INTERNAL: the table takes a 400 for a fault of
    /// the gRPC library, and here it is the caller's request that a policy
    /// does not take, which INTERNAL would report as the server's fault. 429
    /// is RESOURCE_EXHAUSTED, as gRPC servers say themselves: UNAVAILABLE
    /// would have clients try again at once. 504 is DEADLINE_EXCEEDED.
    #[must_use]
    pub fn of_refusal(reason: &Reason) -> Self {
        // gRPC's own bound for messages says the same of both sides.
        if std::ptr::eq(reason, &reasons::UPSTREAM_TOO_LARGE) {
            return Self::ResourceExhausted;
        }
        if std::ptr::eq(reason, &reasons::UPSTREAM_MESSAGE) {
            return Self::Internal;
        }
        match reason.status {
            401 => Self::Unauthenticated,
            403 | 451 => Self::PermissionDenied,
            404 | 405 | 501 | 505 => Self::Unimplemented,
            408 | 504 => Self::DeadlineExceeded,
            409 => Self::Aborted,
            412 | 428 => Self::FailedPrecondition,
            413 | 414 | 429 | 431 => Self::ResourceExhausted,
            499 => Self::Cancelled,
            400..=498 => Self::InvalidArgument,
            502 | 503 => Self::Unavailable,
            500..=599 => Self::Internal,
            _ => match reason.fault {
                Fault::Client | Fault::Upstream => Self::Unknown,
                Fault::Gate => Self::Internal,
            },
        }
    }

    /// The text for `grpc-status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        const NUMBERS: [&str; 17] = [
            "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
            "16",
        ];
        NUMBERS[self as usize]
    }
}
