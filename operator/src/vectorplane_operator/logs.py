"""One format for every log line, ours and those of the libraries below us, kopf's among them."""

from __future__ import annotations

import logging
import sys

import structlog

from vectorplane_operator.settings import LogFormat

_QUIET = ("kopf.objects", "aiohttp.access", "httpx", "httpcore", "asyncio")
"""Loggers that say one line per object or request: theirs begin at a warning."""


def _not_kopfs_watch(record: logging.LogRecord) -> bool:
    """False for what asyncio says of a watch of kopf that is cut off while it opens, at a stop."""
    message = record.getMessage()
    return not ("closing of asynchronous generator" in message and "infinite_watch" in message)


def configure(log_format: LogFormat, level: str) -> None:
    """Send all logging to standard error, as JSON or for the eye. What was set before goes."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[structlog.typing.Processor]
    if log_format == "json":
        final = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        final = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    handler.addFilter(_not_kopfs_watch)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))
