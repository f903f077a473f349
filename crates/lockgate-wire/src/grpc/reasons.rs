//! What is refused in gRPC's own framing.

reasons! {
    "grpc", Client:
    TIMEOUT = "grpc-timeout", 400,
        "grpc-timeout is not a number with a unit.",
        "Send one to eight digits and one of H, M, S, m, u and n, such as 250m.";
    FLAG = "grpc-flag", 400,
        "A gRPC message begins with a flag that is not 0 or 1.",
        "Before each message stand a byte 0 or 1 for compression and four bytes of length. A body in JSON or without the prefix is not gRPC.";
    MESSAGE_TOO_LARGE = "grpc-message-too-large", 413,
        "A gRPC message is too large.",
        "Send smaller messages, or stream them. The operator may raise the limit.";
    INCOMPLETE = "grpc-incomplete", 400,
        "The body ends within a gRPC message.",
        "Send as many bytes as the message's prefix says.";
    TEXT = "grpc-web-text", 400,
        "The body of grpc-web-text is not base64.",
        "Send standard base64 with padding and without line ends, or use application/grpc-web.";

    "grpc", Upstream:
    UPSTREAM_MESSAGE = "upstream-grpc-message", 502,
        "The upstream's body is not made of gRPC messages.",
        "Look whether the upstream answers in gRPC, and whether a proxy between cuts its answers short.";
    UPSTREAM_TOO_LARGE = "upstream-grpc-too-large", 502,
        "A gRPC message of the upstream is too large.",
        "Make the upstream send smaller messages or stream them, or raise the limit.";
}
