"""The list of smuggling attempts: what makes two servers read one connection in two ways, form by form.

Each hides a request for `/smuggled`, or a field `x-injected`. Whether the gate refuses an attempt or understands it in
the one right way, neither may ever stand at the upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HOST = "shop.example"
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: shop.example\r\nX: "
"""Begins a request that whatever comes next on the connection completes."""


@dataclass(frozen=True)
class Attempt:
    """Bytes of HTTP/1.1."""

    name: str
    raw: bytes


def _post(*lines: bytes, body: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: shop.example", *lines, b"", b""]) + body


TRANSFER_ENCODINGS: dict[str, bytes] = {
    "plain": b"Transfer-Encoding: chunked",
    "in capitals": b"TRANSFER-ENCODING: CHUNKED",
    "no space": b"Transfer-Encoding:chunked",
    "a tab before": b"Transfer-Encoding:\tchunked",
    "a tab behind": b"Transfer-Encoding: chunked\t",
    "a space behind": b"Transfer-Encoding: chunked ",
    "a vertical tab before": b"Transfer-Encoding: \x0bchunked",
    "a vertical tab behind": b"Transfer-Encoding: chunked\x0b",
    "a form feed before": b"Transfer-Encoding: \x0cchunked",
    "a zero byte behind": b"Transfer-Encoding: chunked\x00",
    "a byte beyond ASCII before": b"Transfer-Encoding: \xa0chunked",
    "a byte beyond ASCII behind": b"Transfer-Encoding: chunked\xff",
    "a carriage return before": b"Transfer-Encoding: \rchunked",
    "a carriage return behind": b"Transfer-Encoding: chunked\r",
    "in quotes": b'Transfer-Encoding: "chunked"',
    "in single quotes": b"Transfer-Encoding: 'chunked'",
    "a letter before": b"Transfer-Encoding: xchunked",
    "a letter behind": b"Transfer-Encoding: chunkedx",
    "half of the word": b"Transfer-Encoding: chunk",
    "a comma before": b"Transfer-Encoding: ,chunked",
    "a comma behind": b"Transfer-Encoding: chunked,",
    "with a parameter": b"Transfer-Encoding: chunked;q=1",
    "after identity": b"Transfer-Encoding: identity, chunked",
    "before identity": b"Transfer-Encoding: chunked, identity",
    "after gzip": b"Transfer-Encoding: gzip, chunked",
    "before gzip": b"Transfer-Encoding: chunked, gzip",
    "after what nobody knows": b"Transfer-Encoding: cow, chunked",
    "twice in a line": b"Transfer-Encoding: chunked, chunked",
    "two lines": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "two lines, the first unknown": b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
    "two lines, the second unknown": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "two lines, the second identity": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "an empty line of it before": b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
    "nothing": b"Transfer-Encoding:",
    "identity": b"Transfer-Encoding: identity",
    "folded before": b"Transfer-Encoding:\r\n chunked",
    "folded with a tab": b"Transfer-Encoding:\r\n\tchunked",
    "folded into the field before": b"X: y\r\n Transfer-Encoding: chunked",
    "a space before the colon": b"Transfer-Encoding : chunked",
    "a tab before the colon": b"Transfer-Encoding\t: chunked",
    "a space before the name": b" Transfer-Encoding: chunked",
    "a zero byte in the name": b"Transfer\x00-Encoding: chunked",
    "an underscore in the name": b"Transfer_Encoding: chunked",
    "a carriage return before the name": b"X: y\r\n\rTransfer-Encoding: chunked",
    "a line of LF alone before": b"X: y\nTransfer-Encoding: chunked",
    "a line of CR alone before": b"X: y\rTransfer-Encoding: chunked",
    "two colons": b"Transfer-Encoding:: chunked",
    "named by Connection": b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
}

LENGTHS: dict[str, bytes] = {
    "two that differ": b"Content-Length: 0\r\nContent-Length: %d",
    "two that differ, the other way": b"Content-Length: %d\r\nContent-Length: 0",
    "a list that differs": b"Content-Length: 0, %d",
    "a sign": b"Content-Length: +%d",
    "a sign below zero": b"Content-Length: -%d",
    "hexadecimal": b"Content-Length: 0x%x",
    "a point": b"Content-Length: %d.0",
    "an exponent": b"Content-Length: %de0",
    "an underscore": b"Content-Length: 1_%d",
    "a space within": b"Content-Length: 0 %d",
    "a vertical tab": b"Content-Length: \x0b%d",
    "a zero byte": b"Content-Length: %d\x00",
    "digits of another script": b"Content-Length: \xd9\xa3%d",
    "in quotes": b'Content-Length: "%d"',
    "beyond 64 bits": b"Content-Length: 18446744073709551616%d",
    "nothing": b"Content-Length: \r\nX: %d",
    "a space before the colon": b"Content-Length : %d",
    "a space before the name": b" Content-Length: %d",
    "folded": b"Content-Length:\r\n %d",
    "named by Connection": b"Connection: Content-Length\r\nContent-Length: %d\r\nContent-Length: 0",
}

CHUNKS: dict[str, bytes] = {
    "a sign": b"+3\r\nabc\r\n",
    "a sign below zero": b"-3\r\nabc\r\n",
    "0x before": b"0x3\r\nabc\r\n",
    "an underscore": b"0_3\r\nabc\r\n",
    "a space before": b" 3\r\nabc\r\n",
    "a tab before": b"\t3\r\nabc\r\n",
    "a zero byte behind": b"3\x00\r\nabc\r\n",
    "no digits": b"\r\nabc\r\n",
    "no digits and an extension": b";x\r\nabc\r\n",
    "no hexadecimal digits": b"g\r\nabc\r\n",
    "beyond 64 bits": b"10000000000000003\r\nabc\r\n",
    "beyond 32 bits": b"100000003\r\nabc\r\n0\r\n\r\n",
    "LF alone after the size": b"3\nabc\r\n",
    "CR alone after the size": b"3\rabc\r\n",
    "LF alone after the data": b"3\r\nabc\n",
    "CR alone after the data": b"3\r\nabc\r",
    "nothing after the data": b"3\r\nabc",
    "two bytes too many": b"3\r\nabcXX\r\n",
    "LF within an extension": b"3;a\nabc\r\n",
    "CR within an extension": b"3;a\rb\r\nabc\r\n",
    "a zero byte within an extension": b"3;a\x00\r\nabc\r\n",
    "an extension of LF and a chunk": b"2;\nxx\r\n47\r\n",
    "digits of another script": b"\xd9\xa3\r\nabc\r\n",
    "a last chunk that LF ends": b"0\n\n",
    "a last chunk with a body": b"0\r\nabc",
    "a last chunk with a sign": b"+0\r\n\r\n",
    "a trailer without a colon": b"0\r\nabc\r\n\r\n",
    "a trailer that LF ends": b"0\r\nX: y\n\r\n",
    "a trailer that folds": b"0\r\nX: y\r\n z\r\n\r\n",
    "a trailer with a space before the colon": b"0\r\nX : y\r\n\r\n",
}


def attempts() -> list[Attempt]:
    """All of HTTP/1.1's."""
    found: list[Attempt] = []
    ends_early = b"0\r\n\r\n" + HIDDEN
    in_a_chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
    for name, line in TRANSFER_ENCODINGS.items():
        # One counts, the other reads chunks; in either order of the fields.
        whole = b"Content-Length: %d" % len(ends_early)
        short = b"Content-Length: %d" % in_a_chunk.index(HIDDEN)
        found += [
            Attempt(f"CL.TE, {name}", _post(whole, line, body=ends_early)),
            Attempt(f"TE.CL, {name}", _post(line, short, body=in_a_chunk)),
            Attempt(f"CL.TE of HTTP/1.0, {name}", _post(whole, line, body=ends_early).replace(b"/1.1", b"/1.0", 1)),
            Attempt(f"CL.0 and TE, {name}", _post(b"Content-Length: 0", line, body=ends_early)),
        ]
    for name, line in LENGTHS.items():
        found.append(Attempt(f"CL.CL, {name}", _post(line % len(HIDDEN), body=HIDDEN)))
        found.append(
            Attempt(f"CL.CL of GET, {name}", _post(line % len(HIDDEN), body=HIDDEN).replace(b"POST", b"GET", 1))
        )
    for name, chunk in CHUNKS.items():
        found.append(Attempt(f"a chunk, {name}", _post(b"Transfer-Encoding: chunked", body=chunk + ends_early)))
    return found


Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Stream:
    """A request of HTTP/2, which goes on as HTTP/1.1. The pseudo-fields are a right request's, but for those given."""

    name: str
    fields: Fields = ()
    pseudo: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    trailers: Fields = ()


