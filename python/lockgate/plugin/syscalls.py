"""What the kernel refuses a worker: processes, network, other processes' memory, and writing files.

A filter of system calls (seccomp), without any privilege: it holds native code
too, and everything that the worker could start. Where the system has none, the
audit hook of `guard` is all there is, and the worker says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_FILTER_MODE: Final = 2

_LOAD: Final = 0x20
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS
"""As an older kernel answers: the C library then takes the older call, which can be judged."""

_NUMBER, _ARCHITECTURE = 0, 4
_CLONE_THREAD: Final = 0x10000
_X32: Final = 0x40000000
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_ARCHITECTURES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""By the machine's name: the kernel's number for it, and the column below."""

_REFUSED: Final = {
    # Other programs and processes.
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "setrlimit": (160, 164),
    # The network; the socket to the gate is there already.
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # Changes to files; opening one for writing is judged apart.
    "creat": (85, None),
    "truncate": (76, 45),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "link": (86, None),
    "linkat": (265, 37),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    # Ways around all this, and the system itself.
    "io_uring_setup": (425, 425),
    "open_by_handle_at": (304, 265),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
}
"""System calls that are refused whatever they are asked: their numbers, of x86-64 and of arm64."""

_ABSENT: Final = {"clone3": (435, 435), "openat2": (437, 437)}
"""What is asked of these stands in memory, where no filter looks: they are as if there were none."""

_JUDGED: Final = {
    "clone": (56, 220),
    "open": (2, None),
    "openat": (257, 56),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
}
"""System calls that are judged by an argument."""


def seal() -> bool:
    """Take these system calls away for good; false where the system has no such filter."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCHITECTURES or sys.maxsize < 2**32:
        return False
    program = b"".join(_program(machine))
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HL", len(program) // 8, ctypes.addressof(code))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, pointer, 0, 0) == 0)


def _program(machine: str) -> Iterator[bytes]:
    architecture, column = _ARCHITECTURES[machine]
    yield _step(_LOAD, _ARCHITECTURE)
    yield from _if(_IF_EQUAL, architecture, _step(_RETURN, _KILL), otherwise=True)
    yield _step(_LOAD, _NUMBER)
    if machine == "x86_64":
        # The same calls under other numbers.
        yield from _if(_IF_AT_LEAST, _X32, _step(_RETURN, _REFUSE))
    for answer, calls in ((_REFUSED, _REFUSE), (_ABSENT, _UNKNOWN)):
        for numbers in answer.values():
            number = numbers[column]
            if number is not None:
                yield from _if(_IF_EQUAL, number, _step(_RETURN, calls))
    own = os.getpid()
    yield from _judge("clone", column, _argument(0), _IF_ANY_BIT, _CLONE_THREAD)
    yield from _judge("open", column, _argument(1), _IF_ANY_BIT, _WRITING, refuse=True)
    yield from _judge("openat", column, _argument(2), _IF_ANY_BIT, _WRITING, refuse=True)
    for call in ("kill", "tkill", "tgkill"):
        yield from _judge(call, column, _argument(0), _IF_EQUAL, own)
    # Limits may be read, and not set: a pointer to new ones has some bit above the lowest page.
    yield from _judge("prlimit64", column, _argument(2), _IF_EQUAL, 0)
    yield _step(_RETURN, _ALLOW)


def _judge(call: str, column: int, argument: int, test: int, value: int, *, refuse: bool = False) -> Iterator[bytes]:
    """Let the call through where the test of an argument's lower half holds, or refuse it there."""
    number = _JUDGED[call][column]
    if number is None:
        return
    yes, no = (_REFUSE, _ALLOW) if refuse else (_ALLOW, _REFUSE)
    block = [_step(_LOAD, argument), *_if(test, value, _step(_RETURN, yes)), _step(_RETURN, no)]
    yield from _if(_IF_EQUAL, number, *block)


def _argument(index: int) -> int:
    """Where the lower half of an argument stands; both machines are little-endian."""
    return 16 + 8 * index


def _if(test: int, value: int, *then: bytes, otherwise: bool = False) -> Iterator[bytes]:
    """These steps where the test holds; with `otherwise`, where it does not."""
    skip = len(then)
    yield struct.pack("HBBI", test, skip if otherwise else 0, 0 if otherwise else skip, value)
    yield from then


def _step(code: int, value: int) -> bytes:
    return struct.pack("HBBI", code, 0, 0, value)
