//! What the guard refuses in an upstream's answer. All are 502:
//! the caller asked well, and the API behind the gate answered badly.

reasons! { "upstream", Upstream:
    STATUS_LINE = "upstream-status-line", 502,
        "The upstream's status line is malformed.",
        "Check that the target is an HTTP/1.1 server on a plain port: it must answer HTTP/1.1, a space and three digits.";
    BARE_LF = "upstream-bare-lf", 502,
        "The upstream ends a line with LF alone.",
        "Make the upstream end every line of the head and of chunk sizes with CRLF.";
    BARE_CR = "upstream-bare-cr", 502,
        "The upstream sent a CR without its LF.",
        "Make the upstream encode CR in header values.";
    FIELD_NAME = "upstream-field-name", 502,
        "The upstream sent a header line without a valid name.",
        "Make the upstream send a name of token characters and a colon directly after it.";
    OBS_FOLD = "upstream-obs-fold", 502,
        "The upstream continued a header on the next line.",
        "Make the upstream write each header on one line.";
    FIELD_VALUE = "upstream-field-value", 502,
        "The upstream sent a control character in a header's value.",
        "Make the upstream encode control characters in header values.";
    CONTENT_LENGTH = "upstream-content-length", 502,
        "The upstream's Content-Length is not one decimal number.",
        "Make the upstream send digits alone.";
    CONTENT_LENGTH_REPEATED = "upstream-content-length-repeated", 502,
        "The upstream sent Content-Length more than once.",
        "Make the upstream send it once, even where the values agree.";
    TRANSFER_ENCODING = "upstream-transfer-encoding", 502,
        "The upstream's transfer coding is not `chunked` alone, once, in HTTP/1.1.",
        "Make the upstream send Transfer-Encoding: chunked or a Content-Length.";
    LENGTH_CONFLICT = "upstream-length-conflict", 502,
        "The upstream sent both Content-Length and Transfer-Encoding.",
        "Make the upstream send one of them.";
    BODY_NOT_ALLOWED = "upstream-body-not-allowed", 502,
        "The upstream announced a body where its status forbids one.",
        "Make the upstream send 1xx and 204 answers without Transfer-Encoding and without a Content-Length above zero.";
    HEAD_TOO_LARGE = "upstream-head-too-large", 502,
        "The head of the upstream's answer is too large.",
        "Make the upstream send fewer or shorter headers, or raise the upstream's head_bytes.";
    TOO_MANY_HEADERS = "upstream-too-many-headers", 502,
        "The upstream's answer has too many headers.",
        "Make the upstream send fewer headers.";
    CHUNK_SIZE = "upstream-chunk-size", 502,
        "A chunk's size in the upstream's answer is not a plain hexadecimal number.",
        "Make the upstream write chunk sizes with 1 to 16 hexadecimal digits and CRLF directly after.";
    CHUNK_EXTENSION = "upstream-chunk-extension", 502,
        "The upstream sent a chunk extension.",
        "Make the upstream send chunk sizes without extensions.";
    CHUNK_DATA = "upstream-chunk-data", 502,
        "A chunk of the upstream's answer is not followed by CRLF.",
        "Make the upstream send exactly as many bytes as each chunk's size says.";
    TRAILER_FIELD = "upstream-trailer-field", 502,
        "The upstream sent a trailer field that may not stand there.",
        "Make the upstream send fields for framing, cookies or content in the head.";
    TRAILERS_TOO_LARGE = "upstream-trailers-too-large", 502,
        "The trailers of the upstream's answer are too large or too many.",
        "Make the upstream send fewer or shorter trailer fields.";
    UNEXPECTED_BYTES = "upstream-unexpected-bytes", 502,
        "The upstream sent bytes that no request asked for.",
        "Check that Content-Length matches the body, and that 204, 304 and HEAD answers have none.";
    TOO_MANY_INTERIM = "upstream-too-many-interim", 502,
        "The upstream sent too many 1xx answers before the real one.",
        "Make the upstream send its answer after at most 32 interim ones.";
    UPGRADE = "upstream-upgrade", 502,
        "The upstream switched protocols though it was not asked to.",
        "Make the upstream answer 101 to requests with Upgrade alone.";
    CLOSED_EARLY = "upstream-closed-early", 502,
        "The upstream closed the connection before its answer was whole.",
        "Look at the upstream's log for a crash, a timeout or a wrong Content-Length.";
}