LINES = {
    "CRLF": "\r\nx-injected: 1",
    "LF": "\nx-injected: 1",
    "CR": "\rx-injected: 1",
    "a whole request": " HTTP/1.1\r\nhost: shop.example\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: shop.example\r\n\r\n",
    "a zero byte": "\x00x-injected: 1",
}
HIDDEN_BODY = HIDDEN.decode()

STREAMS: list[Stream] = [
    *(Stream(f"{what} in :path", pseudo={":path": "/" + text}) for what, text in LINES.items()),
    *(Stream(f"{what} in :method", pseudo={":method": "GET" + text}) for what, text in LINES.items()),
    *(Stream(f"{what} in :authority", pseudo={":authority": HOST + text}) for what, text in LINES.items()),
    *(Stream(f"{what} in :scheme", pseudo={":scheme": "https" + text}) for what, text in LINES.items()),
    *(Stream(f"{what} in a value", (("x-a", "b" + text),)) for what, text in LINES.items()),
    *(Stream(f"{what} in a name", (("x-a" + text, "b"),)) for what, text in LINES.items()),
    *(Stream(f"{what} in a trailer", body="x", trailers=(("x-a", "b" + text),)) for what, text in LINES.items()),
    *(Stream(f"{what} in cookie", (("cookie", "b" + text),)) for what, text in LINES.items()),
    Stream("a space in :path", pseudo={":path": "/ HTTP/1.1"}),
    Stream("a tab in :path", pseudo={":path": "/\tx"}),
    Stream("a fragment in :path", pseudo={":path": "/#x"}),
    Stream("another server in :path", pseudo={":path": "http://evil.example/smuggled"}),
    Stream("a :path without a slash", pseudo={":path": "smuggled"}),
    Stream("a :path that is a star", pseudo={":path": "*"}),
    Stream("a :method with a target", pseudo={":method": "GET /smuggled HTTP/1.1"}),
    Stream("a :method with a space", pseudo={":method": "GET "}),
    Stream("a :method with a colon", pseudo={":method": "GE:T"}),
    Stream("a :scheme with a URL", pseudo={":scheme": "https://evil.example/smuggled?"}),
    Stream("an :authority with a user", pseudo={":authority": "user@shop.example"}),
    Stream("an :authority with another after it", pseudo={":authority": "shop.example@evil.example"}),
    Stream("an :authority with a path", pseudo={":authority": "shop.example/smuggled"}),
    Stream("an :authority of two", pseudo={":authority": "shop.example, evil.example"}),
    Stream("an :authority with two ports", pseudo={":authority": "shop.example:1:2"}),
    Stream("a Host of another", (("host", "evil.example"),)),
    Stream("two Hosts", (("host", HOST), ("host", "evil.example"))),
    *(
        Stream(f"H2.TE, {value!r}", (("transfer-encoding", value),), {":method": "POST"}, "0\r\n\r\n" + HIDDEN_BODY)
        for value in ("chunked", "identity", "CHUNKED", "chunked, identity", "x", " chunked", "")
    ),
    *(
        Stream(f"H2.CL, {value!r}", (("content-length", value),), {":method": "POST"}, HIDDEN_BODY)
        for value in ("0", "1", "1000", "-1", "+1", "0x10", "1, 1", "1 1", "", "18446744073709551617")
    ),
    Stream("H2.CL, two", (("content-length", "0"), ("content-length", "52")), {":method": "POST"}, HIDDEN_BODY),
    *(
        Stream(f"{name}: {value}, which is HTTP/1.1's", ((name, value),))
        for name, value in (
            ("connection", "x-a"),
            ("connection", "content-length"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "websocket"),
            ("te", "chunked"),
        )
    ),
    *(
        Stream(f"a name that is {name!r}", ((name, "b"),))
        for name in ("", " x", "x ", "x y", "x:", "x:y", ":x", "X-Upper", "x\x7f", "tränsfer", "transfer-encoding ")
    ),
    *(Stream(f"a value that is {value!r}", (("x-a", value),)) for value in (" b", "b ", "\tb", "b\x01", "b\x7f")),
    *(
        Stream(f"{name} as a trailer", body="x", trailers=((name, value),))
        for name, value in (
            (":path", "/smuggled"),
            ("transfer-encoding", "chunked"),
            ("content-length ", "5"),
            ("X", "y"),
        )
    ),
]
