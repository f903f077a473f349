//! Content types of gRPC (PROTOCOL-HTTP2.md) and gRPC-Web (PROTOCOL-WEB.md).

/// Which of gRPC's protocols is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Over HTTP/2, with trailers.
    Grpc,
    /// Over any HTTP, with the trailers in the body.
    Web,
    /// As `Web`, in base64.
    WebText,
}

impl Protocol {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }
}

/// A content type of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentType<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// How messages are written, such as `+proto`, and parameters; often empty.
    pub suffix: &'a str,
}

impl<'a> ContentType<'a> {
    /// Reads a header's value; `None` if it is not of gRPC.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        // The longest first: each is the beginning of the one before.
        let protocols = [Protocol::WebText, Protocol::Web, Protocol::Grpc];
        protocols.into_iter().find_map(|protocol| {
            let (start, suffix) = value.split_at_checked(protocol.as_str().len())?;
            let ends = suffix.is_empty() || suffix.starts_with(['+', ';', ' ']);
            (ends && start.eq_ignore_ascii_case(protocol.as_str()))
                .then_some(Self { protocol, suffix })
        })
    }

    /// The same messages in another protocol.
    #[must_use]
    pub fn with(self, protocol: Protocol) -> String {
        format!("{}{}", protocol.as_str(), self.suffix)
    }
}
