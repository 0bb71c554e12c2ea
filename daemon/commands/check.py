"""`keelward check`: is everything in place to trade? Nothing is changed and nothing is sent."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from daemon.commands.common import (
    add_config,
    add_json,
    command,
    engine_of,
    say,
    say_json,
    settings_of,
    store_of,
)
from daemon.config import config_hash, default_path
from daemon.exits import Exit
from daemon.secrets import SecretError, read_secret
from daemon.store.errors import StoreError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.cli import Subparsers
    from daemon.config import Settings

EXAMPLES = """  keelward check --config my.toml
  keelward check --json | jq '.checks[] | select(.ok | not)'"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "check",
        "check configuration, secrets and database without trading",
        "Check that the configuration is right, its secrets can be read and its database is ready.\n"
        "Exits with 78 for a bad configuration and with 1 where something else is missing.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look at everything, and say what is wrong with all of it at once."""
    settings = settings_of(args)
    checks = [*_configuration(settings, args.config or default_path()), *_secrets(settings), *_database(settings)]
    if args.json:
        say_json({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            say(f"{'ok   ' if check.ok else 'WRONG'}  {check.name:<14} {check.detail}")
    return Exit.OK if all(check.ok for check in checks) else Exit.FAILED


def _configuration(settings: Settings, path: Path) -> Iterator[Check]:
    yield Check("configuration", ok=True, detail=f"{path}, hash {config_hash(settings)}")
    assets = ", ".join(settings.portfolio.assets)
    hedge = f", hedged with {settings.hedge.instrument}" if settings.hedge.enabled else ""
    yield Check("portfolio", ok=True, detail=f"{settings.portfolio.name}: {assets}{hedge}")
    money = "REAL MONEY" if settings.is_live else "simulated"
    yield Check("venue", ok=True, detail=f"{settings.venue.exchange}, account {settings.venue.account}, {money}")


def _secrets(settings: Settings) -> Iterator[Check]:
    references = {
        "api_key": settings.venue.api_key,
        "secret": settings.venue.secret,
        "passphrase": settings.venue.passphrase,
        "password": settings.store.password,
    }
    for name, reference in references.items():
        if reference is not None:
            try:
                read_secret(reference, os.environ)
            except SecretError as error:
                yield Check(name, ok=False, detail=str(error))
            else:
                yield Check(name, ok=True, detail=f"read from {reference.place}")


def _database(settings: Settings) -> Iterator[Check]:
    try:
        store_of(settings).dispose()
    except (StoreError, SecretError) as error:
        yield Check("database", ok=False, detail=str(error))
    else:
        shown = engine_of(settings).url.render_as_string(hide_password=True)
        yield Check("database", ok=True, detail=shown)
