//! Why an HTTP/2 connection or stream is ended.

lockgate_wire::reasons! { "http2", Client:
    FLOOD = "http2-flood", 429,
        "The connection asked for more than it may.",
        "Too many streams were reset, or too many frames came that carry nothing (CVE-2023-44487, CVE-2019-9512 and its kin). The connection ends with ENHANCE_YOUR_CALM; no client in good order comes near these bounds.";
    PROTOCOL = "http2-protocol-error", 400,
        "The client broke the rules of HTTP/2.",
        "The connection ends with the error code of RFC 9113. The client's library is at fault, or something on the way.";
    AUTHORITY_DIFFERS = "http2-authority-differs", 400,
        "Two hosts are named.",
        "`:authority` and Host name different hosts (RFC 9113 section 8.3.1): send one of them.";
    FIELD_MALFORMED = "http2-field-malformed", 400,
        "A header field is malformed.",
        "A field's value begins or ends with white space, or the request names no path (RFC 9113 section 8.2.1 and 8.3.1).";
    CONNECT_UNSUPPORTED = "http2-connect-unsupported", 501,
        "CONNECT is not served here.",
        "The gate is no tunnel; WebSocket over HTTP/2 names its protocol (RFC 8441).";
}
