"""Core: pretended programs that change files: mkdir, rm, rmdir, touch, cp, mv, tee."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from kubelet.runtime.programs.files import FileProblem
from kubelet.runtime.programs.process import Process, Read, Running, Write, complain


def options(words: Sequence[str]) -> tuple[set[str], list[str]]:
    """The letters of the options, and the other words; `--` ends the options."""
    letters: set[str] = set()
    rest = list(words)
    names: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            return letters, names + rest
        if word.startswith("-") and word != "-":
            letters |= set(word[1:])
        else:
            names.append(word)
    return letters, names


def mkdir(process: Process, words: Sequence[str]) -> Running:
    """`mkdir [-p] FOLDER ...`."""
    letters, names = options(words)
    files, code = process.surroundings.files, 0
    for name in names:
        path = process.path(name)
        try:
            if "p" in letters:
                files.make_folders(path)
            else:
                files.make_folder(path)
        except FileProblem as problem:
            yield complain(f"mkdir: can't create directory '{name}': {problem}\n")
            code = 1
    return code


def rm(process: Process, words: Sequence[str]) -> Running:
    """`rm [-rf] FILE ...`."""
    letters, names = options(words)
    files, code = process.surroundings.files, 0
    for name in names:
        path = process.path(name)
        if "f" in letters and not files.exists(path):
            continue
        try:
            if files.is_folder(path) and not letters & set("rR"):
                raise FileProblem("is a directory")
            files.remove(path, tree=True)
        except FileProblem as problem:
            yield complain(f"rm: can't remove '{name}': {problem}\n")
            code = 1
    return code


def rmdir(process: Process, words: Sequence[str]) -> Running:
    """`rmdir FOLDER ...`."""
    files, code = process.surroundings.files, 0
    for name in options(words)[1]:
        path = process.path(name)
        try:
            if files.exists(path) and not files.is_folder(path):
                raise FileProblem("Not a directory")
            files.remove(path)
        except FileProblem as problem:
            yield complain(f"rmdir: '{name}': {problem}\n")
            code = 1
    return code


def touch(process: Process, words: Sequence[str]) -> Running:
    """`touch FILE ...`."""
    files, code = process.surroundings.files, 0
    for name in options(words)[1]:
        path = process.path(name)
        try:
            if not files.exists(path):
                files.write(path, b"")
        except FileProblem as problem:
            yield complain(f"touch: {name}: {problem}\n")
            code = 1
    return code


def cp(process: Process, words: Sequence[str]) -> Running:
    """`cp [-r] SOURCE ... TARGET`."""
    return (yield from _carry(process, "cp", words))


def mv(process: Process, words: Sequence[str]) -> Running:
    """`mv SOURCE ... TARGET`."""
    return (yield from _carry(process, "mv", words))


def tee(process: Process, words: Sequence[str]) -> Running:
    """`tee [-a] FILE ...`."""
    letters, names = options(words)
    files, code = process.surroundings.files, 0
    for name in names:
        try:
            files.write(process.path(name), b"", appends="a" in letters)
        except FileProblem as problem:
            yield complain(f"tee: {name}: {problem}\n")
            return 1
    while data := (yield Read()):
        yield Write(data)
        for name in names:
            try:
                files.write(process.path(name), data, appends=True)
            except FileProblem as problem:
                yield complain(f"tee: {name}: {problem}\n")
                code = 1
    return code


def _carry(process: Process, program: str, words: Sequence[str]) -> Running:
    letters, names = options(words)
    files = process.surroundings.files
    if len(names) < 2:
        yield complain(f"{program}: missing file operand\n")
        return 1
    *sources, target = names
    code = 0
    for name in sources:
        source, goal = process.path(name), process.path(target)
        if files.is_folder(goal):
            goal = files.path(goal, posixpath.basename(source))
        try:
            if files.is_folder(source) and program == "cp" and not letters & set("rRa"):
                raise FileProblem("omitting directory")
            _copy(process, source, goal)
            if program == "mv":
                files.remove(source, tree=True)
        except FileProblem as problem:
            yield complain(f"{program}: '{name}': {problem}\n")
            code = 1
    return code


def _copy(process: Process, source: str, goal: str) -> None:
    files = process.surroundings.files
    if not files.is_folder(source):
        files.write(goal, files.read(source))
        return
    if goal.startswith(f"{source}/"):
        raise FileProblem("cannot copy a directory into itself")
    names = files.entries(source)
    if not files.is_folder(goal):
        files.make_folder(goal)
    for name in names:
        _copy(process, files.path(source, name), files.path(goal, name))
