"""Core: sh: runs a script (-c), or the lines it reads, with a prompt where it has a terminal.

One thing after the other: a pipe runs its left side to the end before the right side reads, and what was put
in the background runs when it is waited for. Each round of a loop lets others have their turn (Breathe), so
that one that asks for nothing holds nobody up.
After: busybox ash, as far as shell_syntax.py goes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from kubelet.runtime.programs import shell_syntax
from kubelet.runtime.programs.files import NULL, FileProblem
from kubelet.runtime.programs.plumbing import Sink, Source, Streams, Target, ToFile, plumbed
from kubelet.runtime.programs.process import (
    INTERRUPTED,
    NOT_FOUND,
    Breathe,
    Interrupted,
    Process,
    Read,
    Request,
    Running,
    complain,
)
from kubelet.runtime.programs.shell_builtins import (
    BUILTINS,
    SYNTAX_ERROR,
    Exit,
    LeaveLoop,
    Return,
    State,
    pair_of,
)
from kubelet.runtime.programs.shell_syntax import Command, For, Function, Group, If, Loop, Pipeline, Script
from kubelet.runtime.programs.shell_words import Kind, SyntaxProblem, Word, sum_of, value_of

# Options of `sh` that change nothing here: a login shell, an interactive one.
IGNORED_OPTIONS = set("liuxe")
# Deeper calls of functions, and scripts in scripts, are refused.
DEPTH_MAX = 50


def sh(process: Process, words: Sequence[str]) -> Running:
    """`sh [-c SCRIPT [NAME ARGUMENT ...] | FILE]`; without a script the commands are read."""
    letters = words[0][1:] if words and words[0].startswith("-") else ""
    rest = list(words[1:] if letters else words)
    shell = Shell(process, stops_on_failure="e" in letters)
    try:
        if set(letters) - IGNORED_OPTIONS - {"c"}:
            yield complain(f"sh: -{letters}: not known here\n")
            return SYNTAX_ERROR
        if "c" in letters:
            if not rest:
                yield complain("sh: -c requires an argument\n")
                return SYNTAX_ERROR
            shell.arguments = rest[1:]
            return (yield from shell.run(rest[0]))
        if rest:
            shell.arguments = rest
            return (yield from shell.run_file(rest[0]))
        return (yield from shell.run_lines())
    except Exit as end:
        return end.code


@dataclass(slots=True)
class Shell(State):
    """A shell between two commands. arguments: $0, $1 ...; jobs: what was put in the background; guards: in
    how many conditions it is, where a failure ends nothing.
    """

    arguments: list[str] = field(default_factory=list)
    functions: dict[str, Command] = field(default_factory=dict)
    jobs: list[Script] = field(default_factory=list)
    guards: int = 0
    depth: int = 0

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

    def run_file(self, name: str) -> Running:
        try:
            script = self.process.surroundings.files.read(self.process.path(name))
        except FileProblem as problem:
            yield complain(f"sh: can't open '{name}': {problem}\n")
            return SYNTAX_ERROR
        return (yield from self.run(script.decode("utf-8", "replace")))

    def run(self, script: str) -> Running:
        """Run a script; the exit code of its last command."""
        try:
            yield from self._script(shell_syntax.parse(script))
        except SyntaxProblem as problem:
            yield complain(f"sh: syntax error: {problem}\n")
            self.code = SYNTAX_ERROR
        except (LeaveLoop, Return):
            # Outside of loops and functions they end the script.
            return self.code
        return self.code

    def wait(self) -> Running:
        """Run what was put in the background, in order."""
        while self.jobs:
            yield from self._script(self.jobs.pop(0))
        return self.code

    def _script(self, script: Script) -> Running:
        self.depth += 1
        try:
            if self.depth > DEPTH_MAX:
                raise SyntaxProblem("too deep")
            for each in script:
                if each.is_background:
                    self.jobs.append([shell_syntax.AndOr(each.pipelines)])
                    self.code = 0
                    continue
                yield from self._and_or(each.pipelines)
        finally:
            self.depth -= 1
        return self.code

    def _and_or(self, pipelines: Sequence[Pipeline]) -> Running:
        for pipeline in pipelines:
            if pipeline.condition and (self.code == 0) != (pipeline.condition == "&&"):
                continue
            is_last = pipeline is pipelines[-1]
            self.guards += not is_last
            try:
                code = yield from self._pipeline(pipeline)
            finally:
                self.guards -= not is_last
            self.code = int(code == 0) if pipeline.is_negated else code
            if (
                self.code
                and is_last
                and self.stops_on_failure
                and not self.guards
                and not pipeline.is_negated
            ):
                raise Exit(self.code)
        return self.code

    def _pipeline(self, pipeline: Pipeline) -> Running:
        source: Source | None = None
        code = 0
        for index, command in enumerate(pipeline.commands):
            is_last = index == len(pipeline.commands) - 1
            sink = Sink()
            streams = Streams(source) if is_last else Streams(source, output=sink)
            running = self._redirected(command, streams)
            code = yield from (running if len(pipeline.commands) == 1 else _until_exit(running))
            source = Source(bytes(sink.data))
        return code

    def _redirected(self, command: Command, streams: Streams) -> Running:
        outer, files = (
            Streams(streams.source, streams.output, streams.errors),
            self.process.surroundings.files,
        )
        for redirect in command.redirects:
            target = "".join((yield from self._words([redirect.target])))
            problem = self._redirect(streams, redirect.stream, redirect.sign, target)
            if problem:
                yield from plumbed(_complaining(f"sh: {problem}\n"), outer, files)
                return 1
        return (yield from plumbed(self._command(command), streams, files))

    def _redirect(self, streams: Streams, stream: int, sign: str, target: str) -> str:
        """Lead one stream elsewhere; why that cannot be, or nothing."""
        path = self.process.path(target)
        files = self.process.surroundings.files
        if sign == "<":
            try:
                streams.source = Source(files.read(path))
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
                files.write(path, b"", appends=sign == ">>")
            except FileProblem as problem:
                return f"can't create {target}: {problem}"
            found = ToFile(path)
        if stream == 2:
            streams.errors = found
        else:
            streams.output = found
        return ""

    def _command(self, command: Command) -> Running:
        match command:
            case Group(body=body, is_apart=is_apart):
                return (yield from (self.copy()._apart(body) if is_apart else self._script(body)))
            case If(branches=branches, otherwise=otherwise):
                for condition, body in branches:
                    if (yield from self._condition(condition)) == 0:
                        return (yield from self._script(body))
                self.code = 0
                return (yield from self._script(otherwise))
            case Loop():
                return (yield from self._loop(command))
            case For():
                return (yield from self._for(command))
            case Function(name=name, body=body):
                self.functions[name] = body
                return 0
        words = yield from self._words(command.words)
        return (yield from self.simple(words)) if words else 0

    def _condition(self, script: Script) -> Running:
        self.guards += 1
        try:
            return (yield from self._script(script))
        finally:
            self.guards -= 1

    def _loop(self, loop: Loop) -> Running:
        code = 0
        while ((yield from self._condition(loop.condition)) == 0) is not loop.is_until:
            yield Breathe()
            try:
                code = yield from self._script(loop.body)
            except LeaveLoop as leave:
                code = 0
                if self._leaves(leave):
                    break
        self.code = code
        return code

    def _for(self, loop: For) -> Running:
        self.code = 0
        for word in (yield from self._words(loop.words)):
            self.process.environment[loop.name] = word
            yield Breathe()
            try:
                yield from self._script(loop.body)
            except LeaveLoop as leave:
                if self._leaves(leave):
                    break
        return self.code

    def _leaves(self, leave: LeaveLoop) -> bool:
        """Whether this loop ends; raises again for those around it."""
        self.code = 0
        if leave.loops > 1:
            raise LeaveLoop(leave.loops - 1, goes_on=leave.goes_on)
        return not leave.goes_on

    def copy(self) -> Shell:
        """A shell whose variables and folder are its own."""
        process = self.process
        inner = Process(
            process.surroundings,
            process.programs,
            dict(process.environment),
            process.is_terminal,
            process.directory,
            process.started,
        )
        functions = dict(self.functions)
        return Shell(
            inner, self.code, self.stops_on_failure, self.arguments, functions, [], self.guards, self.depth
        )

    def _apart(self, script: Script) -> Running:
        return (yield from _until_exit(self._script(script)))

    def _words(self, words: Sequence[Word]) -> Generator[Request, Any, list[str]]:
        """The words with values in place of what stands for them, split where that is not quoted."""
        found: list[str] = []
        for word in words:
            current: str | None = None
            for piece in word:
                if piece.kind is Kind.TEXT:
                    current = (current or "") + piece.text
                    continue
                value = yield from self._value(piece.kind, piece.text)
                if piece.is_quoted:
                    current = (current or "") + value
                    continue
                for number, part in enumerate(value.split()):
                    if number or (value[:1].isspace() and current is not None):
                        found.append(current or "")
                        current = None
                    current = (current or "") + part
                if value[-1:].isspace() and current is not None:
                    found.append(current)
                    current = None
            if current is not None:
                found.append(current)
        return found

    def _value(self, kind: Kind, text: str) -> Generator[Request, Any, str]:
        if kind is Kind.VARIABLE:
            return value_of(text, self._values())
        if kind is Kind.SUM:
            return str(sum_of(text, self._values()))
        sink, inner = Sink(), self.copy()
        running = inner._apart(shell_syntax.parse(text))
        self.code = yield from plumbed(running, Streams(output=sink), self.process.surroundings.files)
        return bytes(sink.data).decode("utf-8", "replace").rstrip("\n")

    def _values(self) -> dict[str, str]:
        given = self.arguments[1:]
        numbered = {str(number): text for number, text in enumerate(self.arguments or ["sh"])}
        every = {"@": " ".join(given), "*": " ".join(given), "#": str(len(given))}
        own = {"?": str(self.code), "$": "1", "PWD": self.process.directory}
        return {**self.process.environment, **numbered, **every, **own}

    def simple(self, words: list[str]) -> Running:
        """A function, a builtin, a program, or variables set for the commands to come."""
        assigned = list(takewhile(_is_assignment, words))
        if assigned == words:
            self.process.environment.update(pair_of(word) for word in words)
            return 0
        if words[0] in self.functions:
            return (yield from self._call(self.functions[words[0]], words))
        if words[0] == "wait":
            return (yield from self.wait())
        if words[0] == "exec":
            raise Exit((yield from self.simple(words[1:])) if words[1:] else 0)
        if words[0] in BUILTINS:
            return (yield from BUILTINS[words[0]](self, words[1:]))
        if assigned:
            words = ["env", *words]
        program = self.process.find(words[0])
        if program is None:
            yield complain(f"sh: {words[0]}: not found\n")
            return NOT_FOUND
        inner = self.copy().process
        inner.started = [*self.process.started, "sh"]
        return (yield from program(inner, words[1:]))

    def _call(self, function: Command, words: list[str]) -> Running:
        outer, self.arguments = self.arguments, words
        try:
            return (yield from self._script([shell_syntax.AndOr([Pipeline([function])])]))
        except Return as end:
            return end.code
        finally:
            self.arguments = outer


def _until_exit(running: Running) -> Running:
    """Of a shell within a shell, `exit` ends only the inner one."""
    try:
        return (yield from running)
    except Exit as end:
        return end.code


def _complaining(text: str) -> Running:
    yield complain(text)
    return 1


def _is_assignment(word: str) -> bool:
    return "=" in word and word.partition("=")[0].isidentifier()
