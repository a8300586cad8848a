"""Core: the sandbox's image, made here, so that no registry is asked: one program that waits for ever.

It ignores its children's deaths, on which the kernel takes them away by itself: as the first process of a
pod that shares its processes, it leaves no zombies. It ends by SIGKILL.
"""

from __future__ import annotations

import io
import struct
import tarfile

NAME, LABEL = "kubelite/pause:1", "kubelite.pause"
CHANGES = ('ENTRYPOINT ["/pause"]', f"LABEL {LABEL}=1")

BASE = 0x400000
HEADERS = 64 + 56
# struct sigaction of the kernel: SIG_IGN, no flags, no restorer, nothing masked.
IGNORE = struct.pack("<QQQQ", 1, 0, 0, 0)
CODE = BASE + HEADERS + len(IGNORE)


def _amd64() -> bytes:
    return b"".join(
        (
            b"\xb8" + struct.pack("<I", 13),  # mov eax, rt_sigaction
            b"\xbf" + struct.pack("<I", 17),  # mov edi, SIGCHLD
            b"\xbe" + struct.pack("<I", BASE + HEADERS),  # mov esi, IGNORE
            b"\x31\xd2",  # xor edx, edx
            b"\x41\xba" + struct.pack("<I", 8),  # mov r10d, the size of a mask
            b"\x0f\x05",  # syscall
            b"\xb8" + struct.pack("<I", 34),  # again: mov eax, pause
            b"\x0f\x05",  # syscall
            b"\xeb\xf7",  # jmp again
        )
    )


def _arm64() -> bytes:
    words = (
        0xD28010C8,  # mov x8, rt_sigaction
        0xD2800220,  # mov x0, SIGCHLD
        0x10FFFEC1,  # adr x1, IGNORE: 40 bytes before this instruction
        0xD2800002,  # mov x2, 0
        0xD2800103,  # mov x3, the size of a mask
        0xD4000001,  # svc 0
        0xD2800928,  # again: mov x8, ppoll
        0xD2800000,  # mov x0, 0
        0xD2800001,  # mov x1, 0
        0xD2800002,  # mov x2, 0
        0xD2800003,  # mov x3, 0
        0xD4000001,  # svc 0
        0x17FFFFFA,  # b again
    )
    return struct.pack(f"<{len(words)}I", *words)


# By the engine's word for the architecture: the number ELF has for it, and the program.
PROGRAMS = {"amd64": (62, _amd64()), "arm64": (183, _arm64())}


def program(architecture: str) -> bytes:
    """The program as an ELF file: one segment, read and executed. KeyError for what is not in PROGRAMS."""
    machine, code = PROGRAMS[architecture]
    size = HEADERS + len(IGNORE) + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, CODE, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    return ident + head + segment + IGNORE + code


def root(architecture: str) -> bytes:
    """The image's one layer as a tar."""
    content = program(architecture)
    entry = tarfile.TarInfo("pause")
    entry.size, entry.mode = len(content), 0o755
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
