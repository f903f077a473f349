//! What can be wrong with a byte stream, before it is said whose it is.

use super::{reasons as client, upstream_reasons as upstream};
use crate::reason::ReasonRef;

/// One kind of fault in framing, common to requests and answers where both
/// can have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    NotHttp,
    StartLine,
    Method,
    Target,
    TargetForm,
    TargetTooLong,
    Version,
    Connect,
    BareLf,
    BareCr,
    FieldName,
    SpaceBeforeColon,
    ObsFold,
    FieldValue,
    ContentLength,
    ContentLengthRepeated,
    ContentTypeRepeated,
    TransferEncoding,
    TransferEncodingRepeated,
    TransferEncodingIn10,
    LengthConflict,
    HostMissing,
    HostRepeated,
    HostInvalid,
    HostMismatch,
    Expectation,
    HeadTooLarge,
    TooManyHeaders,
    ChunkSize,
    ChunkExtension,
    ChunkData,
    TrailerField,
    TrailersTooLarge,
    BodyNotAllowed,
    Unexpected,
    TooManyInterim,
    Upgrade,
    ClosedEarly,
}

impl Flaw {
    /// The reason given to a client.
    pub(super) fn of_client(self) -> ReasonRef {
        match self {
            Self::NotHttp => &client::NOT_HTTP,
            Self::Method => &client::METHOD,
            Self::Target => &client::TARGET,
            Self::TargetForm => &client::TARGET_FORM,
            Self::TargetTooLong => &client::TARGET_TOO_LONG,
            Self::Version => &client::VERSION,
            Self::Connect => &client::CONNECT,
            Self::BareLf => &client::BARE_LF,
            Self::BareCr => &client::BARE_CR,
            Self::FieldName => &client::FIELD_NAME,
            Self::SpaceBeforeColon => &client::SPACE_BEFORE_COLON,
            Self::ObsFold => &client::OBS_FOLD,
            Self::FieldValue => &client::FIELD_VALUE,
            Self::ContentLength => &client::CONTENT_LENGTH,
            Self::ContentLengthRepeated => &client::CONTENT_LENGTH_REPEATED,
            Self::ContentTypeRepeated => &client::CONTENT_TYPE_REPEATED,
            Self::TransferEncoding => &client::TRANSFER_ENCODING,
            Self::TransferEncodingRepeated => &client::TRANSFER_ENCODING_REPEATED,
            Self::TransferEncodingIn10 => &client::TRANSFER_ENCODING_IN_1_0,
            Self::LengthConflict => &client::LENGTH_CONFLICT,
            Self::HostMissing => &client::HOST_MISSING,
            Self::HostRepeated => &client::HOST_REPEATED,
            Self::HostInvalid => &client::HOST_INVALID,
            Self::HostMismatch => &client::HOST_MISMATCH,
            Self::Expectation => &client::EXPECTATION,
            Self::HeadTooLarge => &client::HEAD_TOO_LARGE,
            Self::TooManyHeaders => &client::TOO_MANY_HEADERS,
            Self::ChunkSize => &client::CHUNK_SIZE,
            Self::ChunkExtension => &client::CHUNK_EXTENSION,
            Self::ChunkData => &client::CHUNK_DATA,
            Self::TrailerField => &client::TRAILER_FIELD,
            Self::TrailersTooLarge => &client::TRAILERS_TOO_LARGE,
            Self::ClosedEarly => &client::CLOSED_EARLY,
            // The rest arise in answers only; the start line is the nearest word.
            Self::StartLine
            | Self::BodyNotAllowed
            | Self::Unexpected
            | Self::TooManyInterim
            | Self::Upgrade => &client::REQUEST_LINE,
        }
    }

    /// The reason given when an upstream's answer has the flaw.
    pub(super) fn of_upstream(self) -> ReasonRef {
        match self {
            Self::BareLf => &upstream::BARE_LF,
            Self::BareCr => &upstream::BARE_CR,
            Self::FieldName | Self::SpaceBeforeColon => &upstream::FIELD_NAME,
            Self::ObsFold => &upstream::OBS_FOLD,
            Self::FieldValue => &upstream::FIELD_VALUE,
            Self::ContentLength => &upstream::CONTENT_LENGTH,
            Self::ContentLengthRepeated => &upstream::CONTENT_LENGTH_REPEATED,
            Self::TransferEncoding
            | Self::TransferEncodingRepeated
            | Self::TransferEncodingIn10 => &upstream::TRANSFER_ENCODING,
            Self::LengthConflict => &upstream::LENGTH_CONFLICT,
            Self::HeadTooLarge => &upstream::HEAD_TOO_LARGE,
            Self::TooManyHeaders => &upstream::TOO_MANY_HEADERS,
            Self::ChunkSize => &upstream::CHUNK_SIZE,
            Self::ChunkExtension => &upstream::CHUNK_EXTENSION,
            Self::ChunkData => &upstream::CHUNK_DATA,
            Self::TrailerField => &upstream::TRAILER_FIELD,
            Self::TrailersTooLarge => &upstream::TRAILERS_TOO_LARGE,
            Self::BodyNotAllowed => &upstream::BODY_NOT_ALLOWED,
            Self::Unexpected => &upstream::UNEXPECTED_BYTES,
            Self::TooManyInterim => &upstream::TOO_MANY_INTERIM,
            Self::Upgrade => &upstream::UPGRADE,
            Self::ClosedEarly => &upstream::CLOSED_EARLY,
            // The rest arise in requests only; the start line is the nearest word.
            Self::NotHttp
            | Self::StartLine
            | Self::Method
            | Self::Target
            | Self::TargetForm
            | Self::TargetTooLong
            | Self::Version
            | Self::Connect
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::HostMismatch
            | Self::ContentTypeRepeated
            | Self::Expectation => &upstream::STATUS_LINE,
        }
    }
}
