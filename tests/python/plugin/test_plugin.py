"""What plugins are written with: heads, verdicts, and the two shorter forms."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from lockgate.plugin import Allow, Deny, Headers, Plugin, RequestHead, ResponseHead, Verdict, allow, deny, wire
from lockgate.plugin import on_request as judges_requests
from lockgate.plugin import on_response as judges_answers
from lockgate.plugin.plugins import hooks
from lockgate.plugin.worker import answered, request_head

HEAD: dict[str, Any] = {
    "id": "01J",
    "method": "GET",
    "host": "a.example",
    "path": "/orders",
    "query": None,
    "headers": [["x-tenant", "a"], ["accept", "text/html"], ["accept", "*/*"]],
    "client": "127.0.0.1",
    "api": "shop",
    "operation": None,
    "caller": {"proved_by": "api_key", "credential": "key_1", "owner": "crm", "app": None, "claims": None},
}


def test_headers_are_found_in_any_case_and_joined() -> None:
    headers = Headers([("Accept", "a"), ("X-One", "1"), ("accept", "b")])
    assert (headers["ACCEPT"], headers.all("accept"), headers.get("x-two")) == ("a, b", ["a", "b"], None)
    assert (list(headers), len(headers), "X-ONE" in headers) == (["accept", "x-one"], 2, True)
    # Values may be secret: they do not go into a log with the head.
    assert repr(headers) == "Headers(accept, x-one)"


def test_a_head_says_who_calls() -> None:
    head = request_head(HEAD)
    assert head.caller is not None
    assert (head.caller.owner, head.caller.claims, head.headers["accept"]) == ("crm", {}, "text/html, */*")
    assert request_head({**HEAD, "caller": None}).caller is None


def test_changes_come_in_the_order_in_which_they_are_made() -> None:
    assert allow() == Allow()
    said = allow(add={"X-B": "b"}, set={"X-A": "a"}, remove=["X-C"], answer_hide=["Server"], answer_set={"X-D": "d"})
    assert said.request == (("remove", "X-C", ""), ("set", "X-A", "a"), ("add", "X-B", "b"))
    assert said.answer == (("remove", "Server", ""), ("set", "X-D", "d"))


@pytest.mark.parametrize("wrong", [{"set": {"X-A": 1}}, {"add": {1: "a"}}, {"remove": "X-A"}, {"answer_hide": [None]}])
def test_what_is_no_text_is_an_error_of_the_plugin(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        allow(**wrong)


@pytest.mark.parametrize(
    ("reason", "status", "detail"),
    [
        *[(reason, 403, None) for reason in ("", "Tenant", "a--b", "a" * 65)],
        *[("a", status, None) for status in (200, 401, 407, 500)],
        *[("a", 403, detail) for detail in ("a\nb", "a" * 501)],
    ],
)
def test_what_could_not_be_sent_is_refused_where_it_is_written(reason: str, status: int, detail: str | None) -> None:
    with pytest.raises(ValueError, match=r"reason|denies|detail"):
        deny(reason, status, detail=detail)


class Both(Plugin):
    def on_request(self, head: RequestHead) -> Verdict:
        return deny("closed")

    def on_response(self, head: ResponseHead) -> Verdict:
        return allow(answer_set={"X-Status": f"{head.status} {head.request.path}"})


def test_a_plugin_is_asked_what_it_defines() -> None:
    @judges_requests
    def first(head: RequestHead) -> Verdict:
        """Says it."""
        return deny("first", detail=head.path)

    @judges_answers
    def second(head: ResponseHead) -> Verdict:
        return deny("second", head.status)

    assert [hooks(kind({})) for kind in (Both, first, second, Plugin)] == [
        ("request", "response"),
        ("request",),
        ("response",),
        (),
    ]
    assert (first.__name__, first.__doc__, first.__module__) == ("first", "Says it.", __name__)
    assert first({}).on_request(request_head(HEAD)) == Deny("first", detail="/orders")
    assert second({}).on_response(ResponseHead(404, Headers([]), request_head(HEAD))) == Deny("second", 404)


def test_a_question_gets_one_answer() -> None:
    question = {"plugin": 0, "hook": "request", "request": HEAD, "id": 7}
    told = answered([Both({})], question)
    assert (told["deny"], told["id"]) == ({"reason": "closed", "status": 403, "detail": None}, 7)
    told = answered([Both({})], {**question, "hook": "response", "response": {"status": 204, "headers": []}})
    assert told["allow"] == {"request": [], "answer": [("set", "X-Status", "204 /orders")]}


@pytest.mark.parametrize("said", [None, True, "deny", {"deny": "closed"}])
def test_what_is_no_verdict_is_an_error(said: object) -> None:
    class Says(Plugin):
        def on_request(self, head: RequestHead) -> Verdict:
            return said  # type: ignore[return-value]  # That is what is tried.

    told = answered([Says({})], {"plugin": 0, "hook": "request", "request": HEAD, "id": 1})
    assert told["error"].startswith("TypeError: a plugin says allow() or deny(...)")


def test_frames_are_bounded_and_whole() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(ours, {"a": "ä"})
        assert wire.receive(theirs) == {"a": "ä"}
        with pytest.raises(ValueError, match="too long"):
            wire.send(ours, {"a": "x" * wire.MAX_ANSWER})
        ours.sendall((wire.MAX_QUESTION + 1).to_bytes(4, "big"))
        assert wire.receive(theirs) is None
        ours.sendall(b"\x00\x00\x00\x09{")
        ours.shutdown(socket.SHUT_WR)
        assert wire.receive(theirs) is None
