//! What is refused in a WebSocket's handshake and in its frames.

reasons! {
    "websocket", Client:
    METHOD = "websocket-method", 400,
        "A WebSocket is asked for with a method other than GET.",
        "Over HTTP/1.1, open a WebSocket with GET (RFC 6455, 4.1); over HTTP/2, with CONNECT and `:protocol` (RFC 8441, 4).";
    CONNECTION = "websocket-connection", 400,
        "A WebSocket is asked for without Connection: Upgrade.",
        "Send Upgrade: websocket and Connection: Upgrade. A proxy between that does not know WebSockets removes them.";
    VERSION = "websocket-version", 426,
        "The WebSocket's version is not served.",
        "Send Sec-WebSocket-Version: 13 once (RFC 6455, 4.4).";
    KEY = "websocket-key", 400,
        "Sec-WebSocket-Key is not 16 bytes in base64.",
        "Send one key of 24 characters, fresh for each connection (RFC 6455, 4.1).";
    BODY = "websocket-body", 400,
        "The request for a WebSocket has a body.",
        "Leave out Content-Length and Transfer-Encoding: what follows the head are the WebSocket's frames.";
    OFFER = "websocket-offer", 400,
        "The subprotocols or extensions that are offered are not a list of names.",
        "Send names made of token characters, each subprotocol once, and at most 32 of each (RFC 6455, 4.1 and 9.1).";
    MASK = "websocket-mask", 400,
        "A frame from the client is not masked.",
        "Mask every frame with a fresh key (RFC 6455, 5.3).";
    RESERVED = "websocket-reserved", 400,
        "A frame uses a bit or an opcode that was not agreed on.",
        "Use the opcodes of RFC 6455, 5.2 alone, and the first reserved bit only where permessage-deflate was agreed on.";
    CONTROL = "websocket-control", 400,
        "A ping, pong or close is longer than 125 bytes or in fragments.",
        "Send control frames whole, with at most 125 bytes (RFC 6455, 5.5).";
    FRAGMENTS = "websocket-fragments", 400,
        "The fragments of a message are out of order.",
        "Begin a message with text or binary, continue it with continuation frames, and end it before the next (RFC 6455, 5.4).";
    LENGTH = "websocket-length", 400,
        "A frame's length is not written in the shortest way.",
        "Use 7, 16 or 64 bits for the length, as few as it needs, and less than 2^63 (RFC 6455, 5.2).";
    CLOSE = "websocket-close", 400,
        "A close frame's code may not be sent.",
        "Send no code, or one of 1000 to 1003, 1007 to 1014 and 3000 to 4999 (RFC 6455, 7.4).";
    AFTER_CLOSE = "websocket-after-close", 400,
        "A message follows the close frame.",
        "Send nothing after the close frame (RFC 6455, 5.5.1).";
    UTF8 = "websocket-utf8", 400,
        "A text is not UTF-8.",
        "Send text messages and reasons for closing in UTF-8, and other data as binary (RFC 6455, 8.1).";
    FRAME_TOO_LARGE = "websocket-frame-too-large", 413,
        "A frame is too large.",
        "Send the message in smaller fragments. The operator may raise the limit for frames.";
    MESSAGE_TOO_LARGE = "websocket-message-too-large", 413,
        "A message is too large.",
        "Send several smaller messages. The operator may raise the limit for messages.";

    "websocket", Upstream:
    UPSTREAM_UPGRADE = "upstream-websocket-upgrade", 502,
        "The upstream switched protocols, but not to WebSocket.",
        "Make the upstream answer 101 with Upgrade: websocket and Connection: Upgrade (RFC 6455, 4.2.2).";
    UPSTREAM_ACCEPT = "upstream-websocket-accept", 502,
        "The upstream's Sec-WebSocket-Accept does not fit the client's key.",
        "Look for a cache or a proxy in front of the upstream that answers in its place (RFC 6455, 4.2.2).";
    UPSTREAM_CHOICE = "upstream-websocket-choice", 502,
        "The upstream chose a subprotocol or an extension that was not offered.",
        "Make the upstream choose among what the request offers, or nothing (RFC 6455, 4.1).";
    UPSTREAM_FRAME = "upstream-websocket-frame", 502,
        "The upstream broke a rule of WebSocket's frames.",
        "The upstream's WebSocket library is at fault; update it (RFC 6455, 5).";
    UPSTREAM_UTF8 = "upstream-websocket-utf8", 502,
        "The upstream sent a text that is not UTF-8.",
        "Make the upstream send other data as binary (RFC 6455, 8.1).";
    UPSTREAM_TOO_LARGE = "upstream-websocket-too-large", 502,
        "The upstream sent a frame or a message that is too large.",
        "Make the upstream send less at once, or raise the limits.";
}
