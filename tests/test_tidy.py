"""The house rules that no linter knows: docstrings, reading orders, names, paths in documents, queues."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "apiserver",
    "cli",
    "controllers",
    "deploy",
    "etcdlite",
    "kube",
    "kubelet",
    "metrics_server",
    "proxy",
    "scheduler",
)
GENERATED = ROOT / "etcdlite" / "pb"
# What a core may not import (the import contracts check the same for those they list).
SHELL_MODULES = {
    "asyncio",
    "time",
    "random",
    "uuid",
    "logging",
    "grpc",
    "httpx",
    "fastapi",
    "socket",
    "aiohttp",
}
BANNED_NAMES = {"utils", "util", "helper", "helpers", "common", "misc", "impl", "base_class"}
QUEUES = {"Queue", "PriorityQueue", "LifoQueue"}
DOCUMENTS = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("[!.]*/*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("tests/**/*.md"),
    )
    if not path.is_relative_to(ROOT / ".venv")
)


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (path for path in (ROOT / package).rglob("*.py") if not path.is_relative_to(GENERATED))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


SOURCES = sorted(sources())
MODULES = [path for path in SOURCES if path.name != "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_whether_it_is_core_or_shell(path: Path) -> None:
    tree = tree_of(path)
    docstring = ast.get_docstring(tree) or ""
    assert docstring.startswith(("Core: ", "Shell: ")), "the first word of the docstring is Core: or Shell:"
    if docstring.startswith("Core: "):
        assert not SHELL_MODULES & set(imported(tree)), "a core sees no clock, chance, task or wire"


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level names of the modules a file imports when it runs."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def test_names_do_not_apologise() -> None:
    assert [
        name_of(path) for path in SOURCES if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES
    ] == []


def test_every_queue_has_a_bound() -> None:
    unbounded = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {f"asyncio.{queue}" for queue in QUEUES}
        and not node.args
        and not any(keyword.arg == "maxsize" for keyword in node.keywords)
    ]
    assert unbounded == []


def test_an_assert_does_nothing_but_look() -> None:
    """Asserts stay on, yet a reader may skip them: they await nothing and assign nothing."""
    acting = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Assert)
        and any(isinstance(each, ast.Await | ast.NamedExpr | ast.Yield) for each in ast.walk(node.test))
    ]
    assert acting == []


def test_no_fixme_and_no_todo_without_an_issue() -> None:
    marks = re.compile(r"FIXME|TODO(?! ?\(?#\d+)")
    assert [name_of(path) for path in SOURCES if marks.search(path.read_text())] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_reading_order_names_every_file_and_no_other(package: str) -> None:
    readme = (ROOT / package / "README.md").read_text()
    section = readme.split("## Reading order", 1)[1].split("\n## ", 1)[0]
    words = [word for text in re.findall(r"`([^`\s]+)`", section) for word in alternatives(text)]
    named = {word for word in words if "." in word or (ROOT / package / word).exists()}
    missing = [name for name in sorted(named) if not is_there(package, name)]
    assert missing == [], "named, but not there"
    files = [path for path in MODULES if path.is_relative_to(ROOT / package)]
    unnamed = [name_of(path) for path in files if not is_named(path.relative_to(ROOT / package), named)]
    assert unnamed == [], "there, but not named"


def alternatives(text: str) -> list[str]:
    """`a/{b,c}.py` names two files."""
    match = re.fullmatch(r"(.*)\{(.*)\}(.*)", text)
    return [match[1] + middle + match[3] for middle in match[2].split(",")] if match else [text]


def is_there(package: str, name: str) -> bool:
    """Whether a file of the package is meant; a folder may be left out, and `*` stands for any."""
    folder = ROOT / package
    return (folder / name).exists() or (ROOT / name).exists() or any(folder.rglob(Path(name).name))


def is_named(path: Path, named: set[str]) -> bool:
    """By its path, its name, or a folder above it."""
    parents = {f"{parent}/" for parent in path.parents} | {str(parent) for parent in path.parents}
    patterns = (word for word in named if "*" in word)
    return bool(
        str(path) in named
        or path.name in named
        or parents & named
        or any(path.match(pattern) for pattern in patterns)
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_has_one_title_and_names_what_exists(path: Path) -> None:
    text = re.sub(r"^(```.*?^```|(?: {4}.*\n)+)", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1
    assert not re.search(r"\.py(:\d+|#L\d+)", text), "a line number is wrong tomorrow"
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), f"{target} does not exist"


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=name_of)
def test_a_decision_has_a_status(path: Path) -> None:
    assert re.search(r"^(## Status|Status:)", path.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    "folder",
    [path for path in sorted((ROOT / "controllers").iterdir()) if (path / "__init__.py").exists()],
    ids=name_of,
)
def test_a_controller_decides_in_plan_and_acts_in_controller(folder: Path) -> None:
    assert (folder / "plan.py").exists()
    assert (folder / "controller.py").exists()


def test_asserts_are_never_switched_off() -> None:
    scripts = [path for path in (ROOT / "deploy").iterdir() if path.is_file()]
    optimised = re.compile(r"python\S* (?:\S+ )*-OO?\b|PYTHONOPTIMIZE")
    assert [name_of(path) for path in scripts if optimised.search(path.read_text())] == []
