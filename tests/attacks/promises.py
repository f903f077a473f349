"""What the documentation promises about attacks, each with what tries it: the table of docs/concepts/the-wire.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """A row of the table."""

    attack: str
    holds: str
    """What holds, with every limit and reason of the attacks that try it."""
    tried: tuple[str, ...] = ()
    """The attacks of `attacks.known` that try it, by the beginnings of their names."""
    tests: tuple[str, ...] = ()
    """Other tests that do."""


PROMISES = (
    Promise(
        "Many connections of one address, or many requests over few",
        "`limits.connections_per_ip`, `limits.connections`: a request beside others of its connection takes the "
        "place of one",
        ("idle", "windows"),
    ),
    Promise(
        "Handshake after handshake",
        "`limits.new_connections_per_ip` (on loopback without TLS there is none by itself), `limits.handshake_timeout`",
        ("connections", "handshakes"),
    ),
    Promise(
        "A head, a body or a reader that is slow on purpose",
        "`limits.head_timeout` (`head-too-slow`), `body_rate_min`, `write_timeout`; `limits.connections_per_ip`",
        ("slow ",),
        ("tests/gateway/test_slow.py",),
    ),
    Promise(
        "Streams that are reset at once (CVE-2023-44487), also by provoking the server (CVE-2025-8671)",
        "`http2-reset-flood`, `http2-flood` where too many wait at once, `http2-induced-resets`; "
        "`limits.control_frames` lets more through",
        ("paced resets", "flood of resets", "flood of induced resets"),
    ),
    Promise(
        "CONTINUATION without end (CVE-2024-27316)",
        "`http2-header-block-frames`, of which `limits.control_frames` lets more through; "
        "`http2-header-block-too-large`",
        ("flood of continuations", "flood of a large block"),
    ),
    Promise(
        "SETTINGS, PING, PRIORITY, WINDOW_UPDATE, frames of nothing (CVE-2019-9511 to 9518), frames that nobody knows",
        "`http2-settings-flood`, `http2-ping-flood`, `http2-priority-flood`, `http2-window-update-flood`, "
        "`http2-empty-frames-flood`, `http2-unknown-frames-flood`; `limits.control_frames` lets more through",
        (
            "flood of settings",
            "flood of pings",
            "flood of priorities",
            "flood of windows",
            "flood of empty data",
            "flood of unknown frames",
        ),
    ),
    Promise(
        "The same again, over a new connection",
        "`limits.new_connections_per_ip`: a flood counts as fifty new connections",
        ("flood of ", "paced resets"),
    ),
    Promise(
        "Headers that unpack to much more (HPACK bombs)",
        "`limits.head_bytes`, judged unpacked; who goes on meets `http2-flood`",
        ("header bombs",),
    ),
    Promise(
        "QUIC's first packets with somebody else's address (amplification)",
        "A Retry (`lockgate_quic_retries_total`), smaller than the packet, and nothing else until the address is "
        "proved",
        ("initials",),
    ),
    Promise(
        "Handshakes over QUIC that do not end",
        "`limits.new_connections_per_ip`, `limits.connections_per_ip`, `limits.handshake_timeout`",
        ("quic handshakes",),
    ),
    Promise(
        "The same floods over HTTP/3, connection IDs and paths without end",
        "`http3-reset-flood`, `http3-ping-flood`, `http3-path-flood`, `http3-control-flood`, "
        "`http3-empty-frames-flood` and their like; `limits.control_frames` lets more through, "
        "`limits.new_connections_per_ip` bounds how often",
        ("http3 ",),
    ),
    Promise(
        "Frames of HTTP/3 that say they are huge",
        "`http3-header-block-too-large`, `http3-frame-too-large`: nothing is gathered",
        tests=("tests/gateway/test_http3.py", "crates/lockgate-wire/src/http3/tests.rs"),
    ),
    Promise(
        "Windows that are never opened",
        "`limits.write_timeout`, `limits.connections_per_ip`; answers wait with the upstream, not in the gate",
        ("windows", "http3 unread"),
        ("tests/gateway/test_http2_floods.py", "tests/gateway/test_http3.py"),
    ),
    Promise(
        "Bodies that unpack to a thousand times their size (decompression bombs)",
        "`inflate.ratio` (`inflated-ratio`), `inflate.window`, `inflate.layers`, and `body_limit` of what comes out",
        ("bombs of ",),
        ("tests/vectors/inflate.yaml",),
    ),
    Promise(
        "Many bodies that each hold a window and do not end",
        "`limits.inflate_memory`: beyond it they are refused (`inflate-full`), and one address has half",
        ("held windows",),
    ),
    Promise(
        "Many packed answers that nobody reads",
        "`limits.compress_memory`: beyond it answers go out as they are (`lockgate_compress_full_total`), and one "
        "address has half",
        ("packed answers",),
    ),
    Promise(
        "Requests that two servers read differently",
        "[framing](../reference/framing.md), for HTTP/2 and HTTP/3 too",
        tests=("tests/conformance/test_http.py", "tests/gateway/test_framing.py", "tests/gateway/test_http3.py"),
    ),
)
