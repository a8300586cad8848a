"""Core: what a script for the pretended shell means, as a tree.

    script    and-ors, each ended by ; & or a newline
    and-or    pipelines joined by && and ||
    command   words, or { script; }, ( script ), if, while, until, for;  each with redirects

Absent: case, select; refused by name.
After: POSIX.1-2017, Shell Command Language, 2.10.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kubelet.runtime.programs.shell_words import SyntaxProblem, Token, Word, plain, tokens

UNKNOWN = ("case", "esac", "function", "select")
# Words that end what was begun; anywhere else they are out of place.
ENDS = ("then", "elif", "else", "fi", "do", "done", "}")
SEPARATORS = (";", "&", "\n")


@dataclass(frozen=True, slots=True)
class Redirect:
    """`2>file` is (2, ">", file); `>&2` is (1, ">&", 2)."""

    stream: int
    sign: str
    target: Word


@dataclass(slots=True)
class Command:
    """What has redirects; a simple one has words."""

    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)


@dataclass(slots=True)
class Group(Command):
    """{ ... } or ( ... )."""

    body: Script = field(default_factory=list)
    is_apart: bool = False


@dataclass(slots=True)
class If(Command):
    """branches: conditions, and what is done where one holds."""

    branches: list[tuple[Script, Script]] = field(default_factory=list)
    otherwise: Script = field(default_factory=list)


@dataclass(slots=True)
class Loop(Command):
    """while, or until."""

    condition: Script = field(default_factory=list)
    body: Script = field(default_factory=list)
    is_until: bool = False


@dataclass(slots=True)
class For(Command):
    """for name in words."""

    name: str = ""
    body: Script = field(default_factory=list)


@dataclass(slots=True)
class Function(Command):
    """name() { ... }."""

    name: str = ""
    body: Command = field(default_factory=Command)


@dataclass(slots=True)
class Pipeline:
    """Commands, each reading what the one before wrote. condition: "&&" or "||" before it, or nothing."""

    commands: list[Command]
    condition: str = ""
    is_negated: bool = False


@dataclass(slots=True)
class AndOr:
    """Pipelines, each run if the one before ended as its condition says."""

    pipelines: list[Pipeline]
    is_background: bool = False


Script = list[AndOr]


def parse(script: str) -> Script:
    """The tree of a script; SyntaxProblem where it has something this shell does not know."""
    parser = _Parser(tokens(script))
    found = parser.script(())
    if parser.next is not None:
        raise parser.unexpected()
    return found


class _Parser:
    """Reads tokens from the first to the last."""

    def __init__(self, given: Sequence[Token]) -> None:
        self._tokens, self._position = given, 0

    @property
    def next(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    @property
    def next_plain(self) -> str:
        """The next word where it could be a reserved one."""
        return plain(self.next) if isinstance(self.next, tuple) else ""

    def take(self) -> Token:
        token = self.next
        if token is None:
            raise SyntaxProblem("unexpected end of file")
        self._position += 1
        return token

    def expect(self, *wanted: str) -> None:
        if self.next_plain not in wanted and self.next not in wanted:
            raise self.unexpected()
        self._position += 1

    def unexpected(self) -> SyntaxProblem:
        token = self.next
        if token is None:
            return SyntaxProblem("unexpected end of file")
        if isinstance(token, tuple):
            return SyntaxProblem(f'unexpected "{plain(token)}"' if plain(token) else "unexpected word")
        return SyntaxProblem("unexpected newline" if token == "\n" else f'unexpected "{token}"')

    def skip_newlines(self) -> None:
        while self.next == "\n":
            self._position += 1

    def script(self, ends: Sequence[str]) -> Script:
        """Up to one of the ends, or to that of all tokens."""
        found: Script = []
        while True:
            self.skip_newlines()
            if self.next is None or self.next in ends or self.next_plain in ends:
                return found
            found.append(self._and_or())
            if self.next in SEPARATORS:
                found[-1].is_background = self.take() == "&"
            elif self.next is not None and self.next not in ends:
                raise self.unexpected()

    def body(self, *ends: str) -> Script:
        """A script that is not empty."""
        found = self.script(ends)
        if not found:
            raise self.unexpected()
        return found

    def _and_or(self) -> AndOr:
        found = AndOr([self._pipeline()])
        while self.next in ("&&", "||"):
            condition = str(self.take())
            self.skip_newlines()
            found.pipelines.append(self._pipeline())
            found.pipelines[-1].condition = condition
        return found

    def _pipeline(self) -> Pipeline:
        is_negated = self.next_plain == "!"
        if is_negated:
            self.take()
        commands = [self._command()]
        while self.next == "|":
            self.take()
            self.skip_newlines()
            commands.append(self._command())
        return Pipeline(commands, is_negated=is_negated)

    def _command(self) -> Command:
        word = self.next_plain
        if word in UNKNOWN:
            raise SyntaxProblem(f'"{word}" is not known here')
        if word in ENDS:
            raise self.unexpected()
        if self.next == "(" or word in COMPOUND:
            command = self._group() if self.next == "(" else COMPOUND[word](self)
            while self._redirect(command):
                pass
            return command
        return self._simple()

    def _simple(self) -> Command:
        command = Command()
        while True:
            if isinstance(self.next, tuple):
                command.words.append(self.next)
                self._position += 1
            elif self.next == "(" and len(command.words) == 1 and plain(command.words[0]):
                return self._function(plain(command.words[0]))
            elif not self._redirect(command):
                break
        if not command.words and not command.redirects:
            raise self.unexpected()
        return command

    def _redirect(self, command: Command) -> bool:
        token = self.next
        if not isinstance(token, str) or token[-1] not in "<>&" or token in ("&", "&&"):
            return False
        self._position += 1
        target = self.take()
        if not isinstance(target, tuple):
            self._position -= 1
            raise self.unexpected()
        sign = token.lstrip("0123456789")
        stream = int(token[: -len(sign)] or (0 if sign == "<" else 1))
        command.redirects.append(Redirect(stream, sign, target))
        return True

    def _function(self, name: str) -> Command:
        self.expect("(")
        self.expect(")")
        self.skip_newlines()
        return Function(name=name, body=self._command())

    def _group(self) -> Command:
        is_apart = self.take() == "("
        end = ")" if is_apart else "}"
        body = self.body(end)
        self.expect(end)
        return Group(body=body, is_apart=is_apart)

    def _if(self) -> Command:
        found = If()
        while True:
            self.take()
            condition = self.body("then")
            self.expect("then")
            found.branches.append((condition, self.body("elif", "else", "fi")))
            if self.next_plain != "elif":
                break
        if self.next_plain == "else":
            self.take()
            found.otherwise = self.body("fi")
        self.expect("fi")
        return found

    def _loop(self) -> Command:
        is_until = self.next_plain == "until"
        self.take()
        condition = self.body("do")
        return Loop(condition=condition, body=self._do(), is_until=is_until)

    def _for(self) -> Command:
        self.take()
        name, words = self.take(), []
        if not isinstance(name, tuple) or not plain(name).isidentifier():
            raise SyntaxProblem("bad for loop variable")
        self.skip_newlines()
        if self.next_plain == "in":
            self.take()
            while isinstance(self.next, tuple):
                words.append(self.next)
                self._position += 1
        if self.next in (";", "\n"):
            self.take()
        self.skip_newlines()
        return For(words=words, name=plain(name), body=self._do())

    def _do(self) -> Script:
        self.expect("do")
        body = self.body("done")
        self.expect("done")
        return body


COMPOUND = {
    "{": _Parser._group,
    "if": _Parser._if,
    "while": _Parser._loop,
    "until": _Parser._loop,
    "for": _Parser._for,
}
