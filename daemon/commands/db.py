"""`keelward db`: the tables, made and checked. The daemon never migrates by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.commands.common import add_config, add_json, command, engine_of, say, say_json, settings_of, store_of
from daemon.exits import Exit
from daemon.store import schema
from daemon.store.database import check_integrity, reading, writing
from daemon.store.errors import StoreRevisionError
from daemon.store.lease import lock_for
from migrations import revisions

if TYPE_CHECKING:
    import argparse

    from sqlalchemy import Engine

    from daemon.cli import Subparsers

EXAMPLES = """  keelward db upgrade --config my.toml     make the tables, or bring them up to date
  keelward db check --config my.toml       are they sound, and the ones this program needs?"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "db",
        "upgrade or check the database",
        "Make the tables, bring them to this program's revision, or check them. Back up before an upgrade.",
        EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    lines = {
        "upgrade": "bring the tables to this program's revision, all or nothing",
        "check": "compare the tables with this program's, and look for damage",
        "downgrade": "bring the tables back to an older revision; what only newer tables hold is lost",
    }
    for name, line in lines.items():
        action = actions.add_parser(name, help=line, description=line)
        add_config(action)
        add_json(action)
        if name == "downgrade":
            action.add_argument("revision", choices=["base", *revisions.known()], help="the revision to go back to")
            action.add_argument("--yes", action="store_true", required=True, help="confirm that data may be lost")


def run(args: argparse.Namespace) -> int:
    """Upgrade, check or downgrade."""
    settings = settings_of(args)
    engine = store_of(settings) if args.action == "check" else engine_of(settings)
    actions = {"upgrade": _upgrade, "check": _check, "downgrade": _downgrade}
    try:
        return actions[args.action](engine, args)
    finally:
        engine.dispose()


def _upgrade(engine: Engine, args: argparse.Namespace) -> int:
    return _migrate(engine, args, "head")


def _downgrade(engine: Engine, args: argparse.Namespace) -> int:
    return _migrate(engine, args, args.revision)


def _migrate(engine: Engine, args: argparse.Namespace, target: str) -> int:
    lock = lock_for(engine.url.database if engine.dialect.name == "sqlite" else None)
    if lock is not None:
        lock.acquire()
    try:
        with writing(engine) as connection:
            before = revisions.current(connection)
            if before is not None and before not in revisions.known():
                raise StoreRevisionError(f"the tables are at revision {before}, which is newer than this program")
            if target == "head":
                revisions.upgrade(connection)
            else:
                revisions.downgrade(connection, target)
            after = revisions.current(connection)
    finally:
        if lock is not None:
            lock.release()
    if args.json:
        say_json({"before": before, "after": after})
    else:
        say(f"already at revision {after}" if before == after else f"revision {before or 'none'} → {after or 'none'}")
    return Exit.OK


def _check(engine: Engine, args: argparse.Namespace) -> int:
    with reading(engine) as connection:
        differences = revisions.differences(connection, schema.metadata)
    damage = check_integrity(engine)
    if args.json:
        say_json({"revision": revisions.head(), "differences": differences, "damage": damage})
    else:
        say(f"revision {revisions.head()}")
        for line in differences:
            say(f"differs: {line}")
        for line in damage:
            say(f"damaged: {line}")
        if not differences and not damage:
            say("sound")
    return Exit.FAILED if differences or damage else Exit.OK
