"""One worker process: `python -I -m lockgate.plugin.worker`, its socket to the gate as standard input.

The gate says first what to load; the worker answers what each plugin wants to
be asked, or why it cannot be loaded. Then each question gets one answer.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lockgate.plugin import guard, syscalls, wire
from lockgate.plugin.heads import Caller, Headers, RequestHead, ResponseHead
from lockgate.plugin.plugins import Plugin, hooks
from lockgate.plugin.verdicts import Allow, Deny

MAX_TOLD: Final = 500
"""Characters of an error's text: it goes into the gate's log."""


def main() -> None:
    """Serve until the gate hangs up."""
    guard.end_with_the_gate()
    channel = guard.only_channel()
    told = wire.receive(channel)
    if told is None:
        return
    guard.limit(int(told["memory"]))
    # Before the operator's code is read: importing is running.
    guard.close(told.get("state"))
    sealed = syscalls.seal()
    loaded, answer = load(told["folder"], told["plugins"])
    wire.send(channel, {**answer, "sealed": sealed})
    while loaded is not None and (question := wire.receive(channel)) is not None:
        answer = answered(loaded, question)
        try:
            wire.send(channel, answer)
        except ValueError as error:
            wire.send(channel, {"error": told_of(error), "id": answer["id"], "took_us": answer["took_us"]})


def load(folder: str, wanted: list[dict[str, Any]]) -> tuple[list[Plugin] | None, dict[str, Any]]:
    """Import and make every plugin; all that is wrong, at once."""
    sys.path.insert(0, folder)
    made: list[Plugin] = []
    wrong: list[dict[str, Any]] = []
    for index, each in enumerate(wanted):
        try:
            made.append(make(each["use"], each["options"]))
        except BaseException as error:  # noqa: BLE001 -- A module may raise anything, also SystemExit.
            wrong.append({"index": index, **place(error, folder), "error": told_of(error)})
    if wrong:
        return None, {"wrong": wrong, "files": files(folder, made)}
    read = files(folder, made)
    return made, {"hooks": [hooks(each) for each in made], "files": read, "digest": digest(read)}


def make(use: str, options: Mapping[str, Any]) -> Plugin:
    """The plugin that `module:Class` names."""
    module, _, name = use.partition(":")
    found = importlib.import_module(module)
    kind = getattr(found, name, None)
    if kind is None:
        raise ImportError(f"the module {module!r} has no {name!r}")
    if not (isinstance(kind, type) and issubclass(kind, Plugin)):
        raise TypeError(f"{use!r} is no class made from lockgate.plugin.Plugin")
    made = kind(options)
    if not hooks(made):
        raise TypeError(f"{use!r} defines neither on_request nor on_response")
    return made


def place(error: BaseException, folder: str) -> dict[str, Any]:
    """Where in the operator's own files it went wrong."""
    if isinstance(error, SyntaxError) and error.filename:
        return {"file": error.filename, "line": error.lineno or 1}
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder + os.sep)]
    return {"file": own[-1].filename, "line": own[-1].lineno} if own else {"file": None, "line": None}


def told_of(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:MAX_TOLD]


def files(folder: str, made: list[Plugin]) -> list[str]:
    """The operator's files that were read: a change of one is a change of the plugin."""
    found = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    own = {file for file in found if file and file.startswith(folder + os.sep)}
    # One that is installed elsewhere, without all that it imports.
    installed = {getattr(sys.modules[type(plugin).__module__], "__file__", None) for plugin in made}
    return sorted(own | {file for file in installed if file})


def digest(read: list[str]) -> str:
    """Over those files: another digest is another plugin."""
    whole = hashlib.sha256()
    for file in read:
        whole.update(file.encode() + b"\0" + hashlib.sha256(Path(file).read_bytes()).digest())
    return whole.hexdigest()


def answered(loaded: list[Plugin], question: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question, and how long it took to find."""
    begun = time.perf_counter_ns()
    try:
        verdict = judged(loaded[question["plugin"]], question)
        answer = said(verdict)
    except BaseException as error:  # noqa: BLE001 -- Whatever it is, this call denies and the next is asked.
        answer = {"error": told_of(error)}
    answer["id"] = question["id"]
    answer["took_us"] = (time.perf_counter_ns() - begun) // 1000
    return answer


def judged(plugin: Plugin, question: dict[str, Any]) -> object:
    """What the plugin says."""
    request = request_head(question["request"])
    if question["hook"] == "request":
        return plugin.on_request(request)
    answer = question["response"]
    return plugin.on_response(ResponseHead(answer["status"], pairs(answer["headers"]), request))


def said(verdict: object) -> dict[str, Any]:
    """A verdict as the gate reads it."""
    if isinstance(verdict, Deny):
        return {"deny": {"reason": verdict.reason, "status": verdict.status, "detail": verdict.detail}}
    if isinstance(verdict, Allow):
        return {"allow": {"request": list(verdict.request), "answer": list(verdict.answer)}}
    raise TypeError(f"a plugin says allow() or deny(...), not {type(verdict).__name__}")


def request_head(told: dict[str, Any]) -> RequestHead:
    """The head as the plugin sees it."""
    caller = told["caller"]
    return RequestHead(
        id=told["id"],
        method=told["method"],
        host=told["host"],
        path=told["path"],
        query=told["query"],
        headers=pairs(told["headers"]),
        client=told["client"],
        api=told["api"],
        operation=told["operation"],
        caller=None
        if caller is None
        else Caller(caller["proved_by"], caller["credential"], caller["owner"], caller["app"], caller["claims"] or {}),
    )


def pairs(told: list[list[str]]) -> Headers:
    """Header fields as the plugin sees them."""
    return Headers([(name, value) for name, value in told])


if __name__ == "__main__":
    main()
