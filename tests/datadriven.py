"""Runs text tests: files of `command arguments`, input lines, `----`, expected output.

A case file holds blocks separated by blank lines:

    command word key=value
    optional input, any number of lines
    ----
    the exact output

Output that itself holds blank lines is fenced: `----` twice before it and twice after it.
`pytest --rewrite` writes what the code said; the diff is the review. After: cockroachdb/datadriven,
as etcd-io/raft uses it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(slots=True)
class Case:
    """One block: the command, its positional and key=value arguments, the input text, and where it stands."""

    command: str
    args: list[str]
    options: dict[str, str]
    input: str
    expected: str
    line: int
    header: list[str] = field(default_factory=list)

    def option(self, name: str, default: str) -> str:
        return self.options.get(name, default)


def parse(text: str) -> list[Case]:
    """The cases of one file, with the comment lines before each kept for rewriting."""
    lines = text.split("\n")
    cases: list[Case] = []
    header: list[str] = []
    i = 0
    while i < len(lines):
        if not lines[i].strip() or lines[i].startswith("#"):
            header.append(lines[i])
            i += 1
            continue
        start = i
        words = shlex.split(lines[i])
        body: list[str] = []
        i += 1
        while i < len(lines) and lines[i] != "----":
            body.append(lines[i])
            i += 1
        assert i < len(lines), f"line {start + 1}: no ---- after {lines[start]!r}"
        i += 1
        expected: list[str] = []
        if i < len(lines) and lines[i] == "----":
            i += 1
            while lines[i : i + 2] != ["----", "----"]:
                assert i < len(lines), f"line {start + 1}: the fenced output never ends"
                expected.append(lines[i])
                i += 1
            i += 2
        else:
            while i < len(lines) and lines[i] != "":
                expected.append(lines[i])
                i += 1
        options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        args = [word for word in words[1:] if "=" not in word]
        case = Case(words[0], args, options, "\n".join(body), "\n".join(expected), start + 1, header)
        case.header = [*header, lines[start]]
        cases.append(case)
        header = []
    return cases


def run(path: Path, request: pytest.FixtureRequest, handle: Callable[[Case], str]) -> None:
    """Feed every case of the file to `handle`; compare, or rewrite the file under --rewrite."""
    cases = parse(path.read_text())
    rewrite = bool(request.config.getoption("--rewrite"))
    written: list[str] = []
    for case in cases:
        actual = handle(case).rstrip("\n")
        if not rewrite:
            where = f"{path.name}:{case.line}: {case.header[-1]}"
            assert actual == case.expected, f"{where}\n--- expected\n{case.expected}\n--- actual\n{actual}"
        fenced = "\n\n" in actual or actual.startswith("\n")
        output = f"----\n----\n{actual}\n----\n----" if fenced else f"----\n{actual}".rstrip("\n")
        written.append("\n".join([*case.header, *([case.input] if case.input else []), output]))
    if rewrite:
        path.write_text("\n".join(written) + "\n")
