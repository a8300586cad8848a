"""Core: the words and signs of a script for the pretended shell, and what stands in words for something else.

    echo "$HOME"/$(date) $((1 + 2)) 2>&1 | head -1 && exit 3
    ---------- words --------------- --  --           signs: |  &&  ;  &  ( )  newline;  redirects: 2>& > >> <

Absent: globs, here-documents, and the less usual forms of ${...}; each is refused by name.
After: POSIX.1-2017, Shell Command Language, 2.3 and 2.6.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

BLANK = re.compile(r"[ \t]+|\\\n")
COMMENT = re.compile(r"#[^\n]*")
SIGN = re.compile(r"&&|\|\||[;|&\n()]")
REDIRECT = re.compile(r"[0-9]?(?:>>|>&|<<|>|<)")
PLAIN = re.compile(r"[^\s'\"\\;&|<>()`$]+")
VARIABLE = re.compile(r"\$(?:(\w+|[?$#@*])|\{(#?)(\w+|[?#@*])(?:(:?-)([^}]*))?\})")


class SyntaxProblem(Exception):
    """The script means nothing to this shell; the text says why."""


class Kind(Enum):
    """What a piece of a word is: itself, a variable, the output of a script, the value of a sum."""

    TEXT = "text"
    VARIABLE = "variable"
    SCRIPT = "script"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word; what stands for something else is split into words where it is not quoted."""

    kind: Kind
    text: str
    is_quoted: bool = False


Word = tuple[Piece, ...]
Token = str | Word


def plain(word: Word) -> str:
    """The text of a word without quotes and values; nothing for another, which is never reserved."""
    return word[0].text if len(word) == 1 and word[0].kind is Kind.TEXT and not word[0].is_quoted else ""


def tokens(script: str) -> list[Token]:
    """Signs and redirects as texts, words as tuples of pieces."""
    found: list[Token] = []
    position = 0
    while position < len(script):
        if match := BLANK.match(script, position) or COMMENT.match(script, position):
            position = match.end()
        elif match := REDIRECT.match(script, position) or SIGN.match(script, position):
            if match[0].endswith("<<"):
                raise SyntaxProblem('"<<" is not known here')
            found.append(match[0])
            position = match.end()
        else:
            word, position = _word(script, position)
            found.append(word)
    return found


def _word(script: str, position: int) -> tuple[Word, int]:
    pieces: list[Piece] = []
    while position < len(script):
        letter = script[position]
        if letter == "'":
            end = script.find("'", position + 1)
            if end < 0:
                raise SyntaxProblem("unterminated quoted string")
            pieces.append(Piece(Kind.TEXT, script[position + 1 : end], is_quoted=True))
            position = end + 1
        elif letter == '"':
            more, position = _double(script, position + 1)
            pieces += more
        elif letter == "\\" and script[position + 1 : position + 2] not in ("", "\n"):
            pieces.append(Piece(Kind.TEXT, script[position + 1], is_quoted=True))
            position += 2
        elif letter in "$`":
            piece, position = _value(script, position, is_quoted=False)
            pieces.append(piece)
        elif match := PLAIN.match(script, position):
            pieces.append(Piece(Kind.TEXT, match[0]))
            position = match.end()
        else:
            break
    if not pieces:
        raise SyntaxProblem(f'"{script[position]}" is not known here')
    return tuple(pieces), position


def _double(script: str, position: int) -> tuple[list[Piece], int]:
    """What stands between double quotes, and the position after them."""
    pieces = [Piece(Kind.TEXT, "", is_quoted=True)]
    while position < len(script):
        letter = script[position]
        if letter == '"':
            return pieces, position + 1
        if letter in "$`":
            piece, position = _value(script, position, is_quoted=True)
            pieces.append(piece)
            continue
        if letter == "\\" and script[position + 1 : position + 2] in ('"', "\\", "$", "`"):
            position += 1
        pieces.append(Piece(Kind.TEXT, script[position], is_quoted=True))
        position += 1
    raise SyntaxProblem("unterminated quoted string")


def _value(script: str, position: int, *, is_quoted: bool) -> tuple[Piece, int]:
    """A dollar or a backquote with what belongs to it."""
    if script.startswith("$((", position):
        end = _closing(script, position + 2)
        if script[end + 1 : end + 2] != ")":
            raise SyntaxProblem('unexpected ")"')
        return Piece(Kind.SUM, script[position + 3 : end], is_quoted), end + 2
    if script.startswith("$(", position):
        end = _closing(script, position + 1)
        return Piece(Kind.SCRIPT, script[position + 2 : end], is_quoted), end + 1
    if script[position] == "`":
        end = script.find("`", position + 1)
        if end < 0:
            raise SyntaxProblem("unterminated quoted string")
        return Piece(Kind.SCRIPT, script[position + 1 : end], is_quoted), end + 1
    if match := VARIABLE.match(script, position):
        return Piece(Kind.VARIABLE, match[0], is_quoted), match.end()
    if script.startswith("${", position):
        raise SyntaxProblem(f'"{script[position:].split("}")[0]}}}" is not known here')
    return Piece(Kind.TEXT, "$", is_quoted=True), position + 1


def _closing(script: str, position: int) -> int:
    """Where the parenthesis that opens at the position is closed."""
    depth, quote = 0, ""
    for index in range(position, len(script)):
        letter = script[index]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                return index
    raise SyntaxProblem("unexpected end of file")


def value_of(text: str, values: Mapping[str, str]) -> str:
    """What a variable stands for: $NAME, ${NAME}, ${#NAME}, ${NAME:-otherwise}."""
    match = VARIABLE.fullmatch(text)
    assert match is not None, f"{text} is no variable"
    name, counts, longer, sign, otherwise = match.groups()
    found = values.get(name or longer)
    if sign and (found is None or (sign == ":-" and not found)):
        found = otherwise
    return str(len(found or "")) if counts else found or ""


OPERATORS: Mapping[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda one, other: int(one / other),
    ast.Mod: lambda one, other: one - other * int(one / other),
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def sum_of(text: str, values: Mapping[str, str]) -> int:
    """The value of $((...)) in whole numbers; SyntaxProblem where it has none."""
    inner = VARIABLE.sub(lambda match: value_of(match[0], values) or "0", text)
    try:
        return _sum(ast.parse(inner.strip() or "0", mode="eval").body, values)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError) as error:
        why = "divide by zero" if isinstance(error, ZeroDivisionError) else "arithmetic syntax error"
        raise SyntaxProblem(why) from error


def _sum(node: ast.expr, values: Mapping[str, str]) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return int(values.get(name) or 0)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_sum(inner, values)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_sum(left, values), _sum(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in OPERATORS:
            return int(OPERATORS[type(sign)](_sum(left, values), _sum(right, values)))
    raise ValueError(ast.dump(node))
