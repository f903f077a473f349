//! Why an HTTP/2 connection is ended: what its client sends is malformed, or
//! more than any honest client sends.

reasons! { "http2", Client:
    NOT_HTTP2 = "http2-preface", 400,
        "The connection does not begin with HTTP/2's preface and SETTINGS.",
        "The client agreed to HTTP/2 and speaks something else. Look for a proxy between that changes ALPN (RFC 9113, 3.4).";
    FRAME_TOO_LARGE = "http2-frame-too-large", 413,
        "An HTTP/2 frame is larger than was agreed.",
        "Send frames of at most the size in the gate's SETTINGS_MAX_FRAME_SIZE (RFC 9113, 4.2).";
    FRAME_MALFORMED = "http2-frame-malformed", 400,
        "An HTTP/2 frame has a length or a padding that its type does not allow.",
        "The client's HTTP/2 library is at fault; update it (RFC 9113, 6).";
    FRAME_ORDER = "http2-frame-order", 400,
        "An HTTP/2 frame stands where it may not.",
        "Nothing but CONTINUATION may follow a header block that is not over, and clients push nothing (RFC 9113, 6.10 and 8.4).";
    HEADER_BLOCK_FRAMES = "http2-header-block-frames", 431,
        "A header block comes in too many frames.",
        "Send headers in a few frames of full size; many small CONTINUATION frames are an attack (CVE-2024-27316). The operator may raise the listener's limit.";
    HEADER_BLOCK_TOO_LARGE = "http2-header-block-too-large", 431,
        "A header block is too large.",
        "Send fewer or shorter headers; cookies are the usual cause. The operator may raise the listener's limit.";
    SETTINGS_TOO_MANY = "http2-settings-too-many", 400,
        "A SETTINGS frame holds too many settings.",
        "Send each setting once: fewer than ten exist (CVE-2020-11080).";
    SETTINGS_FLOOD = "http2-settings-flood", 429,
        "The client changes its HTTP/2 settings too often.",
        "Send SETTINGS at the connection's start, and seldom after it (CVE-2019-9515).";
    PING_FLOOD = "http2-ping-flood", 429,
        "The client sends too many PING frames.",
        "Send fewer; once in some seconds is enough to keep a connection alive (CVE-2019-9512).";
    RESET_FLOOD = "http2-reset-flood", 429,
        "The client cancels too many requests.",
        "Cancel fewer requests, or raise their deadlines: asking and cancelling at once is an attack (CVE-2023-44487). The operator may raise the listener's limit.";
    INDUCED_RESETS = "http2-induced-resets", 429,
        "The client sends too many frames that force its streams to be reset.",
        "The client's HTTP/2 library is at fault, or this is an attack (CVE-2025-8671).";
    PRIORITY_FLOOD = "http2-priority-flood", 429,
        "The client changes priorities too often.",
        "Send fewer PRIORITY frames; the gate does not follow them (CVE-2019-9513).";
    WINDOW_UPDATE_FLOOD = "http2-window-update-flood", 429,
        "The client sends too many WINDOW_UPDATE frames.",
        "Grant more bytes at a time (CVE-2019-9511).";
    EMPTY_FRAMES_FLOOD = "http2-empty-frames-flood", 429,
        "The client sends too many empty frames.",
        "Leave out DATA and header frames that carry nothing and end nothing (CVE-2019-9518).";
    UNKNOWN_FRAMES_FLOOD = "http2-unknown-frames-flood", 429,
        "The client sends too many frames of kinds that are not known here.",
        "Use the kinds of RFC 9113 alone; the others are passed over, and cost time.";
}
