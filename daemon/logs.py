"""The log: for people on a terminal, for journald with its levels, as JSON lines elsewhere; never a secret in it.

Every record is one event and one sentence; what a machine should find stands beside it in `extra`::

    log.info("Held: every weight is inside its region.", extra={"decision": decision.id, "reason": "inside_region"})
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from daemon.secrets import Secret

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
MASK = "***"
SHORTEST_SECRET = 4
COLOURS = {
    logging.DEBUG: "\x1b[2m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
RESET = "\x1b[0m"
JOURNAL_LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
QUIET = ("aiohttp.access", "alembic", "asyncio", "ccxt", "sqlalchemy")
"""Libraries of which only warnings are worth a line."""


class Redactor:
    """Strikes known secrets out of any text, also where JSON, a URL or basic authentication has dressed them up."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()

    def protect(self, secrets: Iterable[Secret]) -> None:
        """Strike these out from now on."""
        forms = set(self._forms)
        for secret in secrets:
            plain = secret.reveal()
            if len(plain) >= SHORTEST_SECRET:
                encoded = base64.b64encode(plain.encode()).decode().rstrip("=")
                forms |= {plain, json.dumps(plain)[1:-1], repr(plain)[1:-1], quote(plain, safe=""), encoded}
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text


class _Formatter(logging.Formatter, ABC):
    """Shape a record, then strike out secrets: the last thing done to any text."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's final text."""
        return self._redact(self.shape(record))

    @abstractmethod
    def shape(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""

    # The parts are struck through too: once inside JSON, a message that held JSON already is escaped twice.

    def message(self, record: logging.LogRecord) -> str:
        """Return the sentence of a record."""
        return self._redact(record.getMessage())

    def extras(self, record: logging.LogRecord) -> Mapping[str, object]:
        """Return what the caller gave as `extra`."""
        given = {name: value for name, value in vars(record).items() if name not in STANDARD}
        return {name: self._redact(value) if isinstance(value, str) else value for name, value in given.items()}

    def trace(self, record: logging.LogRecord) -> str:
        """Return the traceback of a record; empty where there is none."""
        return self._redact(self.formatException(record.exc_info)) if record.exc_info else ""


class HumanFormatter(_Formatter):
    """A line for people: time, level where it matters, sentence, and the extra fields."""

    def __init__(self, redact: Redactor, *, colours: bool = False) -> None:
        super().__init__(redact)
        self._colours = colours

    def shape(self, record: logging.LogRecord) -> str:
        """Return the line, and a traceback below it."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        colour = COLOURS.get(record.levelno, "") if self._colours else ""
        line = f"{at}  {colour}{level}{self.message(record)}{RESET if colour else ''}"
        trace = self.trace(record)
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def shape(self, record: logging.LogRecord) -> str:
        """Return the object."""
        document: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
            **self.extras(record),
        }
        trace = self.trace(record)
        if trace:
            document["traceback"] = trace
        return json.dumps(document, default=str, ensure_ascii=False)


class JournalFormatter(_Formatter):
    """Lines that journald sorts by level; it takes each line for an entry of its own."""

    def shape(self, record: logging.LogRecord) -> str:
        """Return the lines, each with its level."""
        prefix = f"<{JOURNAL_LEVELS.get(record.levelno, 6)}>"
        fields = "".join(f" {name}={value}" for name, value in self.extras(record).items())
        text = f"{self.message(record)}{fields}"
        trace = self.trace(record)
        lines = (f"{text}\n{trace}" if trace else text).splitlines() or [""]
        return "\n".join(f"{prefix}{line}" for line in lines)


def choose(form: str, stream: TextIO, environment: Mapping[str, str]) -> str:
    """Return the form that `auto` stands for: journal under systemd, human on a terminal, JSON elsewhere."""
    if form != "auto":
        return form
    if _is_journal(stream, environment):
        return "journal"
    return "human" if stream.isatty() else "json"


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether systemd connected this very stream to the journal; $JOURNAL_STREAM is its device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def set_up(
    form: str = "auto", level: str = "info", stream: TextIO | None = None, environment: Mapping[str, str] | None = None
) -> Redactor:
    """Send every log record to one stream in one form; return what strikes out secrets.

    Warnings of Python and errors that nobody caught, in any thread, become records too.
    """
    stream = sys.stderr if stream is None else stream
    environment = os.environ if environment is None else environment
    redact = Redactor()
    chosen = choose(form, stream, environment)
    formatters = {"json": JsonFormatter, "journal": JournalFormatter}
    handler = logging.StreamHandler(stream)
    colours = stream.isatty() and "NO_COLOR" not in environment
    handler.setFormatter(
        formatters[chosen](redact) if chosen in formatters else HumanFormatter(redact, colours=colours)
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    return redact


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("daemon").critical(
        "stopped by an error nobody caught: %s", kind.__name__, exc_info=(kind, error or kind(), trace)
    )
