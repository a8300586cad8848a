"""Core: sh: runs a script (-c), or the lines it reads, with a prompt where it has a terminal.

One command after the other: a pipe runs its left side to the end before the right side reads.
After: busybox ash, as far as shell_syntax.py goes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from kubelet.runtime.programs import shell_syntax
from kubelet.runtime.programs.files import NULL, FileProblem
from kubelet.runtime.programs.plumbing import Sink, Source, Streams, Target, ToFile, plumbed
from kubelet.runtime.programs.process import (
    INTERRUPTED,
    NOT_FOUND,
    Interrupted,
    Process,
    Read,
    Request,
    Running,
    complain,
)
from kubelet.runtime.programs.shell_syntax import Command, Pipeline, SyntaxProblem

SYNTAX_ERROR = 2
# Options of `sh` that change nothing here: a login shell, an interactive one.
IGNORED_OPTIONS = set("li")


class Exit(Exception):
    """`exit` was called; ends the shell, whatever it is in."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def sh(process: Process, words: Sequence[str]) -> Running:
    """`sh [-c SCRIPT]`; without a script the commands are read."""
    letters = words[0][1:] if words and words[0].startswith("-") else ""
    shell = Shell(process)
    try:
        if set(letters) - IGNORED_OPTIONS - {"c"}:
            yield complain(f"sh: -{letters}: not known here\n")
            return SYNTAX_ERROR
        if "c" in letters:
            if len(words) < 2:
                yield complain("sh: -c requires an argument\n")
                return SYNTAX_ERROR
            return (yield from shell.run(words[1]))
        if len(words) > (1 if letters else 0):
            yield complain(f"sh: can't open '{words[-1]}': No such file or directory\n")
            return SYNTAX_ERROR
        return (yield from shell.run_lines())
    except Exit as end:
        return end.code


@dataclass(slots=True)
class Shell:
    """A shell between two commands. `code` is what $? stands for."""

    process: Process
    code: int = 0

    def run_lines(self) -> Running:
        """Run each line that is read, until there are none; Ctrl-C ends the line, not the shell."""
        while True:
            try:
                if self.process.is_terminal:
                    yield complain(f"{self.process.directory} # ")
                line = yield Read(line=True)
                if not line:
                    return self.code
                yield from self.run(line.decode("utf-8", "replace"))
            except Interrupted:
                self.code = INTERRUPTED
                yield complain("\n")

    def run(self, script: str) -> Running:
        """Run a script; the exit code of its last command."""
        try:
            pipelines = shell_syntax.parse(script)
            shell_syntax.refuse_reserved(pipelines)
        except SyntaxProblem as problem:
            yield complain(f"sh: syntax error: {problem}\n")
            self.code = SYNTAX_ERROR
            return self.code
        for pipeline in pipelines:
            if pipeline.condition and (self.code == 0) != (pipeline.condition == "&&"):
                continue
            self.code = yield from self._pipeline(pipeline)
        return self.code

    def _pipeline(self, pipeline: Pipeline) -> Running:
        source: Source | None = None
        code = 0
        for index, command in enumerate(pipeline.commands):
            is_last = index == len(pipeline.commands) - 1
            sink = Sink()
            streams = Streams(source) if is_last else Streams(source, output=sink)
            code = yield from self._redirected(command, streams)
            source = Source(bytes(sink.data))
        return code

    def _redirected(self, command: Command, streams: Streams) -> Running:
        outer, files = (
            Streams(streams.source, streams.output, streams.errors),
            self.process.surroundings.files,
        )
        for redirect in command.redirects:
            target = self._word(redirect.target) or ""
            problem = self._redirect(streams, redirect.stream, redirect.sign, target)
            if problem:
                yield from plumbed(_complaining(f"sh: {problem}\n"), outer, files)
                return 1
        words = [text for word in command.words if (text := self._word(word)) is not None]
        if not words:
            return 0
        return (yield from plumbed(self._command(words), streams, files))

    def _redirect(self, streams: Streams, stream: int, sign: str, target: str) -> str:
        """Lead one stream elsewhere; why that cannot be, or nothing."""
        path = self.process.path(target)
        if sign == "<":
            try:
                streams.source = Source(self.process.surroundings.files.read(path))
            except FileProblem as problem:
                return f"can't open {target}: {problem}"
            return ""
        found: Target = None
        if sign == ">&":
            if target not in ("1", "2"):
                return f"bad file descriptor: {target}"
            found = streams.output if target == "1" else streams.errors
        elif path != NULL:
            try:
                self.process.surroundings.files.write(path, b"", appends=sign == ">>")
            except FileProblem as problem:
                return f"can't create {target}: {problem}"
            found = ToFile(path)
        if stream == 2:
            streams.errors = found
        else:
            streams.output = found
        return ""

    def _word(self, word: shell_syntax.Word) -> str | None:
        return shell_syntax.expand(word, self._values())

    def _values(self) -> dict[str, str]:
        return {**self.process.environment, "?": str(self.code), "$": "1", "PWD": self.process.directory}

    def _command(self, words: list[str]) -> Running:
        """A builtin, a program, or variables set for the commands to come."""
        assigned = list(takewhile(_is_assignment, words))
        if assigned == words:
            self.process.environment.update(_pair(word) for word in words)
            return 0
        if words[0] in BUILTINS:
            return (yield from BUILTINS[words[0]](self, words[1:]))
        if assigned:
            words = ["env", *words]
        program = self.process.find(words[0])
        if program is None:
            yield complain(f"sh: {words[0]}: not found\n")
            return NOT_FOUND
        inner = Process(
            self.process.surroundings,
            self.process.programs,
            dict(self.process.environment),
            self.process.is_terminal,
            self.process.directory,
            [*self.process.started, "sh"],
        )
        return (yield from program(inner, words[1:]))


def _complaining(text: str) -> Running:
    yield complain(text)
    return 1


def _is_assignment(word: str) -> bool:
    return "=" in word and word.partition("=")[0].isidentifier()


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _cd(shell: Shell, words: Sequence[str]) -> Running:
    name = words[0] if words else shell.process.environment.get("HOME", "/")
    path = shell.process.path(name)
    if not shell.process.surroundings.files.is_folder(path):
        yield complain(f"sh: cd: can't cd to {name}: No such file or directory\n")
        return 2
    shell.process.directory = path
    return 0


def _exit(shell: Shell, words: Sequence[str]) -> Generator[Request, Any, int]:
    if words and not words[0].isdecimal():
        yield complain(f"sh: exit: Illegal number: {words[0]}\n")
        raise Exit(SYNTAX_ERROR)
    raise Exit(int(words[0]) % 256 if words else shell.code)


def _export(shell: Shell, words: Sequence[str]) -> Running:
    shell.process.environment.update(_pair(word) for word in words if "=" in word)
    yield from ()
    return 0


def _nothing(_: Shell, __: Sequence[str]) -> Running:
    yield from ()
    return 0


BUILTINS = {"cd": _cd, "exit": _exit, "export": _export, ":": _nothing}
