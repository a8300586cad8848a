"""Core: what the shell does itself, because no program could: its variables, its folder, its way out.

After: POSIX.1-2017, Shell Command Language, 2.14.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from kubelet.runtime.programs.process import Process, Read, Request, Running, complain

SYNTAX_ERROR = 2


@dataclass(slots=True)
class State:
    """What builtins see and change of a shell. code: what $? stands for."""

    process: Process
    code: int = 0
    stops_on_failure: bool = False


class Exit(Exception):
    """`exit` was called; ends the shell, whatever it is in."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class LeaveLoop(Exception):
    """`break`, or `continue`: so many loops are left, the last one only for its next round."""

    def __init__(self, loops: int, *, goes_on: bool) -> None:
        super().__init__(loops)
        self.loops, self.goes_on = loops, goes_on


class Return(Exception):
    """`return` was called: ends the function."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def pair_of(word: str) -> tuple[str, str]:
    """Name and value of an assignment."""
    name, _, value = word.partition("=")
    return name, value


def _number(words: Sequence[str], otherwise: int) -> int:
    return int(words[0]) if words and words[0].isdecimal() else otherwise


def _cd(shell: State, words: Sequence[str]) -> Running:
    name = words[0] if words else shell.process.environment.get("HOME", "/")
    if not shell.process.is_folder(name):
        yield complain(f"sh: cd: can't cd to {name}: No such file or directory\n")
        return 2
    shell.process.directory = shell.process.path(name)
    return 0


def _exit(shell: State, words: Sequence[str]) -> Generator[Request, Any, int]:
    if words and not words[0].isdecimal():
        yield complain(f"sh: exit: Illegal number: {words[0]}\n")
        raise Exit(SYNTAX_ERROR)
    raise Exit(int(words[0]) % 256 if words else shell.code)


def _export(shell: State, words: Sequence[str]) -> Running:
    shell.process.environment.update(pair_of(word) for word in words if "=" in word)
    yield from ()
    return 0


def _unset(shell: State, words: Sequence[str]) -> Running:
    for word in words:
        shell.process.environment.pop(word, None)
    yield from ()
    return 0


def _set(shell: State, words: Sequence[str]) -> Running:
    """`set -e`; other options change nothing here."""
    for word in words:
        if word[:1] in ("-", "+") and "e" in word:
            shell.stops_on_failure = word[0] == "-"
    yield from ()
    return 0


def _read(shell: State, words: Sequence[str]) -> Running:
    """`read [-r] NAME ...`: a line, a word a name, the rest to the last."""
    names = [word for word in words if not word.startswith("-")] or ["REPLY"]
    line = (yield Read(line=True)).decode("utf-8", "replace")
    parts = line.split(None, len(names) - 1)
    for name, part in zip(names, [*parts, *[""] * len(names)]):
        shell.process.environment[name] = part.strip()
    return 0 if line else 1


def _leave(*, goes_on: bool) -> Callable[[State, Sequence[str]], Running]:
    def builtin(_: State, words: Sequence[str]) -> Running:
        yield from ()
        raise LeaveLoop(_number(words, 1), goes_on=goes_on)

    return builtin


def _return(shell: State, words: Sequence[str]) -> Running:
    yield from ()
    raise Return(_number(words, shell.code) % 256)


def _nothing(_: State, __: Sequence[str]) -> Running:
    yield from ()
    return 0


# `trap` among those that do nothing: a fake container obeys SIGTERM, or not, as its stage says.
BUILTINS: dict[str, Callable[[State, Sequence[str]], Running]] = {
    ":": _nothing,
    "break": _leave(goes_on=False),
    "cd": _cd,
    "continue": _leave(goes_on=True),
    "exit": _exit,
    "export": _export,
    "read": _read,
    "return": _return,
    "set": _set,
    "trap": _nothing,
    "unset": _unset,
}
