//! Why an HTTP/3 connection is ended: what its client sends is malformed, or
//! more than any honest client sends.

reasons! { "http3", Client:
    FRAME_TOO_LARGE = "http3-frame-too-large", 413,
        "An HTTP/3 frame is larger than any of its kind.",
        "Frames other than DATA and HEADERS carry a few bytes. The client's HTTP/3 library is at fault, or this is an attack.";
    HEADER_BLOCK_TOO_LARGE = "http3-header-block-too-large", 431,
        "A header block is too large.",
        "Send fewer or shorter headers; cookies are the usual cause. The operator may raise the listener's `limits.head_bytes`.";
    PSEUDO_FIELDS = "http3-pseudo-fields", 400,
        "A pseudo-header field is where it may not be.",
        "One such as `:path` stands in a request twice, behind another field or in its trailers, is one that no request has, or the fields are not coded as RFC 9204 says (RFC 9114 section 4.3). The client's library is at fault, or this is an attack.";
    FRAME_CUT = "http3-frame-cut", 400,
        "An HTTP/3 frame is cut off.",
        "The stream ended before its last frame did (RFC 9114 section 7.1). The client's HTTP/3 library is at fault, or this is an attack.";
    MOVED = "http3-moved", 403,
        "The client's address is another by now.",
        "A connection is its first address's, which was proved. The client is told to open a new one, and may send the request once more: it was not looked at. One that did not change its network forges addresses.";
    RESET_FLOOD = "http3-reset-flood", 429,
        "The client cancels too many requests.",
        "Cancel fewer requests, or raise their deadlines: asking and cancelling at once is an attack (CVE-2023-44487 has the same over HTTP/2). The operator may raise the listener's `limits.control_frames`.";
    PING_FLOOD = "http3-ping-flood", 429,
        "The client sends too many PING frames.",
        "Send fewer; once in some seconds is enough to keep a connection alive.";
    PATH_FLOOD = "http3-path-flood", 429,
        "The client changes its paths and connection IDs too often.",
        "A client validates a path, or takes a new connection ID, when its network changes; thousands of times is an attack.";
    WINDOW_UPDATE_FLOOD = "http3-window-update-flood", 429,
        "The client grants bytes in too many frames.",
        "Grant more bytes at a time with MAX_DATA and MAX_STREAM_DATA.";
    EMPTY_FRAMES_FLOOD = "http3-empty-frames-flood", 429,
        "The client sends too many empty frames.",
        "Leave out DATA frames that carry nothing.";
    CONTROL_FLOOD = "http3-control-flood", 429,
        "The client sends too much beside its requests.",
        "Frames of the control stream, frames of unknown kinds and streams in one direction are needed a few times in a connection's life.";
}
