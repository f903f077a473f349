//! What the guard refuses in a request, and in what words.

reasons! { "framing", Client:
    NOT_HTTP = "framing-not-http", 400,
        "The connection does not speak HTTP/1.1.",
        "The first byte cannot begin an HTTP request. If the client says https://, the port it calls speaks plain HTTP.";
    REQUEST_LINE = "framing-request-line", 400,
        "The request line is malformed.",
        "A request begins with a method, one space, a target, one space and HTTP/1.1 (RFC 9112, 3), with at most one empty line before it.";
    METHOD = "framing-method", 400,
        "The method is not a token of at most 32 characters.",
        "Use a method made of letters, digits and the other token characters of RFC 9110, 5.6.2.";
    TARGET = "framing-target", 400,
        "The request target holds a byte that may not stand there.",
        "Percent-encode spaces, control characters, #, <, > and everything beyond ASCII in the target (RFC 3986, 2).";
    TARGET_FORM = "framing-target-form", 400,
        "The request target has a form that does not fit the method.",
        "Send a path beginning with a slash, or a whole http:// or https:// URL; * goes with OPTIONS alone (RFC 9112, 3.2).";
    TARGET_TOO_LONG = "target-too-long", 414,
        "The request target is too long.",
        "Shorten the URL, or send the data in the body. The operator may raise the listener's limit.";
    VERSION = "framing-version", 505,
        "The HTTP version is not served here.",
        "Speak HTTP/1.1 (or HTTP/1.0) on this port.";
    CONNECT = "framing-connect", 501,
        "CONNECT is not served: this is a gateway, not a forward proxy.",
        "Call the API's own URL, and do not configure this address as an outgoing proxy.";
    BARE_LF = "framing-bare-lf", 400,
        "A line ends with LF alone.",
        "End every line of the head, and of chunk sizes, with CRLF (RFC 9112, 2.2).";
    BARE_CR = "framing-bare-cr", 400,
        "A CR stands without its LF.",
        "Remove the CR, or end the line with CRLF (RFC 9112, 2.2).";
    FIELD_NAME = "framing-field-name", 400,
        "A header line has no valid name.",
        "A header is a name made of token characters, a colon directly after it, and a value (RFC 9112, 5).";
    SPACE_BEFORE_COLON = "framing-space-before-colon", 400,
        "Whitespace stands between a header's name and its colon.",
        "Remove the whitespace (RFC 9112, 5.1).";
    OBS_FOLD = "framing-obs-fold", 400,
        "A header is continued on the next line.",
        "Write each header on one line; folding is obsolete (RFC 9112, 5.2).";
    FIELD_VALUE = "framing-field-value", 400,
        "A header's value holds a control character.",
        "Remove or encode control characters in header values (RFC 9110, 5.5).";
    CONTENT_LENGTH = "framing-content-length", 400,
        "Content-Length is not one decimal number.",
        "Send digits alone, without sign, list or spaces inside, below 2^63 (RFC 9110, 8.6).";
    CONTENT_LENGTH_REPEATED = "framing-content-length-repeated", 400,
        "Content-Length stands more than once.",
        "Send it once, even where the values agree: two readers may believe different ones (RFC 9112, 6.3).";
    CONTENT_TYPE_REPEATED = "framing-content-type-repeated", 400,
        "Content-Type stands more than once, or holds more than one media type.",
        "Send it once, with one media type: of several some readers take the first and some the last (RFC 9110, 8.3).";
    TRANSFER_ENCODING = "framing-transfer-encoding", 501,
        "The transfer coding is not `chunked` alone.",
        "Send Transfer-Encoding: chunked, or a Content-Length; put compression into Content-Encoding (RFC 9112, 6.1).";
    TRANSFER_ENCODING_REPEATED = "framing-transfer-encoding-repeated", 400,
        "Transfer-Encoding stands more than once.",
        "Send it once (RFC 9112, 6.1).";
    TRANSFER_ENCODING_IN_1_0 = "framing-transfer-encoding-version", 400,
        "An HTTP/1.0 message cannot have a Transfer-Encoding.",
        "Speak HTTP/1.1, or send a Content-Length (RFC 9112, 6.1).";
    LENGTH_CONFLICT = "framing-length-conflict", 400,
        "Both Content-Length and Transfer-Encoding are there.",
        "Send one of them: together they are how requests are smuggled (RFC 9112, 6.3).";
    HOST_MISSING = "host-missing", 400,
        "The Host header is missing.",
        "Every HTTP/1.1 request names its host (RFC 9112, 3.2).";
    HOST_REPEATED = "host-repeated", 400,
        "The Host header stands more than once.",
        "Send it once (RFC 9112, 3.2).";
    HOST_INVALID = "host-invalid", 400,
        "The Host header is not a host with an optional port.",
        "Send a DNS name, an IPv4 address or an IPv6 address in brackets, and at most a port from 1 to 65535.";
    HOST_MISMATCH = "host-mismatch", 400,
        "The Host header differs from the authority in the target.",
        "Send the same host and port in both (RFC 9112, 3.2.2).";
    EXPECTATION = "framing-expectation", 417,
        "The expectation cannot be met.",
        "Expect: 100-continue is the only one that exists (RFC 9110, 10.1.1).";
    HEAD_TOO_LARGE = "head-too-large", 431,
        "The request's head is too large.",
        "Send fewer or shorter headers; cookies are the usual cause. The operator may raise the listener's head_bytes.";
    TOO_MANY_HEADERS = "too-many-headers", 431,
        "The request has too many headers.",
        "Send fewer headers. The operator may raise the listener's limit.";
    CHUNK_SIZE = "framing-chunk-size", 400,
        "A chunk's size is not a plain hexadecimal number.",
        "Write it with 1 to 16 hexadecimal digits, below 2^62, and CRLF directly after (RFC 9112, 7.1).";
    CHUNK_EXTENSION = "framing-chunk-extension", 400,
        "Chunk extensions are not accepted.",
        "Send chunk sizes without extensions: nothing here reads them, and requests are smuggled with them (RFC 9112, 7.1.1).";
    CHUNK_DATA = "framing-chunk-data", 400,
        "A chunk's data is not followed by CRLF.",
        "Send exactly as many bytes as the chunk's size says, then CRLF (RFC 9112, 7.1).";
    TRAILER_FIELD = "framing-trailer-field", 400,
        "A trailer holds a field that may not stand there.",
        "Send fields for framing, routing, authentication or content in the head (RFC 9110, 6.5.1).";
    TRAILERS_TOO_LARGE = "trailers-too-large", 431,
        "The trailers are too large or too many.",
        "Send fewer or shorter trailer fields.";
    CLOSED_EARLY = "client-closed-early", 400,
        "The client closed the connection before its request was whole.",
        "Usually the client gave up or lost its network; compare the bytes received with Content-Length.";
    HEAD_TOO_SLOW = "head-too-slow", 408,
        "The request's head did not arrive in time.",
        "Send the whole head at once. The operator may raise the listener's head_timeout.";
    BODY_TOO_SLOW = "body-too-slow", 408,
        "The request's body arrives too slowly.",
        "Send the body faster than the listener's body_rate_min, or ask the operator to lower it.";
}
