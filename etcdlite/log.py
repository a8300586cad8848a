"""Shell: one line a fact on stderr: `time level component logger message key=value`.

The store has its own few lines of this, for it shares nothing with the rest of the house; they look like the
others' lines all the same, so that logs of all processes can be read as one.
"""

from __future__ import annotations

import logging
import sys
from time import gmtime
from typing import Any

FORMAT = "time=%(asctime)s.%(msecs)03dZ level=%(level)s component=%(component)s logger=%(name)s %(message)s"


class _Formatter(logging.Formatter):
    def __init__(self, component: str) -> None:
        super().__init__(FORMAT, "%Y-%m-%dT%H:%M:%S")
        self.converter = gmtime
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        record.level, record.component = record.levelname.lower(), self._component
        return super().format(record)


def configure(component: str, level: str) -> None:
    """Write log lines of this level and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(component))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class Logger:
    """A constant message and its facts."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"etcdlite.{name}")

    def info(self, message: str, **facts: Any) -> None:
        self._logger.info(_line(message, facts))

    def warning(self, message: str, **facts: Any) -> None:
        self._logger.warning(_line(message, facts))

    def error(self, message: str, **facts: Any) -> None:
        self._logger.error(_line(message, facts))


def logger(name: str) -> Logger:
    """The logger of a part of the store."""
    return Logger(name)


def _line(message: str, facts: dict[str, Any]) -> str:
    return " ".join([f'msg="{message}"', *(f"{name}={_quoted(value)}" for name, value in facts.items())])


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if " " in text or not text else text
