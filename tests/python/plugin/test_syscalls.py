"""The filter of system calls, on both machines: run here as the kernel would run it."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from lockgate.plugin import syscalls

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}
ALLOWED, KILLED = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
STEP = struct.Struct("HBBI")


def judged(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter of this machine answers to a call."""
    program = list(STEP.iter_unpack(b"".join(syscalls._program(machine))))
    words = [number, MACHINES[machine] if architecture is None else architecture, 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32]
    at, loaded = 0, 0
    while True:
        code, true, false, value = program[at]
        at += 1
        match code:
            case 0x20:
                loaded = words[value // 4]
            case 0x06:
                return int(value)
            case 0x15:
                at += true if loaded == value else false
            case 0x35:
                at += true if loaded >= value else false
            case 0x45:
                at += true if loaded & value else false
            case _:
                raise AssertionError(f"the kernel has no step {code:#x}")


def number(machine: str, call: str) -> int | None:
    tables = {**syscalls._REFUSED, **syscalls._ABSENT, **syscalls._JUDGED}
    return tables[call][COLUMN[machine]]


def asked(machine: str, call: str, *arguments: int) -> int:
    found = number(machine, call)
    assert found is not None
    return judged(machine, found, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_a_program_needs_is_allowed(machine: str) -> None:
    reading, writing, mapping = {"x86_64": (0, 1, 9), "aarch64": (63, 64, 222)}[machine]
    assert {judged(machine, call) for call in (reading, writing, mapping)} == {ALLOWED}


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_refused_is_refused_whatever_it_is_asked(machine: str) -> None:
    for calls, answer in ((syscalls._REFUSED, EPERM), (syscalls._ABSENT, ENOSYS)):
        for call in calls:
            found = number(machine, call)
            assert found is None or {judged(machine, found), judged(machine, found, 2**64 - 1)} == {answer}, call


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_are_allowed_and_processes_are_not(machine: str) -> None:
    thread = 0x3D0F00
    assert asked(machine, "clone", thread) == ALLOWED
    assert asked(machine, "clone", 17) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_files_are_read_and_not_written(machine: str) -> None:
    assert asked(machine, "openat", 0, 0, os.O_RDONLY | os.O_CLOEXEC) == ALLOWED
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_RDONLY | os.O_TRUNC):
        assert asked(machine, "openat", 0, 0, flags) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_a_process_signals_itself_alone(machine: str) -> None:
    for call in ("kill", "tgkill", "tkill"):
        assert asked(machine, call, os.getpid()) == ALLOWED
        assert asked(machine, call, os.getpid() + 1) == EPERM
        assert asked(machine, call, 2**64 - 1) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_are_read_and_not_set(machine: str) -> None:
    assert asked(machine, "prlimit64", 0, 7, 0, 0x7FFE_0000_1000) == ALLOWED
    assert asked(machine, "prlimit64", 0, 7, 0x7FFE_0000_1000, 0) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_machine_end_it(machine: str) -> None:
    assert judged(machine, 0, architecture=0x40000003) == KILLED


def test_the_other_numbers_of_the_same_calls_are_refused() -> None:
    assert judged("x86_64", 0x40000000 + 56) == EPERM
