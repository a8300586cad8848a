"""Core: what a line for the pretended shell means: commands, what joins them, where their streams lead.

    echo "$HOME" 2>&1 | head -1 && exit 3
    ---- words ------ -   -------  --

Known: quotes, $NAME, ${NAME}, $?, ; && || | and newlines, < > >> and their numbers, comments.
Absent: loops, conditions, functions, $(...), globs, background; each is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<space>[ \t]+ | \\\n)
      | (?P<comment>\#[^\n]*)
      | (?P<operator>&&|\|\||;|\||\n)
      | (?P<redirect>[0-9]?(?:>>|>&|>|<))
      | '(?P<single>[^']*)'
      | "(?P<double>(?:\\.|[^"\\])*)"
      | \\(?P<escaped>.)
      | (?P<plain>[^\s'"\\;&|<>()`]+)""",
    re.VERBOSE | re.DOTALL,
)
RESERVED = (
    "if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "esac",
    "function", "{", "}", "!",
)  # fmt: skip
VARIABLE = re.compile(r"\$(?:(\w+|\?|\$)|\{(\w+)\})")


class SyntaxProblem(Exception):
    """The line means nothing to this shell; the text says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word; `expands` where $NAME in it stands for a value."""

    text: str
    expands: bool
    is_quoted: bool


Word = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """`2>file` is (2, ">", file); `>&2` is (1, ">&", 2)."""

    stream: int
    sign: str
    target: Word


@dataclass(slots=True)
class Command:
    """One program with its words."""

    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)


@dataclass(slots=True)
class Pipeline:
    """Commands, each reading what the one before wrote. `condition`: "&&" or "||" before it, or nothing."""

    condition: str = ""
    commands: list[Command] = field(default_factory=lambda: [Command()])


def parse(script: str) -> list[Pipeline]:
    """The pipelines of a script; SyntaxProblem where it has something this shell does not know."""
    pipelines = [Pipeline()]
    pending: tuple[int, str] | None = None
    for token in _tokens(script):
        command = pipelines[-1].commands[-1]
        if isinstance(token, tuple) and pending is not None:
            command.redirects.append(Redirect(*pending, token))
            pending = None
        elif isinstance(token, tuple):
            command.words.append(token)
        elif pending is not None:
            raise SyntaxProblem(f"unexpected {_shown(token)}")
        elif token[-1] in "<>&" and token != "&&":
            sign = token.lstrip("0123456789")
            pending = int(token[: -len(sign)] or (0 if sign == "<" else 1)), sign
        else:
            _join(pipelines, token)
    if pending is not None or (pipelines[-1].condition and not _is_filled(pipelines[-1])):
        raise SyntaxProblem("unexpected end of file")
    return [each for each in pipelines if _is_filled(each)]


def _join(pipelines: list[Pipeline], sign: str) -> None:
    """Begin what follows an operator."""
    if sign == "\n" and not _is_filled(pipelines[-1]):
        return
    if not pipelines[-1].commands[-1].words:
        raise SyntaxProblem(f"unexpected {_shown(sign)}")
    if sign == "|":
        pipelines[-1].commands.append(Command())
    else:
        pipelines.append(Pipeline(sign if sign in ("&&", "||") else ""))


def _is_filled(pipeline: Pipeline) -> bool:
    return any(command.words or command.redirects for command in pipeline.commands)


def _shown(sign: str) -> str:
    return "newline" if sign == "\n" else f'"{sign}"'


def _tokens(script: str) -> list[str | Word]:
    """Operators as texts, words as tuples of pieces."""
    tokens: list[str | Word] = []
    pieces: list[Piece] = []
    position = 0

    def end_word() -> None:
        if pieces:
            tokens.append(tuple(pieces))
            pieces.clear()

    while position < len(script):
        found = TOKEN.match(script, position)
        if found is None:
            raise SyntaxProblem(_refusal(script[position:]))
        kind, text = str(found.lastgroup), str(found[found.lastgroup or 0])
        position = found.end()
        if pieces and (kind == "comment" or (kind == "redirect" and text[0].isdigit())):
            # In the middle of a word their first letter is one like others.
            position -= len(text) - 1
            kind, text = "plain", text[0]
        match kind:
            case "single" | "escaped":
                pieces.append(Piece(text, False, True))
            case "double" | "plain":
                pieces.append(_expanding(text, is_quoted=kind == "double"))
            case _:
                end_word()
                if kind in ("operator", "redirect"):
                    tokens.append(text)
    end_word()
    return tokens


def _expanding(text: str, *, is_quoted: bool) -> Piece:
    if is_quoted:
        if "$(" in text or "`" in text:
            raise SyntaxProblem("command substitution is not known here")
        # An escaped dollar is kept from standing for a value by the letter that no text has.
        text = re.sub(r'\\([\\"`$])', lambda found: "$\0" if found[1] == "$" else found[1], text)
    return Piece(text, True, is_quoted)


def _refusal(rest: str) -> str:
    if rest[0] in "'\"":
        return "unterminated quoted string"
    return f'"{rest[0]}" is not known here'


def first_word(command: Command) -> str:
    """The command's name where it is plain text, for what is reserved."""
    pieces = command.words[0]
    return pieces[0].text if len(pieces) == 1 and not pieces[0].is_quoted else ""


def expand(word: Word, values: dict[str, str]) -> str | None:
    """The word's text with values for names; None where nothing is left of what was not quoted."""
    text = "".join(
        VARIABLE.sub(lambda found: values.get(found[1] or found[2], ""), piece.text).replace("\0", "")
        if piece.expands
        else piece.text
        for piece in word
    )
    return text if text or any(piece.is_quoted for piece in word) else None


def refuse_reserved(pipelines: Sequence[Pipeline]) -> None:
    """SyntaxProblem for loops, conditions and functions."""
    for pipeline in pipelines:
        for command in pipeline.commands:
            if command.words and first_word(command) in RESERVED:
                raise SyntaxProblem(f'"{first_word(command)}" is not known here')
