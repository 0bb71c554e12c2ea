"""What commands share: their options, the database they read, and how they show what they found."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from daemon.config import default_path, load
from daemon.config.types import parse_duration
from daemon.secrets import read_secret
from daemon.store.database import check_revision, open_engine
from daemon.store.errors import StoreRevisionError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from daemon.cli import Subparsers
    from daemon.config import Settings

WIDTH = 100


def command(subparsers: Subparsers, name: str, line: str, description: str, examples: str) -> ArgumentParser:
    """Add a command's parser: the line of the list, what it does, and examples."""
    return subparsers.add_parser(
        name,
        help=line,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=RawDescriptionHelpFormatter,
    )


def add_config(parser: ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config", metavar="PATH", type=Path, help="the configuration (default: $KEELWARD_CONFIG, else keelward.toml)"
    )


def add_json(parser: ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; numbers of money are strings")


def settings_of(args: Namespace) -> Settings:
    """Read the configuration that the options name."""
    return load(args.config or default_path())


def store_of(settings: Settings) -> Engine:
    """Return the database of a configuration, with its tables as this program needs them.

    Raises:
        StoreRevisionError: it has none yet, or others.
    """
    engine = engine_of(settings)
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    if file is not None and not Path(file).exists():
        raise StoreRevisionError(f"there is no database {file} yet: run `keelward db upgrade`, or `keelward run`")
    check_revision(engine)
    return engine


def engine_of(settings: Settings) -> Engine:
    """Return the database of a configuration, whatever is in it."""
    reference = settings.store.password
    password = None if reference is None else read_secret(reference, os.environ).reveal()
    return open_engine(settings.store.url, password)


def since(text: str) -> datetime:
    """Return the time that `--since` names: a duration back from now, or an ISO time (UTC without a zone)."""
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is neither a duration such as 24h nor a time such as 2026-05-01") from None
    return named if named.tzinfo is not None else named.replace(tzinfo=UTC)


def positive(text: str) -> int:
    """Return a count of at least one."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no count of at least 1")
    return int(text)


def say(text: str = "") -> None:
    """Print a line of the answer."""
    sys.stdout.write(f"{text}\n")


def say_json(value: Any) -> None:
    """Print the answer for scripts."""
    say(orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")


def moment(at: datetime | None) -> str:
    """Return a time for people, in UTC."""
    return "-" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def amount(value: Decimal | None, places: int = 2) -> str:
    """Return money for people, with thousands apart."""
    return "-" if value is None else f"{value:,.{places}f}"


def exact(value: Decimal | None) -> str:
    """Return a quantity or a price to its last digit."""
    return "-" if value is None else f"{value:f}"


def width() -> int:
    """Return how wide the answer may be."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table; its last column is clipped to the width.

    Args:
        heads: of the columns.
        rows: of cells.
        right: heads of the columns that are aligned right.
    """
    sizes = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    room = width()
    for row in (heads, *rows):
        cells = [
            cell.rjust(size) if head in right else cell.ljust(size)
            for head, cell, size in zip(heads, row, sizes, strict=True)
        ]
        line = "  ".join(cells).rstrip()
        say(line if len(line) <= room else f"{line[: room - 1]}…")
