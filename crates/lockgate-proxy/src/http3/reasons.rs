//! Why an HTTP/3 connection or request is ended.

lockgate_wire::reasons! { "http3", Client:
    PROTOCOL = "http3-protocol-error", 400,
        "The client broke the rules of HTTP/3.",
        "The stream or the connection ends with the error code of RFC 9114 or RFC 9204. The client's library is at fault, or something on the way.";
    FIELD_MALFORMED = "http3-field-malformed", 400,
        "A header field is malformed.",
        "A field's value begins or ends with white space, the request names no path, or a field of a connection such as Transfer-Encoding is there (RFC 9114 section 4.2 and 4.3.1).";
    CONNECT_UNSUPPORTED = "http3-connect-unsupported", 501,
        "CONNECT is not served here.",
        "The gate is no tunnel.";
    LENGTH_DIFFERS = "http3-length-differs", 400,
        "The body has another length than the request says.",
        "Content-Length and the DATA frames disagree (RFC 9114 section 4.1.2).";
}
