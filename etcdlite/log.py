"""Shell: one line a fact on stderr: `time level component message key=value`.

The store has its own few lines of this, for it shares nothing with the rest of the house.
"""

from __future__ import annotations

import logging
import sys
from time import gmtime
from typing import Any

FORMAT = "ts=%(asctime)s.%(msecs)03dZ level=%(levelname)s logger=%(name)s %(message)s"


def configure(level: str) -> None:
    """Write log lines of this level and above to stderr."""
    logging.Formatter.converter = gmtime
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format=FORMAT, datefmt="%Y-%m-%dT%H:%M:%S", force=True
    )


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
