"""Structured logs: one JSON object a line, with the id of the request that caused it."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")

_EXTRAS = ("method", "path", "status", "took_ms", "account", "job", "user")


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; exceptions stay on the line, as text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for one record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        line |= {name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
