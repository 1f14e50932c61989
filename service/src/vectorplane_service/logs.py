"""Logs: one JSON object (or one readable line) per event, of our own code and of every library.

Called once by whoever starts a process. Every line of a request carries its id, and the id of the
key that called; the key itself is nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_CHATTY = ("httpx", "httpcore", "hpack")
"""A line for each call to the store would drown the line for each request."""


def configure(level: str = "info", format: str = "json", stream: TextIO | None = None) -> None:
    """Send all logs to `stream` (standard error), through structlog and through logging alike."""
    target = sys.stderr if stream is None else stream
    number = _LEVELS[level]
    structlog.configure(
        processors=[*_first(), *_last(format, target)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Loggers(target, fast=format == "json" and number <= logging.INFO),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler(format, target)]
    root.setLevel(number)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


class RequestLines:
    """The lines of requests: what structlog would write, at a third of its cost. Those of one turn
    of the loop go out in one write."""

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._held: list[bytes] = []

    def write(self, line: dict[str, Any]) -> None:
        """One event of level info, without level and time."""
        line["level"] = "info"
        line["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._held.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        if len(self._held) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        held, self._held = self._held, []
        self._target.write(b"".join(held).decode())
        self._target.flush()


class _Loggers(structlog.WriteLoggerFactory):
    """structlog's factory, with what writes the lines of requests to the same place."""

    def __init__(self, target: TextIO, *, fast: bool) -> None:
        super().__init__(file=target)
        self.request_lines = RequestLines(target) if fast else None


def request_lines() -> RequestLines | None:
    """What writes the lines of requests as logs are configured; None where structlog does."""
    return getattr(structlog.get_config()["logger_factory"], "request_lines", None)


def handler(format: str = "json", stream: TextIO | None = None) -> logging.Handler:
    """What writes the lines of libraries, in the same format."""
    target = sys.stderr if stream is None else stream
    found = logging.StreamHandler(target)
    found.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_first(), structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_last(format, target),
            ],
        )
    )
    return found


def _first() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _last(format: str, target: TextIO) -> list[Processor]:
    if format == "json":
        return [structlog.processors.format_exc_info, _as_json]
    return [structlog.dev.ConsoleRenderer(colors=target.isatty())]


def _as_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
