"""JSON logs without patient data, and the audit trail among them."""

import json
import logging
import sys
from datetime import UTC, datetime

AUDIT = "lesionmap.audit"
_LOUD = ("pydicom", "pynetdicom", "highdicom", "dicomweb_client", "urllib3", "uvicorn", "asyncio")
"""Libraries whose messages can hold values from objects, addresses or headers."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line; of an exception, the type alone."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line | getattr(record, "fields", {}), default=str)


def set_up_logs(level: str = "INFO") -> None:
    """Send what LesionMAP says to stderr as JSON, and silence the libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    ours = logging.getLogger("lesionmap")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(level)
    logging.getLogger().addHandler(logging.NullHandler())
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def audit(event: str, **fields: object) -> None:
    """Write a line of the audit trail: who sent, what became of it, where results went."""
    logging.getLogger(AUDIT).info(event, extra={"fields": fields})
