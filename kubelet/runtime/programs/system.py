"""Core: pretended programs that tell of the container: ls, env, hostname, id, date, ps, ...

After: what busybox prints.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

from kubelet.runtime.programs.process import (
    FOREVER_SECONDS,
    NOT_FOUND,
    EndContainer,
    Now,
    Process,
    Running,
    Size,
    Sleep,
    complain,
    say,
)

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def true(_: Process, __: Sequence[str]) -> Running:
    """Succeeds."""
    yield from ()
    return 0


def false(_: Process, __: Sequence[str]) -> Running:
    """Fails."""
    yield from ()
    return 1


def hostname(process: Process, words: Sequence[str]) -> Running:
    """`hostname [-i]`: the pod's name, or its address."""
    surroundings = process.surroundings
    yield say((surroundings.ip if words[:1] == ["-i"] else surroundings.hostname) + "\n")
    return 0


def who(_: Process, __: Sequence[str]) -> Running:
    """`whoami`."""
    yield say("root\n")
    return 0


def identity(_: Process, words: Sequence[str]) -> Running:
    """`id [-u]`."""
    yield say("0\n" if words[:1] == ["-u"] else "uid=0(root) gid=0(root) groups=0(root)\n")
    return 0


def pwd(process: Process, _: Sequence[str]) -> Running:
    """The working directory."""
    yield say(process.directory + "\n")
    return 0


def ls(process: Process, words: Sequence[str]) -> Running:
    """`ls [-1al] [PATH ...]`."""
    letters = "".join(word[1:] for word in words if word.startswith("-"))
    names = [word for word in words if not word.startswith("-")] or ["."]
    files, code = process.surroundings.files, 0
    for name in names:
        path = process.path(name)
        if not files.exists(path):
            yield complain(f"ls: {name}: No such file or directory\n")
            code = 1
            continue
        entries = files.entries(path) if files.is_folder(path) else [name]
        if not {"a", "A"} & set(letters):
            entries = [each for each in entries if not each.startswith(".") or each == name]
        if "l" in letters:
            entries = [_long(process, process.path(f"{path}/{each}"), each) for each in entries]
        if len(names) > 1 and files.is_folder(path):
            yield say(f"{name}:\n")
        across = process.is_terminal and not {"1", "l"} & set(letters)
        yield say("".join(f"{line}\n" for line in (["  ".join(entries)] if across else entries)))
    return code


def _long(process: Process, path: str, name: str) -> str:
    files = process.surroundings.files
    if files.is_folder(path):
        return f"drwxr-xr-x    2 root     root          4096 {name}"
    size = len(files.read(path)) if files.exists(path) else 0
    return f"-rw-r--r--    1 root     root      {size:8} {name}"


def env(process: Process, words: Sequence[str]) -> Running:
    """`env [NAME=VALUE ...] [COMMAND ...]`."""
    rest, environment = list(words), dict(process.environment)
    while rest and "=" in rest[0]:
        name, _, value = rest.pop(0).partition("=")
        environment[name] = value
    if not rest:
        yield say("".join(f"{name}={value}\n" for name, value in environment.items()))
        return 0
    program = process.find(rest[0])
    if program is None:
        yield complain(f"env: can't execute '{rest[0]}': No such file or directory\n")
        return NOT_FOUND
    outer, process.environment = process.environment, environment
    try:
        return (yield from program(process, rest[1:]))
    finally:
        process.environment = outer


def printenv(process: Process, words: Sequence[str]) -> Running:
    """`printenv [NAME ...]`."""
    if not words:
        return (yield from env(process, ()))
    found = [process.environment[name] for name in words if name in process.environment]
    yield say("".join(f"{value}\n" for value in found))
    return 0 if len(found) == len(words) else 1


def date(_: Process, words: Sequence[str]) -> Running:
    """`date [-u] [+FORMAT]`."""
    now = yield Now()
    form = next((word[1:] for word in words if word.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    yield say(now.strftime(form) + "\n")
    return 0


def sleep(_: Process, words: Sequence[str]) -> Running:
    """`sleep NUMBER[smhd] ...`, or `infinity`."""
    total = 0.0
    for word in words:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", word)
        if found is None and word != "infinity":
            yield complain(f"sleep: invalid number '{word}'\n")
            return 1
        total += float(found[1]) * SECONDS[found[2]] if found else FOREVER_SECONDS
    if not words:
        yield complain("sleep: missing operand\n")
        return 1
    yield Sleep(min(total, FOREVER_SECONDS))
    return 0


def ps(process: Process, _: Sequence[str]) -> Running:
    """The container's own process, a shell if there is one, and itself."""
    running = [process.surroundings.command_line, *process.started, "ps"]
    rows = [f"{1 + 7 * index:5} root      0:00 {line}\n" for index, line in enumerate(running)]
    yield say("PID   USER     TIME  COMMAND\n" + "".join(rows))
    return 0


def kill(_: Process, words: Sequence[str]) -> Running:
    """`kill 1` ends the container; a SIGKILL from inside does nothing to its first process, as in Linux."""
    signals = [word for word in words if word.startswith("-")]
    for number in (word for word in words if not word.startswith("-")):
        if number != "1":
            yield complain(f"kill: can't kill pid {number}: No such process\n")
            return 1
        if not {"-9", "-KILL", "-0"} & set(signals):
            yield EndContainer()
    return 0


def stty(process: Process, words: Sequence[str]) -> Running:
    """`stty size`: rows and columns."""
    if not process.is_terminal:
        yield complain("stty: standard input\n")
        return 1
    columns, rows = yield Size()
    yield say(f"{rows} {columns}\n" if words[:1] == ["size"] else f"rows {rows}; columns {columns};\n")
    return 0


COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq,
    "-ne": operator.ne,
    "-lt": operator.lt,
    "-le": operator.le,
    "-gt": operator.gt,
    "-ge": operator.ge,
}


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+", text) is not None


def test(process: Process, words: Sequence[str]) -> Running:
    """`test -e FILE`, `test A = B` and their like; also as `[ ... ]`."""
    yield from ()
    files = process.surroundings.files
    match [word for word in words if word != "]"]:
        case ["!", *rest]:
            return 0 if (yield from test(process, rest)) else 1
        case [("-e" | "-f" | "-d" | "-s" | "-r") as what, name]:
            path = process.path(name)
            holds = files.exists(path) and (what in ("-e", "-r") or files.is_folder(path) == (what == "-d"))
            holds = holds and (what != "-s" or bool(files.read(path)))
        case ["-n", text] | [text]:
            holds = bool(text)
        case ["-z", text]:
            holds = not text
        case [one, "=" | "==", other]:
            holds = one == other
        case [one, "!=", other]:
            holds = one != other
        case [one, sign, other] if sign in COMPARISONS and _is_number(one) and _is_number(other):
            holds = COMPARISONS[sign](int(one), int(other))
        case []:
            holds = False
        case _:
            yield complain(f"test: {' '.join(words)}: not known here\n")
            return 2
    return 0 if holds else 1
