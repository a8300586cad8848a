"""Shell: one line a happening, `time level component logger message key=value ...` (logfmt), to stderr.

The message is constant and the fields vary, so that a search for the message finds every case of it.
Standard `logging` carries the records: libraries' warnings come out in the same form.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any


class Logger:
    """Logs constant messages with fields; made by `logger(name)`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, **fields: Any) -> None:
        self._log(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._log(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._log(logging.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._log(logging.ERROR, message, fields)

    def exception(self, message: str, **fields: Any) -> None:
        """Log an error with the traceback of the exception being handled."""
        self._log(logging.ERROR, message, fields, traceback=True)

    def _log(self, level: int, message: str, fields: dict[str, Any], *, traceback: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, extra={"fields": fields}, exc_info=traceback)


def logger(name: str) -> Logger:
    """Make a module's logger: every module has one named `log`."""
    return Logger(name)


def configure(component: str, level: str = "info") -> None:
    """Send everything of at least `level` to stderr in logfmt; libraries from `warning` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in ("httpx", "httpcore", "aiohttp.access", "uvicorn.access", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)


class LogfmtFormatter(logging.Formatter):
    """Writes a record as one logfmt line, a traceback (if any) below it."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        words: dict[str, Any] = {
            "time": at,
            "level": record.levelname.lower(),
            "component": self._component,
            "logger": record.name,
            "msg": record.getMessage(),
        }
        words.update(getattr(record, "fields", {}))
        line = " ".join(f"{key}={_quote(value)}" for key, value in words.items())
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _quote(value: Any) -> str:
    """Put a value into quotes where logfmt needs them."""
    text = str(value)
    if text and not any(character in text for character in ' "=\n\t\\'):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
