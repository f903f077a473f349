"""`waf` and bodies that readers take differently: each is refused with its reason, or arrives as it was sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import request
from lockgate.config import load
from policies.conftest import written

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"
XML = "application/xml"
SQL = b"1' UNION SELECT password FROM users-- "
ESCAPED = SQL.replace(b"'", b"\\u0027").replace(b"UNION", b"\\u0055NION")
BLOB = b'; filename="blob"'
FIELD = b'Content-Disposition: form-data; name="a"'


def parts(*each: bytes, end: bytes = b"--b--\r\n") -> bytes:
    """A form of these parts, head and content of each."""
    return b"".join(b"--b\r\n" + one + b"\r\n" for one in each) + end


def field(content: bytes = b"text", more: bytes = b"") -> bytes:
    """A part."""
    return FIELD + more + b"\r\n\r\n" + content


def typed(kind: str, content: bytes, more: bytes = b"") -> bytes:
    """A part that says what it is, as browsers send a Blob."""
    return field(content, more + f"\r\nContent-Type: {kind}".encode())


JSON_BODIES = [
    ("a name twice", b'{"a": 1, "a": 2}', "json-duplicate-key"),
    ("a name twice, once escaped", b'{"a": 1, "\\u0061": 2}', "json-duplicate-key"),
    ("a name twice, deep", b'{"x": [{"a": {"b": 1, "b": 2}}]}', "json-duplicate-key"),
    ("a big integer", b'{"a": 123456789012345678901234567890123456789012345678901234567890}', None),
    ("a big exponent", b'{"a": 1e400}', None),
    (
        "an attack behind a big integer",
        b'{"a": 1234567890123456789012345678901234567890, "b": "' + SQL + b'"}',
        "waf-refused",
    ),
    ("a number in hexadecimal", b'{"a": 0x10}', "json-number"),
    ("a number that is none", b'{"a": NaN}', "json-number"),
    ("a zero before a number", b'{"a": 010}', "json-number"),
    ("a number of a million digits", b'{"a": ' + b"9" * 1_000_000 + b"}", None),
    ("a comment of a line", b'{"a": 1} // x', "json-comment"),
    ("a comment between", b'{/* x */"a": 1}', "json-comment"),
    ("a comment behind #", b'{"a": 1, # x\n"b": 2}', "json-comment"),
    ("a comma at the end", b'{"a": 1,}', "json-syntax"),
    ("single quotes", b"{'a': 1}", "json-syntax"),
    ("two values", b'{"a": 1}{"a": 2}', "json-trailing"),
    ("something behind", b'{"a": 1} x', "json-trailing"),
    ("cut short", b'{"a": "b', "json-end"),
    ("cut within an escape", b'{"a": "\\u00', "json-end"),
    ("nothing but blanks", b"   ", "json-end"),
    ("bytes that are no UTF-8", b'{"a": "\xff"}', "json-utf8"),
    ("UTF-8 that is too long", b'{"a": "\xc0\xaf"}', "json-utf8"),
    ("half of a pair", b'{"a": "\\ud800"}', "json-surrogate"),
    ("a byte order mark", b'\xef\xbb\xbf{"a": 1}', "json-bom"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "json-syntax"),
    ("an escape that is none", b'{"a": "\\x41"}', "json-escape"),
    ("a line end in a text", b'{"a": "b\nc"}', "json-control"),
    ("a zero in a text", b'{"a": "b\\u0000"}', "json-nul"),
    ("a form", b"a=1&b=2", "json-syntax"),
    ("XML", b"<a/>", "json-syntax"),
    ("129 deep", b"[" * 129 + b"]" * 129, "json-depth"),
    ("128 deep", b"[" * 128 + b"]" * 128, None),
    ("an attack 100 deep", b"[" * 100 + b'"' + SQL + b'"' + b"]" * 100, "waf-refused"),
]

MULTIPART_BODIES = [
    (PARTS, "a field", parts(field()), None),
    (PARTS, "a name twice, the second an attack", parts(field(), field(SQL)), "waf-refused"),
    (PARTS, "a name twice", parts(field(), field()), None),
    (PARTS, "no end", parts(field(), end=b""), "multipart-end"),
    (PARTS, "cut within a head", b"--b\r\nContent-Dispo", "multipart-end"),
    (PARTS, "no part", b"text", "multipart-no-part"),
    (PARTS, "a boundary that goes on", parts(field(b"x\r\n--bx\r\ny")), "multipart-boundary"),
    (PARTS, "blanks behind a boundary", b"--b \r\n" + field() + b"\r\n--b--\r\n", "multipart-boundary"),
    (PARTS, "lines that end otherwise", parts(field()).replace(b"\r\n", b"\n"), "multipart-strict"),
    (PARTS, "something before", b"x\r\n" + parts(field()), "multipart-strict"),
    (PARTS, "something behind", parts(field()) + b"x", "multipart-strict"),
    (PARTS, "two names", parts(field(more=b'; name="b"')), "multipart-disposition"),
    (PARTS, "no name", parts(b"Content-Disposition: form-data\r\n\r\nx"), "multipart-disposition"),
    (PARTS, "two names of files", parts(field(more=b'; filename="a"; filename="b"')), "multipart-disposition"),
    (PARTS, "filename*", parts(field(more=b"; filename*=utf-8''a.txt")), "multipart-filename-extended"),
    (
        PARTS,
        "filename and filename*",
        parts(field(more=b"; filename=\"a.txt\"; filename*=utf-8''a.txt")),
        "multipart-filename-extended",
    ),
    (PARTS, "a form within", parts(field(more=b"\r\nContent-Type: multipart/mixed; boundary=c")), "multipart-nested"),
    (PARTS, "a part in base64", parts(field(more=b"\r\nContent-Transfer-Encoding: base64")), "multipart-encoding"),
    (PARTS, "a part in UTF-7", parts(field(more=b"\r\nContent-Type: text/plain; charset=utf-7")), "multipart-charset"),
    (PARTS, "a head that is folded", parts(FIELD + b"\r\n x: y\r\n\r\ntext"), "multipart-disposition"),
    (PARTS, "a head twice", parts(FIELD + b"\r\n" + field()), "multipart-header"),
    (PARTS, "a zero in a head", parts(field(more=b"\r\nX: a\0b")), "multipart-header"),
    (PARTS, "a type twice", parts(field(more=b"\r\nContent-Type: a/b\r\ncontent-type: c/d")), "multipart-header"),
    (PARTS, "JSON in a part", parts(typed(JSON, b'{"a": "b"}')), None),
    (PARTS, "no JSON in a part", parts(typed(JSON, b'{"a": 1, "a": 2}')), "json-duplicate-key"),
    (PARTS, "no JSON in a file", parts(typed(JSON, b'{"a": 1', BLOB)), "json-end"),
    (PARTS, "an attack in JSON in a file", parts(typed(JSON, b'{"a": "' + ESCAPED + b'"}', BLOB)), "waf-refused"),
    (PARTS, "an attack in XML in a file", parts(typed(XML, b"<a>" + SQL + b"</a>", BLOB)), "waf-refused"),
    (PARTS, "an attack in a form in a file", parts(typed(FORM, b"a=" + SQL, BLOB)), "waf-refused"),
    (PARTS, "a document type in a part", parts(typed(XML, b"<!DOCTYPE a []><a/>")), "xml-doctype"),
    (PARTS, "a document type in a drawing", parts(typed("image/svg+xml", b"<!DOCTYPE svg><svg/>", BLOB)), None),
    (PARTS, "1,001 parts", parts(*[field(b"x")] * 1001), "multipart-too-many"),
    ("multipart/form-data", "no boundary", parts(field()), "multipart-type"),
    ("multipart/form-data; boundary=b; boundary=c", "two boundaries", parts(field()), "multipart-type"),
    ("multipart/form-data; boundary=b;c", "a boundary with a semicolon", parts(field()), "multipart-type"),
    ("multipart/mixed; boundary=b", "another type", parts(field()), "multipart-type"),
    ('multipart/form-data; boundary="b"', "a boundary in quotes", parts(field()), "multipart-strict"),
]

OTHER_BODIES = [
    (XML, "a document type", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "xml-doctype"),
    (XML, "an entity of nobody's", b"<a>&x;</a>", "xml-entity"),
    (XML, "an attribute twice", b'<a b="1" b="2"/>', "xml-duplicate-attribute"),
    (XML, "two roots", b"<a/><b/>", "xml-trailing"),
    (XML, "tags that cross", b"<a><b></a></b>", "xml-syntax"),
    (XML, "cut short", b"<a><b>text", "xml-end"),
    (XML, "UTF-16", "<a/>".encode("utf-16"), "xml-encoding"),
    (XML, "another encoding", b'<?xml version="1.0" encoding="utf-7"?><a/>', "xml-encoding"),
    (XML, "bytes that are no UTF-8", b"<a>\xff</a>", "xml-character"),
    (XML, "JSON", b'{"a": 1}', "xml-syntax"),
    (XML, "an attack in a section", b"<a><![CDATA[" + SQL + b"]]></a>", "waf-refused"),
    (XML, "an attack around a comment", b"<a>1' UNION<!-- x --> SELECT password FROM users-- </a>", "waf-refused"),
    (XML, "an attack around an element", b"<a>1' UNION<b/> SELECT password FROM users-- </a>", "waf-refused"),
    (FORM, "an attack in a form's name", b"1'+UNION+SELECT+password+FROM+users--+=1", "waf-refused"),
    (FORM, "an attack in JSON that says it is a form", b'{"a": "' + SQL + b'"}', "waf-refused"),
    (FORM, "a name twice, the second an attack", b"a=1&a=1'+UNION+SELECT+password+FROM+users--", "waf-refused"),
    (FORM, "bytes that are no UTF-8", b"a=%ff%fe", None),
    (FORM, "100,001 names", b"&".join(b"a=" for _ in range(100_001)), "waf-too-many-values"),
    ("application/json-seq", "a record that is cut", b'\x1e{"a": 1}\n\x1e{"a"', "json-end"),
    ("application/x-protobuf", "no message", b"\x0a\x09abc", "grpc-not-protobuf"),
    ("application/x-protobuf", "a message", b"\x0a\x03abc", None),
    ("application/x-protobuf", "an attack", b"\x0a" + bytes([len(SQL)]) + SQL, "waf-refused"),
]

TABLE = [*((JSON, *one) for one in JSON_BODIES), *MULTIPART_BODIES, *OTHER_BODIES]


@pytest.mark.parametrize(
    ("kind", "what", "body", "reason"), TABLE, ids=[f"{kind}: {what}" for kind, what, _, _ in TABLE]
)
def test_each_is_refused_or_arrives(
    kind: str, what: str, body: bytes, reason: str | None, gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    placed = load(written(tmp_path, {"waf": {}})).compile(1, 1)["apis"][0]["policies"]["waf"]
    gate.load(bundles.bundle([bundles.api(guards=placed)], [bundles.upstream(auto.port)]))
    before = len(auto.requests)
    with gate.client() as client:
        client.send(request("/", f"Content-Type: {kind}", f"Content-Length: {len(body)}", method="POST"), body)
        answer = client.message()
    if reason is None:
        assert answer.status == 200, what
        assert auto.requests[-1].body == body
    else:
        assert answer.reason == reason
        assert len(auto.requests) == before
